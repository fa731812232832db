//! Segments of one sector each, used one after the other, round and round:
//!
//! ```text
//! number    u32   of the segment: one more than that of the one before
//! version   u8    of the format
//! erases    u24   how often this sector was erased
//! checksum  u32   of all that; it says that an erase came to its end
//! records         each in words of its own, an opening first
//! ```
//!
//! There are two lanes: one for all records, and one of two sectors for states alone. A generation
//! of segments holds everything anew; it counts as soon as a state in it says so.

use super::medium::{Done, Failed, Medium, padded};
use super::record::{self, HEAD_BYTES, OPENING, OPENING_BYTES, put_words, sum, words};
use embedded_storage::nor_flash::NorFlash;

/// The format of what is written; the only one that is read.
const VERSION: u8 = 0;
pub(super) const HEADER_BYTES: usize = 12;
/// What the sum of a header begins with.
const MAGIC: u32 = u32::from_le_bytes(*b"Raft");

#[derive(Clone, Copy, Default)]
pub(super) struct Lane {
    /// The address of its first sector.
    start: usize,
    pub(super) sectors: u32,
    /// How long the buffer for records is.
    pub(super) buffer_bytes: u32,
    /// The first segment that counts, and in which sector it is.
    pub(super) first: u32,
    first_place: u32,
    /// The generation that is written: the number of its first segment.
    pub(super) generation: u32,
    /// The segment that was opened last.
    pub(super) head: u32,
    /// Where the records of that one end.
    end: usize,
    /// What the sums of its records begin with.
    seed: u32,
    /// Up to this one segments are erased.
    pub(super) ready: u32,
    /// Up to this one no segment behind the head is taken for erased, whatever it says.
    pub(super) doubtful: u32,
    /// How often the sector was that was erased last.
    erases: u32,
}

impl Lane {
    /// Nothing of it is known before a start.
    pub(super) fn new(start: usize, sectors: u32, buffer_bytes: u32) -> Self {
        Self { start, sectors, buffer_bytes, ..Self::default() }
    }

    /// The generation that counts begins at `first`. Segment `known` is in the sector `place`.
    pub(super) fn find(&mut self, first: u32, (known, place): (u32, u32)) {
        // There is no room until a segment is opened.
        (self.first, self.generation, self.end) = (first, first, usize::MAX);
        (self.first_place, self.erases) = (0, 1);
        let ahead = known.wrapping_sub(first);
        if ahead < self.sectors {
            let wrapped = if place < ahead { self.sectors } else { 0 };
            self.first_place = (place + wrapped).wrapping_sub(ahead);
        }
    }

    /// Goes on behind `head`. Behind `touched` nothing was written.
    pub(super) fn go_on(&mut self, head: u32, touched: u32) {
        (self.head, self.ready) = (head, head);
        let last = self.first.saturating_add(self.sectors).saturating_sub(1);
        self.doubtful = touched.max(head).saturating_add(1).min(last);
    }

    /// The address of the sector at this place.
    pub(super) const fn sector<F: NorFlash>(&self, place: u32) -> usize {
        self.start + place as usize * F::ERASE_SIZE
    }

    /// Where a segment is, between the first and as many behind it as there are sectors.
    fn place(&self, segment: u32) -> u32 {
        let place = self.first_place.wrapping_add(segment.wrapping_sub(self.first));
        if place < self.sectors { place } else { place.wrapping_sub(self.sectors) }
    }

    pub(super) fn address<F: NorFlash>(&self, segment: u32) -> usize {
        self.sector::<F>(self.place(segment))
    }

    /// How many segments hold nothing that counts.
    pub(super) const fn free(&self) -> u32 {
        self.sectors.saturating_add(self.first).saturating_sub(self.head).saturating_sub(1)
    }

    /// How many bytes are left in the head segment.
    pub(super) const fn room<F: NorFlash>(&self) -> usize {
        F::ERASE_SIZE.saturating_sub(self.end)
    }

    /// No other generation counts from now on.
    pub(super) fn settle(&mut self) {
        (self.first_place, self.first) = (self.place(self.generation), self.generation);
    }

