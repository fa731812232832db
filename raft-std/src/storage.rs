//! What a server expects of its storage beside the contract of raft-core, and storage in memory.
//!
//! A sync takes as long as it takes. Storage that has a thread for it says when it is done; any
//! other does it when it is asked whether it is done, which is after everything has left that need
//! not wait for it.

use raft_core::{MemoryStorage, MemoryStorageError, Part, Record, Storage, UnfitMemory};
use std::io::{Cursor, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Storage that a [`Server`](crate::Server) can run on.
pub trait HostStorage: Storage + Send + 'static {
    /// Is told once, before anything else, what to call from any thread when a flush has ended that
    /// [`begin_flush`](Storage::begin_flush) began.
    fn on_flushed(&mut self, wake: Box<dyn Fn() + Send>);

    /// What became of the flush that began last, once: `None` while it is on its way, or if none
    /// is. Storage without a thread of its own does it here.
    fn poll_flushed(&mut self) -> Option<Result<(), Self::Error>>;

    /// The snapshot that counts, of so many bytes, for another thread to read: it stays what it is,
    /// whatever becomes of the storage meanwhile. Storage that can't hand out its own makes a copy.
    fn open_snapshot(&mut self, bytes: u32) -> Result<Box<dyn Read + Send>, Self::Error> {
        let mut copy = vec![0; bytes as usize];
        self.read(Part::Snapshot, 0, &mut copy)?;
        Ok(Box::new(Cursor::new(copy)))
    }

    /// How long a sync takes here, measured when the server starts: waits that are too short for
    /// that are refused.
    fn sync_time(&mut self) -> Duration;

    /// What it has done, for whoever watches. Storage that counts nothing leaves this out.
    fn counters(&self) -> StorageCounters {
        StorageCounters::default()
    }
}

/// What storage has done since it was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StorageCounters {
    /// Flushes that had something to do and ended well.
    pub flushes: u64,
    /// How long all of them took together.
    pub flush_time: Duration,
    /// Bytes of records that they made durable.
    pub flushed_bytes: u64,
}

/// Storage that lives as long as the process: for tests, and for machines whose state may be lost
/// with all of them. Copies are the same storage, so that a server can be started again on it; two
/// servers at once must not have the same one.
#[derive(Clone)]
pub struct Memory {
    storage: Arc<Mutex<MemoryStorage<Vec<u8>>>>,
    /// Whether a flush was begun and not finished.
    begun: bool,
    flushes: u64,
}

impl Memory {
    /// Blank storage for a log of so many bytes, which is what the server has, and for snapshots of
    /// so many.
    pub fn new(log_bytes: usize, snapshot_bytes: usize) -> Result<Self, UnfitMemory> {
        let journal = 2 * (log_bytes + snapshot_bytes) + 1024;
        let storage = MemoryStorage::new(vec![0; log_bytes], vec![0; journal])?;
        let storage = storage.with_snapshots(vec![0; snapshot_bytes], vec![0; snapshot_bytes]);
        Ok(Self { storage: Arc::new(Mutex::new(storage)), begun: false, flushes: 0 })
    }

    /// The power fails: what was not flushed is gone. The server must have ended before.
    pub fn crash(&self) -> Result<(), MemoryStorageError> {
        self.lock().crash(0)
    }

    fn lock(&self) -> MutexGuard<'_, MemoryStorage<Vec<u8>>> {
        // What was written up to a panic is what storage would hold after one.
        self.storage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storage for Memory {
    type Error = MemoryStorageError;

    fn recover(&mut self, each: &mut dyn FnMut(Record<'_>)) -> Result<(), Self::Error> {
        self.lock().recover(each)
    }

    fn write(&mut self, record: Record<'_>) -> Result<(), Self::Error> {
        self.lock().write(record)
    }

    fn read(&mut self, part: Part, offset: u32, buffer: &mut [u8]) -> Result<(), Self::Error> {
        self.lock().read(part, offset, buffer)
    }

    fn snapshot_bytes_max(&self) -> u32 {
        self.lock().snapshot_bytes_max()
    }

    fn flush(&mut self) -> Result<(), Self::Error> {
        self.lock().flush()
    }

    fn begin_flush(&mut self) -> Result<(), Self::Error> {
        self.begun = true;
        self.lock().begin_flush()
    }
}

impl HostStorage for Memory {
    fn on_flushed(&mut self, _: Box<dyn Fn() + Send>) {}

    fn poll_flushed(&mut self) -> Option<Result<(), Self::Error>> {
        if !std::mem::take(&mut self.begun) {
            return None;
        }
        self.lock().finish_flush();
        self.flushes += 1;
        Some(Ok(()))
    }

    fn sync_time(&mut self) -> Duration {
        Duration::ZERO
    }

    fn counters(&self) -> StorageCounters {
        StorageCounters { flushes: self.flushes, ..StorageCounters::default() }
    }
}
