//! Nodes of the core over files: what was acknowledged is there after a power cut in any operation,
//! and what rots is refilled by the others.

use crate::counter::{Member, config, flush, found, lead, recover};
use crate::disk::{Disk, Fault};
use crate::history::{open, options};
use raft_core::{Alone, ClusterId, Frame, Node, NodeId, Recipient, RoleName, recover_alone};
use raft_simulator::random::Random;
use raft_std::wal::{Wal, WalError, WalOptions};
use std::sync::Arc;

const COMMANDS: u64 = 90;

/// Proposes one number after the other; `acknowledged` is the last one that was applied.
fn work(disk: &Disk, proposed: &mut u64, acknowledged: &mut u64) -> Result<(), WalError> {
    let mut wal = open(disk)?;
    found(&mut wal, 1, &[NodeId(1)])?;
    let mut node = recover(wal, 1);
    lead(&mut node)?;
    while *proposed < COMMANDS {
        for _ in 0..=(*proposed % 3) {
            // A log without room makes some in the flush.
            *proposed += u64::from(node.propose(&(*proposed + 1)).is_ok());
        }
        flush(&mut node, proposed.is_multiple_of(2))?;
        while let Some(applied) = node.apply() {
            *acknowledged = applied.output;
        }
    }
    Ok(())
}

