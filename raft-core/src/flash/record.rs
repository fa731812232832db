//! A record in the ring:
//!
//! ```text
//! head      u16    kind << 12 | length of the payload
//! checksum  u32    of head and payload
//! payload
//! blank            up to a whole word
//! ```
//!
//! The checksum begins with the generation, the segment and the place in it, so that what is left
//! of anything else is no record here. Numbers are little-endian; those in a payload are written as
//! in the log, seven bits a byte, but for those of a fixed length that the kinds name.

use super::FlashError;
use super::medium::{BLANK, put, sum, word};
use super::slots::Placed;
use crate::checksum::crc32;
use crate::number::{Reader, Writer};
use crate::types::{Index, Position, Snapshot, Term};

/// The first record of a segment: `u32` where the records of the one before end and, after a start,
/// the record that stood there last: kind, payload.
pub(super) const OPENING: u8 = 1;
/// Entries that follow those of the record before: `committed`, entries.
pub(super) const ENTRIES: u8 = 2;
/// The same after a position: term, index, `committed`, entries.
pub(super) const ENTRIES_AFTER: u8 = 3;
/// The same as far from `committed` as the record before, so that only entries are in it.
pub(super) const ENTRIES_ON: u8 = 8;
/// A base: term, index.
pub(super) const BASE: u8 = 4;
/// A snapshot: term, index, length, checksum, the number of its stage.
pub(super) const SNAPSHOT: u8 = 5;
/// Nothing; what stood before it can't be read.
pub(super) const LOST: u8 = 7;
/// In a ballot sector, the record that was found last in the ring: `u32` its segment, `u32` its
/// place there, kind, payload.
pub(super) const TAIL: u8 = 6;

pub(super) const HEAD_BYTES: usize = 6;
/// The longest payload.
pub(super) const PAYLOAD_BYTES_MAX: usize = 0xFFF;
/// What an opening, or a tail, is before the record in it: a head, one number or two, and a kind.
pub(super) const OPENING_COPY_AT: usize = HEAD_BYTES + 4;
pub(super) const TAIL_COPY_AT: usize = HEAD_BYTES + 8;
/// The longest position.
pub(super) const POSITION_BYTES_MAX: usize = 5 + 9;
/// How much longer than itself a record is at most where it stands in a tail.
pub(super) const COPY_BYTES_MAX: usize = 8 + 1 + ENTRIES_OVERHEAD_MAX;
/// Of entries the most that is none: a position, `committed`.
pub(super) const ENTRIES_OVERHEAD_MAX: usize = POSITION_BYTES_MAX + 9;
/// The longest payload that is no entry: a snapshot.
pub(super) const PLAIN_BYTES_MAX: usize = POSITION_BYTES_MAX + 15;

/// What the sums of a segment's records begin with, but for the place in it.
pub(super) fn seed(generation: u32, segment: u32) -> u32 {
    sum([generation, segment], &[])
}

/// What the sums of the record at this place begin with.
pub(super) fn placed<E>(seed: u32, at: usize) -> Result<u32, FlashError<E>> {
    let at = u32::try_from(at).map_err(|_| FlashError::BadRecord)?;
    Ok(seed.wrapping_add(at))
}

/// The head of a record.
pub(super) struct Head {
    pub(super) kind: u8,
    pub(super) length: usize,
    checksum: u32,
    before: u32,
}

impl Head {
    /// `None` if no record begins there.
    pub(super) fn read(begin: u32, bytes: &[u8]) -> Option<Self> {
        let [low, high, checksum @ ..] = bytes.first_chunk::<HEAD_BYTES>()?;
        let (kind, length) = (high >> 4, u16::from_le_bytes([*low, high & 0xF]));
        if !(OPENING..=ENTRIES_ON).contains(&kind) {
            return None;
        }
        let before = crc32(begin, &[*low, *high]);
        Some(Self { kind, length: usize::from(length), checksum: word(checksum, 0)?, before })
    }

    pub(super) fn fits(&self, payload: &[u8]) -> bool {
        crc32(self.before, payload) == self.checksum
    }
}

/// Writes the head before a payload of this length that stands behind it, and blanks what follows
/// it. `None` if it is too long.
pub(super) fn finish(begin: u32, kind: u8, length: usize, record: &mut [u8]) -> Option<()> {
    let length = u16::try_from(length).ok().filter(|length| length >> 12 == 0)?;
    let head = (u16::from(kind) << 12 | length).to_le_bytes();
    let end = HEAD_BYTES + usize::from(length);
    let checksum = crc32(crc32(begin, &head), record.get(HEAD_BYTES..end)?);
    put(record, 0, &head)?;
    put(record, 2, &checksum.to_le_bytes())?;
    record.get_mut(end..)?.fill(BLANK);
    Some(())
}

/// Writes numbers of a payload behind the room for a record's head; gives their length.
pub(super) fn payload(
    buffer: &mut [u8],
    write: impl FnOnce(&mut Writer<'_>) -> Option<()>,
) -> Option<usize> {
    let mut writer = Writer::new(buffer.get_mut(HEAD_BYTES..)?);
    write(&mut writer)?;
    Some(writer.used())
}

pub(super) fn write_position(writer: &mut Writer<'_>, position: Position) -> Option<()> {
    writer.number(u64::from(position.term.0))?;
    writer.number(position.index.0)
}

pub(super) fn read_position(reader: &mut Reader<'_>) -> Option<Position> {
    let term = Term(reader.word()?);
    let index = Index(reader.number()?);
    (index < Index::LIMIT).then_some(Position { term, index })
}

pub(super) fn write_placed(writer: &mut Writer<'_>, placed: &Placed) -> Option<()> {
    let Placed { snapshot: Snapshot { last, bytes, checksum }, number, .. } = *placed;
    write_position(writer, last)?;
    writer.number(u64::from(bytes))?;
    writer.number(u64::from(checksum))?;
    writer.number(u64::from(number))
}

pub(super) fn read_placed(payload: &[u8]) -> Option<Placed> {
    let mut reader = Reader(payload);
    let last = read_position(&mut reader)?;
    let snapshot = Snapshot { last, bytes: reader.word()?, checksum: reader.word()? };
    Some(Placed { snapshot, slot: false, number: reader.word()? })
}

/// What is committed, beside a position: how far it is from there, twice, and one more above it.
pub(super) fn distance(after: Index, committed: Index) -> u64 {
    let (above, below) = (committed.above(after), after.above(committed));
    if above > 0 { above * 2 + 1 } else { below * 2 }
}

/// What is so far from a position. `None` if nothing is.
pub(super) fn at_distance(after: Index, distance: u64) -> Option<Index> {
    let committed = match distance % 2 {
        0 => after.0.checked_sub(distance / 2)?,
        _ => after.0.checked_add(distance / 2)?,
    };
    Some(Index(committed))
}
