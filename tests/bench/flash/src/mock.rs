//! The flash that all of them write to: plain memory that counts. It is fast and strict about
//! nothing, because what is counted is theirs; the rules are the business of `tests/flash`.

use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};
use embedded_storage_async::nor_flash as waiting;

/// How long a word is.
pub const WORD_BYTES: usize = 4;
/// How long a sector is.
pub const SECTOR_BYTES: usize = 4096;

/// Some sectors, and what was done to them.
#[derive(Clone)]
pub struct Mock {
    bytes: Vec<u8>,
    /// Bytes that were programmed.
    pub programmed_bytes: u64,
    /// Program operations.
    pub programs: u64,
    /// Bytes that were read.
    pub read_bytes: u64,
    /// Erases of all sectors.
    pub erases: u64,
    /// How often each sector was erased.
    pub sector_erases: Vec<u32>,
}

impl Mock {
    /// That many blank sectors.
    pub fn new(sectors: usize) -> Self {
        Self {
            bytes: vec![0xFF; sectors * SECTOR_BYTES],
            programmed_bytes: 0,
            programs: 0,
            read_bytes: 0,
            erases: 0,
            sector_erases: vec![0; sectors],
        }
    }
}

impl ErrorType for Mock {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Mock {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        let here = self.bytes.get(offset as usize..).and_then(|rest| rest.get(..bytes.len()));
        bytes.copy_from_slice(here.ok_or(NorFlashErrorKind::OutOfBounds)?);
        self.read_bytes += bytes.len() as u64;
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl NorFlash for Mock {
    const WRITE_SIZE: usize = WORD_BYTES;
    const ERASE_SIZE: usize = SECTOR_BYTES;

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        let here = self.bytes.get_mut(offset as usize..).and_then(|it| it.get_mut(..bytes.len()));
        let here = here.ok_or(NorFlashErrorKind::OutOfBounds)?;
        here.iter_mut().zip(bytes).for_each(|(here, byte)| *here &= byte);
        self.programmed_bytes += bytes.len() as u64;
        self.programs += 1;
        Ok(())
    }

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        let here = self.bytes.get_mut(from as usize..to as usize);
        here.ok_or(NorFlashErrorKind::OutOfBounds)?.fill(0xFF);
        for sector in from as usize / SECTOR_BYTES..to as usize / SECTOR_BYTES {
            self.erases += 1;
            self.sector_erases[sector] += 1;
        }
        Ok(())
    }
}

/// The same, for who waits for its flash: here there is nothing to wait for.
pub struct Waiting(pub Mock);

impl ErrorType for Waiting {
    type Error = NorFlashErrorKind;
}

impl waiting::ReadNorFlash for Waiting {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        ReadNorFlash::read(&mut self.0, offset, bytes)
    }

    fn capacity(&self) -> usize {
        ReadNorFlash::capacity(&self.0)
    }
}

impl waiting::NorFlash for Waiting {
    const WRITE_SIZE: usize = WORD_BYTES;
    const ERASE_SIZE: usize = SECTOR_BYTES;

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        NorFlash::write(&mut self.0, offset, bytes)
    }

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        NorFlash::erase(&mut self.0, from, to)
    }
}

impl waiting::MultiwriteNorFlash for Waiting {}
