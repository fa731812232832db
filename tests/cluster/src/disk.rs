//! Storage that can be told to fail, around the memory storage that forgets.

use raft_core::{MemoryStorage, Record, Storage};

/// A [`MemoryStorage`] with a switch that breaks it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Disk {
    /// What it keeps.
    pub memory: MemoryStorage<Vec<u8>>,
    /// Whether every call fails from now on.
    pub broken: bool,
}

impl Disk {
    /// A blank disk that holds a log of this many bytes.
    pub fn blank(log_bytes: usize) -> Self {
        let journal = vec![0; 2 * log_bytes + 256];
        let memory = MemoryStorage::new(vec![0; log_bytes], journal).expect("a log of fit size");
        Self { memory, broken: false }
    }

    fn check(&self) -> Result<(), String> {
        if self.broken { Err("the disk is broken".to_owned()) } else { Ok(()) }
    }
}

fn told(outcome: Result<(), raft_core::MemoryStorageError>) -> Result<(), String> {
    outcome.map_err(|error| format!("{error:?}"))
}

impl Storage for Disk {
    type Error = String;

    fn recover(&mut self, each: &mut dyn FnMut(Record<'_>)) -> Result<(), String> {
        self.check()?;
        told(self.memory.recover(each))
    }

    fn write(&mut self, record: Record<'_>) -> Result<(), String> {
        self.check()?;
        told(self.memory.write(record))
    }

    fn flush(&mut self) -> Result<(), String> {
        self.check()?;
        told(self.memory.flush())
    }

    fn begin_flush(&mut self) -> Result<(), String> {
        self.check()?;
        told(self.memory.begin_flush())
    }
}