    /// Writes a record, whose payload stands behind the room for its head, into the head segment:
    /// one program operation.
    pub(super) fn append<F: NorFlash>(
        &mut self,
        medium: &mut Medium<F>,
        (kind, length): (u8, usize),
        buffer: &mut [u8],
    ) -> Done {
        let size = padded::<F>(HEAD_BYTES + length);
        let record = buffer.get_mut(..size).filter(|_| size <= self.room::<F>());
        let record = record.ok_or(Failed::BadRecord)?;
        record::finish(self.seed, self.end, (kind, length), record).ok_or(Failed::BadRecord)?;
        medium.program(self.address::<F>(self.head) + self.end, record)?;
        self.end += size;
        Ok(())
    }

    /// Goes on in the next segment, erasing it now if nobody did before.
    pub(super) fn open<F: NorFlash>(&mut self, medium: &mut Medium<F>, buffer: &mut [u8]) -> Done {
        if self.free() == 0 {
            return Err(Failed::NoRoom);
        }
        let next = self.head.saturating_add(1);
        if self.ready < next {
            self.prepare(medium, next, buffer)?;
        }
        let names = [next, self.generation];
        self.seed = record::seed(self.address::<F>(next), names);
        (self.head, self.end) = (next, padded::<F>(HEADER_BYTES));
        let [number, generation] = names;
        record::put_payload(buffer, &[number, generation, self.buffer_bytes])
            .ok_or(Failed::BadRecord)?;
        self.append(medium, (OPENING, OPENING_BYTES), buffer)
    }

    /// Whether a free segment is not erased.
    pub(super) fn wants_erase(&self) -> bool {
        self.ready.max(self.head).saturating_add(1) < self.first.saturating_add(self.sectors)
    }

    /// Erases the next one that is not.
    pub(super) fn erase_ahead<F: NorFlash>(
        &mut self,
        medium: &mut Medium<F>,
        buffer: &mut [u8],
    ) -> Done {
        self.prepare(medium, self.ready.max(self.head).saturating_add(1), buffer)
    }

    /// Erases all that may have been written behind the head, the last first: what came later must
    /// not be there without what it stands on.
    pub(super) fn clean<F: NorFlash>(&mut self, medium: &mut Medium<F>, buffer: &mut [u8]) -> Done {
        for segment in (self.head.saturating_add(1)..=self.doubtful).rev() {
            self.prepare(medium, segment, buffer)?;
        }
        self.ready = self.doubtful;
        Ok(())
    }

    /// Erases a free segment, unless it was erased for this round and not touched since.
    fn prepare<F: NorFlash>(
        &mut self,
        medium: &mut Medium<F>,
        segment: u32,
        buffer: &mut [u8],
    ) -> Done {
        let at = self.address::<F>(segment);
        let size = padded::<F>(HEADER_BYTES);
        let header = buffer.get_mut(..size).ok_or(Failed::BadRecord)?;
        medium.read(at, header)?;
        let found = read_header(header);
        self.ready = segment;
        let fresh = found.is_some_and(|found| found.segment == segment) && segment > self.doubtful;
        if fresh && medium.is_blank(at + size, buffer)? {
            return Ok(());
        }
        // What can't be read was erased as often as the one before.
        self.erases = found.map_or(self.erases, |found| found.erases.wrapping_add(1));
        let header = buffer.get_mut(..size).ok_or(Failed::BadRecord)?;
        let content = [segment, self.erases << 8 | u32::from(VERSION)];
        let [_, rest] = content;
        record::blank(header);
        put_words(header, &[segment, rest, sum(MAGIC, content)]).ok_or(Failed::BadRecord)?;
        medium.erase(at)?;
        medium.program(at, header)
    }
}

#[derive(Clone, Copy)]
pub(super) struct Header {
    segment: u32,
    pub(super) erases: u32,
    pub(super) version: u8,
}

pub(super) fn read_header(bytes: &[u8]) -> Option<Header> {
    let [segment, rest, checksum] = words(bytes)?;
    let sound = checksum == sum(MAGIC, [segment, rest]);
    let [version, ..] = rest.to_le_bytes();
    sound.then_some(Header { segment, erases: rest >> 8, version })
}

impl Header {
    /// Whether another version than this one wrote it.
    pub(super) const fn is_foreign(&self) -> bool {
        self.version != VERSION
    }
}
