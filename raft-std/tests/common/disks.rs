//! Storage that finishes when it is told to, and fails when it is told to, around a real one.

use raft_core::{MemoryStorageError, Part, Record, Snapshot, Storage};
use raft_std::{HostStorage, Memory, MemorySheet, Sheet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One node's disk. Copies are the same one.
#[derive(Clone)]
pub struct Disk {
    pub memory: Memory,
    pub control: Arc<Control>,
    /// Whether a flush was begun and not finished.
    begun: bool,
}

/// A snapshot on its way to it.
pub struct DiskSheet {
    sheet: MemorySheet,
    control: Arc<Control>,
}

/// What becomes of syncs.
#[derive(Default)]
pub struct Control(Mutex<State>);

#[derive(Default)]
struct State {
    held: bool,
    fails: bool,
    /// How many sheets can't be written any more.
    full: u32,
    sync_time: Duration,
    wake: Option<Box<dyn Fn() + Send>>,
}

impl Disk {
    pub fn new(memory: Memory) -> Self {
        Self { memory, control: Arc::default(), begun: false }
    }
}

impl Control {
    /// No sync ends until they are let go on.
    pub fn hold(&self) {
        self.0.lock().unwrap().held = true;
    }

    pub fn let_go(&self) {
        let mut state = self.0.lock().unwrap();
        state.held = false;
        if let Some(wake) = &state.wake {
            wake();
        }
    }

    /// The next sync fails.
    pub fn fail(&self) {
        self.0.lock().unwrap().fails = true;
    }

    /// So many sheets find no room.
    pub fn fill(&self, sheets: u32) {
        self.0.lock().unwrap().full = sheets;
    }

    pub fn take_so_long(&self, time: Duration) {
        self.0.lock().unwrap().sync_time = time;
    }
}

impl Sheet for DiskSheet {
    type Error = MemoryStorageError;

    fn write(&mut self, bytes: &[u8]) -> Result<(), Self::Error> {
        self.sheet.write(bytes)
    }

    fn finish(&mut self, snapshot: Snapshot) -> Result<(), Self::Error> {
        let mut state = self.control.0.lock().unwrap();
        if state.full > 0 {
            state.full -= 1;
            return Err(MemoryStorageError::StageFull);
        }
        self.sheet.finish(snapshot)
    }
}

impl Storage for Disk {
    type Error = MemoryStorageError;

    fn recover(&mut self, each: &mut dyn FnMut(Record<'_>)) -> Result<(), Self::Error> {
        self.memory.recover(each)
    }

    fn write(&mut self, record: Record<'_>) -> Result<(), Self::Error> {
        self.memory.write(record)
    }

    fn read(&mut self, part: Part, offset: u32, buffer: &mut [u8]) -> Result<(), Self::Error> {
        self.memory.read(part, offset, buffer)
    }

    fn snapshot_bytes_max(&self) -> u32 {
        self.memory.snapshot_bytes_max()
    }

    fn flush(&mut self) -> Result<(), Self::Error> {
        self.memory.flush()
    }

    fn begin_flush(&mut self) -> Result<(), Self::Error> {
        self.begun = true;
        self.memory.begin_flush()
    }
}

impl HostStorage for Disk {
    type Sheet = DiskSheet;

    fn sheet(&mut self) -> DiskSheet {
        DiskSheet { sheet: self.memory.sheet(), control: Arc::clone(&self.control) }
    }

    fn place(&mut self, sheet: DiskSheet) -> Result<(), Self::Error> {
        self.memory.place(sheet.sheet)
    }

    fn on_flushed(&mut self, wake: Box<dyn Fn() + Send>) {
        self.control.0.lock().unwrap().wake = Some(wake);
    }

    fn poll_flushed(&mut self) -> Option<Result<(), Self::Error>> {
        let state = self.control.0.lock().unwrap();
        if state.held || !self.begun {
            return None;
        }
        self.begun = false;
        if state.fails {
            return Some(Err(MemoryStorageError::JournalFull));
        }
        self.memory.poll_flushed()
    }

    fn sync_time(&mut self) -> Duration {
        self.control.0.lock().unwrap().sync_time
    }
}
