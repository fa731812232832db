//! A look through the ring, segment by segment, as it was written, and what it finds missing.
//!
//! Of a record that can't be read only a later one shows that it rotted.

use super::FlashError;
use super::medium::{Medium, Result, padded, word};
use super::record::{HEAD_BYTES, LOST, OPENING, SNAPSHOT, read_placed, seed};
use super::ring::{HEADER_BYTES, Ring, read_header};
use super::scan::Scan;
use super::slots::Placed;
use core::ops::Range;
use embedded_storage::nor_flash::NorFlash;

/// What a look through the ring comes across.
pub(super) enum Sight<'a> {
    /// A record that reads well, its kind and its payload.
    Record(u8, &'a [u8]),
    /// Records of another segment follow. It may say that the one before it ends in front of the
    /// last record that was found there.
    Opening { cuts: bool },
    /// Something was there and can't be read.
    Rotten,
}

/// The end of what counts in the ring, beside one record more.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct End {
    pub(super) segment: u32,
    /// Where the records of that segment end.
    pub(super) at: usize,
}

/// What of the ring is looked at.
pub(super) struct Part {
    pub(super) segment: u32,
    /// Where records end there at the latest.
    pub(super) limit: usize,
    /// What its opening says of the segment before it, if that was read in advance.
    pub(super) before: Option<u32>,
}

/// A record that was found last: its kind, and where its payload stands in the buffer.
pub(super) type Last = (u8, Range<usize>);

/// What was seen of a ring so far.
#[derive(Default)]
pub(super) struct Seen {
    /// The segment that was opened last. Zero if none was.
    pub(super) segment: u32,
    /// Where its records end, and where the last one begins.
    pub(super) end: usize,
    last_begin: usize,
    /// Whether nothing but its opening was found in it, and what that says of the one before.
    pub(super) before: Option<usize>,
    /// How often its sector was erased, if that can be read.
    pub(super) erases: Option<u32>,
    /// The segments behind it that are erased and say so, without a gap.
    ready: Range<u32>,
}

impl Seen {
    /// Where the ring ends without the record that was found last. The first segment that counts
    /// may not have been opened.
    pub(super) fn without_last(&self, first: u32) -> End {
        match (self.segment, self.before) {
            (0, _) => End { segment: first.saturating_sub(1), at: 0 },
            (segment, Some(at)) if segment > first => End { segment: segment - 1, at },
            (segment, Some(_)) => End { segment: segment.saturating_sub(1), at: 0 },
            (segment, None) => End { segment, at: self.last_begin },
        }
    }

    fn add_ready(&mut self, segment: u32) {
        if self.ready.is_empty() {
            self.ready = segment..segment;
        }
        if self.ready.end == segment {
            self.ready.end = segment + 1;
        }
    }

    /// Up to which segment they are ready if this is the last one that counts, and the next one is
    /// erased again in any case.
    pub(super) fn ready_behind(&self, head: u32) -> u32 {
        let next = head.saturating_add(2);
        if self.ready.contains(&next) { self.ready.end - 1 } else { head }
    }
}

/// What records of the ring say, the last one of each kind.
#[derive(Default)]
pub(super) struct Survey {
    pub(super) rotten: bool,
    pub(super) snapshot: Placed,
    /// The same without the record that was found last.
    before: Placed,
    /// How far the ring goes: a segment, and a place in it.
    pub(super) reach: (u32, usize),
}

impl Survey {
    pub(super) fn take(&mut self, sight: Sight<'_>) {
        if matches!(sight, Sight::Record(..)) {
            self.before = self.snapshot;
        }
        match sight {
            Sight::Record(SNAPSHOT, payload) => {
                self.snapshot = read_placed(payload).unwrap_or_default();
            }
            Sight::Rotten | Sight::Record(LOST, _) => self.rotten = true,
            Sight::Opening { cuts: true } => self.snapshot = self.before,
            Sight::Record(..) | Sight::Opening { .. } => {}
        }
    }
}

