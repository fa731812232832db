//! What a node's part of consensus looks like from outside.
//!
//! Nothing here changes anything, so that it may be called at any time.

use super::{Raft, Role};
use crate::log::Log;
use crate::status::{Counters, Fault, PeerStatus, RoleName};
use crate::types::{Index, NodeId, Snapshot, Term};

impl<B: AsRef<[u8]> + AsMut<[u8]>> Raft<B> {
    /// The last entry that the machine may see: committed, and in this node's own durable log.
    pub(crate) fn applicable(&self) -> Index {
        self.committed.min(self.watermark.index().get())
    }

    /// Ticks until time alone makes this node do something; `None` if it never does.
    pub(crate) fn deadline(&self) -> Option<u32> {
        if self.fault.is_some() {
            return None;
        }
        match &self.role {
            Role::Follower(following) => {
                let waits = following.leader.is_some() || self.may_campaign();
                waits.then_some(self.clock.left())
            }
            Role::PreCandidate(asking) | Role::Candidate(asking) => {
                let again = asking.left(self.config.heartbeat_ticks).unwrap_or(u32::MAX);
                Some(self.clock.left().min(again))
            }
            Role::Leader(leading) => leading.left(&self.config),
        }
    }

    pub(crate) const fn log(&self) -> &Log<B> {
        &self.log
    }

    pub(crate) const fn snapshot(&self) -> Snapshot {
        self.snapshots.kept
    }

    pub(crate) const fn term(&self) -> Term {
        self.ballot.term
    }

    pub(crate) const fn id(&self) -> NodeId {
        self.config.id
    }

    pub(crate) const fn committed(&self) -> Index {
        self.committed
    }

    pub(crate) const fn durable(&self) -> Index {
        self.watermark.index().get()
    }

    /// Whether this node's word counts, for certain.
    pub(crate) const fn counts(&self) -> bool {
        self.watermark.durable_ballot().counts() && !self.ballot.is_refilling()
    }

    /// Whether entries that it had flushed are lost and not all back, durably.
    pub(crate) const fn is_refilling(&self) -> bool {
        self.watermark.durable_ballot().is_refilling() || self.ballot.is_refilling()
    }

    pub(crate) const fn fault(&self) -> Option<Fault> {
        self.fault
    }

    pub(crate) const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Who leads in this term, if it is known.
    pub(crate) const fn leader(&self) -> Option<NodeId> {
        match &self.role {
            Role::Leader(_) => Some(self.config.id),
            Role::Follower(following) => following.leader,
            Role::PreCandidate(_) | Role::Candidate(_) => None,
        }
    }

    pub(crate) const fn role_name(&self) -> RoleName {
        match &self.role {
            Role::Follower(_) => RoleName::Follower,
            Role::PreCandidate(_) => RoleName::PreCandidate,
            Role::Candidate(_) => RoleName::Candidate,
            Role::Leader(_) => RoleName::Leader,
        }
    }

    /// The followers, if this node leads.
    pub(crate) fn peers(&self) -> impl Iterator<Item = PeerStatus> {
        let progress = match &self.role {
            Role::Leader(leading) => leading.followers.as_slice(),
            _ => &[],
        };
        progress.iter().map(|peer| PeerStatus {
            id: peer.id,
            flow: peer.flow,
            matched: peer.matched.get(),
            next: peer.next,
        })
    }
}
