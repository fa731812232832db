//! How members come together at the end: somebody asks whoever leads for one change after another.
//!
//! A change that is never carried out, and a plan that stands still, are found here.

use super::World;
use crate::checkers::Broken;
use crate::faults;
use crate::tally::Count;
use raft_core::{Change, ChangeError, Configuration, Membership, NodeId};

impl World {
    /// Everyone who is spared comes to be a voter, whatever was begun before; gives whether. Who
    /// can't even be named in a frame stays outside.
    pub(super) fn gather(&mut self, spared: &mut Vec<u8>) -> Result<bool, Broken> {
        let mut patience = 0;
        let (mut until, mut led) = (self.tick, self.tick);
        let mut nameable = true;
        let mut left = 4 * spared.len() + 4;
        loop {
            let Some(leader) = self.leader_of(spared) else {
                if self.tick >= led + 10 * self.election_timeout() {
                    return Ok(false);
                }
                self.step()?;
                continue;
            };
            led = self.tick;
            let node = self.cluster.node(leader).map_err(|it| Broken::new("simulator", it))?;
            let (now, status) = (node.configuration().clone(), node.status());
            let busy = status.configured_at > status.committed
                || !now.membership.outgoing.is_empty()
                || status.transferring.is_some();
            // What is planned to go must not go after the end.
            let Membership { incoming: voters, learners, .. } = now.membership;
            let stay = (!now.leaving.is_empty()).then_some(Change::Set { voters, learners });
            let change = stay.or_else(|| spared.iter().find_map(|&id| self.wanted(id, &now)));
            let change = match change {
                None if !busy && self.follow(leader, spared) => return Ok(true),
                Some(change) if !busy && self.tick.is_multiple_of(self.plan.heartbeat) => {
                    faults::ask_for(self, leader, change)?
                }
                _ => None,
            };
            match change {
                Some(ChangeError::FrameTooSmall { .. }) => {
                    self.tally.add_many(Count::Unnameable, u64::from(nameable));
                    nameable = false;
                    let promotes = |it| matches!(it, Change::Promote(_));
                    spared.retain(|&id| self.wanted(id, &now).is_none_or(promotes));
                    self.stations.iter_mut().for_each(|it| it.spared &= spared.contains(&it.id));
                }
                Some(ChangeError::Full) => return Ok(true),
                _ => {}
            }
            if self.tick > until + patience {
                patience = 10 * self.election_timeout() + 2 * self.catching_up(spared);
                until = self.tick;
                left -= 1;
                if left == 0 {
                    return Ok(false);
                }
            }
            faults::strike(self)?;
            self.step()?;
        }
    }

    /// What would make a spared node a voter, if it is none and does not come to be one.
    fn wanted(&self, id: u8, now: &Configuration) -> Option<Change> {
        let station = self.stations.iter().find(|it| it.id == id)?;
        let id = NodeId(id);
        match now.nonce(id) {
            None => Some(Change::AddVoter { id, nonce: station.nonce }),
            Some(nonce) if nonce != station.nonce => Some(Change::Remove(id)),
            Some(_) if now.membership.incoming.contains(id) => None,
            Some(_) => Some(Change::Promote(id)),
        }
    }
}
