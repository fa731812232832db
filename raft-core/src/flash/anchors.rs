//! Identity, ballot and what of the ring counts, in two sectors, both programmed before a write
//! returns: a header, the tail, which is a record, and states, each in words of its own.
//!
//! The state with the highest counter counts. Each start writes both sectors anew, because nobody
//! knows what a power cut has touched in them. The first state of a sector stands there twice: only
//! where a second one follows was all before it programmed to its end, and only then is the other
//! sector erased. [`order`] says which one may be erased first.

use super::medium::{BLANK, Medium, Result, is_blank, padded, put, put_words, sum, word};
use super::{FlashError, VERSION};
use crate::checksum::crc32;
use crate::storage::Identity;
use crate::types::{Ballot, NodeId, Term};
use embedded_storage::nor_flash::NorFlash;

const MAGIC: [u8; 3] = *b"RFA";
/// ```text
/// magic     3      "RFA"
/// version   u8     of the whole format
/// tail      u16    length of the tail with its head, 0 if there is none
/// length    u8     of the identity
/// identity  53     as postcard has it, and blanks
/// checksum  u32
/// ```
pub(super) const HEADER_BYTES: usize = 64;
const SUM_AT: usize = HEADER_BYTES - 4;
const IDENTITY_AT: usize = 7;
/// ```text
/// counter   u32    of states, over both sectors
/// ballot    8      term u32, vote u8, admitted u8, losses u8, 1; all blank if there is none
/// first     u32    the first segment that counts, and `VOID`
/// generation u32   that it belongs to
/// checksum  u32    of sector, place, and all that
/// ```
pub(super) const STATE_BYTES: usize = 24;
const STATE_SUM_AT: usize = STATE_BYTES - 4;

/// What both sectors say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Kept {
    pub(super) identity: Identity,
    pub(super) ballot: Option<Ballot>,
    /// The first segment that counts.
    pub(super) first: u32,
    pub(super) generation: u32,
    /// Whether the segment behind the one that the tail names is being erased, so that nothing in
    /// it counts.
    pub(super) is_void: bool,
}

/// Says so. No segment has a number as high.
const VOID: u32 = 1 << 31;

/// Where states go.
#[derive(Default)]
pub(super) struct Anchors {
    /// Where the next state goes in each sector.
    ends: [usize; 2],
    /// Which sector takes the next state first: the one whose last state is the older one.
    turn: usize,
    /// The counter of the last state.
    pub(super) counter: u32,
    /// How long the tail is with its head, in both sectors.
    pub(super) tail_bytes: usize,
}

/// What one sector says.
#[derive(Default)]
struct View {
    /// What the header and the last state say.
    kept: Option<Kept>,
    counter: u32,
    /// How many states can be read.
    states: u32,
    /// Whether anything else stands behind the last of them.
    unclean: bool,
    tail_bytes: usize,
    /// Another version, if it says so.
    version: Option<u8>,
    blank: bool,
}

/// What is found at a start.
pub(super) enum Found {
    Blank,
    /// Neither sector is sure.
    Lost,
    Kept {
        kept: Kept,
        /// Which sector is to be written anew first. The other one is whole.
        first: usize,
        /// How long the tail of the other one is with its head.
        tail_bytes: usize,
    },
}

impl Anchors {
    /// Reads both sectors.
    pub(super) fn look<F: NorFlash>(&mut self, medium: &mut Medium<F>) -> Result<Found, F> {
        let views = [View::read(medium, 0)?, View::read(medium, 1)?];
        let [one, other] = &views;
        let newest = if one.counter > other.counter { one } else { other };
        let Some(kept) = newest.kept else {
            if let Some(version) = one.version.or(other.version) {
                return Err(FlashError::UnknownVersion(version));
            }
            return Ok(if one.blank || other.blank { Found::Blank } else { Found::Lost });
        };
        let Some(first) = order(one, other) else { return Ok(Found::Lost) };
        self.counter = newest.counter;
        let tail_bytes = if first == 0 { other.tail_bytes } else { one.tail_bytes };
        Ok(Found::Kept { kept, first, tail_bytes })
    }

    /// Writes both sectors anew, this one first; the other one is whole until then. The tail stands
    /// in the buffer with its head.
    pub(super) fn begin_both<F: NorFlash>(
        &mut self,
        medium: &mut Medium<F>,
        first: usize,
        kept: &Kept,
        buffer: &mut [u8],
    ) -> Result<(), F> {
        self.begin(medium, first, kept, buffer)?;
        self.begin_like_other(medium, 1 - first, kept, buffer)?;
        self.turn = first;
        Ok(())
    }

    /// Writes both sectors anew while both are whole.
    pub(super) fn begin_again<F: NorFlash>(
        &mut self,
        medium: &mut Medium<F>,
        kept: &Kept,
        buffer: &mut [u8],
    ) -> Result<(), F> {
        self.begin_like_other(medium, self.turn, kept, buffer)?;
        self.begin_like_other(medium, 1 - self.turn, kept, buffer)
    }

