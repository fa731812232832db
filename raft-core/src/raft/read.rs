//! Reads that are linearizable: what the machine must have seen before it may be looked at.
//!
//! Whoever wants to read asks the leader, which asks itself. Several reads share one question; its
//! number is the ticket of the last of them. The answer is an index, and a read is ready once the
//! machine has applied it. Nobody else is waited for: a read without an answer fails in time.

use super::{Raft, Role, Stop};
use crate::random::Random;
use crate::status::{DropReason, Fault};
use crate::types::{Index, NodeId, Round};
use crate::wire::{self, Datagram, Message, ReadAnswer, ReadRequest};

/// How many reads can wait at once on one node: each takes 16 bytes of it.
pub const READS_MAX: usize = 4;

/// Names one read of one node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ReadTicket(u32);

/// Why a read was refused, or came to nothing. Trying again does no harm.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ReadError {
    /// [`READS_MAX`] reads are waiting.
    Full,
    /// This node holds no lease now: an ordinary read may be possible.
    NoLease,
    /// In two base timeouts no leader answered, or the machine did not get so far.
    Unanswered,
    /// The node has stopped.
    Stopped(Fault),
}

/// What became of a read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ReadOutcome {
    /// The machine, as it is now, shows all that was done before this read was asked for.
    Ready(ReadTicket),
    /// It shows no such thing.
    Failed(ReadTicket, ReadError),
}

/// The index of a read that has no answer: no entry has it.
const UNKNOWN: Index = Index::LIMIT;

/// A read that waits.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Waiting {
    ticket: u32,
    /// Ticks until it fails.
    left: u32,
    /// What the machine must have seen, if it is known.
    index: Index,
}

/// The reads that wait on one node, whatever its role.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Reads {
    waiting: heapless::Vec<Waiting, READS_MAX>,
    /// The last ticket. They go round, and begin anywhere: an answer from before a restart is not
    /// taken for one to a later question.
    last: u32,
    /// The number of the question that was asked last.
    asked: u32,
}

impl Reads {
    pub(super) fn new(seed: u32, id: NodeId) -> Self {
        let last = Random::new(!seed, id).below(u32::MAX);
        Self { waiting: heapless::Vec::new(), last, asked: last }
    }

    fn register(&mut self, index: Index, left: u32) -> Result<ReadTicket, ReadError> {
        let ticket = self.last.wrapping_add(1);
        let waiting = Waiting { ticket, left, index };
        self.waiting.push(waiting).map_err(|_| ReadError::Full)?;
        self.last = ticket;
        Ok(ReadTicket(ticket))
    }

    /// The number of the question to ask: the last one again while it has no answer, so that those
    /// who come later can't put the answer off, and else one for all.
    pub(super) fn ask(&mut self) -> u32 {
        if !self.is_asked() {
            self.asked = self.last;
        }
        self.asked
    }

    /// An answer to the last question came in: these reads wait only for the machine now.
    pub(super) fn answered(&mut self, index: Index) {
        let asked = self.asked;
        for read in self.waiting.iter_mut().filter(|read| read.is_covered_by(asked)) {
            read.index = index;
        }
    }

    pub(super) fn advance(&mut self, ticks: u32) {
        for read in &mut self.waiting {
            read.left = read.left.saturating_sub(ticks);
        }
    }

    /// Whether any read has no answer.
    pub(super) fn are_open(&self) -> bool {
        self.waiting.iter().any(|read| read.index == UNKNOWN)
    }

    /// Whether the question that was asked last has no answer and somebody waits for one.
    pub(super) fn is_asked(&self) -> bool {
        self.waiting.iter().any(|read| read.is_covered_by(self.asked))
    }

    /// Ticks until one of them fails.
    pub(super) fn left(&self) -> u32 {
        self.waiting.iter().map(|read| read.left).min().unwrap_or(u32::MAX)
    }

