//! Commands that are submitted at any node are applied exactly once, whatever happens to datagrams,
//! leaders and the table that remembers them.

#[path = "sessions/cluster.rs"]
mod cluster;

use cluster::{Cluster, FORWARD, LOG_BYTES, Sum, config, founded};
use raft_core::{
    Config, ConfigError, DropReason, Frame, Machine, Node, NodeId, RecoverError, Request, Sessions,
    SubmitError, Submitted,
};

#[test]
fn what_any_node_submits_is_applied_once_over_a_bad_link() {
    let mut cluster = Cluster::new(12);
    cluster.run(100);
    let mut expected = Vec::new();
    for round in 0..60 {
        let node = [1, 2, 3][round as usize % 3];
        // Two sessions for three clients: somebody always makes way, idle, and comes back.
        cluster.node(node).submit(&round).unwrap();
        let ended = cluster.run(200);
        expected.push(round);
        let [(by, Submitted::Applied(Some(total)))] = ended[..] else {
            panic!("{round}: {ended:?}")
        };
        assert_eq!((by, total), (node, expected.iter().sum()));
    }
    cluster.trouble = 0;
    cluster.run(100);
    assert_eq!(cluster.told(), expected);
    let compacted = cluster.nodes.values().all(|node| node.status().snapshot.0 > 0);
    assert!(compacted, "the table went through snapshots");
}

/// The leader takes a command, commits and applies it, and whoever submitted it does not hear so.
#[test]
fn a_command_that_the_old_leader_applied_is_not_applied_again_at_the_new_one() {
    let mut cluster = Cluster::new(0);
    cluster.run(100);
    let (first, others) = (cluster.leader(), cluster.followers());
    let (submitter, other) = (others[0], others[1]);
    cluster.node(submitter).submit(&1).unwrap();
    assert_eq!(cluster.run(20), [(submitter, Submitted::Applied(Some(1)))]);
    cluster.cuts.insert((first, submitter));
    cluster.node(submitter).submit(&2).unwrap();
    assert_eq!(cluster.node(submitter).submit(&3), Err(SubmitError::Busy));
    assert_eq!(cluster.run(2), []);
    assert_eq!(cluster.nodes[&first].machine().inner(), &Sum(vec![1, 2]));
    assert_eq!(cluster.nodes[&submitter].machine().inner(), &Sum(vec![1]));
    cluster.silent = Some(first);
    let ended = cluster.run(200);
    assert_eq!(cluster.leader(), other, "the submitter's log is shorter");
    assert_eq!(ended, [(submitter, Submitted::Applied(Some(3)))]);
    assert_eq!(cluster.copies(other, 2), 2, "it was asked for again");
    cluster.silent = None;
    cluster.run(200);
    assert_eq!(cluster.told(), [1, 2]);
}

/// Nobody tells a follower of a commit before there is something else to say, unless asked to.
#[test]
fn an_announced_commit_is_known_before_the_next_heartbeat() {
    let mut cluster = Cluster::new(0);
    cluster.run(100);
    let (leader, submitter) = (cluster.leader(), cluster.followers()[0]);
    cluster.node(submitter).submit(&1).unwrap();
    assert_eq!(cluster.run(20), [(submitter, Submitted::Applied(Some(1)))]);
    cluster.node(submitter).submit(&2).unwrap();
    assert_eq!(cluster.exchange(20), []);
    assert_eq!(cluster.nodes[&leader].machine().inner(), &Sum(vec![1, 2]));
    cluster.node(submitter).announce();
    assert_eq!(cluster.exchange(20), [], "a follower has nothing to announce");
    cluster.node(leader).announce();
    assert_eq!(cluster.exchange(2), [(submitter, Submitted::Applied(Some(3)))]);
}

#[test]
fn another_life_is_another_client() {
    let mut cluster = Cluster::new(0);
    cluster.run(100);
    let node = cluster.followers()[0];
    cluster.node(node).submit(&7).unwrap();
    cluster.run(1);
    cluster.restart(node);
    cluster.run(100);
    let before = cluster.told();
    assert!(before.len() <= 1, "applied once, or never");
    cluster.node(node).submit(&8).unwrap();
    let ended = cluster.run(100);
    assert!(matches!(ended[..], [(_, Submitted::Applied(Some(_)))]));
    assert_eq!(cluster.told().len(), before.len() + 1);
}

/// What it sent before its power failed arrives afterwards: once, and nobody is told.
#[test]
fn a_command_may_come_true_after_its_client_is_gone() {
    let mut cluster = Cluster::new(0);
    cluster.run(100);
    let node = cluster.followers()[0];
    cluster.node(node).submit(&1).unwrap();
    cluster.run(20);
    cluster.holds = Some(node);
    cluster.node(node).submit(&2).unwrap();
    cluster.run(50);
    assert!(cluster.held.len() > 1, "it asks again");
    cluster.restart(node);
    cluster.let_through();
    assert_eq!(cluster.run(50), []);
    assert_eq!(cluster.told(), [1, 2]);
}

