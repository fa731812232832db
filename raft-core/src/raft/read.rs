//! Reads that are linearizable: what the machine must have seen before it may be looked at.
//!
//! Whoever wants to read asks the leader, which asks itself. Several reads share one question; its
//! number is the ticket of the last of them. The answer is an index, and a read is ready once the
//! machine has applied it. Nobody else is waited for: a read without an answer fails in time.

use super::transmit::Sent;
use super::{Raft, Role, Stop};
use crate::status::{DropReason, Fault};
use crate::types::{Index, NodeId, Round};
use crate::wire::{ReadAnswer, ReadRequest};

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
/// The index of a place that is free.
const FREE: Index = Index(u64::MAX);

/// A read that waits, or a place for one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
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
    waiting: [Waiting; READS_MAX],
    /// How many of them have no answer.
    open: u32,
    /// The last ticket. They go round, and begin anywhere: an answer from before a restart is not
    /// taken for one to a later question.
    last: u32,
    /// The number of the question that was asked last.
    asked: u32,
}

impl Reads {
    pub(super) fn new(seed: u32) -> Self {
        // Seeds that are neighbours begin far from each other.
        let last = seed.wrapping_mul(0x9E37_79B9);
        let free = Waiting { ticket: 0, left: u32::MAX, index: FREE };
        Self { waiting: [free; READS_MAX], open: 0, last, asked: last }
    }

    fn register(&mut self, index: Index, left: u32) -> Result<ReadTicket, ReadError> {
        let mut places = self.waiting.iter_mut();
        let place = places.find(|read| read.index == FREE).ok_or(ReadError::Full)?;
        self.last = self.last.wrapping_add(1);
        *place = Waiting { ticket: self.last, left, index };
        self.count_open();
        Ok(ReadTicket(self.last))
    }

    /// The number of the question to ask: the last one again while it has no answer, so that those
    /// who come later can't put the answer off, and else one for all.
    fn ask(&mut self) -> u32 {
        if !self.is_asked() {
            self.ask_for_all();
        }
        self.asked
    }

    /// The question is for all reads that wait.
    pub(super) fn ask_for_all(&mut self) {
        self.asked = self.last;
    }

    /// An answer to the last question came in: these reads wait only for the machine now.
    pub(super) fn answered(&mut self, index: Index) {
        let asked = self.asked;
        for read in self.waiting.iter_mut().filter(|read| read.is_covered_by(asked)) {
            read.index = index;
        }
        self.count_open();
    }

    fn count_open(&mut self) {
        self.open = 0;
        for read in &self.waiting {
            self.open += u32::from(read.index == UNKNOWN);
        }
    }

    pub(super) fn advance(&mut self, ticks: u32) {
        for read in &mut self.waiting {
            if read.index != FREE {
                read.left = read.left.saturating_sub(ticks);
            }
        }
    }

    /// Whether any read has no answer.
    pub(super) const fn are_open(&self) -> bool {
        self.open > 0
    }

    /// Whether the question that was asked last has no answer and somebody waits for one.
    pub(super) fn is_asked(&self) -> bool {
        self.waiting.iter().any(|read| read.is_covered_by(self.asked))
    }
}

impl Waiting {
    fn is_decided(&self, applied: Index, stopped: bool) -> bool {
        self.index <= applied || self.left == 0 || (stopped && self.index != FREE)
    }

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
        let stopped = self.fault.is_some();
        let mut decided = self.reads.waiting.iter_mut();
        let read = decided.find(|read| read.is_decided(applied, stopped))?;
        let (ticket, index) = (ReadTicket(read.ticket), read.index);
        (read.index, read.left) = (FREE, u32::MAX);
        self.reads.count_open();
        Some(match self.fault {
            Some(fault) => ReadOutcome::Failed(ticket, ReadError::Stopped(fault)),
            None if index <= applied => ReadOutcome::Ready(ticket),
            None => ReadOutcome::Failed(ticket, ReadError::Unanswered),
        })
    }

    /// Ticks until there is an outcome, where the machine has seen so much; `u32::MAX` if nobody
    /// reads.
    pub(crate) fn read_left(&self, applied: Index) -> u32 {
        let stopped = self.fault.is_some();
        self.reads.waiting.iter().fold(u32::MAX, |least, read| {
            if read.is_decided(applied, stopped) { 0 } else { least.min(read.left) }
        })
    }

    /// Whether the leader is to be asked: for the first time, or because two more rounds of it were
    /// heard since. The first of them may be the one that the question made it begin.
    #[inline(always)] // Nearly nothing, and looked at before each datagram.
    pub(super) fn owes_question(&self) -> bool {
        self.reads.are_open() && self.leader_is_to_be_asked()
    }

    #[cold]
    fn leader_is_to_be_asked(&self) -> bool {
        let Role::Follower(following) = &self.role else { return false };
        let again = following.seen.0.wrapping_sub(following.asked_in.0) > 1;
        following.leader.is_some() && (again || !self.reads.is_asked())
    }

    /// Asks the leader what may be read, or answers who has asked this one.
    #[cold]
    pub(super) fn speak_of_reads(&mut self, buffer: &mut [u8]) -> Sent {
        let (index, term) = (self.read_index(), self.ballot.term);
        match &mut self.role {
            Role::Follower(following) => {
                following.asked_in = following.seen;
                let (to, number) = (following.leader?, self.reads.ask());
                Some((to, ReadRequest { number }.write(term, buffer)?))
            }
            Role::Leader(leading) => {
                let (to, number) = leading.answer_read()?;
                Some((to, ReadAnswer { number, index }.write(term, buffer)?))
            }
            Role::PreCandidate(_) | Role::Candidate(_) => None,
        }
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
