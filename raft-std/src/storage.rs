//! What a server expects of its storage beside the contract of raft-core, and storage in memory.
//!
//! A sync takes as long as it takes. Storage that has a thread for it says when it is done; any
//! other does it when it is asked whether it is done, which is after everything has left that need
//! not wait for it. Snapshots of a node's own are written by another thread, each on a sheet of its
//! own, which the storage takes when it is whole.

use raft_core::{MemoryStorage, MemoryStorageError, Part, Record, Snapshot, Storage, UnfitMemory};
use std::fmt::Debug;
use std::io::{Cursor, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Storage that a [`Server`](crate::Server) can run on.
pub trait HostStorage: Storage + Send + 'static {
    /// Where a snapshot is written that the storage does not hold yet.
    type Sheet: Sheet;

    /// A blank sheet. Nothing is done on the medium, and so nothing can fail, before its first use.
    fn sheet(&mut self) -> Self::Sheet;

    /// Takes a sheet that is finished as its stage, whole, in the place of whatever was there. The
    /// node says next that it counts: until that is flushed, the snapshot before it does.
    fn place(&mut self, sheet: Self::Sheet) -> Result<(), Self::Error>;

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

/// Takes the bytes of one snapshot from another thread than that of the storage it belongs to.
///
/// **Whatever goes wrong on it** is no error of the storage: nothing was promised on what is on a
/// sheet. **Dropped** before the storage took it, it leaves nothing behind; **when the power
/// fails** the storage clears it away when it is opened.
pub trait Sheet: Send + 'static {
    /// What went wrong, in words that a person can act on.
    type Error: Debug;

    /// Adds bytes behind those that are there.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;

    /// All of it is there, and this is what it is. When this returns it survives a power cut, but
    /// for its name.
    fn finish(&mut self, snapshot: Snapshot) -> Result<(), Self::Error>;
}

/// A sheet in memory, for storage that has nothing better.
#[derive(Debug, Default)]
pub struct MemorySheet {
    bytes: Vec<u8>,
    snapshot: Option<Snapshot>,
}

impl MemorySheet {
    /// Writes it to the stage of a storage, as a node would.
    pub fn place<S: Storage>(self, storage: &mut S) -> Result<(), S::Error> {
        // Without a name there is nothing that could count.
        let Some(snapshot) = self.snapshot else { return Ok(()) };
        storage.write(Record::Stage { snapshot, held: 0 })?;
        storage.write(Record::Chunk { offset: 0, bytes: &self.bytes })
    }
}

impl Sheet for MemorySheet {
    type Error = MemoryStorageError;

    fn write(&mut self, bytes: &[u8]) -> Result<(), Self::Error> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(&mut self, snapshot: Snapshot) -> Result<(), Self::Error> {
        self.snapshot = Some(snapshot);
        Ok(())
    }
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
    type Sheet = MemorySheet;

    fn sheet(&mut self) -> MemorySheet {
        MemorySheet::default()
    }

    fn place(&mut self, sheet: MemorySheet) -> Result<(), Self::Error> {
        sheet.place(self)
    }

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
