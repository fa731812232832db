//! Churn: somebody wants other members, all the time and in every way; and what may be destroyed
//! while they change.
//!
//! A member is whole while its disk is the one that the configuration names. In every configuration
//! that may still decide something, or is planned, the whole ones stay a majority of each half:
//! then losing an acknowledged command is the core's fault and nobody else's.

use crate::checkers::Outcome;
use crate::tally::Count;
use crate::world::World;
use raft_core::{Change, ChangeError, Configuration, NodeId, NodeSet, RoleName};

/// Whether a node's disk is the one that a configuration names, and stays.
pub(crate) fn is_whole(world: &World, id: NodeId, configuration: &Configuration) -> bool {
    let station = world.stations.iter().find(|it| it.id == id.0);
    let named = configuration.nonce(id);
    station.is_some_and(|it| !it.lost && (named.is_none() || named == Some(it.nonce)))
}

/// Whether these nodes, as far as they are whole, could decide in everything that holds or is
/// planned.
pub(crate) fn sustains(world: &World, nodes: NodeSet) -> bool {
    // Who knows no member yet decides nothing.
    let mut live = world.checkers.live().filter(|it| !it.membership.incoming.is_empty());
    live.all(|it| {
        let whole = nodes.iter().filter(|&id| is_whole(world, id, it)).collect();
        let sets = (it.membership.incoming, it.arriving, it.leaving);
        it.membership.has_quorum(whole) && can_carry_out(whole, sets)
    })
}

/// Whether these nodes could decide whoever of the arriving has arrived, one of them or all.
fn can_carry_out(whole: NodeSet, (voters, arriving, leaving): (NodeSet, NodeSet, NodeSet)) -> bool {
    let each = arriving.iter().map(|one| NodeSet::of(&[one]));
    each.chain([NodeSet::EMPTY, arriving]).all(|arrived| {
        let voters = voters.union(arrived);
        is_majority(whole, voters) && is_majority(whole, voters.without(leaving))
    })
}

fn is_majority(nodes: NodeSet, voters: NodeSet) -> bool {
    2 * nodes.intersection(voters).len() > voters.len() || voters.is_empty()
}

/// Whether this node may lose its disk; if so, it will.
pub(super) fn may_lose(world: &mut World, id: u8) -> bool {
    if world.station(id).lost {
        return true;
    }
    let others: NodeSet = world.plan.ids().filter(|&it| it != id).map(NodeId).collect();
    let may = sustains(world, others);
    world.station(id).lost |= may;
    may
}

/// Somebody asks for another membership, mostly of whoever leads.
pub(super) fn churn(world: &mut World, id: u8) -> Outcome {
    let leads =
        |it: &&u8| world.cluster.node(**it).is_ok_and(|n| n.status().role == RoleName::Leader);
    let ids: Vec<u8> = world.plan.ids().collect();
    let leader = ids.iter().rfind(leads).copied().unwrap_or(id);
    if world.station(leader).spared {
        return Ok(());
    }
    let Ok(node) = world.cluster.node(leader) else { return Ok(()) };
    let now = node.configuration().clone();
    let change = draw(world, &now);
    ask_for(world, leader, change).map(|_| ())
}

/// Asks a node for a change; says whether it will be carried out.
pub(crate) fn ask_for(
    world: &mut World,
    leader: u8,
    change: Change,
) -> Result<Option<ChangeError>, crate::checkers::Broken> {
    let tick = world.tick;
    let Ok(node) = world.cluster.node(leader) else { return Ok(Some(ChangeError::TooEarly)) };
    let configuration = node.configuration().clone();
    if !world.station(leader).is_awake(tick) || !leaves_a_majority(world, &configuration, change) {
        return Ok(Some(ChangeError::NoQuorum));
    }
    world.wake(leader)?;
    let outcome = world.node_mut(leader)?.change_membership(change);
    match outcome {
        Ok(at) => {
            world.tally.add(Count::Changes);
            world
                .note_fault(leader, at.index.0 << 8 | 13, || format!("is to carry out {change:?}"));
        }
        Err(ChangeError::NotLeader(_)) => {}
        Err(_) => world.tally.add(Count::ChangesRefused),
    }
    world.look(leader)?;
    Ok(outcome.err())
}

/// Any change at all, and more often one that makes sense.
fn draw(world: &mut World, now: &Configuration) -> Change {
    let count = world.stations.len() as u32;
    let place = |world: &mut World| world.random.below(count) as usize;
    let (one, other) = (place(world), place(world));
    let (id, nonce) = (NodeId(world.stations[one].id), world.stations[one].nonce);
    let other = NodeId(world.stations[other].id);
    let kind = world.random.below(8);
    match now.nonce(id) {
        // Its disk is another now: away with it, or with it and another in.
        Some(named) if named != nonce => match now.nonce(other) {
            None if kind < 4 => {
                let nonce = world.station(other.0).nonce;
                Change::Replace { old: id, new: other, nonce }
            }
            _ => Change::Remove(id),
        },
        None => match kind {
            0 | 1 => Change::AddLearner { id, nonce },
            2 | 3 => Change::Replace { old: other, new: id, nonce },
            _ => Change::AddVoter { id, nonce },
        },
        Some(_) if now.membership.learners.contains(id) && kind < 5 => Change::Promote(id),
        Some(_) if kind < 3 => Change::Remove(id),
        Some(_) => {
            let any = NodeSet::of(&world.plan.ids().map(NodeId).collect::<Vec<_>>());
            let side = world.random.next() as u32;
            let picked: NodeSet = any.iter().filter(|id| side >> id.0 & 1 == 1).collect();
            let voters = picked.intersection(now.membership.members());
            let rest = now.membership.members().without(voters);
            let learners = if kind < 6 { rest } else { NodeSet::EMPTY };
            Change::Set { voters, learners }
        }
    }
}

/// Whether whole nodes would still be a majority: an operator who does not look to that may lose
/// everything, and no algorithm can help.
fn leaves_a_majority(world: &World, now: &Configuration, change: Change) -> bool {
    let (mut voters, mut arriving, mut leaving) =
        (now.membership.incoming, now.arriving, now.leaving);
    match change {
        Change::AddLearner { .. } => {}
        Change::Promote(id) => voters.insert(id),
        Change::AddVoter { id, .. } => arriving.insert(id),
        Change::Remove(id) => {
            voters.remove(id);
            arriving.remove(id);
        }
        Change::Replace { old, new, .. } => {
            arriving.insert(new);
            leaving.insert(old);
        }
        Change::Set { voters: set, .. } => {
            (voters, arriving, leaving) = (set, NodeSet::EMPTY, NodeSet::EMPTY);
        }
    }
    let all = voters.union(arriving);
    let whole = all.iter().filter(|&id| is_whole(world, id, now)).collect();
    can_carry_out(whole, (voters, arriving, leaving))
}
