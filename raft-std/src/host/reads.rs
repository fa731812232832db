//! Looks at the machine that must not be too early.
//!
//! Reads that come together share one question to the leader. One that nobody answered is asked
//! again, for as long as whoever asked has time.

use super::HostNode;
use super::shared::{Read, ReadJob};
use crate::HostMachine;
use crate::clock::{self, Ticks};
use crate::storage::HostStorage;
use raft_core::{ReadOutcome, ReadTicket};
use std::time::Instant;

/// Reads that wait.
pub(crate) struct Reads<M> {
    /// Those for which nothing was asked yet.
    queue: Vec<ReadJob<M>>,
    asked: Vec<Asked<M>>,
    /// Whether those in the queue can be asked for at once.
    due: bool,
}

/// Those that wait for one answer.
struct Asked<M> {
    ticket: ReadTicket,
    /// Whether a lease is what allows them.
    lease: bool,
    jobs: Vec<ReadJob<M>>,
}

impl<M: HostMachine> Reads<M> {
    pub(crate) const fn new() -> Self {
        Self { queue: Vec::new(), asked: Vec::new(), due: false }
    }

    pub(crate) fn push(&mut self, job: ReadJob<M>) {
        self.queue.push(job);
    }

    /// The machine shows nothing any more: whoever waits is told so.
    pub(crate) fn clear(&mut self) {
        self.queue.clear();
        self.asked.clear();
    }

    /// Whether there is something to ask for that nothing else would wake this thread for.
    pub(crate) const fn is_due(&self) -> bool {
        self.due
    }

    /// Asks for what waits.
    pub(crate) fn ask<S: HostStorage>(&mut self, node: &mut HostNode<S, M>) {
        self.due = false;
        if self.queue.is_empty() {
            return;
        }
        let now = Instant::now();
        let due = std::mem::take(&mut self.queue).into_iter().filter(|job| job.until > now);
        let (stale, rest): (Vec<_>, Vec<_>) = due.partition(|job| job.how == Read::Stale);
        stale.into_iter().for_each(|job| look(job, machine(node), || true));
        let (leased, mut rest): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|job| job.how == Read::Lease);
        if !leased.is_empty() {
            match node.read_lease() {
                Ok(ticket) => self.asked.push(Asked { ticket, lease: true, jobs: leased }),
                // Without a lease they are like all others.
                Err(_) => rest.extend(leased),
            }
        }
        if !rest.is_empty() {
            match node.read() {
                Ok(ticket) => self.asked.push(Asked { ticket, lease: false, jobs: rest }),
                // As many questions are on their way as may be: these share the next.
                Err(_) => self.queue = rest,
            }
        }
    }

    /// Has those look whose time has come.
    pub(crate) fn settle<S: HostStorage>(&mut self, node: &mut HostNode<S, M>, ticks: &Ticks) {
        while let Some(outcome) = node.poll_read() {
            let (ReadOutcome::Ready(ticket) | ReadOutcome::Failed(ticket, _)) = outcome;
            let Some(place) = self.asked.iter().position(|asked| asked.ticket == ticket) else {
                continue;
            };
            let Asked { lease, jobs, .. } = self.asked.swap_remove(place);
            // What comes back, or had to wait for a question to be settled.
            self.due = true;
            if let ReadOutcome::Failed(..) = outcome {
                self.queue.extend(jobs);
                continue;
            }
            // A process that was stopped in between must not show what is old by now. No tick may
            // have passed since the lease was looked at, and what was seen before that is asked
            // for counts.
            let is_held = || !lease || ticks.is_current(clock::now());
            jobs.into_iter().for_each(|job| look(job, machine(node), is_held));
        }
        self.due &= !self.queue.is_empty();
    }
}

fn machine<S: HostStorage, M: HostMachine>(node: &HostNode<S, M>) -> &M {
    &node.machine().inner().0
}

fn look<M>(job: ReadJob<M>, machine: &M, counts: impl Fn() -> bool) {
    let seen = (job.look)(machine);
    seen(counts());
}
