//! A record in a segment:
//!
//! ```text
//! checksum  u32    of all that follows, up to the blanks
//! head      u16    kind << 12 | length of the payload
//! payload
//! blank            up to a whole word
//! ```
//!
//! The checksum begins with where the record belongs: sector, segment, generation and place, so
//! that what is left of anything else is no record here. Numbers are little-endian words, but for
//! those before entries, which are written as in the log, seven bits a byte.

use super::medium::BLANK;
use crate::checksum::crc32;
use crate::node_set::NodeSet;
use crate::quorum::Membership;
use crate::storage::Identity;
use crate::types::{Ballot, ClusterId, Index, NodeId, Nonce, Position, Snapshot, Term};

/// What is none, and not blank.
pub(super) const UNREADABLE: u8 = 0;
/// The first of a segment: its number, its generation, and how long the buffer is.
pub(super) const OPENING: u8 = 1;
/// A state: the first words of [`Kept`].
pub(super) const STATE: u8 = 2;
/// All of [`Kept`].
pub(super) const IDENTITY: u8 = 3;
/// A position, behind which the log begins.
pub(super) const BASE: u8 = 4;
/// A snapshot, and in which slot it is.
pub(super) const SNAPSHOT: u8 = 5;
/// What comes together in the other slot, and of how many sectors that is sure: they are full, or,
/// while nothing comes together, erased.
pub(super) const STAGE: u8 = 6;
/// Entries after a position: term, index, `committed`, entries.
pub(super) const ENTRIES: u8 = 7;
/// Entries that follow those of the record before, as far from `committed` as those.
pub(super) const ENTRIES_ON: u8 = 8;

pub(super) const HEAD_BYTES: usize = 6;
/// The longest payload.
pub(super) const PAYLOAD_BYTES_MAX: usize = 0xFFF;
/// Of entries the most that is none: a position, `committed`.
pub(super) const ENTRIES_OVERHEAD_MAX: usize = 5 + 9 + 9;
pub(super) const OPENING_BYTES: usize = 12;
pub(super) const STATE_BYTES: usize = 16;
pub(super) const IDENTITY_BYTES: usize = 32;
pub(super) const PLACED_BYTES: usize = 24;

/// What counts, in words: a counter, which is higher in newer ones; the generation that counts,
/// which is the number of its first segment; two words of the ballot; and those of the identity.
pub(super) type Kept = [u32; KEPT_BYTES / 4];
pub(super) const KEPT_BYTES: usize = STATE_BYTES + IDENTITY_BYTES;

/// A snapshot in words, and a number that goes with it.
pub(super) type Placed = [u32; PLACED_BYTES / 4];

pub(super) fn ballot_words(ballot: Ballot) -> [u32; 2] {
    let vote = ballot.vote.map_or(NodeId::LIMIT, |vote| vote.0);
    [ballot.term.0, u32::from_le_bytes([vote, u8::from(ballot.admitted), ballot.losses, 1])]
}

/// `None` if there was none yet.
pub(super) fn ballot_of(term: u32, rest: u32) -> Option<Ballot> {
    let [vote, admitted, losses, is_there] = rest.to_le_bytes();
    let vote = Some(NodeId(vote)).filter(|vote| vote.is_valid());
    let ballot = Ballot { term: Term(term), vote, admitted: admitted != 0, losses };
    (is_there != 0).then_some(ballot)
}

pub(super) fn identity_words(identity: &Identity) -> [u32; IDENTITY_BYTES / 4] {
    let Identity { cluster, id, nonce, membership, settings } = *identity;
    let [low, high] = halves(cluster.0);
    let Membership { incoming, outgoing, learners } = membership;
    let (incoming, outgoing, learners) = (incoming.bits(), outgoing.bits(), learners.bits());
    [low, high, id.0.into(), nonce.0, settings, incoming, outgoing, learners]
}

pub(super) fn identity_of(words: &[u32; IDENTITY_BYTES / 4]) -> Identity {
    let &[low, high, id, nonce, settings, incoming, outgoing, learners] = words;
    let [id, ..] = id.to_le_bytes();
    let (incoming, outgoing) = (NodeSet::of_bits(incoming), NodeSet::of_bits(outgoing));
    let membership = Membership { incoming, outgoing, learners: NodeSet::of_bits(learners) };
    Identity {
        cluster: ClusterId(whole(low, high)),
        id: NodeId(id),
        nonce: Nonce(nonce),
        membership,
        settings,
    }
}

pub(super) fn placed_words(snapshot: &Snapshot, number: u32) -> Placed {
    let Snapshot { last, bytes, checksum } = *snapshot;
    let [term, low, high] = position_words(last);
    [term, low, high, bytes, checksum, number]
}

