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

    /// Whether somebody is owed an answer.
    pub(super) const fn are_confirmed(&self) -> bool {
        !self.confirmed.is_empty()
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
    /// Who is to be told what it may read, and its number for that.
    pub(super) fn answer_read(&mut self) -> Option<(NodeId, u32)> {
        let to = self.questions.confirmed.first()?;
        self.questions.confirmed.remove(to);
        Some((to, self.follower(to)?.question))
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Raft<B> {
    /// Moves a leader's questions on as far as they get, those of its own reads too.
    #[inline(never)]
    pub(super) fn settle_reads(&mut self) {
        let (id, index) = (self.config.id, self.read_index());
        let membership = &self.configuration.membership;
        let Role::Leader(leading) = &mut self.role else { return };
        loop {
            if leading.has_echoed(membership, id, leading.questions.round) {
                let questions = &mut leading.questions;
                questions.confirmed = questions.confirmed.union(questions.confirming);
                questions.confirming = NodeSet::EMPTY;
            }
            if leading.questions.confirmed.contains(id) {
                leading.questions.confirmed.remove(id);
                self.reads.answered(index);
            }
            if self.reads.are_open() {
                if !leading.questions.contain(id) {
                    leading.questions.begin(id);
                }
                // Whoever comes before the round leaves shares it.
                let joins = leading.questions.round == leading.round && !leading.round_has_left();
                if joins || leading.questions.fresh.contains(id) {
                    self.reads.ask_for_all();
                }
            }
            if !leading.questions.want_round() {
                return;
            }
            if leading.round_has_left() {
                // Its clock begins the next one if this one finds no quorum in a cycle.
                if !leading.has_echoed(membership, id, leading.round) {
                    return;
                }
                leading.begin_round();
            }
            leading.calm = 0;
            leading.questions.confirming = leading.questions.fresh;
            leading.questions.fresh = NodeSet::EMPTY;
            leading.questions.round = leading.round;
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
    pub(super) fn read_asked(&mut self, from: NodeId, number: u32) -> Result<(), Stop> {
        let Role::Leader(leading) = &mut self.role else {
            return Err(DropReason::Unexpected.into());
        };
        let peer = leading.follower(from).ok_or(DropReason::Unexpected)?;
        let before = core::mem::replace(&mut peer.question, number);
        if before != number || !leading.questions.contain(from) {
            leading.questions.begin(from);
        }
        self.settle_reads();
        Ok(())
    }

    pub(super) fn owes_read_answer(&self) -> bool {
        matches!(&self.role, Role::Leader(leading) if leading.questions.are_confirmed())
    }
}
