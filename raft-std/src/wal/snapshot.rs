//! Snapshots, and the stage on which the next one comes together: a file for each.
//!
//! ```text
//! head       512 bytes   "raftsnap": the file's number, and which snapshot it is
//! content                as the machine saved it, from byte 512 on
//! ```
//!
//! A stage is `stage-` and its number; when the log says, durably, that it counts, it is renamed to
//! `snapshot-` and the number. How much of a stage is there stands in the log, with a checksum.

use super::batch::NUMBER_LIMIT;
use super::error::WalError;
use super::files::{Contents, Files, read_up_to};
use super::item::{Held, Numbered};
use super::sector::{self, SECTOR_BYTES, Unfit};
use raft_core::Snapshot;
use std::io::{self, Read};
use std::sync::Arc;

/// Before the content.
const HEAD_BYTES: u64 = SECTOR_BYTES as u64;
/// In such pieces content is written, and read.
const PIECE_BYTES: usize = 64 * 1024;

/// What the name of a file of content begins with, until it counts and from then on.
pub(super) const STAGE: &str = "stage-";
pub(super) const SNAPSHOT: &str = "snapshot-";

pub(super) fn name(kind: &str, number: u64) -> String {
    format!("{kind}{number:016x}")
}

/// The number in a name of that kind.
pub(super) fn number(kind: &str, name: &str) -> Option<u64> {
    let digits = name.strip_prefix(kind).filter(|digits| digits.len() == 16)?;
    u64::from_str_radix(digits, 16).ok().filter(|number| *number < NUMBER_LIMIT)
}

/// A file of content that is open.
#[derive(Clone)]
pub(super) struct Content {
    pub(super) of: Numbered,
    pub(super) file: Arc<dyn Contents>,
    name: String,
}

impl Content {
    /// A new stage.
    pub(super) fn create(files: &dyn Files, of: Numbered) -> Result<Self, WalError> {
        let mut content = Self::begin(files, of.number)?;
        content.name(of.snapshot)?;
        Ok(content)
    }

    /// A new stage that does not say yet what for.
    pub(super) fn begin(files: &dyn Files, number: u64) -> Result<Self, WalError> {
        let name = name(STAGE, number);
        let file = files.create(&name).map_err(WalError::of("create", &name))?;
        Ok(Self { of: Numbered { number, snapshot: Snapshot::NONE }, file, name })
    }

    /// Has it say which snapshot it is.
    pub(super) fn name(&mut self, snapshot: Snapshot) -> Result<(), WalError> {
        let of = Numbered { snapshot, ..self.of };
        let head = sector::write(sector::SNAPSHOT, &of);
        let head = head.ok_or(WalError::BadRecord("a snapshot of no sensible size"))?;
        self.file.write_at(0, &head).map_err(WalError::of("write", &self.name))?;
        self.of = of;
        Ok(())
    }

    /// The file of that number under either name, if there is one and it says so itself.
    pub(super) fn find(
        files: &dyn Files,
        names: &[String],
        number: u64,
    ) -> Result<Option<Self>, WalError> {
        for kind in [SNAPSHOT, STAGE] {
            let name = name(kind, number);
            if names.contains(&name)
                && let Some(content) = Self::open(files, name)?
                && content.of.number == number
            {
                return Ok(Some(content));
            }
        }
        Ok(None)
    }

    fn open(files: &dyn Files, name: String) -> Result<Option<Self>, WalError> {
        let file = files.open(&name).map_err(WalError::of("open", &name))?;
        let head = read_up_to(&*file, 0, SECTOR_BYTES).map_err(WalError::of("read", &name))?;
        match sector::read(sector::SNAPSHOT, &head) {
            Ok(of) => Ok(Some(Self { of, file, name })),
            Err(Unfit::Damaged) => Ok(None),
            Err(Unfit::Version(version)) => Err(WalError::UnknownFormat { file: name, version }),
        }
    }

    /// Fills the buffer with what stands at an offset, as far as there is so much; says how far.
    pub(super) fn read(&self, offset: u32, buffer: &mut [u8]) -> Result<usize, WalError> {
        let read = self.file.read_at(HEAD_BYTES + u64::from(offset), buffer);
        read.map_err(WalError::of("read", &self.name))
    }

    /// Reads it from its first byte to its last, whatever becomes of its name meanwhile.
    pub(super) const fn reader(self) -> Reader {
        Reader { content: self, at: 0 }
    }

    pub(super) fn remove(&self, files: &dyn Files) -> io::Result<()> {
        files.remove(&self.name)
    }

    pub(super) fn sync(&self) -> Result<(), WalError> {
        self.file.sync().map_err(WalError::of("sync", &self.name))
    }

