//! Three servers as their users see them: over each transport, through losses and restarts.

mod common;

use common::{Cluster, Command, Marks, Means, PATIENCE, assert_once, marks, settings, wait_until};
use raft_std::{
    AdminError, Event, Memory, NodeId, ProposeError, Read, ReadError, RoleName, Server, Settings,
    StartError, Stopped,
};
use std::time::Duration;

fn mark(cluster: &Cluster, through: NodeId, number: u64) -> (u64, usize) {
    cluster.server(through).propose(&Command::Mark(number, "")).unwrap()
}

/// Elect, write through everyone, lose the leader, go on, take it back.
fn story(means: Means) {
    let mut cluster = Cluster::start(means, 3, settings());
    let first = cluster.leader();
    for (number, through) in (1..=6).zip([1, 2, 3, 3, 2, 1]) {
        let (kept, count) = mark(&cluster, NodeId(through), number);
        assert_eq!((kept, count as u64), (number, number));
        // Whoever asks next, and wherever, sees it.
        for server in cluster.servers() {
            assert_eq!(server.read(|marks| marks.all.last().copied()), Ok(Some(number)));
        }
    }
    cluster.kill(first);
    let second = cluster.leader();
    assert_ne!(first, second);
    for id in cluster.followers() {
        mark(&cluster, id, 100 + u64::from(id.0));
    }
    mark(&cluster, second, 200);
    cluster.restart(first);
    mark(&cluster, first, 300);
    let agreed = cluster.agreed();
    assert_eq!(agreed.len(), 9);
    assert_once(&agreed);
}

#[test]
fn three_servers_over_nothing() {
    story(Means::Local);
}

#[test]
fn three_servers_over_udp() {
    story(Means::Udp);
}

#[test]
fn three_servers_over_tcp() {
    story(Means::Tcp);
}

#[test]
fn a_cluster_comes_back_from_its_storage() {
    let mut cluster = Cluster::start(Means::Local, 3, settings());
    let leader = cluster.leader();
    for number in 0..50 {
        mark(&cluster, leader, number);
    }
    for id in [1, 2, 3].map(NodeId) {
        cluster.kill(id);
    }
    for id in [1, 2, 3].map(NodeId) {
        cluster.restart(id);
    }
    let leader = cluster.leader();
    mark(&cluster, leader, 50);
    assert!(cluster.agreed().into_iter().eq(0..=50));
}

#[test]
fn leadership_moves_on_request_and_whoever_asks_the_wrong_one_is_told() {
    let cluster = Cluster::start(Means::Local, 3, settings());
    let (leader, other) = (cluster.leader(), cluster.followers()[0]);
    let refused = cluster.server(other).transfer(None);
    assert_eq!(refused, Err(AdminError::NotLeader(Some(leader))));
    let events = cluster.server(other).subscribe();
    assert_eq!(cluster.server(leader).transfer(Some(other)), Ok(other));
    let led = |event: &Event| matches!(event, Event::Role { role: RoleName::Leader, .. });
    wait_until("the event", || events.try_iter().find(led));
    mark(&cluster, leader, 1);
}

#[test]
fn members_come_and_go() {
    for means in [Means::Local, Means::Udp] {
        let mut cluster = Cluster::start(means, 3, settings());
        let leader = cluster.leader();
        mark(&cluster, leader, 1);
        let (fourth, gone) = (NodeId(4), cluster.followers()[0]);
        cluster.prepare(fourth);
        cluster.start_with(fourth, Marks::default(), |setup| setup.join(common::CLUSTER));
        let address = cluster.address(fourth).to_owned();
        cluster.servers().for_each(|server| server.learn(fourth, &address).unwrap());
        let nonce = cluster.server(fourth).nonce();
        cluster.server(leader).add(fourth, nonce, &address).unwrap();
        cluster.server(leader).remove(gone).unwrap();
        cluster.kill(gone);
        mark(&cluster, fourth, 2);
        let status = cluster.server(fourth).status().unwrap();
        let voters: Vec<_> = status.configuration.membership.incoming.iter().collect();
        assert!(voters.contains(&fourth) && !voters.contains(&gone) && voters.len() == 3);
        // The leader goes, too, and its successor is heard of by the one that came.
        cluster.server(leader).remove(leader).unwrap();
        cluster.leader_but(Some(leader));
        cluster.kill(leader);
        mark(&cluster, fourth, 3);
        assert_eq!(marks(cluster.server(fourth)), [1, 2, 3]);
    }
}

#[test]
fn a_server_alone_serves_leases_and_old_things() {
    let leases = Settings { lease_drift: Some(10), ..settings() };
    let cluster = Cluster::start(Means::Local, 1, leases);
    let server = cluster.server(NodeId(1));
    server.propose(&Command::Mark(7, "")).unwrap();
    for how in [Read::Linearizable, Read::Lease, Read::Stale] {
        assert_eq!(server.read_with(how, |marks| marks.all.clone()), Ok(vec![7]));
    }
    let panicked = server.read(|_| -> u8 { panic!("a reader that panics") });
    assert_eq!(panicked, Err(ReadError::Panicked));
    assert_eq!(server.read(|marks| marks.all.len()), Ok(1), "and harms nobody else");
}

#[test]
fn whoever_does_not_wait_is_called_when_there_is_an_answer() {
    let cluster = Cluster::start(Means::Local, 3, settings());
    for id in [cluster.leader(), cluster.followers()[0]] {
        let server = cluster.server(id);
        let (known, calls) = std::sync::mpsc::channel();
        let ticket = server.begin(&Command::Mark(u64::from(id.0), ""));
        let called = known.clone();
        ticket.on_known(move || called.send("command").unwrap());
        assert_eq!(calls.recv_timeout(PATIENCE), Ok("command"));
        let (mark, _) = ticket.poll().unwrap().unwrap();
        let reading = server.begin_read(Read::Linearizable, move |marks| marks.all.contains(&mark));
        reading.on_known(move || known.send("read").unwrap());
        assert_eq!(calls.recv_timeout(PATIENCE), Ok("read"));
        assert_eq!(reading.poll(), Some(Ok(true)));
    }
}

