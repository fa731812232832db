//! What is in a snapshot, and how a machine's state gets into one and out again: a piece at a time,
//! through storage, because no board has memory for it twice.
//!
//! ```text
//! version         u8       of this layout: 0
//! length          u8       of the configuration
//! configuration            the one in force at the snapshot's last entry
//! format          u16      the machine's own, little-endian
//! ...                      what the machine saved
//! ```

use crate::checksum::crc32;
use crate::configuration::Configuration;
use postcard::{de_flavors, ser_flavors};
use serde::{Serialize, de::DeserializeOwned};

/// The layout that this crate writes, and the only one that it reads.
pub(crate) const VERSION: u8 = 0;
/// The longest head, machine's format included.
pub(crate) const HEAD_BYTES_MAX: usize = 2 + Configuration::BYTES_MAX + 2;

/// Pieces in which snapshots go through memory.
const PIECE_BYTES: usize = 32;
/// What [`Loader::value`] can hold of a value's strings, floating-point numbers and bytes at once.
const SCRATCH_BYTES: usize = 64;

/// Takes the next bytes of a snapshot, with their offset. Says `None` if it can't.
type Sink<'a> = &'a mut dyn FnMut(u32, &[u8]) -> Option<()>;
/// Fills a buffer with what stands at an offset. Says `None` if it can't.
type Source<'a> = &'a mut dyn FnMut(u32, &mut [u8]) -> Option<()>;

/// Where a machine writes its state. Nothing can go wrong here that the machine would have to see:
/// storage that fails stops the node.
pub struct Saver<'a> {
    sink: Sink<'a>,
    checksum: u32,
    piece: heapless::Vec<u8, PIECE_BYTES>,
    /// How much went to the sink. `None` if it took no more, or there is too much to count.
    passed: Option<u32>,
}

impl<'a> Saver<'a> {
    pub(crate) fn new(sink: Sink<'a>) -> Self {
        Self { sink, checksum: 0, piece: heapless::Vec::new(), passed: Some(0) }
    }

    /// Adds bytes. The machine must know how many when it reads them again.
    #[cfg(not(feature = "tables"))]
    pub fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.byte(byte));
    }

    /// Adds bytes. The machine must know how many when it reads them again.
    #[cfg(feature = "tables")]
    pub fn write(&mut self, mut bytes: &[u8]) {
        // The same pieces, filled at once where there is room for the code.
        while !bytes.is_empty() {
            let room = PIECE_BYTES - self.piece.len();
            let (now, later) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            // As much as there is room for.
            self.piece.extend_from_slice(now).ok();
            if later.is_empty() {
                return;
            }
            self.pass();
            bytes = later;
        }
    }

    /// Adds a value, as postcard writes it.
    pub fn value<T: Serialize + ?Sized>(&mut self, value: &T) {
        if postcard::serialize_with_flavor::<T, _, ()>(value, Values(self)).is_err() {
            // The value itself refused, or lacks a length: what is saved can't be restored.
            self.passed = None;
        }
    }

    /// Ends it; gives length and checksum, unless something went wrong.
    pub(crate) fn finish(mut self) -> Option<(u32, u32)> {
        self.pass();
        self.passed.map(|bytes| (bytes, self.checksum))
    }

    fn byte(&mut self, byte: u8) {
        if self.piece.push(byte).is_err() {
            self.pass();
            // There is room now.
            self.piece.push(byte).ok();
        }
    }

    fn pass(&mut self) {
        self.checksum = crc32(self.checksum, &self.piece);
        self.passed = self.passed.and_then(|offset| {
            (self.sink)(offset, &self.piece)?;
            offset.checked_add(u32::try_from(self.piece.len()).ok()?)
        });
        self.piece.clear();
    }
}

struct Values<'s, 'a>(&'s mut Saver<'a>);

impl ser_flavors::Flavor for Values<'_, '_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.byte(byte);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Why a machine was not restored.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum LoadError {
    /// The snapshot is written in a format that this version does not know.
    Format(u16),
    /// The bytes are none that the machine ever saved.
    Content,
    /// Storage did not give what it holds.
    Unreadable,
}

/// Where a machine finds its state again.
pub struct Loader<'a> {
    source: Source<'a>,
    offset: u32,
    end: u32,
}

impl<'a> Loader<'a> {
    /// Reads up to before `end`.
    pub(crate) fn new(source: Source<'a>, end: u32) -> Self {
        Self { source, offset: 0, end }
    }

    /// How many bytes are left.
    pub fn left(&self) -> u32 {
        self.end - self.offset
    }

