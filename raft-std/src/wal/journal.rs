//! Carries out what a flush asks for, in the order that keeps what was promised:
//!
//! 1. what came onto a stage is durable, and its name;
//! 2. the batch is durable in the log: now the flush counts;
//! 3. a new ballot is written a second and a third time;
//! 4. files get the names that they have from now on, and those that nobody needs go.
//!
//! The log is a row of files of equal size, filled with zeros before they are used, so that a sync
//! need not make a file longer. Each begins with what all before it amounts to, so that the oldest
//! may go, or be used again, as soon as no entry in it is needed.

use super::ballot::{self, Slot};
use super::batch::{self, HEAD_BYTES};
use super::error::WalError;
use super::files::{Contents, Files};
use super::item::{self, Gap, Item, State};
use super::look::{LOG, LogHead, Segment};
use super::sector::{self, SECTOR_BYTES, padded};
use super::snapshot;
use raft_core::Index;
use std::collections::VecDeque;
use std::sync::Arc;

/// A file that waits to become one of the log.
const SPARE: &str = "spare";
/// As many zeros are written to it after a flush.
static ZEROS: [u8; 256 * 1024] = [0; 256 * 1024];

/// What one flush has to do.
#[derive(Clone)]
pub(super) struct Job {
    /// Room for a head, then the items. Without items nothing goes to the log.
    pub(super) items: Vec<u8>,
    /// The batch that is repeated, if it is a copy.
    pub(super) repeats: Option<u64>,
    /// What everything before amounts to, for a file that begins with this batch.
    pub(super) before: (State, Vec<Gap>),
    /// The highest entry among the items.
    pub(super) highest: Index,
    /// Entries up to here are not needed when this is done.
    pub(super) base: Index,
    /// The new ballot, if there is one.
    pub(super) ballot: Option<State>,
    /// What was written to beside the log.
    pub(super) touched: Vec<Arc<dyn Contents>>,
    /// Whether any of that is a new file.
    pub(super) named: bool,
    pub(super) after: Vec<Tidying>,
}

impl Job {
    /// A flush that finds nothing to do.
    pub(super) fn nothing(before: (State, Vec<Gap>)) -> Self {
        Self {
            items: vec![0; HEAD_BYTES],
            repeats: None,
            base: Index::ZERO,
            before,
            highest: Index::ZERO,
            ballot: None,
            touched: Vec::new(),
            named: false,
            after: Vec::new(),
        }
    }

    /// How many bytes go to the log.
    pub(super) fn bytes(&self) -> u64 {
        (self.items.len() - HEAD_BYTES) as u64
    }

    /// Whether there is nothing that would have to be durable.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes() == 0 && self.touched.is_empty() && self.after.is_empty()
    }
}

/// What is done to a file when nobody can need it any more as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tidying {
    /// The stage of that number counts.
    Promote(u64),
    /// The snapshot of that number does not count any more.
    DropSnapshot(u64),
    /// The stage of that number is given up.
    DropStage(u64),
}

/// The files that a flush writes to.
pub(super) struct Journal {
    files: Arc<dyn Files>,
    salt: u32,
    segment_bytes: u64,
    segments: VecDeque<Segment>,
    /// The last of the segments.
    current: Option<Arc<dyn Contents>>,
    /// Where the next batch goes in it.
    at: u64,
    /// The number of the next batch.
    next: u64,
    has_ballot: bool,
    /// The file that is made ready, and how much of it is.
    spare: Option<(Arc<dyn Contents>, u64)>,
}

impl Journal {
    pub(super) fn new(files: Arc<dyn Files>, salt: u32, segment_bytes: u64) -> Self {
        Self {
            files,
            salt,
            segment_bytes,
            segments: VecDeque::new(),
            current: None,
            at: SECTOR_BYTES as u64,
            next: 1,
            has_ballot: false,
            spare: None,
        }
    }

    /// Goes on where others ended.
    pub(super) fn resume(
        &mut self,
        segments: Vec<Segment>,
        at: usize,
        next: u64,
        has_ballot: bool,
    ) -> Result<(), WalError> {
        if let Some(last) = segments.last() {
            let file = self.files.open(&last.name).map_err(WalError::of("open", &last.name))?;
            self.current = Some(file);
        }
        self.segments = segments.into();
        (self.at, self.next, self.has_ballot) = (at as u64, next, has_ballot);
        Ok(())
    }

