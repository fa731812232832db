//! Ways in which a cluster could come to a stop, or talk for ever, without anything being broken:
//! each of them did, once.

use raft_core::wire::{self, Append, Heartbeat, Message};
use raft_core::{
    Ballot, ClusterId, Config, Flow, Frame, Identity, Index, MemoryStorage, Node, NodeId, Position,
    ProposeError, Recipient, Record, RecoverError, RoleName, Snapshot, Storage, Term,
};
use raft_simulator::forge::{self, forge};
use raft_simulator::{Cluster, Settings};

/// Founders with logs of these sizes, of which the first one leads. No log is ever compacted, so
/// that one that is full stays so.
fn unequal(log_bytes: &[usize], frame: usize) -> Result<Cluster, String> {
    let ids: Vec<NodeId> = (1..=log_bytes.len() as u8).map(NodeId).collect();
    let mut cluster = Cluster::default();
    for (&id, &log_bytes) in ids.iter().zip(log_bytes) {
        // Logs that stay whole, and so can be full.
        let snapshot_bytes = 0;
        let settings = Settings { log_bytes, frame, snapshot_bytes, ..Settings::default() };
        cluster.add(Identity::founder(ClusterId(1), &settings.config(id), &ids), &settings)?;
    }
    cluster.node_mut(1)?.campaign();
    cluster.settle()?;
    Ok(cluster)
}

fn run(cluster: &mut Cluster, ticks: u32) -> Result<(), String> {
    for _ in 0..ticks {
        cluster.tick_and_settle()?;
        for id in cluster.ids() {
            // Some do not run.
            let _ = cluster.apply(id);
        }
    }
    Ok(())
}

#[test]
fn a_full_follower_is_left_in_peace_until_the_next_round() -> Result<(), String> {
    let mut cluster = unequal(&[4096, 600, 4096], 48)?;
    for _ in 0..40 {
        let proposed = cluster.node_mut(1)?.propose(&"twelve bytes");
        proposed.map_err(|error| format!("{error:?}"))?;
        // Fails if the talk does not end.
        cluster.settle()?;
    }
    run(&mut cluster, 30)?;
    let status = cluster.node(1)?.status();
    assert_eq!((status.role, status.committed), (RoleName::Leader, status.last));
    assert!(cluster.node(2)?.status().last < status.last, "it was not full at all");
    Ok(())
}

#[test]
fn a_follower_keeps_room_for_a_first_entry_of_its_own() -> Result<(), String> {
    let mut cluster = unequal(&[4096, 1024, 4096], 200)?;
    let fill = |cluster: &mut Cluster, count| -> Result<(), String> {
        for _ in 0..count {
            cluster.node_mut(1)?.propose(&"w").map_err(|error| format!("{error:?}"))?;
        }
        run(cluster, 4)
    };
    fill(&mut cluster, 20)?;
    cluster.cuts.insert((1, 3));
    fill(&mut cluster, 40)?;
    // Node 2 now has the newest log that is left, and it is full.
    cluster.crash(1, 0)?;
    cluster.cuts.clear();
    run(&mut cluster, 100)?;
    let leads = |id| cluster.node(id).map(|node| node.status().role == RoleName::Leader);
    assert!(leads(2)? || leads(3)?, "two of three run and nobody leads");
    Ok(())
}

#[test]
fn a_log_that_can_not_hold_what_frames_carry_is_refused() {
    let error = unequal(&[4096, 512, 512], 256).err().expect("a log too small");
    assert!(error.contains("FrameExceedsLog"), "{error}");
    let storage = raft_simulator::disk::Disk::blank(512, 0);
    let machine = raft_simulator::words::Words::default();
    let config = Config { frame_bytes: 256, ..Config::new(NodeId(1), 1) };
    let refused = Node::recover(config, [0; 512], storage, machine).err();
    let Some(RecoverError::FrameExceedsLog { most_bytes }) = refused else {
        panic!("{refused:?}");
    };
    let mut cluster = unequal(&[512], most_bytes as usize).expect("the size it names will do");
    cluster.settle().expect("quiet in the end");
    let word = "x".repeat(most_bytes as usize);
    let proposed = cluster.node_mut(1).expect("it runs").propose(&word.as_str());
    assert_eq!(proposed, Err(ProposeError::TooLarge));
}

#[test]
fn an_entry_that_no_buffer_takes_silences_no_leader() -> Result<(), String> {
    let settings = Settings { heartbeat: 1, ..Settings::default() };
    let mut cluster = Cluster::found(&[1, 2, 3], &settings)?;
    cluster.node_mut(1)?.campaign();
    cluster.settle()?;
    let node = cluster.node_mut(1)?;
    let long = "x".repeat(200);
    node.propose(&long.as_str()).map_err(|error| format!("{error:?}"))?;
    // A smaller buffer than was agreed on, asked for once a tick as a careful radio would.
    let mut heard = [0; 2];
    for _ in 0..10 {
        node.tick();
        while let Some(packet) = node.transmit(&mut [0; 64]) {
            let message = wire::decode(packet.bytes).map_err(|error| format!("{error:?}"))?.message;
            let Message::Heartbeat(_) = message else { return Err(format!("{message:?}")) };
            let follower = usize::from(packet.to == Recipient::Peer(NodeId(3)));
            heard[follower] += 1;
        }
        node.flush().map_err(|error| format!("{error:?}"))?;
        while node.apply().is_some() {}
        assert!(node.ticks_until_due() > 0, "it would never sleep again");
    }
    assert_eq!(heard, [10, 10]);
    assert!(node.status().counters.unsendable > 0, "and nobody is told why");
    Ok(())
}

