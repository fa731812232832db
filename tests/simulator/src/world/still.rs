//! Nodes whose storage is in flash: while a sector is erased nothing else happens on their boards.
//!
//! They learn of that time when it is over, like whoever slept, and letters wait as far as there is
//! room for them. Most loops have it done ahead, and then look after other things for a while.

use super::World;
use crate::checkers::{Broken, Outcome};
use crate::faults;
use crate::flash::Board;
use crate::tally::Count;
use raft_core::{PeerStatus, RoleName};

impl World {
    /// A node stands still for as long as its flash was being erased.
    pub(crate) fn stand_still(&mut self, id: u8) {
        let Some(Board { pause, .. }) = self.plan.board else { return };
        let Ok(node) = self.cluster.node_mut(id) else { return };
        let erases = node.storage_mut().take_erases();
        if erases > 0 {
            let tick = self.tick;
            let station = self.station(id);
            station.busy_until = station.busy_until.max(tick) + erases * pause;
            self.tally.add_many(Count::Erases, erases.into());
            let ticks = erases * pause;
            self.note_fault(id, u64::from(ticks) << 8 | 16, || {
                format!("stands still for {ticks} ticks: {erases} erases")
            });
        }
    }

    /// Whether a node wants to stand still, and its loop lets it.
    pub(super) fn has_upkeep(&self, id: u8) -> bool {
        let maintains = self.plan.nodes[usize::from(id - self.plan.first_id)].maintains;
        maintains.is_some() && self.cluster.node(id).is_ok_and(|node| node.upkeep() > 0)
    }

    /// Gives storage its time, or asks for it.
    pub(super) fn maintain(&mut self, id: u8) -> Outcome {
        let tick = self.tick;
        let rest = self.plan.nodes[usize::from(id - self.plan.first_id)].maintains;
        let due = rest.is_some_and(|rest| tick >= self.station(id).busy_until + rest);
        let Ok(node) = self.cluster.node_mut(id) else { return Ok(()) };
        if !due || node.upkeep() == 0 {
            return Ok(());
        }
        let status = node.status();
        let maintained = node.maintain();
        let leads = status.role == RoleName::Leader;
        let station = self.station(id);
        station.asked = station.asked.filter(|_| leads).or(leads.then_some(tick));
        match maintained {
            Ok(true) => {
                let asked = station.asked.take().unwrap_or_default();
                let unaware = |peer: &&PeerStatus| station.spoke[usize::from(peer.id.0)] < asked;
                if let Some(peer) = status.peers.iter().find(unaware) {
                    let words = format!("{id} said nothing to {} before", peer.id.0);
                    return Err(Broken::new("leaders speak before they stand still", words));
                }
                self.tally.add(Count::Maintained);
                self.tally.add_many(Count::LeaderMaintained, leads.into());
                self.look(id)
            }
            Ok(false) => {
                self.tally.add(Count::MaintainWaits);
                self.look(id)
            }
            Err(_) => faults::storage_failed(self, id),
        }
    }
}