    /// Everything that the job says is durable when this returns.
    pub(super) fn run(&mut self, job: Job) -> Result<(), WalError> {
        for file in &job.touched {
            file.sync().map_err(WalError::of("sync", "the stage"))?;
        }
        if job.named {
            self.sync_names()?;
        }
        let ballot_at = self.next;
        if job.items.len() > HEAD_BYTES {
            self.append(job.items, job.repeats, &job.before, job.highest)?;
        }
        if let Some(State { identity, ballot, .. }) = job.ballot {
            let slot = Slot { salt: self.salt, number: ballot_at, identity, ballot };
            self.write_ballot(&slot)?;
        }
        let mut renamed = false;
        for tidying in job.after {
            renamed |= self.tidy(tidying)?;
        }
        renamed |= self.drop_below(job.base)?;
        // Before a file is used again, nobody must find it under its old name.
        if renamed { self.sync_names() } else { Ok(()) }
    }

    /// Appends a batch once more. No file goes: what can't be read of one is still to be told.
    pub(super) fn append_copy(&mut self, job: Job) -> Result<(), WalError> {
        self.append(job.items, job.repeats, &job.before, job.highest)
    }

    /// Appends a batch without items.
    pub(super) fn append_seal(&mut self, before: &(State, Vec<Gap>)) -> Result<(), WalError> {
        self.append(vec![0; HEAD_BYTES], None, before, Index::ZERO)
    }

    pub(super) fn write_ballot(&mut self, slot: &Slot) -> Result<(), WalError> {
        ballot::write(&*self.files, slot, self.has_ballot)?;
        self.has_ballot = true;
        Ok(())
    }

    /// Makes the next file ready, a piece at a time, when the current one is half full. What goes
    /// wrong here does so again, and is told, when the file is needed.
    pub(super) fn prepare(&mut self) {
        let bytes = self.segment_bytes;
        if self.at * 2 < bytes || self.current.is_none() {
            return;
        }
        let Ok((file, ready)) = self.spare() else { return };
        if *ready < bytes {
            match fill(&**file, *ready, bytes) {
                Ok(more) => *ready += more,
                Err(_) => self.spare = None,
            }
        }
    }

    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    pub(super) const fn salt(&self) -> u32 {
        self.salt
    }

    fn append(
        &mut self,
        mut bytes: Vec<u8>,
        repeats: Option<u64>,
        before: &(State, Vec<Gap>),
        highest: Index,
    ) -> Result<(), WalError> {
        let too_long = WalError::BadRecord("more in one flush than a batch holds");
        let room = self.segments.back().map_or(0, |segment| segment.bytes.saturating_sub(self.at));
        let fits = padded(bytes.len()) as u64 <= room;
        if !fits || self.at == SECTOR_BYTES as u64 {
            let mut opening = vec![0; HEAD_BYTES];
            let pushed = push_state(&mut opening, before);
            pushed.ok_or(WalError::BadRecord("an identity that is longer than any"))?;
            opening.extend_from_slice(bytes.get(HEAD_BYTES..).unwrap_or_default());
            bytes = opening;
        }
        if padded(bytes.len()) as u64 > room {
            self.roll((SECTOR_BYTES + padded(bytes.len())) as u64)?;
        }
        let number = self.next;
        batch::seal(&mut bytes, self.salt, number, repeats.unwrap_or(number)).ok_or(too_long)?;
        let (Some(file), Some(segment)) = (&self.current, self.segments.back_mut()) else {
            return Err(WalError::BadRecord("a batch without a file"));
        };
        file.write_at(self.at, &bytes).map_err(WalError::of("write", &segment.name))?;
        file.sync().map_err(WalError::of("sync", &segment.name))?;
        segment.highest = segment.highest.max(highest);
        self.at += bytes.len() as u64;
        self.next += 1;
        Ok(())
    }

