//! A look through a sector from its beginning to its end, record by record, in pieces as long as
//! the buffer: each byte is read once, whatever is there.

use super::FlashError;
use super::medium::{Medium, Result, is_blank, padded, put};
use super::record::{HEAD_BYTES, Head, placed};
use crate::bytes::shift;
use core::ops::Range;
use embedded_storage::nor_flash::NorFlash;

pub(super) struct Scan<'b> {
    pub(super) buffer: &'b mut [u8],
    /// Where the sector begins in the flash.
    base: usize,
    /// Where the look ends in the sector.
    limit: usize,
    /// What of the sector the buffer begins with, and how much of it is there.
    from: usize,
    filled: usize,
    /// Where the next record is looked for.
    pub(super) at: usize,
    /// Bytes that were read before, and where they stand in the sector.
    pub(super) known: Option<(usize, [u8; 4])>,
    /// Whether anything stands behind the last record that is none.
    pub(super) unclean: bool,
}

/// A record that reads well.
pub(super) struct Found {
    pub(super) kind: u8,
    /// Where it begins in the sector.
    pub(super) begin: usize,
    /// Where its payload is in the buffer.
    pub(super) payload: Range<usize>,
}

impl<'b> Scan<'b> {
    pub(super) fn new(buffer: &'b mut [u8], base: usize, limit: usize) -> Self {
        Self { buffer, base, limit, from: 0, filled: 0, at: 0, known: None, unclean: false }
    }

    /// So many bytes from `at` on. `None` if there are not so many.
    pub(super) fn window<F: NorFlash>(
        &mut self,
        medium: &mut Medium<F>,
        length: usize,
    ) -> Result<Option<Range<usize>>, F> {
        let mut begin = self.at - self.from;
        if begin + length > self.filled {
            if length > self.buffer.len() || self.at + length > self.limit {
                return Ok(None);
            }
            let kept = self.filled.saturating_sub(begin);
            shift(self.buffer, begin, 0, kept).ok_or(FlashError::BadRecord)?;
            (self.from, begin) = (self.at, 0);
            self.filled = self.buffer.len().min(self.limit - self.at);
            let more = self.buffer.get_mut(kept..self.filled).ok_or(FlashError::BadRecord)?;
            read_unknown(medium, self.base, self.from + kept, self.known, more)?;
        }
        Ok(Some(begin..begin + length))
    }

    /// Goes on behind so many bytes, which the last window showed.
    pub(super) fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// The next record from `at` on, of the segment whose sums begin so.
    pub(super) fn next<F: NorFlash>(
        &mut self,
        medium: &mut Medium<F>,
        seed: u32,
    ) -> Result<Option<Found>, F> {
        while self.at < self.limit {
            let least = F::WRITE_SIZE.max(HEAD_BYTES).min(self.limit - self.at);
            let shown = self.window(medium, least)?.ok_or(FlashError::BadRecord)?;
            let shown = self.buffer.get(shown).unwrap_or_default();
            let first = shown.get(..F::WRITE_SIZE).unwrap_or_default();
            let blank = is_blank(first);
            if let Some(head) = Head::read(placed(seed, self.at)?, shown)
                && let Some(record) = self.window(medium, HEAD_BYTES + head.length)?
            {
                let payload = record.start + HEAD_BYTES..record.end;
                if self.buffer.get(payload.clone()).is_some_and(|payload| head.fits(payload)) {
                    let begin = self.at;
                    self.at += padded::<F>(HEAD_BYTES + head.length);
                    self.unclean = false;
                    return Ok(Some(Found { kind: head.kind, begin, payload }));
                }
            }
            self.unclean |= !blank;
            self.at += F::WRITE_SIZE;
        }
        Ok(None)
    }
}

/// Reads what stands in a sector from `at` on, but for what is known.
fn read_unknown<F: NorFlash>(
    medium: &mut Medium<F>,
    base: usize,
    at: usize,
    known: Option<(usize, [u8; 4])>,
    bytes: &mut [u8],
) -> Result<(), F> {
    let end = at + bytes.len();
    let (known_at, known) = known.unwrap_or((end, [0; 4]));
    let first = known_at.max(at).min(end);
    let next = (known_at + known.len()).max(at).min(end);
    let (piece, rest) = bytes.split_at_mut_checked(first - at).ok_or(FlashError::BadRecord)?;
    if !piece.is_empty() {
        medium.read(base + at, piece)?;
    }
    let (piece, rest) = rest.split_at_mut_checked(next - first).ok_or(FlashError::BadRecord)?;
    if !piece.is_empty() {
        let known = known.get(first - known_at..next - known_at).ok_or(FlashError::BadRecord)?;
        put(piece, 0, known).ok_or(FlashError::BadRecord)?;
    }
    if !rest.is_empty() {
        medium.read(base + next, rest)?;
    }
    Ok(())
}