impl Ring {
    /// Where the records of a segment end, by the opening of the next one; and that, if it was read
    /// for it. The opening that was found last may read well once and not again.
    pub(super) fn end_of<F: NorFlash>(
        &self,
        medium: &mut Medium<F>,
        segment: u32,
        seen: &Seen,
    ) -> Result<(usize, Option<u32>), F> {
        if segment == seen.segment {
            return Ok((seen.end, None));
        }
        let next = segment + 1;
        if let Some(before) = seen.before.filter(|_| next == seen.segment) {
            return Ok((before, None));
        }
        let mut before = [0; 4];
        let at = self.at::<F>(next) + padded::<F>(HEADER_BYTES) + HEAD_BYTES;
        medium.read(at, &mut before)?;
        let before = u32::from_le_bytes(before);
        Ok((before as usize, Some(before)))
    }

    /// Looks through one segment up to before `limit`, or up to where the tail says that its
    /// records end; gives the record that was found last, which stands in the buffer still if
    /// nothing stands behind it up to there.
    pub(super) fn look<F: NorFlash>(
        &self,
        medium: &mut Medium<F>,
        buffer: &mut [u8],
        Part { segment, limit, before: known }: Part,
        tail: Option<End>,
        seen: &mut Seen,
        each: &mut dyn FnMut(Sight<'_>),
    ) -> Result<Option<Last>, F> {
        let ends = tail.filter(|tail| tail.segment == segment).map(|tail| tail.at);
        let limit = limit.min(ends.unwrap_or(limit));
        let mut scan = Scan::new(buffer, self.at::<F>(segment), limit);
        let records_at = padded::<F>(HEADER_BYTES);
        scan.known = known.map(|before| (records_at + HEAD_BYTES, before.to_le_bytes()));
        let header = scan.window(medium, records_at.min(limit))?.ok_or(FlashError::BadRecord)?;
        let header = scan.buffer.get(header).and_then(read_header);
        scan.skip(records_at);
        let (mut last, mut count, mut at) = (None, 0, records_at);
        let is_next = tail.is_some_and(|tail| segment.checked_sub(tail.segment) == Some(1));
        let seed = seed(self.generation, segment);
        // What was erased for another segment holds nothing of this one.
        let is_other = header.is_some_and(|(number, _)| number != segment);
        let is_void = is_next && self.is_void;
        scan.unclean = is_void;
        while let Some(found) = if is_other || is_void { None } else { scan.next(medium, seed)? } {
            let payload = scan.buffer.get(found.payload.clone()).unwrap_or_default();
            let opens = found.kind == OPENING && found.begin == records_at;
            let before = word(payload, 0).filter(|_| opens).map(|before| before as usize);
            if count == 0 && opens && is_next && before != tail.map(|tail| tail.at) {
                // Its power failed before the tail was written, and it reads well by chance now.
                scan.unclean = true;
                break;
            }
            if count == 0 {
                // Of what was there before nothing may be missing.
                let follows = segment == seen.segment + 1;
                let is_sound = before.is_some_and(|before| before <= seen.end) && follows;
                if !is_sound && (segment != self.first || before.is_none()) {
                    each(Sight::Rotten);
                }
                let cuts = follows && before.is_some_and(|before| before <= seen.last_begin);
                each(Sight::Opening { cuts });
                seen.before = before;
            } else {
                seen.before = None;
            }
            if found.begin > at {
                each(Sight::Rotten);
            }
            if !opens {
                each(Sight::Record(found.kind, payload));
                last = Some((found.kind, found.payload.clone()));
            } else if let Some([kind, copy @ ..]) = payload.get(4..) {
                each(Sight::Record(*kind, copy));
                last = Some((*kind, found.payload.end - copy.len()..found.payload.end));
            }
            (seen.segment, seen.end, seen.last_begin) = (segment, scan.at, found.begin);
            seen.erases = header.map(|(_, erases)| erases);
            (count, at) = (count + 1, scan.at);
        }
        if ends.is_some_and(|ends| ends != at) {
            each(Sight::Rotten);
        }
        if count > 0 {
            seen.ready = 0..0;
        } else if !scan.unclean && header.is_some_and(|(number, _)| number == segment) {
            seen.add_ready(segment);
        }
        Ok(last)
    }
}