#[test]
fn a_snapshot_is_taken_on_request_if_there_is_anything_new() {
    let cluster = Cluster::start(Means::Local, 1, settings());
    mark(&cluster, NodeId(1), 7);
    let server = cluster.server(NodeId(1));
    assert_eq!(server.compact(), Ok(true));
    let status = server.status().unwrap().node;
    assert_eq!(status.snapshot, status.applied);
    assert_eq!(server.compact(), Ok(false));
}

#[test]
fn a_server_with_nothing_to_do_sleeps() {
    let cluster = Cluster::start(Means::Udp, 3, settings());
    let leader = cluster.leader();
    mark(&cluster, leader, 1);
    cluster.agreed();
    let turns = || cluster.servers().map(|it| it.status().unwrap().turns).collect::<Vec<_>>();
    let before = turns();
    std::thread::sleep(Duration::from_secs(1));
    for (before, now) in before.into_iter().zip(turns()) {
        // Some twenty heartbeats, each with its answers, and an election if it must be.
        assert!(now - before < 400, "{} turns", now - before);
    }
}

#[test]
fn who_reads_before_anybody_leads_is_answered_when_somebody_does() {
    // Alone, nothing wakes a leader that nobody asks for anything.
    let clusters: Vec<_> = (0..12).map(|_| Cluster::start(Means::Local, 1, settings())).collect();
    let servers = clusters.iter().map(|cluster| cluster.server(NodeId(1)));
    let readings: Vec<_> = servers
        .map(|server| server.begin_read(Read::Linearizable, |marks| marks.all.len()))
        .collect();
    for reading in readings {
        assert_eq!(reading.wait(PATIENCE), Ok(0));
    }
}

#[test]
fn commands_may_be_as_long_as_stated_and_no_longer() {
    let cluster = Cluster::start(Means::Udp, 3, settings());
    let (leader, follower) = (cluster.leader(), cluster.followers()[0]);
    let most_bytes = settings().command_bytes_max();
    // Two bytes for variant and number, two for the length of the text.
    let text = "x".repeat(most_bytes - 4);
    for (number, through) in [(1, leader), (2, follower)] {
        let longest = Command::Mark(number, &text);
        assert_eq!(postcard::to_allocvec(&longest).unwrap().len(), most_bytes);
        cluster.server(through).propose(&longest).unwrap();
        let longer = format!("{text}x");
        let refused = cluster.server(through).propose(&Command::Mark(9, &longer));
        let bytes = most_bytes + 1;
        assert_eq!(refused, Err(ProposeError::TooLarge { bytes, most_bytes }));
    }
    assert_eq!(cluster.agreed(), [1, 2]);
}

#[test]
fn without_a_quorum_everyone_is_told_in_time() {
    let mut cluster = Cluster::start(Means::Local, 3, settings());
    let leader = cluster.leader();
    let others = cluster.followers();
    others.iter().for_each(|id| cluster.kill(*id));
    let server = cluster.server(leader);
    // It leads until it finds out: then nothing is even sent.
    wait_until("nobody to lead", || server.status().unwrap().node.leader.is_none().then_some(()));
    let ticket = server.begin(&Command::Mark(1, ""));
    assert_eq!(ticket.wait(Duration::from_millis(50)), Err(ProposeError::Withdrawn));
    others.iter().for_each(|id| cluster.restart(*id));
    let leader = cluster.leader();
    mark(&cluster, leader, 2);
    assert_eq!(cluster.agreed(), [2], "what was withdrawn never comes");
}

#[test]
fn storage_is_founded_once_and_never_by_itself() {
    let memory = || Memory::new(settings().log_bytes, 4096).unwrap();
    let setup = || Server::without_address(NodeId(1)).settings(settings());
    let start = |setup: raft_std::Setup, memory| setup.start(memory, Marks::default()).err();
    assert!(matches!(start(setup(), memory()), Some(StartError::Blank)));
    let others = [NodeId(2), NodeId(3)];
    let stranger = start(setup().found(common::CLUSTER, &others), memory());
    assert!(matches!(stranger, Some(StartError::Founders)));
    let founded = memory();
    let found = || setup().found(common::CLUSTER, &[NodeId(1)]);
    assert!(start(found(), founded.clone()).is_none());
    assert!(matches!(start(found(), founded.clone()), Some(StartError::NotBlank)));
    assert!(start(setup(), founded).is_none());
    let address = Server::new(NodeId(1), "nobody.invalid:1").found(common::CLUSTER, &[NodeId(1)]);
    assert!(matches!(start(address, memory()), Some(StartError::Address { .. })));
}

#[test]
fn whoever_waits_for_a_server_that_ends_is_told() {
    let mut cluster = Cluster::start(Means::Local, 3, settings());
    let (leader, others) = (cluster.leader(), cluster.followers());
    cluster.weather.cut(leader);
    let tickets: Vec<_> =
        (0..100).map(|number| cluster.server(leader).begin(&Command::Mark(number, ""))).collect();
    cluster.kill(leader);
    for ticket in tickets {
        let told = ticket.wait(PATIENCE);
        assert_eq!(told, Err(ProposeError::Stopped(Stopped::ShutDown)));
    }
    let server = cluster.host(others[0]).server.take().unwrap();
    server.shut_down();
}
