//! How a follower's log comes to be its leader's: what is taken, what gives way, what is owed.
//!
//! An append never truncates what it does not contradict: it may be late, or come twice. What is
//! acknowledged, and what commits, goes only as far as this very leader's appends have matched.

use super::quiet::stretch;
use super::role::Following;
use super::{Raft, Role, Stop};
use crate::log::Entries;
use crate::status::{DropReason, Fault};
use crate::types::{Index, NodeId, Position};
use crate::wire::{Append, Heartbeat};

impl<B: AsRef<[u8]> + AsMut<[u8]>> Raft<B> {
    /// A heartbeat of this term.
    pub(super) fn heard(&mut self, from: NodeId, heartbeat: &Heartbeat) -> Result<(), Stop> {
        let following = self.follow(from)?;
        following.hear(heartbeat.round);
        let committed = heartbeat.committed.min(following.verified);
        self.committed = self.committed.max(committed);
        self.clock.stretch(stretch(heartbeat.quiet_ticks));
        self.judge();
        Ok(())
    }

    /// An append of this term.
    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    pub(super) fn appended(&mut self, from: NodeId, append: &Append<'_>) -> Result<(), Stop> {
        self.follow(from)?.hear(append.round);
        if !self.meets(append.previous) {
            self.following()?.refused = Some(append.previous);
            return Ok(());
        }
        let held = self.hold(append.previous.index, &append.entries)?;
        let following = self.following()?;
        following.refused = None;
        following.verified = following.verified.max(held);
        let committed = append.committed.min(following.verified);
        self.committed = self.committed.max(committed);
        if append.entries.configures() {
            self.settle_configuration()?;
        }
        self.judge();
        Ok(())
    }

    /// Follows the sender, which leads in this term.
    pub(super) fn follow(&mut self, from: NodeId) -> Result<&mut Following, Stop> {
        match &self.role {
            Role::Follower(following) if following.leader == Some(from) => {}
            Role::Follower(Following { leader: None, .. })
            | Role::PreCandidate(_)
            | Role::Candidate(_) => {
                self.become_follower(Some(from));
                self.wait();
            }
            Role::Follower(_) | Role::Leader(_) => return Err(DropReason::SecondLeader.into()),
        }
        self.clock.hear();
        self.pre_grant.withdraw();
        Ok(self.following()?)
    }

    fn following(&mut self) -> Result<&mut Following, Fault> {
        match &mut self.role {
            Role::Follower(following) => Ok(following),
            _ => Err(Fault::Invariant),
        }
    }

    /// Whether the leader's log and this one meet at `previous`: what is below the base is
    /// committed, and every leader has it.
    fn meets(&self, previous: Position) -> bool {
        previous.index < self.log.base().index
            || self.log.term(previous.index) == Some(previous.term)
    }

    /// Takes over what is new; gives the last index up to which the logs now agree.
    #[inline(always)] // Called from one place.
    fn hold(&mut self, previous: Index, entries: &Entries<'_>) -> Result<Index, Stop> {
        let (mut index, mut rest) = (previous, *entries);
        while index < self.log.last().index {
            let Some((entry, _, after)) = rest.split_first() else { break };
            let here = index.next();
            if here > self.log.base().index && self.log.term(here) != Some(entry.term) {
                self.give_way(here)?;
                break;
            }
            (index, rest) = (here, after);
        }
        if !rest.is_empty() && rest.previous_term() != self.log.last().term {
            // Entries tell their terms by difference: these would say something else here.
            return Err(DropReason::Impossible.into());
        }
        let taken = self.log.follow(&rest).ok_or(Fault::Log)?;
        if taken < rest.len() {
            self.make_room()?;
        }
        Ok(Index(index.0 + u64::from(taken)))
    }

    /// Drops the entry at `index`, which the leader contradicts, and everything above.
    #[cold]
    fn give_way(&mut self, index: Index) -> Result<(), Stop> {
        if index <= self.committed {
            let following = self.following()?;
            let round = following.seen;
            // One damaged frame must not stop a node, but a leader that insists must.
            return match following.contradicted.replace(round) {
                Some(before) if before != round => Err(Fault::CommittedConflict.into()),
                _ => Err(DropReason::Impossible.into()),
            };
        }
        if index <= self.following()?.verified {
            // A leader does not contradict in one term what it said in it before.
            return Err(DropReason::Impossible.into());
        }
        self.log.truncate(index.previous()).ok_or(Fault::Log)?;
        self.watermark.truncated(index.previous());
        if index <= self.configured_at {
            self.settle_configuration()?;
        }
        Ok(())
    }
}
