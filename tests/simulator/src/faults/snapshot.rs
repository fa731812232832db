//! Trouble in the middle of a snapshot's way: it strikes when a piece of one has just arrived.
//!
//! By chance alone power would hardly ever fail there: a snapshot is under way in few ticks.
//! Whoever loses a byte of its own snapshot may lose all it promised, and the plan's budget is
//! asked; a byte of a stage costs nothing but the way again.

use super::churn::may_lose;
use super::power;
use crate::checkers::Outcome;
use crate::tally::Count;
use crate::world::World;
use raft_core::Part;

/// A piece has gone from one node to another: either may not live to see the next one.
pub(crate) fn meddle(world: &mut World, from: u8, to: u8) -> Outcome {
    if !world.random.chance(world.plan.rates.meddle) {
        return Ok(());
    }
    let (kind, victim) = match world.random.below(8) {
        0..3 => (0, to),
        3 => (0, from),
        4 => (1, to),
        5 | 6 => (2, to),
        _ => (3, from),
    };
    if world.station(victim).spared || world.cluster.node(victim).is_err() {
        return Ok(());
    }
    world.wounds.number += 1;
    match kind {
        0 => {
            world.tally.add(if victim == to {
                Count::StagingCrashes
            } else {
                Count::SendingCrashes
            });
            power::crash(world, victim)
        }
        1 => {
            // The next piece, what is written beside it, or the word that makes it count.
            let left = world.random.below(3);
            world.node_mut(victim)?.storage_mut().fail_after(Some(left));
            world.tally.add(Count::StagingCuts);
            Ok(())
        }
        2 => flip(world, victim, Part::Stage),
        _ => flip(world, victim, Part::Snapshot),
    }
}

/// A byte of a stage that is not whole yet, or of a snapshot, reads as another than was written.
fn flip(world: &mut World, id: u8, part: Part) -> Outcome {
    let slots = world.node_mut(id)?.storage().slots;
    let Some((of, held)) = slots.get(part).filter(|(_, held)| *held > 0) else { return Ok(()) };
    let count = match part {
        // One that is whole was looked through, and is put in place with the next flush.
        Part::Stage if held == of.bytes => return Ok(()),
        Part::Stage => Count::StagesRotten,
        Part::Snapshot if !may_lose(world, id) => return Ok(()),
        Part::Snapshot => Count::SnapshotsRotten,
    };
    let at = world.random.below(held);
    world.node_mut(id)?.storage_mut().flipped = Some((of, at));
    world.tally.add(count);
    world.note_fault(id, u64::from(at) << 8 | 13, || format!("byte {at} of its {part:?} rots"));
    Ok(())
}