#[test]
fn campaigning_in_every_turn_of_a_loop_elects_somebody() -> Result<(), String> {
    let mut cluster = Cluster::found(&[1, 2, 3], &Settings::default())?;
    let mut late = Vec::new();
    for _ in 0..60 {
        cluster.node_mut(1)?.campaign();
        for id in 1..=3 {
            cluster.flush(id)?;
            cluster.send(id, usize::MAX)?;
        }
        let sent = std::mem::take(&mut cluster.flight);
        // Answers take two turns, and no tick passes.
        for letter in std::mem::replace(&mut late, sent) {
            cluster.deliver(&letter);
        }
    }
    let status = cluster.node(1)?.status();
    assert_eq!((status.role, status.term.0), (RoleName::Leader, 1));
    Ok(())
}

/// A follower whose machine stopped wants a snapshot that is newer than its own, and its leader
/// applies nothing, so that it has none.
#[test]
fn a_snapshot_that_helps_nobody_is_not_sent_again_and_again() -> Result<(), String> {
    let (ids, mut cluster) = ([NodeId(1), NodeId(2)], Cluster::default());
    for (id, log_bytes) in ids.into_iter().zip([4096, 512]) {
        let settings = Settings { log_bytes, frame: 64, ..Settings::default() };
        cluster.add(Identity::founder(ClusterId(1), &settings.config(id), &ids), &settings)?;
    }
    let digest = cluster.shared_digest(1)?;
    let last = Position { term: Term(1), index: Index(1) };
    for (id, format) in [(1, 0), (2, 1)] {
        cluster.crash(id, 0)?;
        let bytes = forge::snapshot(&[1, 2], digest, format, &[]);
        let checksum = forge::checksum(&bytes);
        let snapshot = Snapshot { last, bytes: bytes.len() as u32, checksum };
        let disk = cluster.disk_mut(id)?;
        disk.write(Record::Stage { snapshot, held: 0 })?;
        disk.write(Record::Chunk { offset: 0, bytes: &bytes })?;
        disk.write(Record::Snapshot(snapshot))?;
        disk.flush()?;
        cluster.start(id)?;
    }
    for id in [1, 2] {
        cluster.node_mut(id)?.advance(20);
    }
    cluster.node_mut(1)?.campaign();
    cluster.settle()?;
    for _ in 0..40 {
        cluster.node_mut(1)?.propose(&"w").ok();
        // Fails if the talk does not end.
        cluster.tick_and_settle()?;
    }
    assert_eq!(cluster.node(1)?.status().peers[0].flow, Flow::Snapshot);
    run(&mut cluster, 40)?;
    let (leader, follower) = (cluster.node(1)?.status(), cluster.node(2)?.status());
    assert_eq!((leader.last, leader.committed), (follower.last, leader.last));
    assert!(follower.apply_fault.is_some() && follower.snapshot.0 > 1);
    Ok(())
}

/// Every answer of node 2 takes four ticks; once, the leader's loop stalls with answers waiting.
fn leads_through_a_stall(at: u32, stall: u32) -> Result<bool, String> {
    let settings = Settings { base: 12, heartbeat: 3, ..Settings::default() };
    let mut cluster = Cluster::found(&[1, 2, 3], &settings)?;
    cluster.node_mut(1)?.campaign();
    cluster.settle()?;
    let (mut now, mut mail) = (0, Vec::<(u32, Vec<u8>)>::new());
    while now < at + 40 {
        let step = if now == at { stall } else { 1 };
        now += step;
        let node = cluster.node_mut(1)?;
        node.advance(step);
        mail.retain(|(due, bytes)| {
            if *due <= now {
                node.receive(Frame { from: NodeId(2), bytes });
            }
            *due > now
        });
        let mut buffer = [0; 256];
        while let Some(packet) = node.transmit(&mut buffer) {
            let message = wire::decode(packet.bytes).map_err(|error| format!("{error:?}"))?.message;
            if let Message::Heartbeat(Heartbeat { round, .. })
            | Message::Append(Append { round, .. }) = message
            {
                let round = format!("round={}", round.0);
                mail.push((now + 4, forge(&["hold", "term=1", &round, "index=1"])?));
            }
        }
    }
    Ok(cluster.node(1)?.status().role == RoleName::Leader)
}

#[test]
fn a_leader_that_stalled_hears_the_answers_before_it_gives_up() {
    for at in 13..37 {
        for stall in 9..12 {
            assert_eq!(leads_through_a_stall(at, stall), Ok(true), "{stall} ticks at {at}");
        }
    }
}

#[test]
fn a_flush_that_a_crash_ended_ends_no_other() {
    let mut storage = MemoryStorage::new([0; 512], [0; 512]).expect("fit memory");
    let ballot =
        |term| Record::Ballot(Ballot { term: Term(term), vote: None, admitted: true, losses: 0 });
    storage.write(ballot(1)).expect("room");
    storage.begin_flush().expect("room");
    storage.crash(0).expect("whole records");
    storage.write(ballot(2)).expect("room");
    storage.finish_flush();
    assert_eq!(storage.flushed_ballot(), Ok(Ballot::default()), "neither was flushed");
    storage.flush().expect("room");
    assert_eq!(
        storage.flushed_ballot(),
        Ok(Ballot { term: Term(2), vote: None, admitted: true, losses: 0 })
    );
}
