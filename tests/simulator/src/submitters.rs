//! Submitters: nodes that are clients of their own cluster, and want each command applied once.
//!
//! What they are told goes into the same history as what clients see. A node whose power fails has
//! forgotten what it asked for; its next life asks for something else.

use crate::checkers::{Broken, Outcome};
use crate::linearizability::{Answer, Operation};
use crate::plan::Plan;
use crate::random::Random;
use crate::register::Request;
use crate::registers::{Command, KEYS, SESSIONS};
use crate::tally::Count;
use crate::world::World;
use raft_core::{SubmitError, Submitted};

/// Submitters have numbers that no client has: in commands this and their id, in operations more.
const FIRST: u8 = 128;
/// Their values are larger than those of clients, and name who submits and what.
const VALUES: u64 = 1 << 20;
/// What stands before a command that a follower sends: which session, and which of its commands.
const HEAD_BYTES: usize = 5;
/// How much longer a frame is than the longest command that fits into it.
const FRAME_MORE: usize = 32;
/// What ballast is made of.
const BALLAST: [u8; 64] = [0x5A; 64];

/// One node that submits.
#[derive(Clone, Copy, Debug)]
struct Submitter {
    node: u8,
    /// How much it ever submitted, in all its lives.
    sequence: u32,
    /// What was asked for last, by its place among all operations; `None` once it is known what
    /// became of it, or nobody asks any more.
    waits: Option<usize>,
    /// Nothing new before this tick.
    thinks: u32,
    /// What it last saw in each register.
    seen: [u64; KEYS],
    /// The tick in which it was last told what became of a command.
    served: u32,
}

/// All that submit in a history.
#[derive(Clone, Debug)]
pub struct Submitters {
    all: Vec<Submitter>,
    /// Whatever was submitted, by its client and number.
    pub operations: Vec<((u8, u32), Operation)>,
    random: Random,
    pace: u32,
    ballast: u32,
}

impl Submitters {
    /// The submitters of a plan.
    pub fn new(plan: &Plan, random: Random) -> Self {
        let (sequence, waits, thinks, seen, served) = (0, None, 0, [0; KEYS], 0);
        let submitter = |&node| Submitter { node, sequence, waits, thinks, seen, served };
        Self {
            all: plan.submitters.iter().map(submitter).collect(),
            operations: Vec::new(),
            random,
            pace: plan.pace,
            ballast: plan.ballast,
        }
    }

    /// Whether each of these nodes was told since that tick what became of a command.
    pub fn are_served(&self, nodes: &[u8], since: u32) -> bool {
        self.all.iter().all(|it| it.served > since || !nodes.contains(&it.node))
    }

    /// Whether none of these nodes waits.
    pub fn are_idle(&self, nodes: &[u8]) -> bool {
        self.all.iter().all(|it| it.waits.is_none() || !nodes.contains(&it.node))
    }

    /// A node begins another life.
    pub fn forget(&mut self, node: u8) {
        for it in self.all.iter_mut().filter(|it| it.node == node) {
            it.waits = None;
        }
    }

    /// The next command of one of them, of which so many bytes fit into a frame.
    fn next(&mut self, place: usize, room: usize) -> Command<'static> {
        let random = &mut self.random;
        let it = &mut self.all[place];
        it.sequence += 1;
        let (client, sequence) = (FIRST + it.node, it.sequence);
        let key = random.below(KEYS as u32) as u8;
        let new = VALUES + (u64::from(sequence) << 5 | u64::from(it.node));
        let expected = it.seen[usize::from(key)];
        let request = match random.below(5) {
            0 => Request::Get,
            1 | 2 => Request::CompareAndSwap { expected, new },
            _ => Request::Put(new),
        };
        let ballast = &BALLAST[..random.below(self.ballast + 1) as usize];
        let command = Command { client, sequence, key, request, ballast };
        let mut buffer = [0; 128];
        let fits = postcard::to_slice(&command, &mut buffer).is_ok_and(|it| it.len() <= room);
        let smallest = Command { request: Request::Get, ballast: &[], ..command };
        if fits { command } else { smallest }
    }
}

