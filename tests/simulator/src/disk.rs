//! Storage that can be told to fail, around the memory storage that forgets.
//!
//! Every fault is one that a real medium has: it breaks for good, one call fails, the power goes in
//! the middle of a record, a record that was flushed can't be read any more. Whatever it does, it
//! keeps an account of what it must still hold.

use crate::flash::{Medium, Start};
use crate::ledger::Account;
use raft_core::{Ballot, Index, Loss, MemoryStorage, Part, Position, Record, Snapshot, Storage};

/// The snapshot, and the stage with how much of it there is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Slots {
    /// The one that counts.
    pub snapshot: Snapshot,
    /// The one that comes together.
    pub stage: Option<(Snapshot, u32)>,
}

impl Slots {
    /// Takes a record in. Says whether it fits to what was there.
    pub(crate) fn take(&mut self, record: Record<'_>) -> bool {
        match record {
            Record::Stage { snapshot, held } => self.stage = Some((snapshot, held)),
            Record::Chunk { offset, bytes } => {
                let Some((of, held)) = &mut self.stage else { return false };
                let before = std::mem::replace(held, offset + bytes.len() as u32);
                return before == offset && *held <= of.bytes;
            }
            Record::Snapshot(snapshot) => {
                let stage = self.stage.take();
                self.snapshot = snapshot;
                return stage == Some((snapshot, snapshot.bytes));
            }
            Record::Identity(_)
            | Record::Ballot(_)
            | Record::Base(_)
            | Record::Entries { .. }
            | Record::Lost(_) => {}
        }
        true
    }

    /// What one of them holds, and how much of it.
    pub fn get(&self, part: Part) -> Option<(Snapshot, u32)> {
        match part {
            Part::Snapshot => Some((self.snapshot, self.snapshot.bytes)),
            Part::Stage => self.stage,
        }
    }
}

/// What of a disk can't be read any more.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Decay {
    /// The first entry.
    pub first: Index,
    /// Whether the snapshot neither.
    pub snapshot: bool,
}

/// A [`MemoryStorage`], or storage in flash, with switches that break it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Disk {
    /// What it keeps, if it is no flash.
    pub memory: MemoryStorage<Vec<u8>>,
    /// The flash that keeps all of it instead.
    pub flash: Option<Medium>,
    /// A start in flash of which the account knows nothing yet.
    start: Option<Start>,
    /// What it should keep.
    pub account: Account,
    /// Whether every call fails from now on.
    pub broken: bool,
    /// Whether the next call fails, and only that one.
    pub stumbles: bool,
    /// Whether the ballot can't be read any more.
    pub rotten: bool,
    /// What else can't be, as the next start finds.
    pub decay: Option<Decay>,
    /// What its two slots hold, written or flushed.
    pub slots: Slots,
    /// The stage that was there when the power came back, until another begins.
    resumed: Option<Snapshot>,
    /// Snapshots that came to count, having been on their way here before a power cut.
    pub resumes: u32,
    /// Rotten snapshots in whose place came sound ones.
    pub replaced: u32,
    /// A byte of one snapshot that does not read as it was written, wherever that one is.
    pub flipped: Option<(Snapshot, u32)>,
    /// The power fails inside the write after this many.
    pub power_left: Option<u32>,
    /// How many bytes were not flushed before the write in which the power failed.
    pub cut_at: Option<usize>,
    /// Ballots and runs of entries written since somebody last asked.
    pub writes: u32,
    /// Runs of entries among them.
    pub runs: u32,
    /// How many steps of upkeep it has left to do.
    pub worn: u32,
}

impl Disk {
    /// A blank disk that holds a log of this many bytes, and snapshots up to so many.
    pub fn blank(log_bytes: usize, snapshot_bytes: usize) -> Self {
        // A chunk's own head is longer than what it carries in the smallest frames.
        let journal = vec![0; 2 * log_bytes + 256 + 6 * snapshot_bytes];
        let memory = MemoryStorage::new(vec![0; log_bytes], journal).expect("a log of fit size");
        let slot = || vec![0; snapshot_bytes];
        Self {
            memory: memory.with_snapshots(slot(), slot()),
            flash: None,
            start: None,
            account: Account::default(),
            broken: false,
            stumbles: false,
            rotten: false,
            decay: None,
            slots: Slots::default(),
            resumed: None,
            resumes: 0,
            replaced: 0,
            flipped: None,
            power_left: None,
            cut_at: None,
            writes: 0,
            runs: 0,
            worn: 0,
        }
    }

