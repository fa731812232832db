//! One flash for two: a node's storage and whatever else an application keeps.
//!
//! Each share begins at its own zero and ends where the other one begins, so that neither can touch
//! what is the other's, whatever it asks for.

use core::cell::RefCell;
use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};

/// A flash that is to be shared.
pub struct SharedFlash<F>(RefCell<F>);

/// A range of whole sectors, which is a flash of its own.
pub struct Share<'f, F> {
    flash: &'f RefCell<F>,
    start: u32,
    bytes: u32,
}

/// Why a share was not read or written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ShareError<E> {
    /// The flash said so.
    Flash(E),
    /// It is not this share's.
    OutOfBounds,
}

impl<E: NorFlashError> NorFlashError for ShareError<E> {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::Flash(error) => error.kind(),
            Self::OutOfBounds => NorFlashErrorKind::OutOfBounds,
        }
    }
}

impl<F: NorFlash> SharedFlash<F> {
    /// A flash to share.
    pub const fn new(flash: F) -> Self {
        Self(RefCell::new(flash))
    }

    /// Two shares: so many sectors, and all behind them. `None` if there are not so many.
    pub fn split(&mut self, sectors: usize) -> Option<(Share<'_, F>, Share<'_, F>)> {
        let all = self.0.get_mut().capacity() / F::ERASE_SIZE * F::ERASE_SIZE;
        let first = sectors.checked_mul(F::ERASE_SIZE)?;
        let second = u32::try_from(all.checked_sub(first)?).ok()?;
        let (flash, first) = (&self.0, u32::try_from(first).ok()?);
        let one = Share { flash, start: 0, bytes: first };
        Some((one, Share { flash, start: first, bytes: second }))
    }

    /// Gives the flash back.
    pub fn into_inner(self) -> F {
        self.0.into_inner()
    }
}

impl<F: ReadNorFlash> Share<'_, F> {
    /// Does something with the flash, from this address of the share up to before that one.
    fn with<T>(
        &self,
        from: u32,
        to: u32,
        act: impl FnOnce(&mut F, u32, u32) -> Result<T, F::Error>,
    ) -> Result<T, ShareError<F::Error>> {
        let own = from <= to && to <= self.bytes;
        let flash = self.flash.try_borrow_mut().ok().filter(|_| own);
        let mut flash = flash.ok_or(ShareError::OutOfBounds)?;
        act(&mut flash, self.start + from, self.start + to).map_err(ShareError::Flash)
    }

    fn end<T>(from: u32, bytes: &[T]) -> Result<u32, ShareError<F::Error>> {
        let length = u32::try_from(bytes.len()).ok();
        length.and_then(|length| from.checked_add(length)).ok_or(ShareError::OutOfBounds)
    }
}

impl<F: ErrorType> ErrorType for Share<'_, F> {
    type Error = ShareError<F::Error>;
}

impl<F: ReadNorFlash> ReadNorFlash for Share<'_, F> {
    const READ_SIZE: usize = F::READ_SIZE;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        let end = Self::end(offset, bytes)?;
        self.with(offset, end, |flash, from, _| flash.read(from, bytes))
    }

    fn capacity(&self) -> usize {
        self.bytes as usize
    }
}

impl<F: NorFlash> NorFlash for Share<'_, F> {
    const WRITE_SIZE: usize = F::WRITE_SIZE;
    const ERASE_SIZE: usize = F::ERASE_SIZE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        self.with(from, to, |flash, from, to| flash.erase(from, to))
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        let end = Self::end(offset, bytes)?;
        self.with(offset, end, |flash, from, _| flash.write(from, bytes))
    }
}