    /// Begins another file, at least so long.
    fn roll(&mut self, least_bytes: u64) -> Result<(), WalError> {
        let (first, salt) = (self.next, self.salt);
        let bytes = self.segment_bytes.max(least_bytes);
        let (file, ready) = self.spare()?;
        while *ready < bytes {
            *ready += fill(&**file, *ready, bytes)?;
        }
        let file = Arc::clone(file);
        let bytes = self.spare.take().map_or(bytes, |(_, ready)| ready);
        let head = sector::write(sector::LOG, &LogHead { salt, first });
        let head = head.ok_or(WalError::BadRecord("a head that is longer than any"))?;
        file.write_at(0, &head).map_err(WalError::of("write", SPARE))?;
        file.sync().map_err(WalError::of("sync", SPARE))?;
        let name = snapshot::name(LOG, first);
        self.files.rename(SPARE, &name).map_err(WalError::of("rename", SPARE))?;
        self.sync_names()?;
        // One that was begun before the power failed, and holds nothing, had the same name.
        while self.segments.back().is_some_and(|empty| empty.first == first) {
            self.segments.pop_back();
        }
        self.segments.push_back(Segment { name, first, bytes, highest: Index::ZERO });
        self.current = Some(file);
        self.at = SECTOR_BYTES as u64;
        Ok(())
    }

    fn spare(&mut self) -> Result<&mut (Arc<dyn Contents>, u64), WalError> {
        match &mut self.spare {
            Some(spare) => Ok(spare),
            none => {
                let file = self.files.create(SPARE).map_err(WalError::of("create", SPARE))?;
                Ok(none.insert((file, 0)))
            }
        }
    }

    /// Gives back the oldest files, as long as they hold only entries up to `base`. Says whether
    /// there were any.
    fn drop_below(&mut self, base: Index) -> Result<bool, WalError> {
        let mut dropped = false;
        let is_past = |oldest: &Segment| oldest.highest <= base;
        while self.segments.len() > 1 && self.segments.front().is_some_and(is_past) {
            let Some(oldest) = self.segments.pop_front() else { break };
            if self.spare.is_none() && oldest.bytes == self.segment_bytes {
                let file = self.files.open(&oldest.name);
                let file = file.map_err(WalError::of("open", &oldest.name))?;
                let renamed = self.files.rename(&oldest.name, SPARE);
                renamed.map_err(WalError::of("rename", &oldest.name))?;
                self.spare = Some((file, oldest.bytes));
            } else {
                remove(&*self.files, &oldest.name)?;
            }
            dropped = true;
        }
        Ok(dropped)
    }

    fn tidy(&self, tidying: Tidying) -> Result<bool, WalError> {
        match tidying {
            Tidying::Promote(number) => {
                let from = snapshot::name(snapshot::STAGE, number);
                let to = snapshot::name(snapshot::SNAPSHOT, number);
                self.files.rename(&from, &to).map_err(WalError::of("rename", &from))?;
            }
            Tidying::DropSnapshot(number) => {
                remove(&*self.files, &snapshot::name(snapshot::SNAPSHOT, number))?;
            }
            Tidying::DropStage(number) => {
                remove(&*self.files, &snapshot::name(snapshot::STAGE, number))?;
            }
        }
        Ok(true)
    }

    fn sync_names(&self) -> Result<(), WalError> {
        self.files.sync().map_err(WalError::of("sync", "the directory"))
    }
}

/// Removes a file, if it is there.
pub(super) fn remove(files: &dyn Files, name: &str) -> Result<(), WalError> {
    match files.remove(name) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(WalError::of("remove", name)),
    }
}

/// Adds what everything before amounts to.
pub(super) fn push_state(items: &mut Vec<u8>, (state, known): &(State, Vec<Gap>)) -> Option<()> {
    item::push(items, &Item::State(*state), &[])?;
    known.iter().try_for_each(|gap| item::push(items, &Item::Known(*gap), &[]))
}

/// Writes the next zeros of a file that is to become so long, durably; says how many.
fn fill(file: &dyn Contents, from: u64, bytes: u64) -> Result<u64, WalError> {
    let zeros = &ZEROS[..ZEROS.len().min(usize::try_from(bytes - from).unwrap_or(ZEROS.len()))];
    file.write_at(from, zeros).map_err(WalError::of("write", SPARE))?;
    file.sync().map_err(WalError::of("sync", SPARE))?;
    Ok(zeros.len() as u64)
}
