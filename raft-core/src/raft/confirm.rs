//! How a leader answers those who want to read: is it still the leader, and what is committed?
//!
//! A round that began after the question, and that a quorum echoes, proves that nobody led in a
//! later term when it was asked. Questions that come while a round is on its way share the next,
//! so that there is at most one for each trip. What is answered is the commit of the moment, never
//! less than the leader's own first entry: everything before that is committed once it is.

use super::role::Leading;
use super::{Raft, Role, Stop};
use crate::node_set::NodeSet;
use crate::status::DropReason;
use crate::types::{Index, NodeId, Round};
use crate::wire::{self, Datagram, Message, ReadAnswer, ReadRequest};

/// Who has asked a leader what it may read, the leader itself among them. Each is in one set only.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Questions {
    /// Those that wait for a round to begin.
    fresh: NodeSet,
    /// Those that wait for a quorum to echo `round`.
    confirming: NodeSet,
    round: Round,
    /// Those that are owed an answer.
    confirmed: NodeSet,
}

impl Questions {
    /// Whether somebody waits for a round or its echo.
    pub(super) const fn wait(&self) -> bool {
        !self.fresh.union(self.confirming).is_empty()
    }

    /// Whether somebody waits for nothing but a round.
    pub(super) const fn want_round(&self) -> bool {
        !self.fresh.is_empty() && self.confirming.is_empty()
    }

    fn contain(&self, id: NodeId) -> bool {
        self.fresh.union(self.confirming).union(self.confirmed).contains(id)
    }

    /// A question in place of any earlier one of the same node.
    fn begin(&mut self, id: NodeId) {
        self.confirming.remove(id);
        self.confirmed.remove(id);
        self.fresh.insert(id);
    }
}

impl Leading {
    /// Moves questions on as far as they get without another datagram.
    fn settle(&mut self, echoed: impl Fn(&Self, Round) -> bool) {
        loop {
            if echoed(self, self.questions.round) {
                let confirmed = core::mem::take(&mut self.questions.confirming);
                self.questions.confirmed = self.questions.confirmed.union(confirmed);
            }
            if !self.questions.want_round() {
                return;
            }
            if self.round_has_left() {
                // Its clock begins the next one if this one finds no quorum in a cycle.
                if !echoed(self, self.round) {
                    return;
                }
                self.begin_round();
            }
            self.calm = 0;
            self.questions.confirming = core::mem::take(&mut self.questions.fresh);
            self.questions.round = self.round;
        }
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Raft<B> {
    /// Lets a leader's questions take their next steps, those of its own reads too.
    #[inline(never)]
    pub(super) fn settle_reads(&mut self) {
        let (id, index) = (self.config.id, self.read_index());
        let Role::Leader(leading) = &mut self.role else { return };
        let membership = &self.configuration.membership;
        // One time more than there can be reasons: a leader of nobody answers itself at once.
        for _ in 0..2 {
            if self.reads.are_open() && !leading.questions.contain(id) {
                self.reads.ask();
                leading.questions.begin(id);
            }
            leading.settle(|leading, round| leading.has_echoed(membership, id, round));
            if leading.questions.confirmed.contains(id) {
                leading.questions.confirmed.remove(id);
                self.reads.answered(index);
            }
        }
    }

    /// What a machine must have seen to show all that is committed.
    pub(super) fn read_index(&self) -> Index {
        match &self.role {
            Role::Leader(leading) => self.committed.max(leading.first),
            _ => Index::LIMIT,
        }
    }

    /// A member wants to read.
    #[cold]
    pub(super) fn read_asked(&mut self, from: NodeId, asked: &ReadRequest) -> Result<(), Stop> {
        let Role::Leader(leading) = &mut self.role else {
            return Err(DropReason::Unexpected.into());
        };
        let peer = leading.follower(from).ok_or(DropReason::Unexpected)?;
        let before = core::mem::replace(&mut peer.question, asked.number);
        if before != asked.number || !leading.questions.contain(from) {
            leading.questions.begin(from);
        }
        self.settle_reads();
        Ok(())
    }

    pub(super) fn owes_read_answer(&self) -> bool {
        matches!(&self.role, Role::Leader(leading) if !leading.questions.confirmed.is_empty())
    }

    /// Answers a member that wants to read. Gives whom, and the length.
    #[cold]
    pub(super) fn answer_read(&mut self, buffer: &mut [u8]) -> Option<(NodeId, usize)> {
        let index = self.read_index();
        let Role::Leader(leading) = &mut self.role else { return None };
        let to = leading.questions.confirmed.first()?;
        leading.questions.confirmed.remove(to);
        let number = leading.follower(to)?.question;
        let message = Message::ReadAnswer(ReadAnswer { number, index });
        let length = wire::encode(&Datagram { term: self.ballot.term, message }, buffer)?;
        Some((to, length))
    }
}
