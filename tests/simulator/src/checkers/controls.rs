//! Every checker is shown a lie, and must say so: one that never fails checks nothing.

use super::*;
use crate::clients::Answer;
use crate::cluster::Settings;
use crate::forge::{Forge, forge};
use crate::register::Request;
use crate::registers::Command;
use raft_core::{Fault, NodeSet, Position, Record, Storage};

fn settings() -> Settings {
    Settings { shape: <Shared as raft_core::Machine>::SHAPE, ..Settings::default() }
}

/// Three nodes, of which the first leads, and a command that all have applied.
fn settled() -> (Registry, Checkers) {
    let mut cluster = Registry::found(&[1, 2, 3], &settings()).expect("a cluster");
    let mut checkers = Checkers::new((1..=3).map(|id| (id, Nonce::FOUNDER)));
    checkers.founded(cluster.node(1).expect("it runs").configuration());
    cluster.node_mut(1).expect("it runs").campaign();
    cluster.settle().expect("quiet in the end");
    let at = propose(&mut cluster, 1).expect("it leads");
    checkers.proposed(at, 0, 1);
    let mut ticks = 0..6;
    assert!(ticks.all(|_| cluster.tick_and_settle().is_ok()), "quiet in the end");
    for id in 1..=3 {
        cluster.apply(id).expect("it runs");
    }
    for id in 1..=3 {
        checkers.look(id, &cluster).expect("nothing is wrong yet");
    }
    (cluster, checkers)
}

fn propose(cluster: &mut Registry, sequence: u32) -> Option<Position> {
    let request = Request::Put(9);
    let command = Command { client: 0, sequence, key: 1, request, ballast: &[] };
    cluster.node_mut(1).ok()?.propose(&raft_core::Request::Bare(command)).ok()
}

/// What the named checker says of a settled node whose status is another than it should be.
fn told(id: u8, lie: impl Fn(&mut Status), kept: u64) -> Vec<&'static str> {
    let (cluster, mut checkers) = settled();
    let node = cluster.node(id).expect("it runs");
    let mut status = node.status();
    lie(&mut status);
    let (before, last_before) = (&checkers.views[usize::from(id - 1)], Index(2));
    let step = Step {
        id,
        node,
        status: &status,
        before,
        kept: Index(kept),
        last_before,
        cluster: &cluster,
        views: &checkers.views,
        first_id: 1,
    };
    let failing = CHECKS.iter().filter(|(_, check)| check(&mut checkers.book, &step).is_err());
    failing.map(|(name, _)| *name).collect()
}

#[test]
fn an_honest_status_passes_every_checker() {
    assert_eq!(told(1, |_| {}, 2), [""; 0]);
    assert_eq!(told(2, |_| {}, 2), [""; 0]);
}

#[test]
fn a_lie_is_told_by_the_checker_that_it_concerns() {
    let lies = [
        ("terms are monotonic", told(2, |status| status.term = Term(0), 2)),
        ("election safety", told(2, |status| status.role = RoleName::Leader, 2)),
        ("leaders have durable votes", told(2, |status| status.role = RoleName::Leader, 2)),
        ("leader append-only", told(1, |_| {}, 1)),
        ("durable means durable", told(2, |status| status.durable = Index(3), 2)),
        ("commits stay", told(2, |status| status.committed = Index(1), 2)),
        ("commits need durable quorums", told(1, |status| status.committed = Index(3), 2)),
        ("apply only what is committed and durable", told(1, |it| it.applied = Index(3), 2)),
        ("no fault latched", told(3, |status| status.fault = Some(Fault::Log), 2)),
    ];
    for (checker, told) in lies {
        assert!(told.contains(&checker), "{checker} is silent: {told:?}");
    }
}

/// The first checker that complains about a node after a forged datagram has reached it.
fn after(id: u8, from: u8, words: &str) -> Broken {
    let (mut cluster, mut checkers) = settled();
    let words: Vec<&str> = words.split(' ').collect();
    let letter = cluster.forge(from, id, 1, &forge(&words).expect("a datagram"));
    cluster.flight.clear();
    cluster.deliver(&letter);
    checkers.look(id, &cluster).expect_err("the checkers are silent")
}

