//! A look through a segment from its beginning to its end, record by record, in pieces as long as
//! the buffer: each byte is read once, whatever is there.

use super::lane::{HEADER_BYTES, read_header};
use super::medium::{BLANK, Done, Failed, Medium, padded};
use super::mount::Start;
use super::record::{
    HEAD_BYTES, OPENING_BYTES, UNREADABLE, is_sound, kind_of, length_of, read_head, seed, words,
};
use crate::bytes::shift;
use embedded_storage::nor_flash::NorFlash;

struct Walk<'b> {
    buffer: &'b mut [u8],
    /// Where the sector begins in the flash.
    sector: usize,
    /// Where the next record is looked for in the sector.
    at: usize,
    /// What of the sector the buffer begins with, and how much of it is there.
    from: usize,
    filled: usize,
    /// Whether all that was asked for could be read.
    outcome: Done,
}

/// Looks through the segment in this sector, which has these names: number and generation. Without
/// any, it has those that it says itself, or is left alone. `start` takes what there is.
pub(super) fn look<F: NorFlash>(
    medium: &mut Medium<F>,
    buffer: &mut [u8],
    sector: usize,
    names: Option<[u32; 2]>,
    start: &mut Start<'_>,
) -> Done {
    let mut walk = Walk { buffer, sector, at: 0, from: 0, filled: 0, outcome: Ok(()) };
    let header = read_header(walk.shown(medium, HEADER_BYTES));
    if let Some(header) = header.filter(|header| header.is_foreign()) {
        medium.version = header.version;
        return Err(Failed::UnknownVersion);
    }
    walk.at = padded::<F>(HEADER_BYTES);
    let says = walk.shown(medium, HEAD_BYTES + OPENING_BYTES);
    let says = words(says.get(HEAD_BYTES..).unwrap_or_default()).unwrap_or_default();
    let seed = seed(sector, names.unwrap_or(says));
    if names.is_none() && walk.record(medium, seed).is_none() {
        return walk.outcome;
    }
    while walk.at + F::WRITE_SIZE <= F::ERASE_SIZE {
        let (mut size, mut kind) = (F::WRITE_SIZE, UNREADABLE);
        if let Some(head) = walk.record(medium, seed) {
            (size, kind) = (HEAD_BYTES + length_of(head), kind_of(head));
        }
        let shown = walk.shown(medium, size);
        if kind != UNREADABLE || shown.iter().any(|&byte| byte != BLANK) {
            let payload = shown.get(HEAD_BYTES..).unwrap_or_default();
            start.take(names.unwrap_or(says), kind, payload);
        }
        walk.at += padded::<F>(size);
    }
    walk.outcome
}

impl Walk<'_> {
    /// So many bytes from `at` on. None at all if there are not so many.
    fn shown<F: NorFlash>(&mut self, medium: &mut Medium<F>, length: usize) -> &[u8] {
        let mut begin = self.at - self.from;
        if begin + length > self.filled {
            if length > self.buffer.len() || self.at + length > F::ERASE_SIZE {
                return &[];
            }
            let kept = self.filled.saturating_sub(begin);
            // It lies within the buffer.
            shift(self.buffer, begin, 0, kept).unwrap_or_default();
            (self.from, begin) = (self.at, 0);
            self.filled = self.buffer.len().min(F::ERASE_SIZE - self.at);
            let more = self.buffer.get_mut(kept..self.filled).unwrap_or_default();
            let read = medium.read(self.sector + self.from + kept, more);
            self.outcome = self.outcome.and(read);
        }
        self.buffer.get(begin..begin + length).unwrap_or_default()
    }

    /// The head of the record there. `None` if there is none.
    fn record<F: NorFlash>(&mut self, medium: &mut Medium<F>, seed: u32) -> Option<u16> {
        let at = self.at;
        let head = read_head(self.shown(medium, HEAD_BYTES))?;
        let record = self.shown(medium, HEAD_BYTES + length_of(head));
        is_sound(seed, at, record).then_some(head)
    }
}
