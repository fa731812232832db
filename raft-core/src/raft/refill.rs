//! How a node that lost what it had flushed comes to count again.
//!
//! Its ballot is whole, so that it breaks no promise about votes, but what it acknowledged may have
//! committed entries that it lacks now. So it neither votes nor counts, like a node that is away,
//! until it holds durably all that a leader held when this was told of the loss. Nothing that it
//! acknowledged before is above that: what it told the same leader is not, and what was committed
//! under earlier leaders every later one has. The question names the loss, so that an answer to one
//! of before is none to this.

use super::{Raft, Role, Stop, transmit::Sent};
use crate::node_set::NodeSet;
use crate::progress::Mark;
use crate::status::DropReason;
use crate::types::{Index, NodeId, Round};
use crate::wire::{RefillAnswer, RefillRequest};

/// What a leader remembers of those that lost entries.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Refills {
    /// Who is owed an answer.
    owed: NodeSet,
    /// What echoes an earlier round may have been said before the loss.
    pub(super) since: Round,
}

impl Refills {
    /// Whether anybody is owed an answer.
    pub(super) const fn are_owed(&self) -> bool {
        !self.owed.is_empty()
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Raft<B> {
    /// Whether the leader is to be asked, once in each round: not before the loss is on record.
    pub(super) fn owes_refill_request(&self) -> bool {
        self.ballot.is_refilling() && self.leader_may_refill()
    }

    #[cold]
    fn leader_may_refill(&self) -> bool {
        let Role::Follower(following) = &self.role else { return false };
        following.leader.is_some()
            && following.refill_to.is_none()
            && following.refill_asked_in != following.seen
            && self.watermark.ballot(self.ballot).is_some()
    }

    /// Asks the leader up to where this node must hold everything to count again.
    #[cold]
    pub(super) fn ask_for_refill(&mut self, buffer: &mut [u8]) -> Sent {
        let number = u32::from(self.ballot.losses);
        let length = RefillRequest { number }.write(self.ballot.term, buffer)?;
        let Role::Follower(following) = &mut self.role else { return None };
        following.refill_asked_in = following.seen;
        Some((following.leader?, length))
    }

    /// A follower has lost flushed entries.
    #[cold]
    pub(super) fn refill_asked(&mut self, from: NodeId, number: u32) -> Result<(), Stop> {
        let last = self.log.last().index;
        let Role::Leader(leading) = &mut self.role else {
            return Err(DropReason::Unexpected.into());
        };
        let losses = u8::try_from(number).map_err(|_| DropReason::Impossible)?;
        let round = leading.round;
        let peer = leading.follower(from).ok_or(DropReason::Unexpected)?;
        if !peer.is(Mark::REFILLING) || peer.losses != losses {
            peer.begin_refill(losses, last);
            leading.refills.since = Round(round.0 + 1);
        }
        leading.refills.owed.insert(from);
        Ok(())
    }

    pub(super) fn owes_refill_answer(&self) -> bool {
        matches!(&self.role, Role::Leader(leading) if leading.refills.are_owed())
    }

    /// Answers one of those that lost entries.
    #[cold]
    pub(super) fn answer_refill(&mut self, buffer: &mut [u8]) -> Sent {
        let index = self.log.last().index;
        let Role::Leader(leading) = &mut self.role else { return None };
        let to = leading.refills.owed.first()?;
        leading.refills.owed.remove(to);
        let number = u32::from(leading.follower(to)?.losses);
        Some((to, RefillAnswer { number, index }.write(self.ballot.term, buffer)?))
    }

    /// The leader says up to where this node must hold everything.
    #[cold]
    pub(super) fn refill_answered(
        &mut self,
        from: NodeId,
        answer: &RefillAnswer,
    ) -> Result<(), Stop> {
        let losses = u32::from(self.ballot.losses);
        match &mut self.role {
            Role::Follower(following) if following.leader == Some(from) => {
                if !self.ballot.is_refilling() || answer.number != losses {
                    return Err(DropReason::Stale.into());
                }
                following.refill_to.get_or_insert(answer.index);
            }
            _ => return Err(DropReason::Unexpected.into()),
        }
        self.settle_refill();
        Ok(())
    }

    /// Counts again if all that matters is here, durably.
    #[cold]
    pub(super) fn settle_refill(&mut self) {
        let Role::Follower(following) = &self.role else { return };
        let held: Index = self.watermark.up_to(following.verified).get();
        if following.refill_to.is_some_and(|all| held >= all) {
            self.ballot = self.ballot.refilled();
        }
    }
}