#[test]
fn another_entry_at_a_place_of_the_same_term_does_not_match() {
    let (mut cluster, mut checkers) = settled();
    propose(&mut cluster, 2).expect("it leads");
    checkers.look(1, &cluster).expect("a leader appends");
    let append = Forge::new(4, 0, 1).number(9).number(2).number(0).signed(0);
    let letter = cluster.forge(1, 2, 1, &append.word(0, "another").done());
    cluster.flight.clear();
    cluster.deliver(&letter);
    let broken = checkers.look(2, &cluster).expect_err("two logs differ");
    assert_eq!(broken.checker, "log matching", "{broken:?}");
}

#[test]
fn a_leader_that_lacks_what_was_committed_is_incomplete() {
    let (cluster, mut checkers) = settled();
    drop(cluster);
    // Another cluster of the same names, in which node 3 leads a later term with an empty log.
    let mut cluster = Registry::found(&[1, 2, 3], &settings()).expect("a cluster");
    for turn in ["heartbeat term=1 round=1", "pre-grant term=1 number=1", "grant term=2 number=2"] {
        let words: Vec<&str> = turn.split(' ').collect();
        let letter = cluster.forge(2, 3, 1, &forge(&words).expect("a datagram"));
        cluster.flight.clear();
        cluster.deliver(&letter);
        let node = cluster.node_mut(3).expect("it runs");
        if turn.starts_with("heartbeat") {
            node.advance(30);
        }
        cluster.flush(3).expect("it runs");
    }
    checkers.views[2] = View::new(Nonce::FOUNDER);
    let broken = checkers.look(3, &cluster).expect_err("a leader without the log");
    assert_eq!(broken.checker, "leader completeness", "{broken:?}");
}

#[test]
fn a_second_entry_that_is_committed_at_one_place_is_unsafe() {
    let (cluster, mut checkers) = settled();
    drop(cluster);
    let mut cluster = Registry::found(&[1, 2, 3], &settings()).expect("a cluster");
    let append = Forge::new(4, 0, 2).number(1).number(0).number(2).signed(2);
    let letter = cluster.forge(1, 3, 1, &append.word(2, "x").word(0, "y").done());
    cluster.flight.clear();
    cluster.deliver(&letter);
    checkers.views[2] = View::new(Nonce::FOUNDER);
    let broken = checkers.look(3, &cluster).expect_err("another history");
    assert_eq!(broken.checker, "state-machine safety", "{broken:?}");
}

#[test]
fn a_commit_on_one_disk_is_no_commit() {
    let (mut cluster, mut checkers) = settled();
    let at = propose(&mut cluster, 2).expect("it leads");
    checkers.proposed(at, 0, 2);
    cluster.flush(1).expect("it runs");
    let letter = cluster.forge(2, 1, 1, &forge(&["hold", "term=1", "index=3"]).expect("words"));
    cluster.flight.clear();
    cluster.deliver(&letter);
    let broken = checkers.look(1, &cluster).expect_err("nobody else has it");
    assert_eq!(broken.checker, "commits need durable quorums", "{broken:?}");
}

#[test]
fn a_command_that_nobody_asked_for_is_told() {
    let (mut cluster, mut checkers) = settled();
    propose(&mut cluster, 7).expect("it leads");
    assert!((0..4).all(|_| cluster.tick_and_settle().is_ok()), "quiet in the end");
    let broken = checkers.look(1, &cluster).expect_err("who asked?");
    assert!(broken.words.contains("nobody proposed 0.7"), "{broken:?}");
}

#[test]
fn machines_that_differ_are_told() {
    let (mut cluster, mut checkers) = settled();
    checkers.book.digests[2] = Some(1);
    cluster.crash(2, 0).expect("it runs");
    cluster.start(2).expect("its disk is sound");
    checkers.restarted(2, &mut cluster).expect("it comes back");
    assert!((0..4).all(|_| cluster.tick_and_settle().is_ok()), "quiet in the end");
    cluster.apply(2).expect("it runs");
    let broken = checkers.look(2, &cluster).expect_err("another state");
    assert_eq!(broken.checker, "machines agree", "{broken:?}");
}

