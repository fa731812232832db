//! Power: it fails at any moment, keeps any first part of what was not flushed, and comes back.

use super::disk;
use crate::checkers::{Broken, Outcome};
use crate::tally::Count;
use crate::world::World;
use crate::world::{Repair, count_drops};

/// The power of one node fails.
pub(crate) fn crash(world: &mut World, id: u8) -> Outcome {
    let Ok(node) = world.cluster.node(id) else { return Ok(()) };
    let unflushed = node.storage().memory.unflushed_bytes() as u32;
    let kept = match world.random.below(4) {
        0 | 1 => 0,
        2 => unflushed,
        _ => world.random.below(unflushed + 1),
    };
    world.tally.add(Count::Crashes);
    down(world, id, kept, unflushed)
}

/// The power of all nodes fails.
pub(super) fn outage(world: &mut World, _: u8) -> Outcome {
    world.tally.add(Count::Outages);
    world.plan.ids().try_for_each(
        |id| {
            if world.station(id).spared { Ok(()) } else { crash(world, id) }
        },
    )
}

/// The power of a node will fail in the middle of one of its next writes.
pub(super) fn cut_inside_write(world: &mut World, id: u8) -> Outcome {
    let left = world.random.below(4);
    if let Ok(node) = world.cluster.node_mut(id) {
        node.storage_mut().fail_after(Some(left));
    }
    Ok(())
}

/// The power failed while a record was written: only a part of that record reached the disk.
pub(super) fn failed_inside_write(world: &mut World, id: u8, before: usize) -> Outcome {
    let Ok(node) = world.cluster.node(id) else { return Ok(()) };
    let unflushed = node.storage().memory.unflushed_bytes() as u32;
    let before = (before as u32).min(unflushed);
    let kept = before + world.random.below(unflushed - before);
    let flash = node.storage().flash.is_some();
    world.tally.add(if flash { Count::FlashCuts } else { Count::PowerCuts });
    down(world, id, kept, unflushed)
}

/// A node is without power from now on, for a while.
pub(super) fn down(world: &mut World, id: u8, kept: u32, unflushed: u32) -> Outcome {
    world.tally.add_many(Count::Torn, u64::from(kept > 0 && kept < unflushed));
    count_drops(&mut world.tally, &world.cluster, id);
    let crashed = world.cluster.crash(id, kept as usize);
    crashed.map_err(|words| Broken::new("storage says what was flushed", words))?;
    let back = world.tick + 1 + world.random.below(3 * world.plan.base);
    let station = world.station(id);
    station.forget();
    station.repair = Repair::Start(back);
    let number = u64::from(kept) << 32 | u64::from(unflushed);
    world.note_fault(id, number, || {
        format!("power fails, {kept} bytes of {unflushed} not flushed are kept")
    });
    Ok(())
}

/// What is due to be done about a node that does not run, or runs no more.
pub(crate) fn repair(world: &mut World, id: u8) -> Outcome {
    let tick = world.tick;
    match world.station(id).repair {
        Repair::Start(at) if tick >= at => start(world, id),
        Repair::Replace(at) if tick >= at => disk::replace(world, id),
        Repair::Remake(at) if tick >= at => {
            let unflushed = disk::unflushed(world, id);
            let kept = world.random.below(unflushed + 1);
            down(world, id, kept, unflushed)?;
            start(world, id)
        }
        _ => Ok(()),
    }
}

/// Whether the power fails in the middle of what a start does in flash.
fn fails_again(world: &mut World, id: u8) -> Result<bool, Broken> {
    if world.plan.rates.cut == 0 || world.station(id).spared || world.plan.board.is_none() {
        return Ok(false);
    }
    let disk = world.cluster.disk(id).cloned();
    let Some(disk) = disk.filter(|_| world.random.below(4) == 0) else { return Ok(false) };
    let Ok(once) = world.cluster.recover(id, disk) else { return Ok(false) };
    let started = once.into_storage();
    let journal = started.flash.as_ref().map_or(&[][..], |flash| flash.0.journal());
    let torn = world.cluster.disk_mut(id).map_err(|words| Broken::new("simulator", words))?;
    let Some(flash) = torn.flash.as_mut().filter(|_| !journal.is_empty()) else { return Ok(false) };
    flash.0.tear(journal, &mut world.random);
    world.tally.add(Count::StartCuts);
    world.note_fault(id, 17, || "power fails while it starts".to_owned());
    world.station(id).repair = Repair::Start(world.tick + 1);
    Ok(true)
}

/// A node starts from its disk, if that can be read.
pub(super) fn start(world: &mut World, id: u8) -> Outcome {
    world.station(id).repair = Repair::None;
    // Its clock stood still: the time without power is none that it knows of.
    world.station(id).slept = 0;
    disk::lose_rotten(world, id)?;
    if fails_again(world, id)? {
        return Ok(());
    }
    world.checkers.recovery(id, &world.cluster)?;
    let place = usize::from(id - world.plan.first_id);
    let seed = world.plan.nodes[place].seed.wrapping_add(world.tick.wrapping_mul(0x9E37_79B9));
    world.cluster.reseed(id, seed).map_err(|words| Broken::new("simulator", words))?;
    match world.cluster.start(id) {
        Ok(()) => {
            world.tally.add(Count::Restarts);
            world.submitters.forget(id);
            world.stand_still(id);
            world.note_fault(id, 1, || "starts".to_owned());
            let extra_wait = world.station(id).extra_wait;
            world.node_mut(id)?.set_extra_wait(extra_wait);
            world.checkers.restarted(id, &mut world.cluster)
        }
        // What can't be read is told in words, and only what the plan has spoilt can't be.
        Err(_) if disk::is_spoilt(world, id) => {
            world.note_fault(id, 2, || "does not start: its disk can't be read".to_owned());
            let at = world.tick + world.random.below(2 * world.plan.base);
            world.station(id).repair = Repair::Replace(at);
            Ok(())
        }
        Err(words) => Err(Broken::new("what was flushed can be read", format!("{id}: {words}"))),
    }
}