#[test]
fn a_command_that_is_lost_on_its_way_is_sent_again() {
    let mut cluster = Cluster::new(0);
    cluster.run(100);
    let node = cluster.followers()[0];
    cluster.holds = Some(node);
    cluster.node(node).submit(&1).unwrap();
    assert_eq!(cluster.run(200), []);
    (cluster.holds, cluster.held) = (None, Vec::new());
    assert_eq!(cluster.run(60), [(node, Submitted::Applied(Some(1)))]);
}

/// Its session makes way before its command arrives, and it sees that.
#[test]
fn a_client_that_saw_its_session_give_way_asks_in_another() {
    let mut cluster = Cluster::new(0);
    cluster.run(100);
    let (leader, others) = (cluster.leader(), cluster.followers());
    let client = others[0];
    cluster.node(client).submit(&1).unwrap();
    cluster.run(20);
    cluster.holds = Some(client);
    cluster.node(client).submit(&2).unwrap();
    cluster.run(1);
    for (node, number) in [(leader, 10), (others[1], 20)] {
        cluster.node(node).submit(&number).unwrap();
        assert!(matches!(cluster.run(20)[..], [(by, Submitted::Applied(_))] if by == node));
    }
    cluster.holds = None;
    assert_eq!(cluster.run(100), [(client, Submitted::Applied(Some(33)))]);
    assert_eq!(cluster.told(), [1, 10, 20, 2]);
    // What it asked for in the session of before comes now, and is too late.
    cluster.let_through();
    assert_eq!(cluster.run(50), []);
    assert!(cluster.copies(leader, 2) > 1);
    assert_eq!(cluster.told(), [1, 10, 20, 2]);
}

/// The same, but a snapshot comes in between: it can't know whether its command was among what was
/// applied before that.
#[test]
fn a_client_whose_session_gave_way_behind_a_snapshot_says_so() {
    let mut cluster = Cluster::new(0);
    cluster.run(100);
    let (leader, others) = (cluster.leader(), cluster.followers());
    let client = others[0];
    cluster.node(client).submit(&1).unwrap();
    cluster.run(20);
    cluster.holds = Some(client);
    cluster.node(client).submit(&2).unwrap();
    cluster.run(1);
    cluster.silent = Some(client);
    let mut expected = fill(&mut cluster, &[leader, others[1]], client);
    cluster.silent = None;
    let ended = cluster.run(100);
    assert_eq!(ended, [(client, Submitted::Unknown)]);
    cluster.let_through();
    cluster.run(50);
    expected.insert(0, 1);
    assert_eq!(cluster.told(), expected, "it never is applied after that was said");
    cluster.node(client).submit(&3).unwrap();
    assert!(matches!(cluster.run(100)[..], [(_, Submitted::Applied(Some(_)))]));
}

/// Has commands applied by turns until the log begins behind what a silent node has.
fn fill(cluster: &mut Cluster, submitters: &[u8], silent: u8) -> Vec<u32> {
    let mut told = Vec::new();
    let last = cluster.nodes[&silent].log().last().index;
    for (number, &node) in (100..).zip(submitters.iter().cycle()) {
        cluster.node(node).submit(&number).unwrap();
        assert!(matches!(cluster.run(30)[..], [(_, Submitted::Applied(_))]));
        told.push(number);
        let leader = cluster.leader();
        if cluster.nodes[&leader].log().base().index > last {
            return told;
        }
    }
    told
}

/// A node that takes a snapshot in knows every session: else it would refuse what others apply.
#[test]
fn a_snapshot_carries_the_sessions() {
    let mut cluster = Cluster::new(0);
    cluster.run(100);
    let (leader, others) = (cluster.leader(), cluster.followers());
    let (client, away) = (others[0], others[1]);
    cluster.node(client).submit(&1).unwrap();
    cluster.run(20);
    cluster.silent = Some(away);
    let mut expected = fill(&mut cluster, &[client], away);
    cluster.silent = None;
    cluster.run(100);
    assert!(cluster.nodes[&away].status().snapshot.0 > 0);
    cluster.node(client).submit(&2).unwrap();
    assert!(matches!(cluster.run(50)[..], [(_, Submitted::Applied(Some(_)))]));
    expected.insert(0, 1);
    expected.push(2);
    assert_eq!(cluster.told(), expected);
    // Nor does it apply again what it has from the snapshot only.
    let (session, sequence) = last_request(&cluster, leader);
    let retry = Request::Numbered { session, sequence, command: 2 };
    cluster.node(leader).propose(&retry).unwrap();
    cluster.run(50);
    assert_eq!(cluster.told(), expected);
}

/// The session and number of the last request in a log.
fn last_request(cluster: &Cluster, id: u8) -> (u64, u32) {
    let entries = cluster.nodes[&id].log().entries();
    let numbers = entries.filter_map(|entry| match postcard::from_bytes(entry.body).ok()? {
        Request::<u32>::Numbered { session, sequence, .. } => Some((session, sequence)),
        _ => None,
    });
    numbers.last().unwrap()
}

