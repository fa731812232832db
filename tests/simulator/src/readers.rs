//! Readers: each asks a node to read its machine, not through the log, and remembers what it saw.
//!
//! What they see goes into the same history as what clients were told, as if it had been asked for
//! and answered through the log just behind what the machine had seen. A read that came to nothing
//! saw nothing, and is forgotten.

use crate::checkers::Outcome;
use crate::linearizability::{Answer, Operation};
use crate::plan::Plan;
use crate::random::Random;
use crate::register::Request;
use crate::registers::KEYS;
use crate::tally::Count;
use crate::world::World;
use raft_core::{Index, ReadError, ReadOutcome, ReadTicket, RoleName};

/// Readers have numbers that no client has.
const FIRST: u32 = 100;

/// One reader.
#[derive(Clone, Copy, Debug)]
struct Reader {
    key: u8,
    /// Nothing before this tick, or what it waits for.
    state: State,
    /// The tick of its last look at a machine.
    served: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Thinks(u32),
    Waits { node: u8, ticket: ReadTicket, since: u32 },
}

/// All readers of a history.
#[derive(Clone, Debug)]
pub struct Readers {
    all: Vec<Reader>,
    /// What they saw, and how far the machine was that they saw it in.
    pub seen: Vec<(Index, Operation)>,
    random: Random,
    pace: u32,
    patience: u32,
    leases: bool,
}

impl Readers {
    /// The readers of a plan.
    pub fn new(plan: &Plan, random: Random) -> Self {
        let reader = Reader { key: 0, state: State::Thinks(0), served: 0 };
        Self {
            all: vec![reader; usize::from(plan.readers)],
            seen: Vec::new(),
            random,
            pace: plan.pace,
            patience: 8 * plan.base,
            leases: plan.lease > 0,
        }
    }

    /// Whether each has read since that tick.
    pub fn are_served(&self, since: u32) -> bool {
        self.all.iter().all(|reader| reader.served > since)
    }
}

impl World {
    /// Readers ask, those that do not wait.
    pub(crate) fn let_readers_ask(&mut self) -> Outcome {
        let tick = self.tick;
        for place in 0..self.readers.all.len() {
            match self.readers.all[place].state {
                State::Thinks(until) if tick >= until && !self.clients.resting => {}
                // It was on a node that crashed: a read that waits has its outcome long since.
                State::Waits { since, .. } if tick >= since + self.readers.patience => {}
                _ => continue,
            }
            let (id, hurried) = self.choose(place);
            let later = tick + 1 + self.readers.random.below(self.readers.pace);
            self.readers.all[place].state = State::Thinks(later);
            if !self.station(id).is_awake(tick) || self.cluster.node(id).is_err() {
                continue;
            }
            self.wake(id)?;
            let node = self.node_mut(id)?;
            let asked = if hurried { node.read_lease() } else { node.read() };
            let term = node.status().term;
            match asked {
                Ok(ticket) => {
                    self.readers.all[place].state = State::Waits { node: id, ticket, since: tick };
                    if hurried {
                        self.tally.add(Count::LeaseReads);
                        self.checkers.lease_granted(id, term)?;
                    }
                }
                Err(ReadError::NoLease) => self.tally.add(Count::NoLease),
                Err(_) => self.tally.add(Count::ReadsRefused),
            }
            self.look(id)?;
        }
        Ok(())
    }

    /// Where a reader asks next, and whether it wants a lease to do.
    fn choose(&mut self, place: usize) -> (u8, bool) {
        let first = self.plan.first_id;
        let random = &mut self.readers.random;
        self.readers.all[place].key = random.below(KEYS as u32) as u8;
        let any = first + random.below(self.plan.nodes.len() as u32) as u8;
        let hurried = self.readers.leases && random.below(2) == 0;
        // Whoever leads, or thinks so: more often the one that was elected first.
        let leads = |view: &crate::checkers::View| view.role == RoleName::Leader;
        let leader = self.checkers.views.iter().position(leads);
        let leader = leader.map(|place| first + place as u8);
        let chosen = if random.below(2) == 0 || hurried { leader.unwrap_or(any) } else { any };
        (chosen, hurried)
    }

    /// A node says what became of reads.
    pub(crate) fn poll_reads(&mut self, id: u8) -> Outcome {
        let tick = self.tick;
        while let Some(outcome) = self.node_mut(id)?.poll_read() {
            let (ReadOutcome::Ready(ticket) | ReadOutcome::Failed(ticket, _)) = outcome;
            let waits = |reader: &Reader| {
                matches!(reader.state, State::Waits { node, ticket: it, .. }
                    if (node, it) == (id, ticket))
            };
            let reader = self.readers.all.iter_mut().enumerate().find(|(_, it)| waits(it));
            let Some((place, reader)) = reader else { continue };
            let State::Waits { since, .. } = reader.state else { continue };
            reader.state = State::Thinks(tick + self.readers.random.below(2 * self.readers.pace));
            if !matches!(outcome, ReadOutcome::Ready(_)) {
                self.tally.add(Count::ReadsFailed);
                continue;
            }
            reader.served = tick;
            let key = reader.key;
            let node = self.cluster.node(id);
            let node = node.map_err(|words| crate::checkers::Broken::new("simulator", words))?;
            let status = node.status();
            let answer = Some(Answer { tick, found: node.machine().inner().get(key) });
            let (client, request) = (FIRST + place as u32, Request::Get);
            let read = Operation { client, key: key.into(), invoked: since, request, answer };
            self.readers.seen.push((status.applied, read));
            self.tally.add(Count::ReadsServed);
            self.tally.add_many(Count::Forwarded, u64::from(status.role != RoleName::Leader));
        }
        Ok(())
    }
}
