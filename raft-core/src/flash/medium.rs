//! The flash itself, by byte addresses, with an account of what was done to it.
//!
//! Everything that is programmed begins and ends at whole words, and no word twice: callers see to
//! that. What they hand over is short enough to be programmed in one operation.

use embedded_storage::nor_flash::{ErrorType, NorFlash};

/// What reads as never programmed.
pub(super) const BLANK: u8 = 0xFF;
/// The longest word there may be.
pub(super) const WORD_BYTES_MAX: usize = 256;
/// What is read back at once.
const PIECE_BYTES: usize = 8;

/// What a flash was used for since its storage was made. The counts go round at 2³².
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct FlashUse {
    /// Bytes that were read.
    pub read_bytes: u32,
    /// Program operations.
    pub programs: u32,
    /// Bytes that were programmed, blank ones up to whole words too.
    pub programmed_bytes: u32,
    /// Sectors that were erased.
    pub erases: u32,
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
    /// The buffer was longer when what is there was written: give it at least so much again, or
    /// some of it can't be read.
    BufferTooShort,
    /// After a start the log was not handed over by [`renew`](crate::Storage::renew), or the
    /// storage is blank and no identity was written.
    NotRenewed,
    /// A record that no node writes, or at a time when none does.
    BadRecord,
}

/// The same in a byte. What the flash said itself, and the version, wait in [`Medium`].
#[derive(Clone, Copy)]
pub(super) enum Failed {
    Flash,
    NotKept,
    NoRoom,
    EntryTooLong,
    SnapshotTooLong,
    UnknownVersion,
    BufferTooShort,
    NotRenewed,
    BadRecord,
}

pub(super) type Done<T = ()> = Result<T, Failed>;

pub(super) struct Medium<F: ErrorType> {
    pub(super) flash: F,
    pub(super) used: FlashUse,
    /// Whether what is programmed is read back.
    pub(super) verifies: bool,
    error: Option<F::Error>,
    /// The version that is not known.
    pub(super) version: u8,
}

impl<F: ErrorType + Clone> Clone for Medium<F> {
    fn clone(&self) -> Self {
        let Self { ref flash, used, verifies, version, .. } = *self;
        // What the flash says waits only until the call ends.
        Self { flash: flash.clone(), used, verifies, version, error: None }
    }
}

impl<F: NorFlash> Medium<F> {
    pub(super) fn new(flash: F) -> Self {
        Self { flash, used: FlashUse::default(), verifies: false, error: None, version: 0 }
    }

    /// The same outcome, with what went wrong in words.
    #[inline(never)]
    pub(super) fn told(&mut self, outcome: Done) -> Result<(), FlashError<F::Error>> {
        let Err(failed) = outcome else { return Ok(()) };
        Err(match failed {
            Failed::Flash => self.error.take().map_or(FlashError::BadRecord, FlashError::Flash),
            Failed::NotKept => FlashError::NotKept,
            Failed::NoRoom => FlashError::NoRoom,
            Failed::EntryTooLong => FlashError::EntryTooLong,
            Failed::SnapshotTooLong => FlashError::SnapshotTooLong,
            Failed::UnknownVersion => FlashError::UnknownVersion(self.version),
            Failed::BufferTooShort => FlashError::BufferTooShort,
            Failed::NotRenewed => FlashError::NotRenewed,
            Failed::BadRecord => FlashError::BadRecord,
        })
    }

    #[inline(never)]
    pub(super) fn read(&mut self, at: usize, bytes: &mut [u8]) -> Done {
        let length = number(bytes.len())?;
        self.used.read_bytes = self.used.read_bytes.wrapping_add(length);
        let read = self.flash.read(number(at)?, bytes);
        self.done(read)
    }

    pub(super) fn program(&mut self, at: usize, bytes: &[u8]) -> Done {
        let length = number(bytes.len())?;
        self.used.programs = self.used.programs.wrapping_add(1);
        self.used.programmed_bytes = self.used.programmed_bytes.wrapping_add(length);
        let written = self.flash.write(number(at)?, bytes);
        self.done(written)?;
        if self.verifies { self.verify(at, bytes) } else { Ok(()) }
    }

    /// Erases the sector that begins there.
    #[inline(never)]
    pub(super) fn erase(&mut self, at: usize) -> Done {
        self.used.erases = self.used.erases.wrapping_add(1);
        let erased = self.flash.erase(number(at)?, number(at + F::ERASE_SIZE)?);
        self.done(erased)
    }

    /// Whether nothing was programmed from there on up to the end of the sector.
    pub(super) fn is_blank(&mut self, at: usize, buffer: &mut [u8]) -> Done<bool> {
        let (mut at, end) = (at, (at / F::ERASE_SIZE + 1) * F::ERASE_SIZE);
        while at < end {
            let length = buffer.len().min(end - at);
            let bytes = buffer.get_mut(..length).ok_or(Failed::BadRecord)?;
            self.read(at, bytes)?;
            if bytes.iter().any(|&byte| byte != BLANK) {
                return Ok(false);
            }
            at += length;
        }
        Ok(true)
    }

    fn verify(&mut self, at: usize, bytes: &[u8]) -> Done {
        let mut at = at;
        for piece in bytes.chunks(PIECE_BYTES) {
            let mut buffer = [0; PIECE_BYTES];
            let found = buffer.get_mut(..piece.len()).ok_or(Failed::BadRecord)?;
            self.read(at, found)?;
            if found != piece {
                return Err(Failed::NotKept);
            }
            at += piece.len();
        }
        Ok(())
    }

    fn done(&mut self, outcome: Result<(), F::Error>) -> Done {
        outcome.map_err(|error| {
            self.error = Some(error);
            Failed::Flash
        })
    }
}

/// An address, or a length, as a flash has it.
fn number(at: usize) -> Done<u32> {
    u32::try_from(at).map_err(|_| Failed::BadRecord)
}

/// As many bytes in whole words.
pub(super) const fn padded<F: NorFlash>(bytes: usize) -> usize {
    in_words(bytes, F::WRITE_SIZE)
}

/// As many bytes in whole words of this length, which is a power of two.
pub(super) const fn in_words(bytes: usize, word: usize) -> usize {
    bytes.saturating_add(word.wrapping_sub(1)) & !word.wrapping_sub(1)
}