#[test]
fn tables_of_unequal_sizes_are_refused() {
    type Larger = Sessions<Sum, 3, 8, 16>;
    let (id, memory) = (NodeId(1), || vec![0; LOG_BYTES]);
    let machine = || Larger::new(Sum::default(), 1);
    let shape = Larger::SHAPE;
    let refused = Node::recover(config(id), memory(), founded(id), machine()).err();
    assert_eq!(refused, Some(RecoverError::Config(ConfigError::MachineShape { shape })));
    // Whoever says so knows it, and is refused because the others have another.
    let config = Config { machine_shape: shape, ..config(id) };
    let refused = Node::recover(config, memory(), founded(id), machine()).err();
    assert_eq!(refused, Some(RecoverError::UnequalSettings));
    assert_ne!(shape, Sessions::<Sum, 2, 8, 16>::SHAPE);
    assert_ne!(shape, Sessions::<Sum, 3, 9, 16>::SHAPE);
    assert_eq!(shape, Sessions::<Sum, 3, 8, 99>::SHAPE, "each node's own affair");
}

#[test]
fn a_command_that_the_machine_of_the_leader_does_not_know_is_dropped() {
    let mut cluster = Cluster::new(0);
    cluster.run(100);
    let (leader, from) = (cluster.leader(), NodeId(cluster.followers()[0]));
    let term = u8::try_from(cluster.nodes[&leader].status().term.0).unwrap();
    let malformed = |cluster: &Cluster| {
        let counters = cluster.nodes[&leader].status().counters;
        (counters.dropped(DropReason::Malformed), cluster.nodes[&leader].log().last())
    };
    let (before, last) = malformed(&cluster);
    // The ninth of three requests; one that goes on too long; none at all.
    for (number, command) in (1..).zip([&[9, 1][..], &[0, 7, 7], &[]]) {
        let bytes = [&[FORWARD, 0, term][..], command].concat();
        cluster.node(leader).receive(Frame { from, bytes: &bytes });
        assert_eq!(malformed(&cluster), (before + number, last));
    }
    cluster.node(leader).receive(Frame { from, bytes: &[FORWARD, 0, term, 0, 7] });
    cluster.run(10);
    assert_eq!(cluster.told(), [7]);
}

/// A radio that sends one letter in a turn has always another one to send.
#[test]
fn a_leader_takes_its_own_command_though_it_owes_others_something() {
    let mut cluster = Cluster::new(0);
    cluster.run(100);
    let leader = cluster.leader();
    let node = cluster.node(leader);
    let last = node.propose(&Request::Bare(1)).unwrap();
    node.submit(&2).unwrap();
    let mut buffer = [0; 128];
    assert!(node.transmit(&mut buffer).is_some(), "what was proposed");
    assert_eq!(node.log().last().index, last.index.next(), "a session is asked for");
}

/// A command does not come through, and is asked for again: ever more rarely, and as often as at
/// first when there is another one.
#[test]
fn whoever_asks_again_waits_longer() {
    let mut cluster = Cluster::new(0);
    cluster.run(60);
    let node = cluster.followers()[0];
    for number in 1..3 {
        cluster.holds = Some(node);
        cluster.node(node).submit(&number).unwrap();
        // Sixteen times as long as one waits at first.
        assert_eq!(cluster.run(16 * 15), []);
        assert_eq!(cluster.held.len(), 6, "at first, and in 1, 3, 7, 11 and 15 times that long");
        cluster.let_through();
        assert_eq!(cluster.run(130).len(), 1);
    }
    assert_eq!(cluster.told(), [1, 2]);
}

#[test]
fn more_clients_than_sessions_come_to_their_turn() {
    let mut cluster = Cluster::new(0);
    cluster.run(60);
    let before = cluster.node(1).status().last.0;
    let mut ended = [0; 3];
    for _ in 0..600 {
        for id in 1..=3 {
            cluster.node(id).submit(&1).ok();
        }
        cluster.run(1).iter().for_each(|(id, _)| ended[usize::from(id - 1)] += 1);
    }
    let entries = cluster.node(1).status().last.0 - before;
    let commands: u64 = ended.iter().sum();
    assert!(ended.iter().all(|&each| each >= 100), "{ended:?}");
    // Without the patience of those that make way it is more than two entries for each.
    assert!(entries * 2 < commands * 3, "{ended:?} cost {entries} entries");
}

/// A node that waits to be asked what became of a command does not sleep.
#[test]
fn an_outcome_is_something_to_do() {
    let mut cluster = Cluster::new(0);
    cluster.run(60);
    let id = cluster.leader();
    cluster.node(id).submit(&1).unwrap();
    cluster.polls = false;
    cluster.run(20);
    let node = cluster.node(id);
    assert_eq!(node.ticks_until_due(), 0);
    assert_eq!(node.poll_submit(), Some(Submitted::Applied(Some(1))));
    assert!(node.ticks_until_due() > 0);
}
