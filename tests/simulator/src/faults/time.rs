//! Time and will: pauses, clocks that jump, and being told to lead, now or later than others.

use crate::checkers::Outcome;
use crate::tally::Count;
use crate::world::World;
use raft_core::RoleName;

/// A node stands still, its disk and its link do not; then it learns how long that was.
pub(super) fn pause(world: &mut World, id: u8) -> Outcome {
    let ticks = 1 + world.random.below(4 * world.plan.base);
    let until = world.tick + ticks;
    let station = world.station(id);
    station.busy_until = station.busy_until.max(until);
    world.tally.add(Count::Pauses);
    world.note_fault(id, u64::from(ticks) << 8, || format!("stands still for {ticks} ticks"));
    Ok(())
}

/// A node's clock jumps ahead, by two base timeouts at most: later ones look like a pause.
pub(super) fn jump(world: &mut World, id: u8) -> Outcome {
    let leads = world.checkers.view(id).role == RoleName::Leader;
    if world.cluster.node(id).is_err() || (world.plan.lease > 0 && !leads) {
        return Ok(());
    }
    let ticks = 1 + world.random.below(2 * world.plan.base);
    world.station(id).slept += ticks;
    world.tally.add(Count::Jumps);
    world.note_fault(id, u64::from(ticks) << 8 | 1, || format!("its clock jumps by {ticks}"));
    Ok(())
}

/// A node is told to stand for election.
pub(super) fn campaign(world: &mut World, id: u8) -> Outcome {
    let tick = world.tick;
    if world.cluster.node(id).is_err() || !world.station(id).is_awake(tick) {
        return Ok(());
    }
    world.wake(id)?;
    world.node_mut(id)?.campaign();
    world.tally.add(Count::Campaigns);
    world.note_fault(id, 7, || "is told to stand for election".to_owned());
    world.look(id)
}

/// A node is to wait longer than others, or no longer.
pub(super) fn priority(world: &mut World, id: u8) -> Outcome {
    let ticks = world.random.below(3) * world.plan.base / 2;
    let tick = world.tick;
    if world.cluster.node(id).is_err() || !world.station(id).is_awake(tick) {
        return Ok(());
    }
    world.wake(id)?;
    world.station(id).extra_wait = ticks;
    world.node_mut(id)?.set_extra_wait(ticks);
    world.tally.add(Count::Priorities);
    world.note_fault(id, u64::from(ticks) << 8 | 2, || format!("waits {ticks} ticks longer"));
    world.look(id)
}
