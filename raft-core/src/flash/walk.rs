//! A look through a segment from its beginning to its end, record by record, in pieces as long as
//! the buffer: each byte is read once, whatever is there.

use super::lane::{HEADER_BYTES, read_header};
use super::medium::{BLANK, Done, Failed, Medium, padded};
use super::record::{HEAD_BYTES, OPENING_BYTES, is_sound, read_head, seed, words};
use crate::bytes::shift;
use embedded_storage::nor_flash::NorFlash;

/// What there is to see in a segment.
pub(super) enum Sight<'r> {
    /// A record that reads well: its kind and its payload.
    Record(u8, &'r [u8]),
    /// Something that is none.
    Unreadable,
}

struct Walk<'b> {
    buffer: &'b mut [u8],
    /// Where the sector begins in the flash.
    sector: usize,
    /// Where the next record is looked for in the sector.
    at: usize,
    /// What of the sector the buffer begins with, and how much of it is there.
    from: usize,
    filled: usize,
}

/// Looks through the segment in this sector, which has these names: number and generation. Without
/// any, it has those that it says itself, or is left alone; they are given back.
pub(super) fn look<F: NorFlash>(
    medium: &mut Medium<F>,
    buffer: &mut [u8],
    sector: usize,
    names: Option<[u32; 2]>,
    each: &mut dyn FnMut([u32; 2], Sight<'_>),
) -> Done {
    let mut walk = Walk { buffer, sector, at: 0, from: 0, filled: 0 };
    let header = walk.shown(medium, HEADER_BYTES)?.and_then(read_header);
    if let Some(header) = header.filter(|header| header.is_foreign()) {
        return Err(Failed::UnknownVersion(header.version));
    }
    walk.at = padded::<F>(HEADER_BYTES);
    let names = match names {
        Some(names) => names,
        None => {
            let opening = walk.shown(medium, HEAD_BYTES + OPENING_BYTES)?;
            let names = opening.and_then(|it| words(it.get(HEAD_BYTES..)?));
            let Some(names) = names else { return Ok(()) };
            if walk.record(medium, seed(sector, names))?.is_none() {
                return Ok(());
            }
            names
        }
    };
    let seed = seed(sector, names);
    while walk.at + F::WRITE_SIZE <= F::ERASE_SIZE {
        if let Some((kind, length)) = walk.record(medium, seed)? {
            let shown =
                walk.shown(medium, HEAD_BYTES + length)?.and_then(|it| it.get(HEAD_BYTES..));
            each(names, Sight::Record(kind, shown.unwrap_or_default()));
            walk.at += padded::<F>(HEAD_BYTES + length);
        } else {
            let word = walk.shown(medium, F::WRITE_SIZE)?.unwrap_or_default();
            if word.iter().any(|&byte| byte != BLANK) {
                each(names, Sight::Unreadable);
            }
            walk.at += F::WRITE_SIZE;
        }
    }
    Ok(())
}

impl Walk<'_> {
    /// So many bytes from `at` on. `None` if there are not so many.
    fn shown<F: NorFlash>(&mut self, medium: &mut Medium<F>, length: usize) -> Done<Option<&[u8]>> {
        let mut begin = self.at - self.from;
        if begin + length > self.filled {
            if length > self.buffer.len() || self.at + length > F::ERASE_SIZE {
                return Ok(None);
            }
            let kept = self.filled.saturating_sub(begin);
            shift(self.buffer, begin, 0, kept).ok_or(Failed::BadRecord)?;
            (self.from, begin) = (self.at, 0);
            self.filled = self.buffer.len().min(F::ERASE_SIZE - self.at);
            let more = self.buffer.get_mut(kept..self.filled).ok_or(Failed::BadRecord)?;
            medium.read(self.sector + self.from + kept, more)?;
        }
        Ok(self.buffer.get(begin..begin + length))
    }

    /// Kind and length of the record there. `None` if there is none.
    fn record<F: NorFlash>(
        &mut self,
        medium: &mut Medium<F>,
        seed: u32,
    ) -> Done<Option<(u8, usize)>> {
        let at = self.at;
        let head = self.shown(medium, HEAD_BYTES)?.and_then(read_head);
        let Some((kind, length)) = head else { return Ok(None) };
        let record = self.shown(medium, HEAD_BYTES + length)?;
        let sound = record.is_some_and(|record| is_sound(seed, at, record));
        Ok(sound.then_some((kind, length)))
    }
}
