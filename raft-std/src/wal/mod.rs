//! What a node keeps, in the files of one directory.
//!
//! ```text
//! lock                  held as long as a process works here
//! ballot                the newest ballot, twice, beside the one in the log
//! log-0000000000000001  records in the order in which they were written
//! snapshot-…            the snapshot that counts
//! stage-…               the next one, as long as it is not whole
//! spare                 zeros, to become the next file of the log
//! ```
//!
//! - `files`, `error`: the seam below, and what is told when it fails;
//! - `sector`, `batch`, `item`: how bytes are laid out;
//! - `ballot`, `snapshot`, `sheet`: the files beside the log;
//! - `runs`, `terms`, `fold`, `look`: what the bytes amount to;
//! - `write`, `journal`, `flusher`, `open`: how they come there, in which order, by whom;
//! - `inspect`: what a person may want to know of them.

mod ballot;
mod batch;
mod error;
mod files;
mod flusher;
mod fold;
mod inspect;
mod item;
mod journal;
mod look;
mod open;
mod runs;
pub(crate) mod sector;
mod sheet;
mod snapshot;
mod terms;
mod write;

use self::batch::HEAD_BYTES;
pub use self::error::WalError;
pub use self::files::{Contents, Directory, Files};
use self::flusher::Flusher;
pub use self::inspect::{Finding, Verdict, Verified, inspect, verify};
use self::item::{Gap, State};
use self::journal::{Job, Tidying};
use self::look::Look;
use self::sector::SECTOR_BYTES;
pub use self::sheet::WalSheet;
use self::snapshot::{Content, Stage, Window};
use self::terms::Terms;
use crate::storage::{HostStorage, StorageCounters};
use raft_core::{ClusterId, Entries, Index, Loss, Part, Record, Storage};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How a [`Wal`] is laid out, and whose it must be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WalOptions {
    /// The cluster that the directory must belong to; `None` takes any.
    pub cluster: Option<ClusterId>,
    /// How long a file of the log is; a flush that is longer gets one of its own.
    pub segment_bytes: u32,
    /// The longest snapshot that there is room for.
    pub snapshot_bytes_max: u32,
}

impl Default for WalOptions {
    fn default() -> Self {
        Self { cluster: None, segment_bytes: 16 << 20, snapshot_bytes_max: u32::MAX }
    }
}

impl WalOptions {
    /// A whole number of sectors, and a few of them.
    fn segment_bytes(&self) -> u64 {
        u64::from(self.segment_bytes.max(8 * SECTOR_BYTES as u32)).next_multiple_of(512)
    }
}

/// Keeps a node's records in the files of one directory. It is a [`Storage`], and beside that:
///
/// **For whoever begins flushes**: [`on_flushed`](Wal::on_flushed) and
/// [`poll_flushed`](Wal::poll_flushed) tell when they have ended.
///
/// **Looks**: [`measure_sync`](Wal::measure_sync), and the functions [`inspect`] and [`verify`] for
/// directories that nobody works in.
///
/// Any error is final: every later call gives the same one, and only opening the directory again,
/// in a new process if the disk was to blame, can go on.
pub struct Wal {
    files: Arc<dyn Files>,
    options: WalOptions,
    flusher: Flusher,
    /// What everything written amounts to, and the losses that the node knows of.
    state: State,
    known: Vec<Gap>,
    /// The same when a flush took everything written, last.
    sealed: (State, Vec<Gap>),
    terms: Terms,
    /// What the next flush will take.
    pending: Pending,
    snapshot: Option<Content>,
    stage: Option<Stage>,
    /// The number of the next stage.
    next_number: u64,
    /// What was lost, until the node says by its ballot that it knows.
    lost: Option<Vec<Gap>>,
    /// What was found when the files were read last, until something is written.
    found: Option<Look>,
    window: Window,
    failed: Option<WalError>,
}

/// What was written since the last flush began.
struct Pending {
    /// Room for a head, and the items.
    items: Vec<u8>,
    highest: Index,
    ballot: bool,
    touched: Vec<Arc<dyn Contents>>,
    named: bool,
    after: Vec<Tidying>,
}

