//! Partitions: the shapes in which networks really fall apart.

use crate::checkers::Outcome;
use crate::tally::Count;
use crate::world::World;

/// The network falls apart in one of many ways.
pub(super) fn partition(world: &mut World, id: u8) -> Outcome {
    let ids: Vec<u8> = world.plan.ids().collect();
    let side: u32 = world.random.next() as u32;
    let is_left = |node: u8| side >> node & 1 == 1;
    let shape: u32 = world.random.pick(&[0, 1, 2, 3, 3, 4, 5, 5]);
    world.tally.add(Count::Partitions);
    for &from in &ids {
        for &to in &ids {
            let cut = match shape {
                // Two parts that hear nothing of each other.
                0 => is_left(from) != is_left(to),
                // One part hears the other, and is not heard.
                1 => is_left(from) && !is_left(to),
                // Two parts, and one node that both can talk to.
                2 => is_left(from) != is_left(to) && from != id && to != id,
                // One node alone; deaf; mute.
                3 => from == id || to == id,
                4 => to == id,
                _ => from == id,
            };
            let spared = world.station(from).spared && world.station(to).spared;
            if cut && from != to && !spared {
                world.cluster.cuts.insert((from, to));
            }
        }
    }
    world.tally.add_many(Count::OneWay, u64::from([1, 4, 5].contains(&shape)));
    world.tally.add_many(Count::Bridges, u64::from(shape == 2));
    let shapes = ["in two", "one way", "in two with a bridge", "it alone", "it deaf", "it mute"];
    let number = u64::from(side) << 8 | u64::from(shape);
    world.note_fault(id, number, || format!("the network falls apart: {}", shapes[shape as usize]));
    Ok(())
}

/// One node is heard by some others only, or by nobody, until the network heals.
pub(super) fn silence(world: &mut World, id: u8) -> Outcome {
    let heard = match world.random.below(3) {
        0 => world.random.next() as u32,
        _ => 0,
    };
    for to in world.plan.ids().filter(|&to| to != id && heard >> to & 1 == 0) {
        world.cluster.cuts.insert((id, to));
    }
    world.note_fault(id, u64::from(heard) << 8 | 9, || "is heard by few, or by nobody".to_owned());
    Ok(())
}

/// Everybody hears everybody again.
pub(super) fn heal(world: &mut World, id: u8) -> Outcome {
    if !world.cluster.cuts.is_empty() {
        world.cluster.cuts.clear();
        world.note_fault(id, 8, || "the network is whole again".to_owned());
    }
    Ok(())
}

/// Nothing arrives from one node at the other any more.
pub(crate) fn cut_off(world: &mut World, from: u8, to: u8) {
    world.cluster.cuts.insert((from, to));
}