    /// Fills the buffer with the next bytes.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<(), LoadError> {
        let bytes = u32::try_from(buffer.len()).map_err(|_| LoadError::Content)?;
        if bytes > self.left() {
            return Err(LoadError::Content);
        }
        (self.source)(self.offset, buffer).ok_or(LoadError::Unreadable)?;
        self.offset += bytes;
        Ok(())
    }

    /// The next value, as [`Saver::value`] wrote it. What it borrows while it is read, as strings,
    /// floating-point numbers and slices of bytes do, is 64 bytes at most.
    pub fn value<T: DeserializeOwned>(&mut self) -> Result<T, LoadError> {
        let mut scratch = [0; SCRATCH_BYTES];
        let values = Bytes { loader: self, scratch: &mut scratch };
        let mut values = postcard::Deserializer::from_flavor(values);
        T::deserialize(&mut values).map_err(|_| LoadError::Content)
    }

    /// What stands before the machine's bytes: the configuration, and the format of what follows.
    pub(crate) fn head(&mut self, configuration: &mut Configuration) -> Result<u16, LoadError> {
        let mut head = [0; HEAD_BYTES_MAX];
        let [version, length, ..] = self.part(&mut head, 2)? else {
            return Err(LoadError::Content);
        };
        if *version != VERSION {
            return Err(LoadError::Format(u16::from(*version)));
        }
        let length = usize::from(*length);
        let read = configuration.become_read(self.part(&mut head, length)?);
        read.ok_or(LoadError::Content)?;
        let format = self.part(&mut head, 2)?.first_chunk().ok_or(LoadError::Content)?;
        Ok(u16::from_le_bytes(*format))
    }

    /// The checksum of all that is left.
    pub(crate) fn checksum(mut self) -> Option<u32> {
        let (mut checksum, mut piece) = (0, [0; PIECE_BYTES]);
        while self.left() > 0 {
            let length = PIECE_BYTES.min(self.left() as usize);
            checksum = crc32(checksum, self.part(&mut piece, length).ok()?);
        }
        Some(checksum)
    }

    fn part<'b>(&mut self, buffer: &'b mut [u8], length: usize) -> Result<&'b [u8], LoadError> {
        let part = buffer.get_mut(..length).ok_or(LoadError::Content)?;
        self.read(part)?;
        Ok(part)
    }
}

/// A value's bytes; what is borrowed of them lies in the scratch memory.
struct Bytes<'de, 'a> {
    loader: &'de mut Loader<'a>,
    scratch: &'de mut [u8],
}

impl<'de> de_flavors::Flavor<'de> for Bytes<'de, '_> {
    type Remainder = ();
    type Source = ();

    fn pop(&mut self) -> postcard::Result<u8> {
        let mut byte = 0;
        match self.loader.read(core::slice::from_mut(&mut byte)) {
            Ok(()) => Ok(byte),
            Err(_) => Err(postcard::Error::DeserializeUnexpectedEnd),
        }
    }

    fn try_take_n(&mut self, length: usize) -> postcard::Result<&'de [u8]> {
        let scratch = core::mem::take(&mut self.scratch).split_at_mut_checked(length);
        let (taken, rest) = scratch.ok_or(postcard::Error::DeserializeUnexpectedEnd)?;
        self.scratch = rest;
        match self.loader.read(taken) {
            Ok(()) => Ok(taken),
            Err(_) => Err(postcard::Error::DeserializeUnexpectedEnd),
        }
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn what_is_saved_in_pieces_of_any_size_is_loaded_again() {
        let mut kept = Vec::new();
        let mut sink = |offset: u32, bytes: &[u8]| {
            assert_eq!(offset as usize, kept.len());
            kept.extend_from_slice(bytes);
            Some(())
        };
        let mut saver = Saver::new(&mut sink);
        saver.value(&(1_u64 << 40, 2.5_f64, 'x', true));
        saver.write(&[7; 100]);
        saver.value(&[300_u16; 3]);
        let (bytes, checksum) = saver.finish().unwrap();
        assert_eq!(bytes as usize, kept.len());
        let mut source = |offset: u32, buffer: &mut [u8]| {
            let offset = offset as usize;
            buffer.copy_from_slice(&kept[offset..offset + buffer.len()]);
            Some(())
        };
        assert_eq!(Loader::new(&mut source, bytes).checksum(), Some(checksum));
        let mut loader = Loader::new(&mut source, bytes);
        assert_eq!(loader.value(), Ok((1_u64 << 40, 2.5_f64, 'x', true)));
        let mut middle = [0; 100];
        assert_eq!(loader.read(&mut middle), Ok(()));
        assert_eq!((middle, loader.left()), ([7; 100], 6));
        assert_eq!(loader.value(), Ok([300_u16; 3]));
        assert_eq!(loader.value::<u8>(), Err(LoadError::Content), "nothing is left");
    }

    #[test]
    fn a_sink_that_takes_no_more_is_not_forgotten() {
        let mut sink = |offset, _: &[u8]| (offset < 40).then_some(());
        let mut saver = Saver::new(&mut sink);
        saver.write(&[0; 200]);
        assert_eq!(saver.finish(), None);
    }
}
