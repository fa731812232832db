//! Transfers: a leader hands over, to somebody or to whoever is best, and may think better of it.

use crate::checkers::Outcome;
use crate::tally::Count;
use crate::world::World;
use raft_core::{NodeId, RoleName, Term};

/// A node is told to hand over, whatever it is; one that already does may be told to stop.
pub(super) fn transfer(world: &mut World, id: u8) -> Outcome {
    let tick = world.tick;
    if world.cluster.node(id).is_err() || !world.station(id).is_awake(tick) {
        return Ok(());
    }
    world.wake(id)?;
    let any = world.plan.first_id + world.random.below(world.plan.nodes.len() as u32) as u8;
    let to = (world.random.below(2) == 0).then_some(NodeId(any));
    let stops = world.random.below(2) == 0;
    let node = world.node_mut(id)?;
    let status = node.status();
    if status.transferring.is_some() && stops {
        node.abort_transfer();
        world.tally.add(Count::TransfersAborted);
        world.note_fault(id, 11, || "leads on and hands over to nobody".to_owned());
    } else if let Ok(NodeId(to)) = node.transfer(to) {
        world.wounds.heir = Some((to, status.term));
        world.tally.add(Count::Transfers);
        world.note_fault(id, u64::from(to) << 8 | 12, || format!("hands over to {to}"));
    }
    world.look(id)
}

/// Counts a leader that another one wanted.
pub(crate) fn count_heirs(world: &mut World, id: u8, role: RoleName, term: Term) {
    let heir = world.wounds.heir.is_some_and(|(to, before)| (to, before.next()) == (id, term));
    if heir && role == RoleName::Leader {
        world.wounds.heir = None;
        world.tally.add(Count::HandedOver);
    }
}