pub(super) fn snapshot_of([term, low, high, bytes, checksum, _]: &Placed) -> Snapshot {
    let last = position_of([*term, *low, *high]);
    Snapshot { last, bytes: *bytes, checksum: *checksum }
}

/// Whether it is a snapshot: none ends at the beginning.
pub(super) const fn is_there(placed: &Placed) -> bool {
    !matches!(placed, [_, 0, 0, ..])
}

pub(super) fn position_words(position: Position) -> [u32; 3] {
    let [low, high] = halves(position.index.0);
    [position.term.0, low, high]
}

pub(super) fn position_of([term, low, high]: [u32; 3]) -> Position {
    Position { term: Term(term), index: Index(whole(low, high)) }
}

pub(super) fn halves(number: u64) -> [u32; 2] {
    let half = |number: u64| u32::try_from(number & 0xFFFF_FFFF).unwrap_or_default();
    [half(number), half(number >> 32)]
}

fn whole(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

/// What the sums of a segment's records begin with.
pub(super) fn seed(sector: usize, names: [u32; 2]) -> u32 {
    // No flash has more sectors than that.
    sum(u32::try_from(sector).unwrap_or_default(), names)
}

/// The checksum of two numbers, behind something else.
pub(super) fn sum(before: u32, numbers: [u32; 2]) -> u32 {
    numbers.iter().fold(before, |before, number| crc32(before, &number.to_le_bytes()))
}

/// What the sum of the record at this place in a segment begins with.
fn placed(seed: u32, at: usize) -> u32 {
    seed ^ u32::try_from(at).unwrap_or_default()
}

/// Fills in what stands before a payload of this length and behind it, in a record that is to stand
/// there. `None` if it does not fit.
pub(super) fn finish(
    seed: u32,
    at: usize,
    (kind, length): (u8, usize),
    record: &mut [u8],
) -> Option<()> {
    let (end, head) = (HEAD_BYTES + length, u16::try_from(length).ok()?);
    let head = head | u16::from(kind) << 12;
    blank(record.get_mut(end..)?);
    record.get_mut(4..)?.first_chunk_mut::<2>()?.copy_from_slice(&head.to_le_bytes());
    let checksum = crc32(placed(seed, at), record.get(4..end)?);
    record.first_chunk_mut::<4>()?.copy_from_slice(&checksum.to_le_bytes());
    Some(())
}

/// The head of what may be a record. `None` if it is none.
pub(super) fn read_head(bytes: &[u8]) -> Option<u16> {
    let head = u16::from_le_bytes(*bytes.get(4..)?.first_chunk()?);
    (OPENING..=ENTRIES_ON).contains(&kind_of(head)).then_some(head)
}

pub(super) const fn kind_of(head: u16) -> u8 {
    let [_, high] = head.to_le_bytes();
    high >> 4
}

/// How long the payload is.
pub(super) const fn length_of(head: u16) -> usize {
    (head & 0xFFF) as usize
}

/// Whether a record, from its beginning to the end of its payload, belongs there and is whole.
pub(super) fn is_sound(seed: u32, at: usize, record: &[u8]) -> bool {
    record
        .split_first_chunk()
        .is_some_and(|(sum, rest)| u32::from_le_bytes(*sum) == crc32(placed(seed, at), rest))
}

/// The numbers that these bytes begin with. `None` if there are too few.
pub(super) fn words<const COUNT: usize>(bytes: &[u8]) -> Option<[u32; COUNT]> {
    let mut words = [0; COUNT];
    take_words(bytes, &mut words).map(|()| words)
}

/// Takes the numbers that these bytes begin with. `None` if there are too few.
pub(super) fn take_words(mut bytes: &[u8], words: &mut [u32]) -> Option<()> {
    for word in words {
        let (taken, following) = bytes.split_first_chunk()?;
        (*word, bytes) = (u32::from_le_bytes(*taken), following);
    }
    Some(())
}

/// Puts numbers behind the room for a record's head. `None` if there is no room.
pub(super) fn put_payload(buffer: &mut [u8], words: &[u32]) -> Option<()> {
    put_words(buffer.get_mut(HEAD_BYTES..)?, words)
}

/// Puts numbers one behind the other. `None` if there is no room.
pub(super) fn put_words(mut buffer: &mut [u8], words: &[u32]) -> Option<()> {
    for word in words {
        let (bytes, following) = buffer.split_first_chunk_mut()?;
        (*bytes, buffer) = (word.to_le_bytes(), following);
    }
    Some(())
}

/// Makes bytes blank.
#[inline(never)]
pub(super) fn blank(bytes: &mut [u8]) {
    for byte in bytes {
        // Seen through, this would become a call of memset, which is longer than all this.
        *byte = core::hint::black_box(BLANK);
    }
}