#[test]
fn a_snapshot_of_what_is_not_committed_is_told() {
    let (mut cluster, mut checkers) = settled();
    let mut begins = |words: &str| {
        let words: Vec<_> = words.split(' ').collect();
        checkers.announced(2, &forge(&words).expect("a datagram"), &mut cluster)
    };
    assert_eq!(begins("chunk term=1 last=2 last-term=1"), Ok(()));
    for place in ["last=3 last-term=1", "last=2 last-term=2"] {
        let broken = begins(&format!("chunk term=2 {place}")).expect_err("it is silent");
        assert_eq!(broken.checker, "snapshots hold what is committed");
    }
}

#[test]
fn a_change_below_the_end_is_found_by_the_deep_look() {
    let (cluster, mut checkers) = settled();
    assert_eq!(checkers.look_deep(2, &cluster), Ok(()));
    let view = checkers.view(2);
    view.log.truncate(Index(1));
    view.log.push(Stamp { term: Term(1), chain: 7 });
    assert!(checkers.look_deep(2, &cluster).is_err());
}

#[test]
fn promises_that_no_disk_holds_are_told() {
    let (mut cluster, mut checkers) = settled();
    let mut sent = |id, to, words: &str, cluster: &Registry| {
        let words: Vec<&str> = words.split(' ').collect();
        checkers.sent(id, to, &forge(&words).expect("words"), cluster).is_err()
    };
    assert!(!sent(2, 1, "hold term=1 index=2", &cluster), "it holds that");
    assert!(sent(2, 1, "hold term=1 index=3", &cluster), "it lacks that");
    assert!(sent(2, 1, "hold term=2 index=2", &cluster), "its disk is of another term");
    assert!(!sent(2, 1, "grant term=1", &cluster));
    assert!(sent(2, 3, "grant term=1", &cluster), "twice");
    assert!(sent(3, 1, "request term=2 last=2 last-term=1", &cluster), "not its vote");
    cluster.node_mut(2).expect("it runs").storage_mut().account = Default::default();
    assert!(sent(2, 1, "hold term=1 index=2", &cluster), "the disk lost it");
}

#[test]
fn a_disk_that_keeps_less_or_more_than_it_said_is_told() {
    let crashed = |change: fn(&mut Disk)| {
        let (mut cluster, mut checkers) = settled();
        cluster.crash(2, 0).expect("it runs");
        change(cluster.disk_mut(2).expect("it does not run"));
        cluster.start(2).expect("it starts");
        checkers.restarted(2, &mut cluster)
    };
    assert_eq!(crashed(|_| {}), Ok(()));
    let less = crashed(|disk| {
        let ballot = Ballot { term: Term(9), vote: None, admitted: true, losses: 0 };
        disk.account.write(Record::Ballot(ballot));
        disk.account.flush();
    });
    assert_eq!(less.expect_err("less").checker, "storage says what was flushed");
    let more = crashed(|disk| {
        let kept = disk.account.clone();
        let ballot = Ballot { term: Term(9), vote: None, admitted: true, losses: 0 };
        disk.write(Record::Ballot(ballot)).expect("room");
        disk.flush().expect("room");
        disk.account = kept;
    });
    assert_eq!(more.expect_err("more").checker, "storage says what was flushed");
}

#[test]
fn a_node_that_is_another_the_second_time_is_told() {
    let (mut cluster, _) = settled();
    cluster.crash(2, 0).expect("it runs");
    cluster.start(2).expect("its disk is sound");
    let (one, other) = (cluster.node(1).expect("it runs"), cluster.node(2).expect("it runs"));
    assert!(storage::same(2, other, other).is_ok() && storage::same(2, one, other).is_err());
}

