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
    pub(crate) fn ask<S: HostStorage>(&mut self, node: &mut HostNode<S, M>, ticks: &Ticks) {
        self.due = false;
        if self.queue.is_empty() {
            return;
        }
        let now = Instant::now();
        let due = std::mem::take(&mut self.queue).into_iter().filter(|job| job.until > now);
        let (stale, rest): (Vec<_>, Vec<_>) = due.partition(|job| job.how == Read::Stale);
        stale.into_iter().for_each(|job| (job.look)(machine(node)));
        let (leased, mut rest): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|job| job.how == Read::Lease);
        if !leased.is_empty() {
            match node.read_lease() {
                // The thread may have stood still since it took the time. If no tick is over, no
                // other node led by now, however late the machine comes so far.
                Ok(ticket) if ticks.is_current(clock::now()) => {
                    self.asked.push(Asked { ticket, jobs: leased });
                }
                // Without a lease they are like all others.
                _ => rest.extend(leased),
            }
        }
        if !rest.is_empty() {
            match node.read() {
                Ok(ticket) => self.asked.push(Asked { ticket, jobs: rest }),
                // As many questions are on their way as may be: these share the next.
                Err(_) => self.queue = rest,
            }
        }
    }

    /// Has those look whose time has come.
    pub(crate) fn settle<S: HostStorage>(&mut self, node: &mut HostNode<S, M>) {
        while let Some(outcome) = node.poll_read() {
            let (ReadOutcome::Ready(ticket) | ReadOutcome::Failed(ticket, _)) = outcome;
            let Some(place) = self.asked.iter().position(|asked| asked.ticket == ticket) else {
                continue;
            };
            let Asked { jobs, .. } = self.asked.swap_remove(place);
            // What comes back, or had to wait for a question to be settled.
            self.due = true;
            if let ReadOutcome::Failed(..) = outcome {
                self.queue.extend(jobs);
                continue;
            }
            jobs.into_iter().for_each(|job| (job.look)(machine(node)));
        }
        self.due &= !self.queue.is_empty();
    }
}

fn machine<S: HostStorage, M: HostMachine>(node: &HostNode<S, M>) -> &M {
    &node.machine().inner().0
}
