//! How a leader's entries come to be committed: what followers say, and what is counted.
//!
//! Only entries of the leader's own term are committed by counting, and with them everything
//! before. What is counted is durable, at the followers and here.

use super::role::Call;
use super::{Raft, Role, Stop};
use crate::durable::Durable;
use crate::node_set::NodeSet;
use crate::status::{DropReason, Fault};
use crate::types::{Index, NodeId, Position, Round};
use crate::wire::Counted;

impl<B: AsRef<[u8]> + AsMut<[u8]>> Raft<B> {
    pub(super) fn advance_leader(&mut self, ticks: u32) -> Result<(), Fault> {
        let Role::Leader(leading) = &mut self.role else { return Err(Fault::Invariant) };
        match leading.advance(ticks, &self.config) {
            Call::Wait => {}
            Call::Round => leading.begin_round(),
            Call::Quorum(since) => {
                let heard = leading.followers.iter().filter(|peer| peer.echoed >= since);
                let mut present: NodeSet = heard.map(|peer| peer.id).collect();
                present.insert(self.config.id);
                if self.membership.has_quorum(present) {
                    leading.begin_quorum();
                } else {
                    self.follow_nobody();
                }
            }
        }
        Ok(())
    }

    /// A follower holds everything up to `index`.
    pub(super) fn acknowledged(
        &mut self,
        from: NodeId,
        round: Round,
        index: Durable<Index>,
        settled: bool,
        standing: Counted,
    ) -> Result<(), Stop> {
        let last = self.log.last().index;
        let Role::Leader(leading) = &mut self.role else {
            return Err(DropReason::Unexpected.into());
        };
        let (now, first) = (leading.round, leading.first);
        let peer = leading.follower(from).ok_or(DropReason::Unexpected)?;
        if round > now || index.get() > last {
            return Err(DropReason::Impossible.into());
        }
        peer.echo(round, standing);
        let advanced = peer.acknowledge(index, round, settled);
        if advanced && index.get() > self.committed && index.get() >= first {
            self.count_commits()?;
        }
        Ok(())
    }

    /// A follower's log does not meet this one where an append assumed it would.
    #[cold]
    pub(super) fn rejected(
        &mut self,
        from: NodeId,
        round: Round,
        previous: Index,
        hint: Position,
        standing: Counted,
    ) -> Result<(), Stop> {
        let Role::Leader(leading) = &mut self.role else {
            return Err(DropReason::Unexpected.into());
        };
        let now = leading.round;
        let peer = leading.follower(from).ok_or(DropReason::Unexpected)?;
        if round > now || hint.index >= previous {
            return Err(DropReason::Impossible.into());
        }
        peer.echo(round, standing);
        if previous <= self.log.base().index && previous > peer.matched.get() {
            peer.lacks_dropped();
            return Ok(());
        }
        let agreed = self.log.last_at_most(hint.term, hint.index).ok_or(Fault::Log)?;
        peer.reject(previous, agreed);
        Ok(())
    }

    /// Commits what a quorum holds durably, if it is of this leader's own term.
    pub(super) fn count_commits(&mut self) -> Result<(), Fault> {
        let Role::Leader(leading) = &self.role else { return Ok(()) };
        let own = self.watermark.index();
        // What is below was committed before, or is of an earlier term.
        let floor = self.committed.max(leading.first.previous());
        let mut reached = floor;
        for index in leading.followers.iter().map(|peer| peer.matched).chain([own]) {
            if index.get() <= reached {
                continue;
            }
            let mut holders = NodeSet::EMPTY;
            if own >= index {
                holders.insert(self.config.id);
            }
            for peer in leading.followers.iter().filter(|peer| peer.matched >= index) {
                holders.insert(peer.id);
            }
            if self.membership.has_quorum(holders) {
                reached = index.get();
            }
        }
        if reached > floor {
            self.committed = reached;
        }
        Ok(())
    }
}