    pub(super) fn write(&self, offset: u32, bytes: &[u8]) -> Result<(), WalError> {
        let written = self.file.write_at(HEAD_BYTES + u64::from(offset), bytes);
        written.map_err(WalError::of("write", &self.name))
    }

    /// Whether it holds just the snapshot that it says.
    pub(super) fn adds_up(&self) -> Result<bool, WalError> {
        let Snapshot { bytes, checksum, .. } = self.of.snapshot;
        let whole = Held { number: self.of.number, bytes, checksum };
        Ok(self.longest(&[whole])? == Some(whole))
    }

    /// The last of these, in the order of their lengths, that is there as it was written.
    pub(super) fn longest(&self, marks: &[Held]) -> Result<Option<Held>, WalError> {
        let (mut at, mut hasher) = (0, crc32fast::Hasher::new());
        let mut longest = None;
        for mark in marks {
            while at < mark.bytes {
                let mut piece = vec![0; PIECE_BYTES.min((mark.bytes - at) as usize)];
                if self.read(at, &mut piece)? < piece.len() {
                    return Ok(longest);
                }
                hasher.update(&piece);
                at += piece.len() as u32;
            }
            if at == mark.bytes && hasher.clone().finalize() == mark.checksum {
                longest = Some(*mark);
            }
        }
        Ok(longest)
    }
}

/// Somebody who reads a snapshot apart from the storage that it belongs to.
pub(super) struct Reader {
    content: Content,
    at: u32,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = (self.content.of.snapshot.bytes - self.at) as usize;
        let most = left.min(buffer.len());
        let count = self.content.read(self.at, &mut buffer[..most]).map_err(io::Error::other)?;
        self.at += count as u32;
        Ok(count)
    }
}

/// What was read of a file last: whoever reads asks for a few bytes at a time.
#[derive(Default)]
pub(super) struct Window {
    number: u64,
    offset: u32,
    bytes: Vec<u8>,
}

impl Window {
    /// Fills the buffer with what stands at an offset of a file that has `end` bytes of content:
    /// what is behind that may still change. Says whether there is so much.
    pub(super) fn read(
        &mut self,
        content: &Content,
        end: u32,
        offset: u32,
        buffer: &mut [u8],
    ) -> Result<bool, WalError> {
        if self.get(content.of.number, offset, buffer.len()).is_none() {
            let most = end.saturating_sub(offset) as usize;
            let mut bytes = vec![0; PIECE_BYTES.max(buffer.len()).min(most)];
            let length = content.read(offset, &mut bytes)?;
            bytes.truncate(length);
            *self = Self { number: content.of.number, offset, bytes };
        }
        let found = self.get(content.of.number, offset, buffer.len());
        found.map(|found| buffer.copy_from_slice(found)).map_or(Ok(false), |()| Ok(true))
    }

    fn get(&self, number: u64, offset: u32, length: usize) -> Option<&[u8]> {
        let start = offset.checked_sub(self.offset).filter(|_| number == self.number)? as usize;
        self.bytes.get(start..start.checked_add(length)?)
    }
}

/// A stage that is written to.
pub(super) struct Stage {
    pub(super) content: Content,
    /// What is in the file.
    written: u32,
    /// What follows that, not written yet.
    tail: Vec<u8>,
    checksum: crc32fast::Hasher,
    /// Whether there is more than the log was told of.
    grown: bool,
}

impl Stage {
    /// Goes on with a stage that holds so much.
    pub(super) fn resume(content: Content, held: Held) -> Self {
        let length = u64::from(held.bytes);
        let checksum = crc32fast::Hasher::new_with_initial_len(held.checksum, length);
        Self { content, written: held.bytes, tail: Vec::new(), checksum, grown: false }
    }

    pub(super) fn add(&mut self, bytes: &[u8]) -> Result<(), WalError> {
        self.checksum.update(bytes);
        self.tail.extend_from_slice(bytes);
        self.grown = true;
        if self.tail.len() >= PIECE_BYTES { self.write() } else { Ok(()) }
    }

    /// Hands what there is to the file.
    pub(super) fn write(&mut self) -> Result<(), WalError> {
        if !self.tail.is_empty() {
            self.content.write(self.written, &self.tail)?;
            self.written += self.tail.len() as u32;
            self.tail.clear();
        }
        Ok(())
    }

    /// What the log is to be told, if there is more than when it was told last.
    pub(super) fn mark(&mut self) -> Option<Held> {
        std::mem::take(&mut self.grown).then(|| self.held())
    }

    pub(super) fn held(&self) -> Held {
        let checksum = self.checksum.clone().finalize();
        Held { number: self.content.of.number, bytes: self.bytes(), checksum }
    }

    pub(super) fn bytes(&self) -> u32 {
        self.written + self.tail.len() as u32
    }
}
