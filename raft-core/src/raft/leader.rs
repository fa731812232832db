//! How a leader's entries come to be committed: what followers say, and what is counted.
//!
//! Only entries of the leader's own term are committed by counting, and with them everything
//! before. What is counted is durable, at the followers and here.

use super::role::{Call, Leading};
use super::{Raft, Role, Stop};
use crate::durable::Durable;
use crate::node_set::NodeSet;
use crate::progress::Flow;
use crate::status::{DropReason, Fault};
use crate::types::{Index, NodeId};
use crate::wire::{Acknowledge, Reject};

impl<B: AsRef<[u8]> + AsMut<[u8]>> Raft<B> {
    pub(super) fn advance_leader(&mut self, ticks: u32) -> Result<(), Fault> {
        let Role::Leader(leading) = &mut self.role else { return Err(Fault::Invariant) };
        let last = self.log.last().index;
        match leading.advance(ticks, &self.config) {
            Call::Wait => return Ok(()),
            Call::Round => {
                // Whoever has not answered the last one in all that time is silent.
                if leading.is_quiet() && !leading.all_have_all(leading.round, last) {
                    // It has a whole question's time to answer, as if it were never quiet.
                    leading.calm = 0;
                    leading.begin_quorum();
                } else {
                    leading.begin_round();
                }
            }
            Call::Quorum(since) => {
                let membership = &self.configuration.membership;
                if !leading.has_echoed(membership, self.config.id, since) {
                    self.follow_nobody();
                    return Ok(());
                }
                leading.grow_calm(&self.config, since, last, self.committed == last);
                leading.begin_quorum();
            }
        }
        self.settle_reads();
        self.tend_members()
    }

    /// A follower holds everything up to `index`.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(super) fn acknowledged(
        &mut self,
        from: NodeId,
        acknowledge: &Acknowledge,
    ) -> Result<(), Stop> {
        let Acknowledge { round, index, settled, short, standing } = *acknowledge;
        let last = self.log.last().index;
        let Role::Leader(leading) = &mut self.role else {
            return Err(DropReason::Unexpected.into());
        };
        let (now, since) = (leading.round, leading.refills.since);
        let peer = leading.follower(from).ok_or(DropReason::Unexpected)?;
        if round > now || index.get() > last {
            return Err(DropReason::Impossible.into());
        }
        if !peer.echo(round, standing, since) {
            return Err(DropReason::Stale.into());
        }
        let before = peer.flow;
        let advanced = peer.acknowledge(index, round, settled);
        let wait = leading.questions.wait();
        if before == Flow::Snapshot || short {
            self.heard_lagging(from, round, short.then_some(before));
        }
        if advanced && index.get() > self.committed {
            self.count_commits(index);
        }
        if wait {
            self.settle_reads();
        }
        Ok(())
    }

    /// A follower's log does not meet this one where an append assumed it would.
    #[cold]
    pub(super) fn rejected(&mut self, from: NodeId, reject: &Reject) -> Result<(), Stop> {
        let Reject { round, previous, hint, standing } = *reject;
        let Role::Leader(leading) = &mut self.role else {
            return Err(DropReason::Unexpected.into());
        };
        let (now, since) = (leading.round, leading.refills.since);
        let peer = leading.follower(from).ok_or(DropReason::Unexpected)?;
        if round > now || hint.index >= previous {
            return Err(DropReason::Impossible.into());
        }
        if !peer.echo(round, standing, since) {
            return Err(DropReason::Stale.into());
        }
        let base = self.log.base().index;
        if !peer.may_reject(previous) {
            // It says nothing new, and is heard all the same.
        } else if previous <= base {
            peer.lacks_dropped(base);
            leading.lags = true;
        } else {
            peer.reject(self.log.last_at_most(hint.term, hint.index).ok_or(Fault::Log)?);
        }
        self.settle_reads();
        Ok(())
    }

    /// Commits what a quorum holds durably, if it is of this leader's own term, now that somebody
    /// holds more than before: everything up to `newest`. What is above it nobody holds anew.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(super) fn count_commits(&mut self, newest: Durable<Index>) {
        let Role::Leader(leading) = &self.role else { return };
        // What is below was committed before, or is of an earlier term.
        let floor = self.committed.max(leading.first.previous());
        if newest.get() > floor && self.is_held(leading, newest) {
            self.committed = newest.get();
            return;
        }
        let mut reached = floor;
        for index in leading.followers.iter().map(|peer| peer.matched) {
            if index.get() > reached && index < newest && self.is_held(leading, index) {
                reached = index.get();
            }
        }
        let own = self.watermark.index();
        if own.get() > reached && own < newest && self.is_held(leading, own) {
            reached = own.get();
        }
        if reached > floor {
            self.committed = reached;
        }
    }

    /// Whether everything up to `index` is durable at a quorum.
    fn is_held(&self, leading: &Leading, index: Durable<Index>) -> bool {
        let mut holders = NodeSet::EMPTY;
        if self.watermark.index() >= index {
            holders.insert(self.config.id);
        }
        for peer in leading.followers.iter().filter(|peer| peer.matched >= index) {
            holders.insert(peer.id);
        }
        self.configuration.membership.has_quorum(holders)
    }
}
