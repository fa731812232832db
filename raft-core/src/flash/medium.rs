//! The flash itself, by byte addresses, with an account of what was done to it.
//!
//! Everything that is programmed begins and ends at whole words, and no word twice: callers see to
//! that. What they hand over is short enough to be programmed in one operation.

use crate::checksum::crc32;
use embedded_storage::nor_flash::{ErrorType, NorFlash};

/// What reads as never programmed.
pub(super) const BLANK: u8 = 0xFF;
/// The longest word there may be.
pub(super) const WORD_BYTES_MAX: usize = 256;
/// What is read at once where little is looked at.
pub(super) const PIECE_BYTES: usize = 32;

pub(super) type Result<T, F> = core::result::Result<T, FlashError<<F as ErrorType>::Error>>;

/// What a flash was used for since its storage was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct FlashUse {
    /// Bytes that were read.
    pub read_bytes: u64,
    /// Program operations.
    pub programs: u64,
    /// Bytes that were programmed, blank ones up to whole words too.
    pub programmed_bytes: u64,
    /// Sectors that were erased.
    pub erases: u64,
}

/// Why a flash could not be written or read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum FlashError<E> {
    /// The flash said so.
    Flash(E),
    /// What was programmed reads back as something else: see
    /// [`FlashStorage::verified`](super::FlashStorage::verified).
    NotKept,
    /// Every segment holds something that counts: the log is longer than was said.
    NoRoom,
    /// An entry is longer than the buffer or a sector takes: see
    /// [`FlashStorage::entry_bytes_max`](super::FlashStorage::entry_bytes_max).
    EntryTooLong,
    /// A snapshot is longer than its room.
    SnapshotTooLong,
    /// What is there was written in a format of this number, and is left alone.
    UnknownVersion(u8),
    /// A record that no node writes, or at a time when none does.
    BadRecord,
}

pub(super) struct Medium<F> {
    pub(super) flash: F,
    pub(super) used: FlashUse,
    /// Whether what is programmed is read back.
    pub(super) verifies: bool,
}

impl<F: NorFlash> Medium<F> {
    pub(super) fn read(&mut self, at: usize, bytes: &mut [u8]) -> Result<(), F> {
        self.used.read_bytes += bytes.len() as u64;
        self.flash.read(address(at)?, bytes).map_err(FlashError::Flash)
    }

    pub(super) fn program(&mut self, at: usize, bytes: &[u8]) -> Result<(), F> {
        self.used.programs += 1;
        self.used.programmed_bytes += bytes.len() as u64;
        self.flash.write(address(at)?, bytes).map_err(FlashError::Flash)?;
        if self.verifies { self.verify(at, bytes) } else { Ok(()) }
    }

    /// Erases the sector that begins there.
    pub(super) fn erase(&mut self, at: usize) -> Result<(), F> {
        self.used.erases += 1;
        self.flash.erase(address(at)?, address(at + F::ERASE_SIZE)?).map_err(FlashError::Flash)
    }

    /// Whether nothing was programmed in the sector that begins there.
    pub(super) fn is_blank(&mut self, at: usize) -> Result<bool, F> {
        let mut blank = true;
        for begin in (0..F::ERASE_SIZE).step_by(PIECE_BYTES) {
            let mut buffer = [BLANK; PIECE_BYTES];
            let length = (F::ERASE_SIZE - begin).min(PIECE_BYTES);
            let piece = buffer.get_mut(..length).ok_or(FlashError::BadRecord)?;
            self.read(at + begin, piece)?;
            blank &= is_blank(piece);
        }
        Ok(blank)
    }

    fn verify(&mut self, at: usize, bytes: &[u8]) -> Result<(), F> {
        let mut at = at;
        for piece in bytes.chunks(PIECE_BYTES) {
            let mut buffer = [0; PIECE_BYTES];
            let found = buffer.get_mut(..piece.len()).ok_or(FlashError::BadRecord)?;
            self.read(at, found)?;
            if found != piece {
                return Err(FlashError::NotKept);
            }
            at += piece.len();
        }
        Ok(())
    }
}

fn address<E>(at: usize) -> core::result::Result<u32, FlashError<E>> {
    u32::try_from(at).map_err(|_| FlashError::BadRecord)
}

/// As many bytes in whole words.
pub(super) const fn padded<F: NorFlash>(bytes: usize) -> usize {
    in_words(bytes, F::WRITE_SIZE)
}

/// As many bytes in whole words of this length.
pub(super) const fn in_words(bytes: usize, word: usize) -> usize {
    if word == 0 { bytes } else { bytes.div_ceil(word).saturating_mul(word) }
}

pub(super) fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == BLANK)
}

/// A checksum that begins with where its bytes belong.
pub(super) fn sum(place: [u32; 2], bytes: &[u8]) -> u32 {
    let begin = place.iter().fold(0, |before, number| crc32(before, &number.to_le_bytes()));
    crc32(begin, bytes)
}

/// The number at this place. `None` if there are too few bytes.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Puts bytes at this place. `None` if there is no room.
pub(super) fn put(buffer: &mut [u8], at: usize, bytes: &[u8]) -> Option<()> {
    let room = buffer.get_mut(at..)?.get_mut(..bytes.len())?;
    room.copy_from_slice(bytes);
    Some(())
}

/// Puts numbers one behind the other from this place on.
pub(super) fn put_words(buffer: &mut [u8], at: usize, words: &[u32]) -> Option<()> {
    let mut at = at;
    for word in words {
        put(buffer, at, &word.to_le_bytes())?;
        at += 4;
    }
    Some(())
}