    /// The first that has an outcome, where the machine has seen so much.
    fn decided(&self, applied: Index, fault: Option<Fault>) -> Option<(usize, ReadOutcome)> {
        let outcome = |read: &Waiting| {
            let ticket = ReadTicket(read.ticket);
            match fault {
                Some(fault) => Some(ReadOutcome::Failed(ticket, ReadError::Stopped(fault))),
                None if read.index <= applied => Some(ReadOutcome::Ready(ticket)),
                None if read.left > 0 => None,
                None => Some(ReadOutcome::Failed(ticket, ReadError::Unanswered)),
            }
        };
        let mut decided = self.waiting.iter().map(outcome).enumerate();
        decided.find_map(|(place, outcome)| Some((place, outcome?)))
    }
}

impl Waiting {
    /// Whether it has no answer and was there when the question of that number was first asked.
    fn is_covered_by(&self, number: u32) -> bool {
        self.index == UNKNOWN && number.wrapping_sub(self.ticket) <= u32::MAX / 2
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Raft<B> {
    /// Registers a read that the leader must confirm.
    pub(crate) fn read(&mut self) -> Result<ReadTicket, ReadError> {
        self.register(UNKNOWN)
    }

    /// Registers a read that a lease allows.
    pub(crate) fn read_lease(&mut self) -> Result<ReadTicket, ReadError> {
        let index = self.lease().ok_or(ReadError::NoLease)?;
        self.register(index)
    }

    fn register(&mut self, index: Index) -> Result<ReadTicket, ReadError> {
        if let Some(fault) = self.fault {
            return Err(ReadError::Stopped(fault));
        }
        let ticket =
            self.reads.register(index, self.config.base_timeout_ticks.saturating_mul(2))?;
        self.settle_reads();
        self.close(Ok(()));
        Ok(ticket)
    }

    /// The next outcome, where the machine has seen so much.
    pub(crate) fn poll_read(&mut self, applied: Index) -> Option<ReadOutcome> {
        let (place, outcome) = self.reads.decided(applied, self.fault)?;
        self.reads.waiting.remove(place);
        Some(outcome)
    }

    /// Whether there is an outcome to ask for.
    pub(crate) fn has_read(&self, applied: Index) -> bool {
        self.reads.decided(applied, self.fault).is_some()
    }

    /// Whether the leader is to be asked: for the first time, or because two more rounds of it were
    /// heard since. The first of them may be the one that the question made it begin.
    pub(super) fn owes_question(&self) -> bool {
        let Role::Follower(following) = &self.role else { return false };
        let rounds = following.seen.0.wrapping_sub(following.asked_in.0);
        following.leader.is_some()
            && self.reads.are_open()
            && (rounds > 1 || !self.reads.is_asked())
    }

    /// Asks the leader. Gives whom, and the length.
    #[cold]
    pub(super) fn question(&mut self, buffer: &mut [u8]) -> Option<(NodeId, usize)> {
        let Role::Follower(following) = &mut self.role else { return None };
        let leader = following.leader?;
        let message = Message::ReadRequest(ReadRequest { number: self.reads.ask() });
        let length = wire::encode(&Datagram { term: self.ballot.term, message }, buffer)?;
        following.asked_in = following.seen;
        Some((leader, length))
    }

    /// The leader's answer to a question of this term.
    #[cold]
    pub(super) fn read_answered(&mut self, from: NodeId, answer: &ReadAnswer) -> Result<(), Stop> {
        match &self.role {
            Role::Follower(following) if following.leader == Some(from) => {}
            _ => return Err(DropReason::Unexpected.into()),
        }
        if answer.number != self.reads.asked {
            return Err(DropReason::Stale.into());
        }
        self.reads.answered(answer.index);
        Ok(())
    }
}

/// The round in which nothing was asked yet: any round that is heard lies far from it.
pub(super) const NEVER_ASKED: Round = Round(u64::MAX - 1);