#[test]
fn what_a_node_acknowledged_survives_a_power_cut_in_any_operation() {
    let (mut cases, mut compacted, mut more) = (0, 0, 0);
    let whole = Disk::default();
    work(&whole, &mut 0, &mut 0).expect("nothing fails");
    for at in 1..=whole.operations() {
        for seed in 0..8 {
            let disk = Disk::default();
            disk.fail(at, Fault::Power);
            let (mut proposed, mut acknowledged) = (0, 0);
            if work(&disk, &mut proposed, &mut acknowledged).is_ok() {
                continue;
            }
            let left = disk.cut(&mut Random::new(seed, u64::from(at)));
            let mut wal = open(&left).expect("what is left is enough");
            // The power may have failed before that.
            found(&mut wal, 1, &[NodeId(1)]).expect("a working disk");
            let mut node = recover(wal, 1);
            lead(&mut node).expect("a working disk");
            let numbers = &node.machine().0;
            assert_eq!(*numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
            let there = numbers.len() as u64;
            assert!(
                (acknowledged..=proposed).contains(&there),
                "{acknowledged} {there} {proposed}"
            );
            cases += 1;
            compacted += u32::from(node.status().snapshot.0 > 0);
            more += u32::from(there > acknowledged);
        }
    }
    println!(
        "{cases} power cuts of a node; {compacted} with a snapshot, {more} kept more than said"
    );
    assert!(cases > 1000 && compacted > 300 && more > 20, "{cases} {compacted} {more}");
}

#[test]
fn a_survivor_goes_on_alone_though_some_of_its_log_is_gone() {
    let voters = [NodeId(0), NodeId(1), NodeId(2)];
    for rotten in [false, true] {
        let disks = [Disk::default(), Disk::default(), Disk::default()];
        let mut nodes = Vec::new();
        for (id, disk) in (0..).zip(&disks) {
            let mut wal = open(disk).expect("a blank disk");
            found(&mut wal, id, &voters).expect("a blank disk");
            nodes.push(recover(wal, id));
        }
        run(&mut nodes, 60);
        propose(&mut nodes, 0..12);
        drop(nodes);
        let [disk, ..] = disks;
        if rotten {
            let names = disk.names();
            let second = names.iter().filter(|name| name.starts_with("log-")).nth(1);
            disk.change(second.expect("more than one"), |bytes| bytes[512 * 3 + 33] ^= 1);
        }
        let mut wal = open(&disk).expect("it opens");
        let alone = Alone::AcknowledgedCommandsMayBeLost;
        recover_alone(&config(0), vec![0; 1024], &mut wal, ClusterId(2), alone).expect("room");
        drop(wal);
        let options = |cluster| WalOptions { cluster: Some(ClusterId(cluster)), ..options() };
        let files = Arc::new(disk.clone());
        let old = Wal::over(files.clone(), options(1)).err();
        assert!(matches!(old, Some(WalError::ForeignCluster { .. })), "{old:?}");
        let mut node = recover(Wal::over(files, options(2)).expect("it opens"), 0);
        lead(&mut node).expect("a working disk");
        let numbers = &node.machine().0;
        let kept: Vec<u64> = (0..numbers.len() as u64).collect();
        assert_eq!((numbers, numbers.len() == 12), (&kept, !rotten));
    }
}

/// Everything that these nodes owe each other arrives, tick by tick.
fn run(nodes: &mut [Member], ticks: u32) {
    for _ in 0..ticks {
        nodes.iter_mut().for_each(Node::tick);
        for _ in 0..4 {
            let mut letters = Vec::new();
            for node in nodes.iter_mut() {
                flush(node, true).expect("a working disk");
                let mut buffer = [0; 256];
                while let Some(packet) = node.transmit(&mut buffer) {
                    letters.push((node.status().id, packet.to, packet.bytes.to_vec()));
                }
                while node.apply().is_some() {}
            }
            for (from, to, bytes) in letters {
                let here = |node: &&mut Member| Recipient::Peer(node.status().id) == to;
                if let Some(node) = nodes.iter_mut().find(here) {
                    node.receive(Frame { from, bytes: &bytes });
                }
            }
        }
    }
}

fn propose(nodes: &mut [Member], numbers: std::ops::Range<u64>) {
    for number in numbers {
        let leads = |node: &&mut Member| node.status().role == RoleName::Leader;
        nodes.iter_mut().find(leads).expect("a leader").propose(&number).expect("room");
        run(nodes, 1);
    }
}

#[test]
fn a_node_whose_log_rots_is_refilled() {
    let voters = [NodeId(0), NodeId(1), NodeId(2)];
    let (mut refilled, mut snapshots) = (0, 0);
    for seed in 0..24 {
        let disks = [Disk::default(), Disk::default(), Disk::default()];
        let mut nodes = Vec::new();
        for (id, disk) in (0..).zip(&disks) {
            let mut wal = open(disk).expect("a blank disk");
            found(&mut wal, id, &voters).expect("a blank disk");
            nodes.push(recover(wal, id));
        }
        run(&mut nodes, 60);
        propose(&mut nodes, 0..60);
        // One that follows is stopped; a byte of its files rots, and it starts again.
        let follows = |node: &Member| node.status().role == RoleName::Follower;
        let place = nodes.iter().position(follows).expect("a follower");
        let member = nodes.remove(place);
        let id = member.status().id;
        drop(member);
        propose(&mut nodes, 60..70);
        let disk = &disks[usize::from(id.0)];
        let names = disk.names();
        let wanted = if seed % 3 == 0 { "snapshot" } else { "log" };
        let name = names.iter().rfind(|name| name.starts_with(wanted)).expect("one of them");
        let mut random = Random::new(seed, 3);
        disk.change(name, |bytes| {
            // Of a log not its end, which would count as torn.
            let (from, most) = if wanted == "log" { (1536, 600) } else { (512, bytes.len() - 512) };
            bytes[from + random.below(most as u32) as usize] ^= 1;
        });
        let member = recover(open(disk).expect("it opens"), id.0);
        let was_hit = member.status().refilling;
        nodes.push(member);
        run(&mut nodes, 120);
        let status = nodes[2].status();
        assert!(!status.refilling && status.admitted, "seed {seed}: {status:?}");
        propose(&mut nodes, 70..80);
        run(&mut nodes, 30);
        let expected: Vec<u64> = (0..80).collect();
        assert!(nodes.iter().all(|node| node.machine().0 == expected), "seed {seed}");
        refilled += u32::from(was_hit);
        snapshots += u32::from(was_hit && wanted == "snapshot");
        // What it was told is on its disk: at the next start nothing is lost any more.
        drop(nodes.pop());
        assert!(!recover(open(disk).expect("it opens"), id.0).status().refilling, "seed {seed}");
    }
    println!("{refilled} of 24 nodes were refilled, {snapshots} of them for want of a snapshot");
    assert!(refilled >= 8 && snapshots >= 2, "{refilled} {snapshots}");
}