    /// Whether its snapshot does not read as it was written.
    pub fn has_rotten_snapshot(&self) -> bool {
        self.flipped.is_some_and(|(flipped, _)| flipped == self.slots.snapshot)
    }

    /// What was begun is flushed.
    pub fn finish_flush(&mut self) {
        self.memory.finish_flush();
        self.account.finish();
    }

    /// The power will fail inside the write after so many, or the operation of flash; or not.
    pub fn fail_after(&mut self, left: Option<u32>) {
        match &mut self.flash {
            Some(flash) => flash.0.fail_after(left),
            None => self.power_left = left,
        }
    }

    /// How many sectors of flash were erased since somebody last asked.
    pub fn take_erases(&mut self) -> u32 {
        self.flash.as_mut().map_or(0, |flash| flash.0.take_erases())
    }

    /// The ballot with which its node began.
    pub fn found_ballot(&mut self) -> Result<Ballot, String> {
        match self.start {
            Some(start) => Ok(start.found),
            None => told(self.memory.flushed_ballot()),
        }
    }

    /// The account learns what a start wrote, having been asked about what it found.
    pub fn started(&mut self) {
        if let Some(ballot) = self.start.take().and_then(|start| start.wrote) {
            self.account.write(Record::Ballot(ballot));
            self.account.flush();
        }
    }

    /// The power has failed: of what was not flushed, so many bytes are there.
    pub fn crash(&mut self, kept: usize) -> Result<(), String> {
        (self.power_left, self.cut_at, self.stumbles) = (None, None, false);
        if let Some(flash) = &mut self.flash {
            // What is there the next start says.
            flash.0.restart();
            return Ok(());
        }
        told(self.memory.crash(kept))?;
        self.slots = Self::slots_of(&mut self.memory)?;
        self.resumed = self.slots.stage.filter(|(_, held)| *held > 0).map(|(of, _)| of);
        Ok(())
    }

    /// The power is gone, and what had begun to rot can't be read any more. Says whether anything
    /// had. What was on its way when the power failed is found first, at another start.
    pub fn rot(&mut self) -> Result<bool, String> {
        if !self.account.is_settled() {
            return Ok(false);
        }
        let Some(Decay { first, snapshot }) = self.decay.take() else { return Ok(false) };
        told(self.memory.rot(first, snapshot))?;
        self.slots = Self::slots_of(&mut self.memory)?;
        let log = told(self.memory.flushed().map(|log| (log.base(), log.last().index)))?;
        self.account.lose(log, self.slots.snapshot.last.index);
        Ok(true)
    }

    /// What the slots would hold if the power failed now and kept nothing more.
    pub fn flushed_slots(&self) -> Result<Slots, String> {
        Self::slots_of(&mut self.memory.clone())
    }

    fn slots_of(memory: &mut MemoryStorage<Vec<u8>>) -> Result<Slots, String> {
        let mut slots = Slots::default();
        told(memory.recover(&mut |record| {
            if let Record::Snapshot(snapshot) = record {
                slots.snapshot = snapshot;
            } else {
                slots.take(record);
            }
        }))?;
        Ok(slots)
    }

    /// What came of a call of flash: what was cut short may be there all the same.
    fn flash_outcome(&mut self, outcome: Result<(), String>) -> Result<(), String> {
        let is_off = self.flash.as_ref().is_some_and(|flash| flash.0.is_off());
        self.cut_at = is_off.then_some(0);
        outcome
    }

    fn check(&mut self) -> Result<(), String> {
        if self.cut_at.is_some() {
            return Err("there is no power".to_owned());
        }
        if self.broken || std::mem::take(&mut self.stumbles) {
            return Err("the disk is broken".to_owned());
        }
        Ok(())
    }
}

fn told<T>(outcome: Result<T, raft_core::MemoryStorageError>) -> Result<T, String> {
    outcome.map_err(|error| format!("{error:?}"))
}

impl Storage for Disk {
    type Error = String;

