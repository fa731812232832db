//! An image that runs three nodes and says how deep their calls go.
//!
//! It elects a leader, commits, loses the leader, elects another, repairs the log that went
//! another way, makes a node anew after a power cut, sends a snapshot to one that was away, reads,
//! hands over and changes its members. Every call into the core is measured.
//!
//! * `gauge.rs`: how deep a call goes
//! * `cluster.rs`: three nodes and the wires between them
//! * `host.rs`: what the image says to whoever runs the emulator

#![no_std]
#![no_main]

mod cluster;
mod gauge;
mod host;

use self::cluster::{Cluster, MEMORY_BYTES, Member, Memory, NODES, VOTERS};
use self::gauge::{Call, Gauge};
use core::fmt::Write;
use cortex_m_rt::entry;
use lamp::Lamp;
use raft_core::{Change, MemoryStorage, Nonce};

/// How long anything may take.
const STEPS_MAX: u32 = 1000;
const COMMANDS: u32 = 50;
/// A lamp with what a snapshot says beside it.
const SLOT_BYTES: usize = 128;

#[entry]
fn main() -> ! {
    static mut MEMORIES: [[u8; MEMORY_BYTES]; 3 * NODES] = [[0; MEMORY_BYTES]; 3 * NODES];
    static mut SPARE: [u8; MEMORY_BYTES] = [0; MEMORY_BYTES];
    static mut SLOTS: [[u8; SLOT_BYTES]; 2 * NODES] = [[0; SLOT_BYTES]; 2 * NODES];

    let mut gauge = Gauge::new();
    let mut memories = MEMORIES.iter_mut().map(|memory| -> Memory { memory });
    let mut slots = SLOTS.iter_mut().map(|slot| -> Memory { slot });
    let mut cluster = Cluster::new(&mut gauge, &mut memories, &mut slots);
    story(&mut cluster, SPARE);
    report(&gauge)
}

fn story(cluster: &mut Cluster<'_>, spare: Memory) {
    let first = elect(cluster, None);
    for _ in 0..COMMANDS {
        commit(cluster, first);
    }

    // What the lost leader takes now is on its own disk only, and will have to give way.
    cluster.cut_off(Some(first));
    for _ in 0..5 {
        cluster.propose(first, "lost").expect("it still leads");
    }
    let second = elect(cluster, Some(first));
    for _ in 0..3 {
        commit(cluster, second);
    }
    cluster.cut_off(None);
    settle(cluster);
    assert!(cluster.logs_agree(), "the log that went another way was not repaired");

    cluster.restart(first, spare);
    commit(cluster, second);
    settle(cluster);
    assert!(cluster.logs_agree(), "a node that was made anew did not catch up");
    later(cluster, second);
    (0..NODES).for_each(|place| cluster.look(place));
}

/// What is rarer: a snapshot for whoever was away, reads, another leader, other members.
fn later(cluster: &mut Cluster<'_>, leader: usize) {
    let away = (leader + 1) % NODES;
    cluster.cut_off(Some(away));
    let before = cluster.applied(away);
    for _ in 0..STEPS_MAX {
        if cluster.base(leader) > before {
            break;
        }
        commit(cluster, leader);
    }
    assert!(cluster.base(leader) > before, "the log was never compacted");
    cluster.cut_off(None);
    settle(cluster);
    assert!(cluster.snapshot(away) > before, "no snapshot was sent");
    for place in 0..NODES {
        cluster.read(place);
    }
    settle(cluster);
    assert!(cluster.reads_answered() == 3, "a read has no answer");
    cluster.transfer(leader);
    let next = elect(cluster, Some(leader));
    commit(cluster, next);
    let member = VOTERS[leader];
    assert!(cluster.change(next, Change::Remove(member)), "it has committed something");
    settle(cluster);
    assert!(cluster.voters(next) == 2, "nobody was removed");
    let again = Change::AddVoter { id: member, nonce: Nonce::FOUNDER };
    assert!(cluster.change(next, again), "the removal is committed");
    settle(cluster);
    assert!(cluster.voters(next) == 3, "nobody was taken in");
}

/// Runs until a node other than that one leads; gives its place.
fn elect(cluster: &mut Cluster<'_>, other_than: Option<usize>) -> usize {
    for _ in 0..STEPS_MAX {
        cluster.step();
        let leads = |&place: &usize| cluster.leads(place) && Some(place) != other_than;
        if let Some(leader) = (0..NODES).find(leads) {
            return leader;
        }
    }
    panic!("nobody was elected");
}

/// Proposes a command, and runs until the node that did has applied it.
fn commit(cluster: &mut Cluster<'_>, leader: usize) {
    let index = cluster.propose(leader, "hall").expect("it leads, and has room");
    for _ in 0..STEPS_MAX {
        cluster.step();
        if cluster.applied(leader) >= index {
            return;
        }
    }
    panic!("a command was not committed");
}

/// Runs long enough for everyone to hear of everything.
fn settle(cluster: &mut Cluster<'_>) {
    (0..100).for_each(|_| cluster.step());
}

fn report(gauge: &Gauge) -> ! {
    let mut console = host::console();
    for call in Call::ALL {
        writeln!(console, "stack_bytes_of_{} = {}", call.name(), gauge.deepest(call)).ok();
    }
    let peak = Call::ALL.map(|call| gauge.deepest(call)).into_iter().max();
    writeln!(console, "peak_stack_bytes = {}", peak.unwrap_or(0)).ok();
    let not_the_cores = size_of::<MemoryStorage<Memory>>() + size_of::<Lamp>();
    writeln!(console, "node_ram_bytes = {}", size_of::<Member>() - not_the_cores).ok();
    host::exit(true)
}
