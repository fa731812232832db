//! Storage: slow, failing once, failing for good, rotting, replaced.

use super::churn::may_lose;
use super::power;
use crate::checkers::{Broken, Outcome};
use crate::disk::Decay;
use crate::tally::Count;
use crate::world::{Repair, World, count_drops};
use raft_core::{Index, Nonce};

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

/// The ballot can't be read any more, which is found out at the next start.
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
    world.note_fault(id, 4, || "its ballot rots".to_owned());
    Ok(())
}

/// Entries that were flushed can't be read any more, or the snapshot neither, which is found out at
/// the next start; often at once.
pub(super) fn decay(world: &mut World, id: u8) -> Outcome {
    if !may_lose(world, id) {
        return Ok(());
    }
    let Some(disk) = world.cluster.disk(id) else { return Ok(()) };
    let (base, last) = (disk.account.flushed.base.index, disk.account.flushed.last());
    let kept = world.random.below(last.above(base) as u32 + 1);
    let decay =
        Decay { first: Index(base.0 + 1 + u64::from(kept)), snapshot: world.random.below(3) == 0 };
    let at_once = world.random.below(2) == 0;
    if at_once && world.cluster.node(id).is_ok() {
        power::down(world, id, 0, unflushed(world, id))?;
    }
    match world.cluster.node_mut(id) {
        Ok(node) => node.storage_mut().decay = Some(decay),
        Err(_) => {
            let disk = world.cluster.disk_mut(id);
            disk.map_err(|words| Broken::new("simulator", words))?.decay = Some(decay);
        }
    }
    world.tally.add(Count::Decays);
    world.note_fault(id, decay.first.0 << 8 | 14, || format!("rots: {decay:?}"));
    Ok(())
}

/// What had begun to rot before the power was gone can't be read any more.
pub(super) fn lose_rotten(world: &mut World, id: u8) -> Outcome {
    let Ok(disk) = world.cluster.disk_mut(id) else { return Ok(()) };
    let before = disk.account.flushed.clone();
    let rotted = disk.rot().map_err(|words| Broken::new("simulator", words))?;
    if rotted {
        world.note_fault(id, 15, || "has lost what rotted".to_owned());
        world.station(id).refilling = true;
        world.checkers.decayed(id, before);
    }
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
    (station.lost, station.refilling, station.nonce) = (false, false, Nonce(nonce));
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
pub(crate) fn is_spoilt(world: &World, id: u8) -> bool {
    world.cluster.disk(id).is_some_and(|disk| {
        disk.broken || disk.rotten || disk.decay.is_some() || disk.has_rotten_snapshot()
    })
}
