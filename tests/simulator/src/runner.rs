//! Many seeds on all cores, and what is said about them.

use crate::checkers::{Broken, Outcome};
use crate::linearizability;
use crate::plan::Plan;
use crate::recorder::Recorder;
use crate::tally::Tally;
use crate::trace::Moment;
use crate::world::{Ended, World};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Runs one seed. A panic anywhere in it is a broken promise like any other.
pub fn run(seed: u64) -> Ended {
    run_into(seed, Recorder::default()).0
}

/// Runs one seed and keeps every moment of it.
pub fn run_keeping(seed: u64) -> (Ended, Vec<Moment>) {
    let (ended, recorder) = run_into(seed, Recorder::keeping());
    (ended, recorder.moments.unwrap_or_default())
}

fn run_into(seed: u64, recorder: Recorder) -> (Ended, Recorder) {
    let lived = catch_unwind(AssertUnwindSafe(|| match World::new(Plan::draw(seed), recorder) {
        Ok(world) => world.run(),
        Err(broken) => (stillborn(broken), Recorder::default()),
    }));
    lived.unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        let words = words.or(panic.downcast_ref::<&str>().map(|&words| words.to_owned()));
        let broken = Broken::new("no panic", words.unwrap_or_else(|| "a panic".to_owned()));
        (stillborn(broken), Recorder::default())
    })
}

fn stillborn(broken: Broken) -> Ended {
    let (tally, operations, order) = (Tally::default(), Vec::new(), Vec::new());
    Ended { hash: 0, tally, operations, order, outcome: Err(broken) }
}

/// What came of many seeds.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many passed.
    pub passed: u64,
    /// Those that did not, with what was broken.
    pub failed: Vec<(u64, Broken)>,
    /// What happened in all of them.
    pub tally: Tally,
    /// How long it took.
    pub elapsed: Duration,
    /// On how many cores.
    pub cores: u32,
}

impl Report {
    fn take(&mut self, seed: u64, ended: Ended) {
        self.tally.merge(&ended.tally);
        match verdict(ended) {
            Ok(()) => self.passed += 1,
            Err(broken) => self.failed.push((seed, broken)),
        }
    }
}

/// How a seed ended, the clients' view of it included.
pub fn verdict(ended: Ended) -> Outcome {
    ended.outcome?;
    if linearizability::explains(&ended.operations, &ended.order) {
        return Ok(());
    }
    // The log's order is none. The clients may have seen nothing of that, if there is another.
    let seen = linearizability::check(&ended.operations);
    seen.map_err(|complaint| Broken::new("linearizability", complaint.to_string()))
}

/// How far to go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Which seeds.
    pub seeds: Range<u64>,
    /// For how long.
    pub time: Option<Duration>,
    /// Whether one that fails is enough. It is the first that does.
    pub until_failure: bool,
}

/// Runs seeds one after the other on all cores, and says how far it is.
pub fn run_many(limits: &Limits) -> Report {
    let started = Instant::now();
    let next = AtomicU64::new(limits.seeds.start);
    let enough = AtomicBool::new(false);
    let report = Mutex::new(Report::default());
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let late = limits.time.is_some_and(|time| started.elapsed() >= time);
            if late || seed >= limits.seeds.end || enough.load(Ordering::Relaxed) {
                return;
            }
            let ended = run(seed);
            let mut report = report.lock().expect("no thread panics with it");
            report.take(seed, ended);
            enough.store(limits.until_failure && !report.failed.is_empty(), Ordering::Relaxed);
            let done = report.passed + report.failed.len() as u64;
            if done.is_multiple_of(500) {
                eprintln!("{done} seeds, {} failed", report.failed.len());
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(work);
        }
    });
    let mut report = report.into_inner().expect("no thread panics with it");
    report.failed.sort_by_key(|(seed, _)| *seed);
    (report.elapsed, report.cores) = (started.elapsed(), cores);
    report
}
