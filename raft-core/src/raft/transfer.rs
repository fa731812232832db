//! How a leader hands over: to a voter that holds all it has, and that then need not wait.
//!
//! While it lasts no commands are taken, so that the one who is to lead can catch up. It ends with
//! another leader, or after one base timeout as if nothing had been.

use super::role::Leading;
use super::{Raft, Role, Stop};
use crate::log::Log;
use crate::progress::{Flow, Mark, Progress};
use crate::status::{DropReason, Fault};
use crate::types::{NodeId, Round};
use crate::wire::HandOver;

/// A transfer under way.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Transfer {
    pub(super) to: NodeId,
    /// Ticks since it began.
    passed: u32,
    /// Whether it is to be told in this round.
    owed: bool,
}

/// Why leadership is not handed over.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum TransferError {
    /// There is nothing to hand over here; ask the leader, if one is known.
    NotLeader(Option<NodeId>),
    /// That node is no other voter whose word counts and whom this leader can still catch up; or
    /// there is no such node at all.
    Unfit,
    /// The node has stopped.
    Stopped(Fault),
}

impl Transfer {
    /// A new round begins: what was lost is said again.
    pub(super) fn begin_round(&mut self) {
        self.owed = true;
    }

    /// Ticks until it is given up.
    pub(super) const fn left(&self, most: u32) -> u32 {
        most.saturating_sub(self.passed)
    }
}

impl Leading {
    /// Time passes; a transfer that takes too long is given up.
    pub(super) fn advance_transfer(&mut self, ticks: u32, most: u32) {
        if let Some(transfer) = &mut self.transfer {
            transfer.passed = transfer.passed.saturating_add(ticks);
            if transfer.left(most) == 0 {
                self.transfer = None;
            }
        }
    }

    /// Who may be told to stand now: whoever holds all there is.
    fn owes_hand_over<B: AsRef<[u8]> + AsMut<[u8]>>(&self, log: &Log<B>) -> Option<NodeId> {
        let transfer = self.transfer.as_ref().filter(|transfer| transfer.owed)?;
        let to = self.followers.iter().find(|peer| peer.id == transfer.to)?;
        (to.matched.get() == log.last().index).then_some(transfer.to)
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Raft<B> {
    /// Begins to hand over to a voter: this one, or whoever is closest. Says to whom.
    pub(crate) fn transfer(&mut self, to: Option<NodeId>) -> Result<NodeId, TransferError> {
        if let Some(fault) = self.fault {
            return Err(TransferError::Stopped(fault));
        }
        let (leader, voters) = (self.leader(), self.configuration.membership.incoming);
        let Role::Leader(leading) = &mut self.role else {
            return Err(TransferError::NotLeader(leader));
        };
        let mut best: Option<&Progress> = None;
        for peer in &leading.followers {
            let asked = to.is_none_or(|to| to == peer.id) && voters.contains(peer.id);
            let fit = asked && peer.is(Mark::COUNTED) && peer.flow != Flow::Snapshot;
            let held = |it: &Progress| (it.matched, it.echoed);
            if fit && best.is_none_or(|best| held(peer) >= held(best)) {
                best = Some(peer);
            }
        }
        let to = best.ok_or(TransferError::Unfit)?.id;
        leading.transfer = Some(Transfer { to, passed: 0, owed: true });
        Ok(to)
    }

    /// Leads on, unless the other one stands already.
    pub(crate) fn abort_transfer(&mut self) {
        if let Role::Leader(leading) = &mut self.role {
            leading.transfer = None;
        }
    }

    /// To whom leadership is being handed over.
    pub(crate) fn transferring(&self) -> Option<NodeId> {
        match &self.role {
            Role::Leader(leading) => leading.transfer.as_ref().map(|transfer| transfer.to),
            _ => None,
        }
    }

    pub(super) fn owes_hand_over(&self) -> bool {
        matches!(&self.role, Role::Leader(leading) if leading.owes_hand_over(&self.log).is_some())
    }

    /// Tells whoever is to lead to stand now. Gives the length, if that was due.
    #[cold]
    pub(super) fn hand_over(&mut self, buffer: &mut [u8]) -> Option<(NodeId, usize)> {
        let Role::Leader(leading) = &mut self.role else { return None };
        let to = leading.owes_hand_over(&self.log)?;
        let length = HandOver { round: leading.round }.write(self.ballot.term, buffer)?;
        leading.transfer.as_mut()?.owed = false;
        leading.told = true;
        Some((to, length))
    }

    /// The leader wants this node to lead after it.
    #[cold]
    pub(super) fn handed_over(&mut self, from: NodeId, round: Round) -> Result<(), Stop> {
        match &self.role {
            Role::Follower(following) if following.leader == Some(from) => {
                if round < following.seen {
                    return Err(DropReason::Stale.into());
                }
            }
            _ => return Err(DropReason::Unexpected.into()),
        }
        if !self.may_campaign() {
            return Err(DropReason::Unexpected.into());
        }
        self.stand(true);
        Ok(())
    }
}