impl World {
    /// Nodes submit, those that wait for nothing.
    pub(crate) fn let_nodes_submit(&mut self) -> Outcome {
        let tick = self.tick;
        for place in 0..self.submitters.all.len() {
            let it = self.submitters.all[place];
            let ready = it.waits.is_none() && tick >= it.thinks && !self.clients.resting;
            let runs = self.station(it.node).is_awake(tick) && self.cluster.node(it.node).is_ok();
            if !ready || !runs || self.must_wait(it.served) {
                continue;
            }
            self.wake(it.node)?;
            let room = self.plan.frame.saturating_sub(FRAME_MORE + HEAD_BYTES);
            let command = self.submitters.next(place, room);
            let number = u64::from(command.sequence) << 8 | 20;
            let words = || format!("is to have {}.{} applied", command.client, command.sequence);
            self.note_fault(it.node, number, words);
            match self.node_mut(it.node)?.submit(&command) {
                Ok(()) => {
                    self.tally.add(Count::Submitted);
                    self.checkers.submitted(command.client, command.sequence);
                    let Command { client, sequence, key, request, .. } = command;
                    let client_number = 100 + u32::from(client);
                    let asked = Operation {
                        client: client_number,
                        key: key.into(),
                        invoked: tick,
                        request,
                        answer: None,
                    };
                    let operations = &mut self.submitters.operations;
                    self.submitters.all[place].waits = Some(operations.len());
                    operations.push(((client, sequence), asked));
                }
                Err(error @ (SubmitError::Busy | SubmitError::TooLarge)) => {
                    let words = format!("{} refuses to submit: {error:?}", it.node);
                    return Err(Broken::new("simulator", words));
                }
            }
            self.look(it.node)?;
        }
        Ok(())
    }

    /// Whether it is another's turn: as many may wait as there are sessions, for more would drive
    /// each other out for ever. In peace it is one, whoever was served longest ago of those that
    /// are not cut off: who waits asks again, each time for an entry, and a few fill a narrow pipe
    /// faster than it drains.
    fn must_wait(&self, served: u32) -> bool {
        let spared = |id: u8| self.stations.iter().any(|it| it.id == id && it.spared);
        let peace = self.stations.iter().any(|it| it.spared);
        let counts = |id: u8| self.cluster.node(id).is_ok() && (spared(id) || !peace);
        let all = || self.submitters.all.iter().filter(|it| counts(it.node));
        let many = all().filter(|it| it.waits.is_some()).count();
        many >= if peace { 1 } else { SESSIONS } || peace && all().any(|it| it.served < served)
    }

    /// A node says what became of its command.
    pub(crate) fn poll_submitted(&mut self, id: u8) -> Outcome {
        let Some(outcome) = self.node_mut(id)?.poll_submit() else { return Ok(()) };
        let tick = self.tick;
        let place = self.submitters.all.iter().position(|it| it.node == id);
        let waits = place.and_then(|place| self.submitters.all[place].waits.take());
        let (Some(place), Some(operation)) = (place, waits) else {
            let words = format!("{id} says {outcome:?} of nothing");
            return Err(Broken::new("submitted commands are applied once", words));
        };
        let applied = self.node_mut(id)?.status().applied;
        let (tag, asked) = &mut self.submitters.operations[operation];
        let (sequence, key) = (tag.1, asked.key as usize);
        self.checkers.ended(*tag, &outcome, applied)?;
        let it = &mut self.submitters.all[place];
        it.served = tick;
        it.thinks = tick + self.submitters.random.below(2 * self.submitters.pace);
        match outcome {
            Submitted::Applied(output) => {
                if let Some(output) = output {
                    it.seen[key] = asked.request.leaves(output.seen);
                }
                asked.answer = output.map(|output| Answer { tick, found: output.seen });
                self.tally.add(Count::SubmitsApplied);
            }
            Submitted::Unknown => self.tally.add(Count::SubmitsUnknown),
        }
        let words = || format!("says of {sequence}: {outcome:?}");
        self.note_fault(id, u64::from(sequence) << 8 | 21, words);
        Ok(())
    }
}