#[test]
fn an_answer_without_a_commit_is_told() {
    let (_, mut checkers) = settled();
    let position = Position { term: Term(1), index: Index(2) };
    let honest = Answer { position, client: 0, sequence: 1 };
    assert_eq!(checkers.answered(&honest), Ok(()));
    assert!(checkers.answered(&Answer { sequence: 2, ..honest }).is_err(), "of another command");
    let later = Position { index: Index(3), ..position };
    assert!(checkers.answered(&Answer { position: later, ..honest }).is_err(), "not committed");
}

#[test]
fn a_turn_over_its_bound_is_told() {
    let (_, checkers) = settled();
    let turn = Turn { node: 1, peers: 2, window: 4, last: Index(100), ..Turn::default() };
    assert_eq!(checkers.turn(&Turn { packets: 20, writes: 4, events: 4, ..turn }), Ok(()));
    for over in [
        Turn { packets: 21, ..turn },
        Turn { writes: 5, ..turn },
        Turn { events: 5, ..turn },
        Turn { applied: 101, ..turn },
    ] {
        assert!(checkers.turn(&over).is_err(), "{over:?}");
    }
}

#[test]
fn forged_commits_do_not_pass() {
    let broken = after(2, 1, "append term=1 round=9 after=2 after-term=1 words=1:x commit=3");
    assert_eq!(broken.checker, "commits need durable quorums", "{broken:?}");
}

#[test]
fn a_vote_that_changes_within_a_term_is_told() {
    let (mut cluster, mut checkers) = settled();
    let vote = Ballot { term: Term(1), vote: Some(NodeId(3)), admitted: true, losses: 0 };
    let disk = cluster.node_mut(2).expect("it runs").storage_mut();
    disk.write(Record::Ballot(vote)).expect("room");
    let broken = checkers.look(2, &cluster).expect_err("it had voted for 1");
    assert_eq!(broken.checker, "votes are kept", "{broken:?}");
}

#[test]
fn a_leader_that_counts_copies_of_an_earlier_term_is_told() {
    let (cluster, mut checkers) = settled();
    let mut status = cluster.node(1).expect("it runs").status();
    status.term = Term(2);
    checkers.views[0].committed = Index(1);
    let node = cluster.node(1).expect("it runs");
    let (views, before) = (&checkers.views, &checkers.views[0]);
    let (kept, last_before, first_id) = (Index(2), Index(2), 1);
    let (id, status, cluster) = (1, &status, &cluster);
    let step = Step { id, node, status, before, kept, last_before, cluster, views, first_id };
    assert!(commit::leaders_commit_in_their_own_term(&mut checkers.book, &step).is_err());
}

#[test]
fn members_that_change_out_of_turn_are_told() {
    let (cluster, mut checkers) = settled();
    let other = Cluster::<Shared>::found(&[1, 2, 3, 4], &settings()).expect("a cluster");
    checkers.views[0].configuration.clone_from(other.node(1).expect("it runs").configuration());
    let mut told = |lie: fn(&mut View, &mut Status)| {
        let node = cluster.node(1).expect("it runs");
        let (mut status, mut views) = (node.status(), checkers.views.clone());
        status.configured_at = Index(2);
        lie(&mut views[0], &mut status);
        let (id, status, before, views, cluster) = (1, &status, &views[0], &views, &cluster);
        let (kept, last_before, first_id) = (Index(2), Index(2), 1);
        let step = Step { id, node, status, before, kept, last_before, cluster, views, first_id };
        membership::one_change_at_a_time(&mut checkers.book, &step).is_err()
    };
    assert!(!told(|_, _| {}), "one voter went");
    assert!(told(|before, _| before.configured_at = Index(9)), "the one before is not committed");
    let one = |before: &mut View, _: &mut Status| {
        before.configuration.membership.incoming = NodeSet::of(&[NodeId(1)]);
    };
    assert!(told(one), "two came at once");
}

#[test]
fn whoever_counts_without_having_been_let_in_is_told() {
    let (cluster, mut checkers) = settled();
    let view = checkers.view(2);
    (view.admitted, view.nonce) = (false, Nonce(7));
    let broken = checkers.look(2, &cluster).expect_err("nobody named it");
    assert_eq!(broken.checker, "nobody counts unadmitted", "{broken:?}");
}
