//! A client that writes, one value after the other, and how fast it can.

use crate::processes::Processes;
use kv::control::Client;
use kv::resp::Reply;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long it waits for one node before it asks the next.
const PATIENCE: Duration = Duration::from_secs(1);

/// It writes until this is dropped.
pub struct Committer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    over: AtomicBool,
    failed: AtomicU64,
    /// How long each write took, since somebody looked.
    times: Mutex<Vec<Duration>>,
}

/// How fast it was for a while.
#[derive(Clone, Default, Debug)]
pub struct Pace {
    /// How long each write took.
    times: Vec<Duration>,
    /// For how long it was looked at.
    span: Duration,
}

impl Committer {
    /// Begins, at the node that leads if it is the first.
    pub fn begin(cluster: &Processes) -> Self {
        let doors: Vec<_> = cluster.ids().map(|id| cluster.door(id).to_owned()).collect();
        let shared = Arc::new(Shared::default());
        let its = Arc::clone(&shared);
        let thread = thread::spawn(move || write(&doors, &its));
        Self { shared, thread: Some(thread) }
    }

    /// How fast it is while something is done.
    pub fn during<T>(&self, what: impl FnOnce() -> T) -> (T, Pace) {
        self.take();
        let begun = Instant::now();
        let outcome = what();
        (outcome, Pace { span: begun.elapsed(), times: self.take() })
    }

    /// How often nobody answered.
    pub fn failed(&self) -> u64 {
        self.shared.failed.load(Ordering::Relaxed)
    }

    fn take(&self) -> Vec<Duration> {
        std::mem::take(&mut *self.shared.times.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn write(doors: &[String], shared: &Shared) {
    let mut number = 0_u64;
    for door in doors.iter().cycle() {
        if shared.over.load(Ordering::Relaxed) {
            return;
        }
        let Ok(mut client) = Client::connect(door, None, PATIENCE) else {
            thread::sleep(Duration::from_millis(10));
            continue;
        };
        while !shared.over.load(Ordering::Relaxed) {
            number += 1;
            let begun = Instant::now();
            match client.call(&["SET", "committed", &number.to_string()]) {
                Ok(Reply::Word("OK")) => {
                    let mut times = shared.times.lock().unwrap_or_else(PoisonError::into_inner);
                    times.push(begun.elapsed());
                }
                _ => {
                    shared.failed.fetch_add(1, Ordering::Relaxed);
                    break;
                }
            }
        }
    }
}

impl Pace {
    /// This and another time.
    pub fn add(&mut self, other: Self) {
        self.times.extend(other.times);
        self.span += other.span;
    }

    /// How many were written.
    pub const fn count(&self) -> usize {
        self.times.len()
    }

    /// How many a second.
    pub fn rate(&self) -> f64 {
        self.times.len() as f64 / self.span.as_secs_f64()
    }

    /// How long one took, of so many of a hundred.
    pub fn share(&self, percent: usize) -> Duration {
        let mut times = self.times.clone();
        times.sort_unstable();
        let place = (times.len() * percent).div_ceil(100).saturating_sub(1);
        times.get(place).copied().unwrap_or_default()
    }
}
