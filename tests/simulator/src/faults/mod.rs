//! What is done to the cluster: each kind of trouble is one short function, and strikes by a rate.
//!
//! Whatever destroys promises for good asks `churn` first whether it may.

mod churn;
mod disk;
mod load;
mod partition;
mod power;
mod snapshot;
mod time;
mod transfer;

use crate::checkers::{Outcome, View};
use crate::plan::Rates;
use crate::tally::Count;
use crate::world::World;
use raft_core::{RoleName, Term};

pub(crate) use churn::{ask_for, is_whole, sustains};
pub(crate) use disk::{is_spoilt, storage_failed};
pub(crate) use partition::cut_off;
pub(crate) use power::{crash, repair};
pub(crate) use snapshot::meddle;
pub(crate) use transfer::count_heirs;

/// Faults that are under way for the cluster as a whole.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wounds {
    /// Tells faults of one history apart.
    pub number: u64,
    /// How many commands came in bursts.
    pub bursts: u32,
    /// Who is to lead next, after the leader of which term.
    pub heir: Option<(u8, Term)>,
}

/// How often one kind of trouble strikes.
type Rate = fn(&Rates) -> u32;

/// One kind of trouble.
type Fault = fn(&mut World, u8) -> Outcome;

/// Every kind, and its rate.
const FAULTS: [(Rate, Fault); 19] = [
    (|rates| rates.crash, crash),
    (|rates| rates.outage, power::outage),
    (|rates| rates.cut, power::cut_inside_write),
    (|rates| rates.pause, time::pause),
    (|rates| rates.stall, disk::stall),
    (|rates| rates.partition, partition::partition),
    (|rates| rates.heal, partition::heal),
    (|rates| rates.jump, time::jump),
    (|rates| rates.stumble, disk::stumble),
    (|rates| rates.wreck, disk::wreck),
    (|rates| rates.rot, disk::rot),
    (|rates| rates.decay, disk::decay),
    (|rates| rates.wipe, disk::wipe),
    (|rates| rates.campaign, time::campaign),
    (|rates| rates.priority, time::priority),
    (|rates| rates.transfer, transfer::transfer),
    (|rates| rates.churn, churn::churn),
    (|rates| rates.burst, load::burst),
    (|rates| rates.stray, stray),
];

/// Lets trouble happen, or not.
pub(crate) fn strike(world: &mut World) -> Outcome {
    for id in world.plan.ids() {
        spring_ambush(world, id)?;
    }
    for (rate, fault) in FAULTS {
        if world.random.chance(rate(&world.plan.rates)) {
            let id = victim(world);
            if !world.station(id).spared {
                world.wounds.number += 1;
                fault(world, id)?;
            }
        }
    }
    Ok(())
}

/// Whom it strikes: a leader more often than others, where there is one.
fn victim(world: &mut World) -> u8 {
    let first = world.random.below(world.stations.len() as u32) as usize;
    let leads = |view: &View| view.role == RoleName::Leader;
    let leader = world.checkers.views.iter().position(leads);
    let place = leader.filter(|_| world.random.below(2) == 0).unwrap_or(first);
    world.stations[place].id
}

/// Whoever has just come to lead may fail soon.
pub(crate) fn may_ambush(world: &mut World, id: u8) {
    if world.random.chance(world.plan.rates.ambush) && !world.station(id).spared {
        let at = world.tick + world.random.below(3 * world.plan.cycle);
        world.station(id).ambush = Some(at);
    }
}

/// The leader of a few trips fails: it crashes, stands still, or is heard no more.
fn spring_ambush(world: &mut World, id: u8) -> Outcome {
    let tick = world.tick;
    let station = world.station(id);
    if station.spared || station.ambush.take_if(|at| tick >= *at).is_none() {
        return Ok(());
    }
    world.wounds.number += 1;
    world.tally.add(Count::Ambushes);
    match world.random.below(4) {
        0 => crash(world, id),
        1 => time::pause(world, id),
        2 => partition::silence(world, id),
        _ => {
            partition::silence(world, id)?;
            crash(world, id)
        }
    }
}

/// A letter of another cluster comes in: its checksum knows of another name.
fn stray(world: &mut World, id: u8) -> Outcome {
    let name = world.random.next();
    let bytes = crate::forge::Forge::new(3, 0, 1).number(1).number(1).done();
    let letter = world.cluster.forge(world.plan.first_id ^ 1, id, name, &bytes);
    world.cluster.flight.clear();
    world.tally.add(Count::Strays);
    if world.cluster.node(id).is_ok() && world.cluster.deliver(&letter).is_none() {
        let words = format!("{id} took a letter of another cluster");
        return Err(crate::checkers::Broken::new("damage is detected", words));
    }
    Ok(())
}
