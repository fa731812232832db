//! Who carries out a flush: a thread of its own, so that a slow disk keeps nobody waiting, or
//! whoever calls, when it may as well wait. One at a time, in the order of their begin.

use super::error::WalError;
use super::journal::{Job, Journal};
use crate::storage::StorageCounters;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// What is called when a flush has ended.
type Wake = Box<dyn Fn() + Send>;
type Outcome = Result<(), WalError>;

/// The journal, and a thread for it when one is needed.
pub(super) struct Flusher {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    journal: Mutex<Journal>,
    desk: Mutex<Desk>,
    /// Something changed on the desk.
    changed: Condvar,
    wake: Mutex<Option<Wake>>,
    /// Apart from the journal, which is locked as long as a sync takes.
    counters: Mutex<StorageCounters>,
}

/// Where the thread finds what to do, and leaves what came of it.
#[derive(Default)]
struct Desk {
    job: Option<Job>,
    /// Whether a flush was begun whose outcome nobody has fetched.
    begun: bool,
    outcome: Option<Outcome>,
    closing: bool,
    /// Whether the thread sleeps until there is a job, and whether somebody does until there is an
    /// outcome: waking nobody costs a call of the system all the same.
    idle: bool,
    awaited: bool,
}

impl Flusher {
    pub(super) fn new(journal: Journal) -> Self {
        let shared = Shared {
            journal: Mutex::new(journal),
            desk: Mutex::default(),
            changed: Condvar::new(),
            wake: Mutex::default(),
            counters: Mutex::default(),
        };
        Self { shared: Arc::new(shared), thread: None }
    }

    /// Calls this whenever a flush that was begun has ended.
    pub(super) fn on_flushed(&mut self, wake: Wake) {
        *lock(&self.shared.wake) = Some(wake);
    }

    /// Has the thread carry out a job. The one before must have been fetched.
    pub(super) fn begin(&mut self, job: Job) -> Outcome {
        if self.thread.is_none() {
            let shared = Arc::clone(&self.shared);
            let thread = thread::Builder::new().name("wal".to_owned());
            let spawned = thread.spawn(move || shared.work());
            self.thread = Some(spawned.map_err(WalError::of("start", "a thread for the log"))?);
        }
        let mut desk = lock(&self.shared.desk);
        (desk.job, desk.begun, desk.outcome) = (Some(job), true, None);
        let idle = desk.idle;
        drop(desk);
        if idle {
            self.shared.changed.notify_all();
        }
        Ok(())
    }

    /// What came of the job that was begun last, once; nothing as long as it is on its way.
    pub(super) fn poll(&mut self) -> Option<Outcome> {
        let mut desk = lock(&self.shared.desk);
        let outcome = desk.outcome.take()?;
        desk.begun = false;
        Some(outcome)
    }

    /// Waits for the job that was begun last, if any was, and fetches what came of it.
    pub(super) fn wait(&mut self) -> Outcome {
        let mut desk = lock(&self.shared.desk);
        while desk.begun {
            if let Some(outcome) = desk.outcome.take() {
                desk.begun = false;
                return outcome;
            }
            desk.awaited = true;
            desk = self.shared.changed.wait(desk).unwrap_or_else(PoisonError::into_inner);
            desk.awaited = false;
        }
        Ok(())
    }

    /// Carries a job out, here and now. The one before must have been waited for.
    pub(super) fn run(&mut self, job: Job) -> Outcome {
        self.shared.run(job)
    }

    pub(super) fn counters(&self) -> StorageCounters {
        *lock(&self.shared.counters)
    }
}

impl Drop for Flusher {
    /// What was begun is carried out.
    fn drop(&mut self) {
        lock(&self.shared.desk).closing = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // It catches whatever panics.
            thread.join().ok();
        }
    }
}

impl Shared {
    fn work(&self) {
        while let Some(job) = self.next_job() {
            let outcome = self.run(job);
            let mut desk = lock(&self.desk);
            desk.outcome = Some(outcome);
            let awaited = desk.awaited;
            drop(desk);
            if awaited {
                self.changed.notify_all();
            }
            // Whatever a stranger does in there, this thread has more to do.
            let woken = catch_unwind(AssertUnwindSafe(|| {
                if let Some(wake) = &*lock(&self.wake) {
                    wake();
                }
            }));
            drop(woken);
            lock(&self.journal).prepare();
        }
    }

    fn next_job(&self) -> Option<Job> {
        let mut desk = lock(&self.desk);
        loop {
            if let Some(job) = desk.job.take() {
                return Some(job);
            }
            if desk.closing {
                return None;
            }
            desk.idle = true;
            desk = self.changed.wait(desk).unwrap_or_else(PoisonError::into_inner);
            desk.idle = false;
        }
    }

    /// Nobody may wait for ever because something panicked here.
    fn run(&self, job: Job) -> Outcome {
        let (begun, bytes, empty) = (Instant::now(), job.bytes(), job.is_empty());
        let ran = catch_unwind(AssertUnwindSafe(|| lock(&self.journal).run(job)));
        let outcome = ran.unwrap_or(Err(WalError::BadRecord("what makes a flush panic")));
        if outcome.is_ok() && !empty {
            let mut counters = lock(&self.counters);
            counters.flushes += 1;
            counters.flush_time += begun.elapsed();
            counters.flushed_bytes += bytes;
        }
        outcome
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