    fn recover(&mut self, each: &mut dyn FnMut(Record<'_>)) -> Result<(), String> {
        self.check()?;
        match &mut self.flash {
            Some(flash) => {
                (self.slots, self.start) = flash.recover(each)?;
                let stage = self.slots.stage.filter(|(_, held)| *held > 0);
                self.resumed = stage.map(|(of, _)| of);
            }
            None => told(self.memory.recover(each))?,
        }
        if self.rotten {
            each(Record::Lost(Loss::Ballot));
        }
        Ok(())
    }

    fn write(&mut self, record: Record<'_>) -> Result<(), String> {
        self.check()?;
        let before = self.memory.unflushed_bytes();
        if let Some(flash) = &mut self.flash {
            let written = flash.0.write(record);
            if let Some(start) = &mut self.start {
                if let Record::Ballot(ballot) = record {
                    start.wrote = Some(ballot);
                }
                return written;
            }
            let outcome = self.flash_outcome(written);
            if outcome.is_err() {
                self.account.write(record);
                return outcome;
            }
        } else {
            told(self.memory.write(record))?;
        }
        self.account.write(record);
        let rotten = self.has_rotten_snapshot();
        self.account.misfits += u32::from(!self.slots.take(record));
        match record {
            Record::Stage { snapshot, .. } => {
                self.resumed = None;
                // The same one written again is written whole.
                let again = self.flipped.take_if(|(flipped, _)| *flipped == snapshot);
                self.replaced += u32::from(rotten && again.is_some());
            }
            Record::Snapshot(snapshot) => {
                self.resumes += u32::from(self.resumed.take() == Some(snapshot));
                self.replaced += u32::from(rotten);
            }
            _ => {}
        }
        let is_run = matches!(record, Record::Entries { bytes, .. } if !bytes.is_empty());
        self.runs += u32::from(is_run);
        self.writes += u32::from(matches!(record, Record::Ballot(_) | Record::Entries { .. }));
        match &mut self.power_left {
            Some(0) => {
                self.cut_at = Some(before);
                Err("the power failed".to_owned())
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn read(&mut self, part: Part, offset: u32, buffer: &mut [u8]) -> Result<(), String> {
        self.check()?;
        match &mut self.flash {
            Some(flash) => flash.0.read(part, offset, buffer)?,
            None => told(self.memory.read(part, offset, buffer))?,
        }
        if let (Some((snapshot, _)), Some((flipped, at))) = (self.slots.get(part), self.flipped)
            && snapshot == flipped
            && let Some(byte) = at.checked_sub(offset).and_then(|at| buffer.get_mut(at as usize))
        {
            *byte ^= 1;
        }
        Ok(())
    }

    fn wants_renewal(&self, bytes: usize) -> bool {
        self.flash.as_ref().is_some_and(|flash| flash.0.wants_renewal(bytes))
    }

    fn renew(&mut self, base: Position, committed: Index, parts: [&[u8]; 2]) -> Result<(), String> {
        self.check()?;
        let Some(flash) = &mut self.flash else { return Ok(()) };
        let renewed = flash.0.renew(base, committed, parts);
        if self.start.is_none() {
            self.account.renew(base, parts);
            self.flash_outcome(renewed)
        } else {
            renewed
        }
    }

    fn snapshot_bytes_max(&self) -> u32 {
        let of_flash = self.flash.as_ref().map(|flash| flash.0.snapshot_bytes_max());
        of_flash.unwrap_or(self.memory.snapshot_bytes_max())
    }

    fn upkeep(&self) -> u32 {
        self.flash.as_ref().map_or(self.worn.min(1), |flash| flash.0.upkeep())
    }

    fn pause_micros(&self) -> u32 {
        self.flash.as_ref().map_or(0, |flash| flash.0.pause_micros())
    }

    fn entry_bytes_max(&self) -> usize {
        self.flash.as_ref().map_or(usize::MAX, |flash| flash.0.entry_bytes_max())
    }

    fn maintain(&mut self) -> Result<(), String> {
        self.check()?;
        self.worn = self.worn.saturating_sub(1);
        let Some(flash) = &mut self.flash else { return Ok(()) };
        let maintained = flash.0.maintain();
        self.flash_outcome(maintained)
    }

    fn flush(&mut self) -> Result<(), String> {
        self.check()?;
        match &mut self.flash {
            Some(flash) => {
                let flushed = flash.0.flush();
                if self.start.is_none() {
                    flash.0.forget();
                }
                self.flash_outcome(flushed)?;
            }
            None => told(self.memory.flush())?,
        }
        if self.start.is_none() {
            self.account.flush();
        }
        Ok(())
    }

    fn begin_flush(&mut self) -> Result<(), String> {
        self.check()?;
        told(self.memory.begin_flush())?;
        self.account.begin();
        Ok(())
    }
}
