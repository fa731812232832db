//! An image that runs three nodes and says how deep their calls go.
//!
//! It elects a leader, commits, loses the leader, elects another, repairs the log that went
//! another way, and makes a node anew after a power cut. Every call into the core is measured.
//!
//! * `gauge.rs`: how deep a call goes
//! * `cluster.rs`: three nodes and the wires between them
//! * `host.rs`: what the image says to whoever runs the emulator

#![no_std]
#![no_main]

mod cluster;
mod gauge;
mod host;

use self::cluster::{Cluster, MEMORY_BYTES, Member, Memory, NODES};
use self::gauge::{Call, Gauge};
use core::fmt::Write;
use cortex_m_rt::entry;
use lamp::Lamp;
use raft_core::MemoryStorage;

/// How long anything may take.
const STEPS_MAX: u32 = 1000;
const COMMANDS: u32 = 50;

#[entry]
fn main() -> ! {
    static mut MEMORIES: [[u8; MEMORY_BYTES]; 3 * NODES] = [[0; MEMORY_BYTES]; 3 * NODES];
    static mut SPARE: [u8; MEMORY_BYTES] = [0; MEMORY_BYTES];

    let mut gauge = Gauge::new();
    let mut memories = MEMORIES.iter_mut().map(|memory| -> Memory { memory });
    let mut cluster = Cluster::new(&mut gauge, &mut memories);
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
    (0..NODES).for_each(|place| cluster.look(place));
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
