//! A look through the ring, segment by segment, as it was written, and what it finds missing.
//!
//! Of a record that can't be read only a later one shows that it rotted.

use super::FlashError;
use super::medium::{Medium, Result, padded, word};
use super::record::{OPENING, seed};
use super::ring::{HEADER_BYTES, Ring, read_header};
use super::scan::Scan;
use core::ops::Range;
use embedded_storage::nor_flash::NorFlash;

/// What a look through the ring comes across.
pub(super) enum Sight<'a> {
    /// A record that reads well, its kind and its payload.
    Record(u8, &'a [u8]),
    /// Records of another segment follow.
    Opening,
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
    before: Option<usize>,
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

    /// Up to which segment they are ready if this is the last one that counts, and the next one is
    /// erased again in any case.
    pub(super) fn ready_behind(&self, head: u32) -> u32 {
        let next = head.saturating_add(2);
        if self.ready.contains(&next) { self.ready.end - 1 } else { head }
    }
}

impl Ring {
    /// Looks through one segment up to before `limit`, or up to where the tail says that its
    /// records end; gives the record that was found last, which stands in the buffer still if
    /// nothing stands behind it up to there.
    pub(super) fn look<F: NorFlash>(
        &self,
        medium: &mut Medium<F>,
        buffer: &mut [u8],
        (segment, limit): (u32, usize),
        tail: Option<End>,
        seen: &mut Seen,
        each: &mut dyn FnMut(Sight<'_>),
    ) -> Result<Option<Last>, F> {
        let ends = tail.filter(|tail| tail.segment == segment).map(|tail| tail.at);
        let limit = limit.min(ends.unwrap_or(limit));
        let mut scan = Scan::new(buffer, self.at::<F>(segment), limit);
        let records_at = padded::<F>(HEADER_BYTES);
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
                let follows = segment == self.first || segment == seen.segment + 1;
                let sound = before.is_some_and(|before| before <= seen.end) && follows;
                if !sound && (segment != self.first || before.is_none()) {
                    each(Sight::Rotten);
                }
                each(Sight::Opening);
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
            if seen.ready.end != segment && seen.ready.is_empty() {
                seen.ready = segment..segment;
            }
            if seen.ready.end == segment {
                seen.ready.end = segment + 1;
            }
        }
        Ok(last)
    }
}
