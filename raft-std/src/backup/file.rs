//! A backup in a file, as whoever restores it sees it: read once from end to end before anything
//! is believed.

use super::check::{BackupHead, BadBackup};
use super::{Checker, PIECE_BYTES};
use crate::HostMachine;
use crate::commands::Batches;
use crate::host::Stack;
use crate::wal::Contents;
use crate::wal::sector::SECTOR_BYTES;
use raft_core::{Configuration, Machine, Saved, Sessions};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A backup that is whole.
pub struct BackupFile {
    head: BackupHead,
    contents: Arc<dyn Contents>,
}

impl BackupFile {
    /// Opens a file, and reads all of it.
    pub fn open(path: &Path) -> Result<Self, BadBackup> {
        let file = File::open(path).map_err(|error| unreadable(&error))?;
        Self::over(Arc::new(file))
    }

    /// The same for the contents of any file.
    pub fn over(contents: Arc<dyn Contents>) -> Result<Self, BadBackup> {
        let (mut checker, mut piece, mut at) = (Checker::default(), vec![0; PIECE_BYTES], 0);
        loop {
            let count = contents.read_at(at, &mut piece).map_err(|error| unreadable(&error))?;
            if count == 0 {
                return Ok(Self { head: checker.finish()?, contents });
            }
            checker.take(piece.get(..count).unwrap_or_default())?;
            at += count as u64;
        }
    }

    /// What it says of itself.
    pub const fn head(&self) -> &BackupHead {
        &self.head
    }

    /// Who the members were, and the format of what the machine saved.
    pub fn configuration(&self) -> Result<(Configuration, u16), BadBackup> {
        self.with_content(|mut saved| saved.head()).map_err(BadBackup::of)
    }

    /// Makes a machine in its first state what it was.
    pub fn machine<M: HostMachine>(&self, machine: M) -> Result<M, BadBackup> {
        if self.head.shape != <Stack<M> as Machine>::SHAPE {
            return Err(BadBackup::OtherMachine);
        }
        // Nobody submits anything to this one, whatever its life is called.
        let mut machine: Stack<M> = Sessions::new(Batches(machine), 0);
        let restored = self.with_content(|mut saved| saved.restore(&mut machine));
        restored.map_err(BadBackup::of)?;
        Ok(machine.into_inner().0)
    }

    /// Reads the content, which is asked for a few bytes at a time.
    pub(crate) fn with_content<T>(
        &self,
        with: impl FnOnce(Saved<&mut dyn FnMut(u32, &mut [u8]) -> Option<()>>) -> T,
    ) -> T {
        let mut window = Window::default();
        let mut source = |offset: u32, buffer: &mut [u8]| {
            let offset = u64::from(offset);
            if window.get(offset, buffer.len()).is_none() {
                let mut bytes = vec![0; PIECE_BYTES.max(buffer.len())];
                let count = self.contents.read_at(SECTOR_BYTES as u64 + offset, &mut bytes).ok()?;
                bytes.truncate(count);
                window = Window { offset, bytes };
            }
            buffer.copy_from_slice(window.get(offset, buffer.len())?);
            Some(())
        };
        with(Saved::new(self.head.snapshot, &mut source))
    }
}

/// What was read last.
#[derive(Default)]
struct Window {
    offset: u64,
    bytes: Vec<u8>,
}

impl Window {
    fn get(&self, offset: u64, length: usize) -> Option<&[u8]> {
        let start = usize::try_from(offset.checked_sub(self.offset)?).ok()?;
        self.bytes.get(start..start.checked_add(length)?)
    }
}

fn unreadable(error: &io::Error) -> BadBackup {
    BadBackup::Unreadable(error.to_string())
}