    /// Writes a state to both sectors.
    pub(super) fn write<F: NorFlash>(
        &mut self,
        medium: &mut Medium<F>,
        kept: &Kept,
        buffer: &mut [u8],
    ) -> Result<(), F> {
        for place in [self.turn, 1 - self.turn] {
            if self.is_full::<F>(place) {
                self.begin_like_other(medium, place, kept, buffer)?;
            } else {
                self.state(medium, place, kept, buffer)?;
            }
        }
        Ok(())
    }

    /// Writes one sector anew, ahead of time, if it has no room for another state. Says whether it
    /// had none.
    pub(super) fn maintain<F: NorFlash>(
        &mut self,
        medium: &mut Medium<F>,
        kept: &Kept,
        buffer: &mut [u8],
    ) -> Result<bool, F> {
        if !self.is_full::<F>(0) && !self.is_full::<F>(1) {
            return Ok(false);
        }
        // Always the older one, be it the other one that is full: see `order`.
        self.begin_like_other(medium, self.turn, kept, buffer)?;
        self.turn = 1 - self.turn;
        Ok(true)
    }

    /// Reads the tail of a sector into the buffer, with its head.
    pub(super) fn read_tail<F: NorFlash>(
        &self,
        medium: &mut Medium<F>,
        place: usize,
        buffer: &mut [u8],
    ) -> Result<(), F> {
        let tail = buffer.get_mut(..self.tail_bytes).ok_or(FlashError::BadRecord)?;
        medium.read(place * F::ERASE_SIZE + padded::<F>(HEADER_BYTES), tail)
    }

    /// Writes a sector anew with the tail of the other one, which must be read before.
    fn begin_like_other<F: NorFlash>(
        &mut self,
        medium: &mut Medium<F>,
        place: usize,
        kept: &Kept,
        buffer: &mut [u8],
    ) -> Result<(), F> {
        let other = 1 - place;
        // What is erased now must not be the only copy of a state that rotted in the other.
        let mut found = [0; STATE_BYTES];
        let end = self.ends.get(other).copied().unwrap_or_default();
        let last = end.saturating_sub(padded::<F>(STATE_BYTES));
        medium.read(other * F::ERASE_SIZE + last, &mut found)?;
        if read_state(other, last, &found).is_none() {
            return Err(FlashError::NotKept);
        }
        self.read_tail(medium, other, buffer)?;
        self.begin(medium, place, kept, buffer)
    }

    fn begin<F: NorFlash>(
        &mut self,
        medium: &mut Medium<F>,
        place: usize,
        kept: &Kept,
        buffer: &mut [u8],
    ) -> Result<(), F> {
        let base = place * F::ERASE_SIZE;
        let (header, tail) = (padded::<F>(HEADER_BYTES), padded::<F>(self.tail_bytes));
        medium.erase(base)?;
        if tail > 0 {
            let bytes = buffer.get_mut(..tail).ok_or(FlashError::BadRecord)?;
            bytes.get_mut(self.tail_bytes..).ok_or(FlashError::BadRecord)?.fill(BLANK);
            medium.program(base + header, bytes)?;
        }
        let bytes = buffer.get_mut(..header).ok_or(FlashError::BadRecord)?;
        write_header(&kept.identity, self.tail_bytes, bytes).ok_or(FlashError::BadRecord)?;
        medium.program(base, bytes)?;
        if let Some(end) = self.ends.get_mut(place) {
            *end = header + tail;
        }
        self.state(medium, place, kept, buffer)?;
        self.state(medium, place, kept, buffer)
    }

    /// Writes a state into one sector.
    fn state<F: NorFlash>(
        &mut self,
        medium: &mut Medium<F>,
        place: usize,
        kept: &Kept,
        buffer: &mut [u8],
    ) -> Result<(), F> {
        let counter = self.counter.checked_add(1).ok_or(FlashError::BadRecord)?;
        let end = self.ends.get_mut(place).ok_or(FlashError::BadRecord)?;
        let block = buffer.get_mut(..padded::<F>(STATE_BYTES)).ok_or(FlashError::BadRecord)?;
        block.fill(BLANK);
        let first = if kept.is_void { kept.first | VOID } else { kept.first };
        let written = put_words(block, 0, &[counter])
            .and_then(|()| put(block, 4, &bytes_of(kept.ballot)))
            .and_then(|()| put_words(block, 12, &[first, kept.generation]))
            .and_then(|()| state_sum(place, *end, block))
            .and_then(|sum| put_words(block, STATE_SUM_AT, &[sum]));
        written.ok_or(FlashError::BadRecord)?;
        medium.program(place * F::ERASE_SIZE + *end, block)?;
        *end += padded::<F>(STATE_BYTES);
        self.counter = counter;
        Ok(())
    }

    fn is_full<F: NorFlash>(&self, place: usize) -> bool {
        let end = self.ends.get(place).copied().unwrap_or(usize::MAX);
        end.saturating_add(padded::<F>(STATE_BYTES)) > F::ERASE_SIZE
    }
}

