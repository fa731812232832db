//! Segments of one sector each, used one after the other, round and round:
//!
//! ```text
//! number    u32   of the segment: one more than that of the one before
//! erases    u32   how often this sector was erased
//! checksum  u32   of both; all three say that an erasing came to its end
//! records         each in words of its own, an opening first
//! ```
//!
//! A generation of segments begins with all of the log, and counts when the ballot sectors say so.
//! After a start the next segment is erased again, and its opening holds what was found last:
//! whatever was touched when the power failed can't be seen.

use super::FlashError;
use super::medium::{Medium, Result, padded, put_words, sum, word};
use super::record::{self, HEAD_BYTES, OPENING, OPENING_COPY_AT};
use embedded_storage::nor_flash::NorFlash;

pub(super) const HEADER_BYTES: usize = 12;
/// What the checksum of a header ends with.
const MAGIC: &[u8] = b"RFR";

/// Where records go.
#[derive(Clone, Copy, Default)]
pub(super) struct Ring {
    start: usize,
    pub(super) segments: u32,
    /// The first segment of the generation that counts.
    pub(super) first: u32,
    pub(super) generation: u32,
    /// The segment that was opened last; the one before `first` if none was.
    pub(super) head: u32,
    /// Where the records of that one end.
    pub(super) end: usize,
    /// What the sums of its records begin with.
    seed: u32,
    /// Whether more may be written into it.
    pub(super) is_open: bool,
    /// Up to this one segments are erased, and say so.
    pub(super) ready: u32,
    /// Whether nobody knows what was programmed into the next one since.
    pub(super) is_doubtful: bool,
    /// Whether nothing counts that stands there.
    pub(super) is_void: bool,
    /// The last segment that a start has read twice, and how often its sector was erased.
    pub(super) last_seen: (u32, Option<u32>),
}

impl Ring {
    pub(super) fn new(start: usize, segments: u32) -> Self {
        Self { start, segments, first: 1, ..Self::default() }
    }

    /// How many segments hold nothing that counts.
    pub(super) const fn free(&self) -> u32 {
        self.segments.saturating_add(self.first).saturating_sub(self.head).saturating_sub(1)
    }

    pub(super) fn at<F: NorFlash>(&self, segment: u32) -> usize {
        let place = segment.saturating_sub(1) % self.segments.max(1);
        self.start + place as usize * F::ERASE_SIZE
    }

    /// How many bytes are left in the head segment.
    pub(super) fn room<F: NorFlash>(&self) -> usize {
        if self.is_open { F::ERASE_SIZE.saturating_sub(self.end) } else { 0 }
    }

    /// Erases every segment: those of an earlier life are not to be looked at in vain.
    pub(super) fn wipe<F: NorFlash>(&mut self, medium: &mut Medium<F>) -> Result<(), F> {
        for segment in 1..=self.segments {
            medium.erase(self.at::<F>(segment))?;
        }
        self.forget();
        Ok(())
    }

    /// Nothing is known.
    pub(super) fn forget(&mut self) {
        *self = Self::new(self.start, self.segments);
    }

    /// Writes a record, whose payload stands behind the room for its head, into the head segment:
    /// one program operation.
    pub(super) fn write<F: NorFlash>(
        &mut self,
        medium: &mut Medium<F>,
        kind: u8,
        length: usize,
        buffer: &mut [u8],
    ) -> Result<(), F> {
        let size = padded::<F>(HEAD_BYTES + length);
        if size > self.room::<F>() {
            return Err(FlashError::BadRecord);
        }
        let begin = record::placed(self.seed, self.end)?;
        let record = buffer.get_mut(..size).ok_or(FlashError::BadRecord)?;
        record::finish(begin, kind, length, record).ok_or(FlashError::BadRecord)?;
        medium.program(self.at::<F>(self.head) + self.end, record)?;
        self.end += size;
        Ok(())
    }

    /// Goes on in the next segment, erasing it now if nobody did before. The buffer holds so many
    /// bytes at [`OPENING_COPY_AT`]: the kind and the payload of the record that was found last.
    pub(super) fn open<F: NorFlash>(
        &mut self,
        medium: &mut Medium<F>,
        copy_bytes: usize,
        buffer: &mut [u8],
    ) -> Result<(), F> {
        if self.free() == 0 {
            return Err(FlashError::NoRoom);
        }
        let segment = self.head + 1;
        if self.ready < segment || self.is_doubtful {
            self.prepare(medium, segment)?;
        }
        put_words(buffer, HEAD_BYTES, &[number(self.end)?]).ok_or(FlashError::BadRecord)?;
        self.seed = record::seed(self.generation, segment);
        (self.head, self.end, self.is_open) = (segment, padded::<F>(HEADER_BYTES), true);
        self.write(medium, OPENING, OPENING_COPY_AT - HEAD_BYTES + copy_bytes, buffer)
    }

    /// Erases one free segment ahead. Says whether there was one.
    pub(super) fn maintain<F: NorFlash>(&mut self, medium: &mut Medium<F>) -> Result<bool, F> {
        let ready = if self.is_doubtful { 0 } else { self.ready };
        let next = ready.max(self.head) + 1;
        if next >= self.first.saturating_add(self.segments) {
            return Ok(false);
        }
        self.prepare(medium, next)?;
        Ok(true)
    }

    /// How often the sector of a segment was erased, as far as it says so.
    pub(super) fn erases<F: NorFlash>(
        &self,
        medium: &mut Medium<F>,
        segment: u32,
    ) -> Result<Option<u32>, F> {
        let mut header = [0; HEADER_BYTES];
        medium.read(self.at::<F>(segment), &mut header)?;
        Ok(read_header(&header).map(|(_, erases)| erases))
    }

    fn prepare<F: NorFlash>(&mut self, medium: &mut Medium<F>, segment: u32) -> Result<(), F> {
        // What can't be read was erased at least once in each round.
        let rounds = segment.saturating_sub(1) / self.segments.max(1);
        let found = match self.last_seen {
            (last, erases) if last == segment => erases,
            _ => self.erases(medium, segment)?,
        };
        let erases = found.unwrap_or(rounds).saturating_add(1);
        let mut block = [super::medium::BLANK; super::medium::WORD_BYTES_MAX];
        let own = header_sum(segment, erases);
        put_words(&mut block, 0, &[segment, erases, own]).ok_or(FlashError::BadRecord)?;
        let block = block.get(..padded::<F>(HEADER_BYTES)).ok_or(FlashError::BadRecord)?;
        let at = self.at::<F>(segment);
        medium.erase(at)?;
        medium.program(at, block)?;
        self.ready = self.ready.max(segment);
        self.is_doubtful = false;
        Ok(())
    }
}

fn header_sum(segment: u32, erases: u32) -> u32 {
    sum([segment, erases], MAGIC)
}

/// The number of a segment, and how often its sector was erased.
pub(super) fn read_header(header: &[u8]) -> Option<(u32, u32)> {
    let (segment, erases) = (word(header, 0)?, word(header, 4)?);
    (word(header, 8)? == header_sum(segment, erases)).then_some((segment, erases))
}

pub(super) fn number<E>(at: usize) -> core::result::Result<u32, FlashError<E>> {
    u32::try_from(at).map_err(|_| FlashError::BadRecord)
}