impl Pending {
    fn nothing() -> Self {
        let (touched, after) = (Vec::new(), Vec::new());
        let (highest, ballot, named) = (Index::ZERO, false, false);
        Self { items: vec![0; HEAD_BYTES], highest, ballot, touched, named, after }
    }
}

impl Wal {
    /// Takes up the directory of that name, which is made if there is none, for this process alone.
    pub fn open(directory: impl AsRef<Path>, options: WalOptions) -> Result<Self, WalError> {
        let path = directory.as_ref();
        let files = Directory::open(path).map_err(WalError::of("open", &path.to_string_lossy()))?;
        Self::over(Arc::new(files), options)
    }

    /// The same over anything that holds files.
    pub fn over(files: Arc<dyn Files>, options: WalOptions) -> Result<Self, WalError> {
        files.lock().map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock => WalError::Locked,
            _ => WalError::of("lock", "the directory")(error),
        })?;
        let (look, journal) = open::open(&files, &options)?;
        let (state, mut known) = (look.fold.state, look.fold.known.clone());
        known.retain(|known| look.fold.gaps.iter().any(|gap| known.covers(gap)));
        let mut terms = Terms::new(look.base());
        for run in look.fold.runs.iter() {
            Entries::parse(run.after.term, &run.bytes).into_iter().for_each(|it| terms.extend(it));
        }
        let stage =
            look.stage.as_ref().map(|(content, held)| Stage::resume(content.clone(), *held));
        let numbers = look.names.iter().filter_map(|name| {
            let number = |kind| snapshot::number(kind, name);
            number(snapshot::STAGE).or_else(|| number(snapshot::SNAPSHOT))
        });
        let named = numbers.chain(state.snapshot.map(|of| of.number)).max().unwrap_or(0);
        Ok(Self {
            files,
            options,
            flusher: Flusher::new(journal),
            state,
            known,
            sealed: look.before(),
            terms,
            pending: Pending::nothing(),
            snapshot: look.snapshot.clone(),
            stage,
            next_number: named + 1,
            lost: (look.loss == Some(Loss::Entries)).then(|| look.fold.gaps.clone()),
            failed: (look.loss == Some(Loss::Ballot)).then_some(WalError::BallotLost),
            found: Some(look),
            window: Window::default(),
        })
    }

    /// Has this called, from another thread, whenever a flush that was begun has ended.
    pub fn on_flushed(&mut self, wake: Box<dyn Fn() + Send>) {
        self.flusher.on_flushed(wake);
    }

    /// Says once how the flush that was begun last has ended. One that a later
    /// [`flush`](Storage::flush) waited for is not told of again.
    pub fn poll_flushed(&mut self) -> Option<Result<(), WalError>> {
        let outcome = self.flusher.poll()?;
        Some(self.last_word(outcome))
    }

    /// How long a small addition to a file and its sync take here: the median of a few.
    pub fn measure_sync(&mut self) -> Result<Duration, WalError> {
        const NAME: &str = "measure";
        const TRIES: u64 = 15;
        let file = self.files.create(NAME).map_err(WalError::of("create", NAME))?;
        let written = file.write_at(0, &vec![0; SECTOR_BYTES * (TRIES as usize + 1)]);
        written.and_then(|()| file.sync()).map_err(WalError::of("write", NAME))?;
        let mut times = Vec::new();
        for place in 0..TRIES {
            let begun = Instant::now();
            let written = file.write_at(place * SECTOR_BYTES as u64, &[1; SECTOR_BYTES]);
            written.and_then(|()| file.sync()).map_err(WalError::of("write", NAME))?;
            times.push(begun.elapsed());
        }
        self.files.remove(NAME).map_err(WalError::of("remove", NAME))?;
        times.sort_unstable();
        Ok(times[times.len() / 2])
    }

    /// Everything written since the last flush, for the next one.
    fn job(&mut self) -> Result<Job, WalError> {
        self.found = None;
        self.mark_stage()?;
        let Pending { items, highest, ballot, touched, named, after } =
            std::mem::replace(&mut self.pending, Pending::nothing());
        let now = (self.state, self.known.clone());
        let before = std::mem::replace(&mut self.sealed, now);
        let ballot = ballot.then_some(self.state);
        let base = self.state.base.index;
        Ok(Job { items, repeats: None, before, highest, base, ballot, touched, named, after })
    }

    /// Nothing goes on after an error.
    fn check(&self) -> Result<(), WalError> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// Remembers an error for good.
    fn last_word<T>(&mut self, outcome: Result<T, WalError>) -> Result<T, WalError> {
        if let Err(error) = &outcome {
            self.failed.get_or_insert_with(|| error.clone());
        }
        outcome
    }

    fn try_read(&mut self, part: Part, offset: u32, buffer: &mut [u8]) -> Result<(), WalError> {
        let (content, end) = match part {
            Part::Snapshot => {
                let content = self.snapshot.as_ref().ok_or(NOT_WRITTEN)?;
                (content, content.of.snapshot.bytes)
            }
            Part::Stage => {
                let stage = self.stage.as_mut().ok_or(NOT_WRITTEN)?;
                stage.write()?;
                (&stage.content, stage.bytes())
            }
        };
        let whole = self.window.read(content, end, offset, buffer)?;
        if whole { Ok(()) } else { Err(NOT_WRITTEN) }
    }
}