/// Which of two sectors may be erased first, whatever a power cut has left: the other one holds all
/// that ever counted. `None` if neither is sure of what it says last.
///
/// A sector is written to its end before the other one is erased or written. One that is not whole,
/// or has only one state, was being begun, and the other one was whole. If both look whole, the
/// power failed while a state was added, which harms none before it, or in the erasing of the one
/// that says less.
fn order(one: &View, other: &View) -> Option<usize> {
    let less = usize::from(other.counter < one.counter);
    Some(match (one, other) {
        (one, _) if one.kept.is_none() => 0,
        (_, other) if other.kept.is_none() => 1,
        (one, other) if (one.states < 2) != (other.states < 2) => usize::from(other.states < 2),
        // Both were being begun: nothing was ever promised.
        (one, _) if one.states < 2 => less,
        (one, other) if one.unclean && other.unclean => return None,
        (one, other) if one.unclean != other.unclean => usize::from(other.unclean),
        _ => less,
    })
}

impl View {
    fn read<F: NorFlash>(medium: &mut Medium<F>, place: usize) -> Result<Self, F> {
        let base = place * F::ERASE_SIZE;
        let mut view = Self::default();
        let mut header = [0; HEADER_BYTES];
        medium.read(base, &mut header)?;
        let Some((identity, tail_bytes)) = read_header(&header) else {
            // All of it is read, so that what is left of a sector is not taken for nothing.
            let version = header.get(3).copied();
            let other = header.starts_with(&MAGIC) && version != Some(VERSION);
            view.version = version.filter(|_| other);
            view.blank = is_blank(&header) && medium.is_blank(base)?;
            return Ok(view);
        };
        view.tail_bytes = tail_bytes;
        let mut at = padded::<F>(HEADER_BYTES) + padded::<F>(tail_bytes);
        while at + padded::<F>(STATE_BYTES) <= F::ERASE_SIZE {
            let mut block = [0; STATE_BYTES];
            medium.read(base + at, &mut block)?;
            if let Some((counter, ballot, first, generation)) = read_state(place, at, &block) {
                let (is_void, first) = (first & VOID != 0, first & !VOID);
                view.kept = Some(Kept { identity, ballot, first, generation, is_void });
                view.counter = counter;
                view.states += 1;
                view.unclean = false;
            } else {
                view.unclean |= !is_blank(&block);
            }
            at += padded::<F>(STATE_BYTES);
        }
        Ok(view)
    }
}

fn write_header(identity: &Identity, tail_bytes: usize, block: &mut [u8]) -> Option<()> {
    block.fill(BLANK);
    put(block, 0, &MAGIC)?;
    put(block, 3, &[VERSION])?;
    put(block, 4, &u16::try_from(tail_bytes).ok()?.to_le_bytes())?;
    let room = block.get_mut(IDENTITY_AT..SUM_AT)?;
    let length = u8::try_from(postcard::to_slice(identity, room).ok()?.len()).ok()?;
    put(block, IDENTITY_AT - 1, &[length])?;
    let sum = crc32(0, block.get(..SUM_AT)?);
    put_words(block, SUM_AT, &[sum])
}

/// Whose it is, and the length of its tail.
fn read_header(block: &[u8]) -> Option<(Identity, usize)> {
    let content = block.get(..SUM_AT)?;
    let sound = word(block, SUM_AT) == Some(crc32(0, content)) && content.starts_with(&MAGIC);
    match content.get(3..) {
        Some([VERSION, low, high, length, identity @ ..]) if sound => {
            let identity = postcard::from_bytes(identity.get(..usize::from(*length))?).ok()?;
            Some((identity, usize::from(u16::from_le_bytes([*low, *high]))))
        }
        _ => None,
    }
}

fn state_sum(place: usize, at: usize, block: &[u8]) -> Option<u32> {
    let (place, at) = (u32::try_from(place).ok()?, u32::try_from(at).ok()?);
    Some(sum([place, at], block.get(..STATE_SUM_AT)?))
}

/// Counter, ballot, first segment and generation.
fn read_state(place: usize, at: usize, block: &[u8]) -> Option<(u32, Option<Ballot>, u32, u32)> {
    if word(block, STATE_SUM_AT) != state_sum(place, at, block) {
        return None;
    }
    let ballot = block.get(4..12).and_then(ballot_of);
    // Numbers of segments begin at one, and nothing lives to see so many.
    let first = word(block, 12).filter(|first| (1..VOID - 1).contains(&(first & !VOID)))?;
    Some((word(block, 0)?, ballot, first, word(block, 16)?))
}

fn bytes_of(ballot: Option<Ballot>) -> [u8; 8] {
    let Some(Ballot { term, vote, admitted, losses }) = ballot else { return [BLANK; 8] };
    let [a, b, c, d] = term.0.to_le_bytes();
    [a, b, c, d, vote.map_or(NodeId::LIMIT, |vote| vote.0), u8::from(admitted), losses, 1]
}

fn ballot_of(bytes: &[u8]) -> Option<Ballot> {
    match bytes {
        [a, b, c, d, vote, admitted, losses, 1] => Some(Ballot {
            term: Term(u32::from_le_bytes([*a, *b, *c, *d])),
            vote: Some(NodeId(*vote)).filter(|vote| vote.is_valid()),
            admitted: *admitted == 1,
            losses: *losses,
        }),
        _ => None,
    }
}
