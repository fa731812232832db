//! Storage: slow, failing once, failing for good, rotting, replaced.

use super::churn::may_lose;
use super::power;
use crate::checkers::{Broken, Outcome};
use crate::tally::Count;
use crate::world::{Repair, World, count_drops};
use raft_core::Nonce;

/// The next flush takes as long as erasing flash; some loops wait for it, others do not.
pub(super) fn stall(world: &mut World, id: u8) -> Outcome {
    let ticks = 1 + world.random.below(2 * world.plan.base);
    let blocks = world.random.below(2) == 0;
    world.tally.add(Count::Stalls);
    world.station(id).stall = Some((ticks, blocks));
    Ok(())
}

/// One call of storage fails; whoever owns the node makes it anew from what storage holds.
pub(super) fn stumble(world: &mut World, id: u8) -> Outcome {
    if let Ok(node) = world.cluster.node_mut(id) {
        node.storage_mut().stumbles = true;
        world.checkers.view(id).may_stop = true;
        world.tally.add(Count::Stumbles);
    }
    Ok(())
}

/// Storage fails for good.
pub(super) fn wreck(world: &mut World, id: u8) -> Outcome {
    if world.cluster.node(id).is_err() || !may_lose(world, id) {
        return Ok(());
    }
    world.node_mut(id)?.storage_mut().broken = true;
    world.checkers.view(id).may_stop = true;
    world.tally.add(Count::Wrecks);
    world.note_fault(id, 3, || "storage fails from now on".to_owned());
    Ok(())
}

/// A flushed record can't be read any more, which is found out at the next start.
pub(super) fn rot(world: &mut World, id: u8) -> Outcome {
    if !may_lose(world, id) {
        return Ok(());
    }
    match world.cluster.node_mut(id) {
        Ok(node) => node.storage_mut().rotten = true,
        Err(_) => {
            let disk = world.cluster.disk_mut(id);
            disk.map_err(|words| Broken::new("simulator", words))?.rotten = true;
        }
    }
    world.tally.add(Count::Rotten);
    world.note_fault(id, 4, || "a flushed record rots".to_owned());
    Ok(())
}

/// A disk is replaced by a blank one, whatever the node was doing.
pub(super) fn wipe(world: &mut World, id: u8) -> Outcome {
    if may_lose(world, id) { replace(world, id) } else { Ok(()) }
}

/// Puts a blank disk in, under a nonce that was never used before.
pub(super) fn replace(world: &mut World, id: u8) -> Outcome {
    count_drops(&mut world.tally, &world.cluster, id);
    let nonce = 64 + world.wounds.number as u32 + world.tick;
    if let Some(disk) = world.cluster.disk(id) {
        world.checkers.buried(id, disk, Nonce(nonce));
    }
    let wiped = world.cluster.wipe(id, Some(nonce));
    wiped.map_err(|words| Broken::new("simulator", words))?;
    let station = world.station(id);
    station.forget();
    (station.lost, station.nonce) = (false, Nonce(nonce));
    world.tally.add(Count::Wiped);
    world.note_fault(id, 5, || format!("gets a blank disk, nonce {nonce}"));
    power::start(world, id)
}

/// Storage refused a call: either the power went, or the node has stopped for good.
pub(crate) fn storage_failed(world: &mut World, id: u8) -> Outcome {
    let Ok(node) = world.cluster.node(id) else { return Ok(()) };
    if let Some(before) = node.storage().cut_at {
        return power::failed_inside_write(world, id, before);
    }
    let broken = node.storage().broken;
    if world.station(id).repair != Repair::None {
        return Ok(());
    }
    let at = world.tick + 1 + world.random.below(2 * world.plan.base);
    world.station(id).repair = if broken { Repair::Replace(at) } else { Repair::Remake(at) };
    world.note_fault(id, 6, || "stops: its storage has failed".to_owned());
    world.look(id)
}

/// How many bytes of a node are not flushed.
pub(super) fn unflushed(world: &World, id: u8) -> u32 {
    world.cluster.disk(id).map_or(0, |disk| disk.memory.unflushed_bytes() as u32)
}

/// Whether the plan has spoilt the disk of a node.
pub(super) fn is_spoilt(world: &World, id: u8) -> bool {
    world
        .cluster
        .disk(id)
        .is_some_and(|disk| disk.broken || disk.rotten || disk.has_rotten_snapshot())
}