const NOT_WRITTEN: WalError = WalError::BadRecord("bytes that were never written");

impl Storage for Wal {
    type Error = WalError;

    fn recover(&mut self, each: &mut dyn FnMut(Record<'_>)) -> Result<(), WalError> {
        let ballot_lost = self.failed == Some(WalError::BallotLost);
        if !ballot_lost {
            self.check()?;
            let waited = self.flusher.wait();
            self.last_word(waited)?;
        }
        if self.found.is_none() {
            let look = Look::at(&*self.files);
            self.found = Some(self.last_word(look)?);
        }
        let Some(look) = &self.found else { return Ok(()) };
        if !ballot_lost && look.loss.is_some() != self.lost.is_some() {
            return self.last_word(Err(WalError::BadRecord("files that change by themselves")));
        }
        look.hand(each);
        Ok(())
    }

    fn write(&mut self, record: Record<'_>) -> Result<(), WalError> {
        self.check()?;
        let taken = self.take(record);
        self.last_word(taken)
    }

    fn read(&mut self, part: Part, offset: u32, buffer: &mut [u8]) -> Result<(), WalError> {
        self.check()?;
        let read = self.try_read(part, offset, buffer);
        self.last_word(read)
    }

    fn snapshot_bytes_max(&self) -> u32 {
        self.options.snapshot_bytes_max
    }

    fn flush(&mut self) -> Result<(), WalError> {
        self.check()?;
        let outcome = self.flusher.wait().and_then(|()| {
            let job = self.job()?;
            self.flusher.run(job)
        });
        self.last_word(outcome)
    }

    fn begin_flush(&mut self) -> Result<(), WalError> {
        self.check()?;
        let outcome = self.flusher.wait().and_then(|()| {
            let job = self.job()?;
            self.flusher.begin(job)
        });
        self.last_word(outcome)
    }
}

impl HostStorage for Wal {
    type Sheet = WalSheet;

    fn sheet(&mut self) -> WalSheet {
        let number = self.next_number;
        self.next_number += 1;
        WalSheet::new(Arc::clone(&self.files), number)
    }

    fn place(&mut self, sheet: WalSheet) -> Result<(), WalError> {
        self.check()?;
        let put = self.put(sheet);
        self.last_word(put)
    }

    fn on_flushed(&mut self, wake: Box<dyn Fn() + Send>) {
        Self::on_flushed(self, wake);
    }

    fn poll_flushed(&mut self) -> Option<Result<(), WalError>> {
        Self::poll_flushed(self)
    }

    fn open_snapshot(&mut self, _: u32) -> Result<Box<dyn Read + Send>, WalError> {
        self.check()?;
        let content = self.snapshot.clone().ok_or(NOT_WRITTEN)?;
        Ok(Box::new(content.reader()))
    }

    fn sync_time(&mut self) -> Duration {
        let measured = self.measure_sync();
        // What went wrong is told by the next call that can tell it.
        self.last_word(measured).unwrap_or_default()
    }

    fn counters(&self) -> StorageCounters {
        self.flusher.counters()
    }
}

impl std::fmt::Debug for Wal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (last, failed) = (self.terms.last(), &self.failed);
        let mut wal = f.debug_struct("Wal");
        wal.field("last", &last).field("failed", failed).finish_non_exhaustive()
    }
}
