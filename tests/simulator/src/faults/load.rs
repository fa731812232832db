//! Load: a burst of commands at once, for whoever believes that it leads.
//!
//! Nobody waits for them and they change no register, so that they trouble no client's history;
//! logs grow by more than a window, and leaders that nobody follows any more grow tails.

use crate::checkers::Outcome;
use crate::register::Request;
use crate::registers::Command;
use crate::tally::Count;
use crate::world::World;
use raft_core::RoleName;

/// Who asks for them: no client has this number.
const NOBODY: u8 = u8::MAX;

/// Every leader is asked for a few commands at once.
pub(super) fn burst(world: &mut World, _: u8) -> Outcome {
    for id in world.plan.ids() {
        let tick = world.tick;
        let leads = world.checkers.view(id).role == RoleName::Leader;
        if !leads || world.cluster.node(id).is_err() || !world.station(id).is_awake(tick) {
            continue;
        }
        world.wake(id)?;
        for _ in 0..=world.random.below(20) {
            world.wounds.bursts += 1;
            let (sequence, request) = (world.wounds.bursts, Request::Get);
            let command = Command { client: NOBODY, sequence, key: 0, request, ballast: &[] };
            let Ok(at) = world.node_mut(id)?.propose(&raft_core::Request::Bare(command)) else {
                break;
            };
            world.checkers.proposed(at, NOBODY, sequence);
            world.tally.add(Count::Burst);
            world.look(id)?;
        }
        world.note_fault(id, 10, || "gets a burst of commands".to_owned());
    }
    Ok(())
}
