//! Servers whose ways, disks and machines fail: what is promised then, and that nobody hangs.

mod common;

use common::{
    Cluster, Command, Disk, Marks, Means, PATIENCE, Path, assert_once, settings, wait_until,
};
use raft_std::{
    AdminError, LoadError, Loader, Machine, Memory, NodeId, ProposeError, ReadError, Saver, Server,
    Settings, StartError, Stopped,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// What clients were told, by number of the command.
#[derive(Default)]
struct Told {
    applied: Vec<u64>,
    never: Vec<u64>,
    unknown: Vec<u64>,
}

impl Told {
    fn note(&mut self, number: u64, outcome: &Result<(u64, usize), ProposeError>) {
        match outcome {
            Ok((answered, _)) => {
                assert_eq!(*answered, number, "an answer to another command");
                self.applied.push(number);
            }
            Err(ProposeError::AnswerLost) => self.applied.push(number),
            Err(ProposeError::Withdrawn | ProposeError::Busy) => self.never.push(number),
            Err(ProposeError::Unknown | ProposeError::Stopped(_)) => self.unknown.push(number),
            Err(other) => panic!("{other}"),
        }
    }

    fn assert_true(&self, marks: &[u64]) {
        assert_once(marks);
        let lost: Vec<_> = self.applied.iter().filter(|number| !marks.contains(number)).collect();
        assert!(lost.is_empty(), "lost: {lost:?}");
        let came: Vec<_> = self.never.iter().filter(|number| marks.contains(number)).collect();
        assert!(came.is_empty(), "applied after all: {came:?}");
    }
}

/// A client that has a few commands under way at a time, until it is told to end.
fn load(server: &Server<Marks>, next: &AtomicU64, end: &AtomicBool, told: &mut Told) {
    while !end.load(Ordering::Relaxed) {
        let tickets: Vec<_> = (0..8)
            .map(|_| {
                let number = next.fetch_add(1, Ordering::Relaxed);
                (number, server.begin(&Command::Mark(number, "some weight")))
            })
            .collect();
        let mut stopped = false;
        for (number, ticket) in tickets {
            let outcome = ticket.wait(PATIENCE);
            stopped |= matches!(outcome, Err(ProposeError::Stopped(_)));
            told.note(number, &outcome);
        }
        if stopped {
            return;
        }
    }
}

/// Runs a client at each node while something happens; gives what they were told.
fn under_load(cluster: &mut Cluster, happens: impl FnOnce(&mut Cluster)) -> Told {
    let (next, end) = (AtomicU64::new(0), AtomicBool::new(false));
    let servers: Vec<_> = cluster.servers().map(Arc::clone).collect();
    let mut all = Told::default();
    thread::scope(|scope| {
        let clients: Vec<_> = servers
            .iter()
            .map(|server| {
                let (next, end) = (&next, &end);
                scope.spawn(move || {
                    let mut told = Told::default();
                    load(server, next, end, &mut told);
                    told
                })
            })
            .collect();
        happens(cluster);
        end.store(true, Ordering::Relaxed);
        for client in clients {
            let told = client.join().unwrap();
            all.applied.extend(told.applied);
            all.never.extend(told.never);
            all.unknown.extend(told.unknown);
        }
    });
    all
}

/// Datagrams are lost, doubled and late, leaders are cut off and hand over, and all of it again.
fn storm(means: Means) {
    let mut cluster = Cluster::start(means, 3, settings());
    cluster.leader();
    cluster.weather.storm(5);
    let told = under_load(&mut cluster, |cluster| {
        for turn in 0..4 {
            thread::sleep(Duration::from_millis(500));
            let leader = cluster.leader();
            if turn % 2 == 0 {
                cluster.weather.cut(leader);
                cluster.leader_but(Some(leader));
                thread::sleep(Duration::from_millis(200));
                cluster.weather.heal();
            } else {
                // In this weather it may come to nothing.
                cluster.server(leader).transfer(None).ok();
            }
        }
        cluster.weather.storm(0);
    });
    assert!(cluster.weather.struck.load(Ordering::Relaxed) > 100, "a calm storm");
    assert!(told.applied.len() > 100, "only {} commands", told.applied.len());
    told.assert_true(&cluster.agreed());
    // Whoever leads loses nothing of its callers' while it sees every entry.
    assert_eq!(told.unknown, []);
}

#[test]
fn commands_come_true_once_in_a_storm() {
    storm(Means::Local);
}

#[test]
fn commands_come_true_once_in_a_storm_over_udp() {
    storm(Means::Udp);
}

#[test]
fn garbage_is_counted_and_harms_nobody() {
    let mut cluster = Cluster::start(Means::Local, 3, settings());
    cluster.leader();
    cluster.weather.damaged.store(20, Ordering::Relaxed);
    let told = under_load(&mut cluster, |_| thread::sleep(Duration::from_secs(1)));
    cluster.weather.damaged.store(0, Ordering::Relaxed);
    assert!(told.applied.len() > 100, "only {} commands", told.applied.len());
    told.assert_true(&cluster.agreed());
    for server in cluster.servers() {
        let status = server.status().unwrap();
        assert!(status.links.refused > 1000, "{:?}", status.links);
        // What got through was whole: a bit that is flipped twice is as before.
        assert_eq!(status.node.counters.dropped(raft_core::DropReason::Malformed), 0);
    }
}

#[test]
fn servers_end_under_load_and_everyone_is_told() {
    let mut cluster = Cluster::start(Means::Local, 3, settings());
    let leader = cluster.leader();
    let told = under_load(&mut cluster, |cluster| {
        thread::sleep(Duration::from_millis(300));
        cluster.kill(leader);
        cluster.leader();
        thread::sleep(Duration::from_millis(300));
    });
    assert!(!told.unknown.is_empty(), "the clients of the one that ended");
    cluster.restart(leader);
    let next = cluster.leader();
    cluster.server(next).propose(&Command::Mark(u64::MAX, "")).unwrap();
    told.assert_true(&cluster.agreed());
}

#[test]
fn leadership_is_handed_over_before_the_end() {
    let mut cluster = Cluster::start(Means::Local, 3, settings());
    let leader = cluster.leader();
    let told = under_load(&mut cluster, |cluster| {
        thread::sleep(Duration::from_millis(100));
        cluster.server(leader).shut_down();
        thread::sleep(Duration::from_millis(100));
    });
    cluster.host(leader).server = None;
    told.assert_true(&cluster.agreed());
    let refused = Err(ProposeError::Stopped(Stopped::ShutDown));
    cluster.restart(leader);
    let server = Arc::clone(cluster.server(leader));
    server.shut_down();
    assert_eq!(server.propose(&Command::Mark(0, "")), refused);
    assert_eq!(server.read(|_| ()), Err(ReadError::Stopped(Stopped::ShutDown)));
    assert_eq!(server.transfer(None), Err(AdminError::Stopped(Stopped::ShutDown)));
    assert_eq!(server.status().err(), Some(Stopped::ShutDown));
}

#[test]
fn a_machine_that_panics_stops_its_node_and_everyone_there_is_told() {
    let mut cluster = Cluster::start(Means::Local, 3, settings());
    let (leader, fragile) = (cluster.leader(), cluster.followers()[0]);
    cluster.kill(fragile);
    let machine = Marks { fragile: true, ..Marks::default() };
    cluster.start_with(fragile, machine, |setup| setup);
    cluster.server(fragile).propose(&Command::Mark(1, "")).unwrap();
    let server = Arc::clone(cluster.server(fragile));
    let ticket = server.begin(&Command::Fall);
    let others: Vec<_> = (2..20).map(|number| server.begin(&Command::Mark(number, ""))).collect();
    let panicked = Stopped::Panicked("it was told to fall".to_owned());
    assert_eq!(ticket.wait(PATIENCE), Err(ProposeError::Stopped(panicked.clone())));
    for other in others {
        assert_eq!(other.wait(PATIENCE), Err(ProposeError::Stopped(panicked.clone())));
    }
    assert_eq!(server.propose(&Command::Fall), Err(ProposeError::Stopped(panicked.clone())));
    assert_eq!(server.read(|_| ()), Err(ReadError::Stopped(panicked.clone())));
    assert_eq!(server.stopped(), Some(panicked));
    cluster.server(leader).propose(&Command::Mark(99, "")).unwrap();
    cluster.kill(fragile);
    // A machine that was mended goes on.
    cluster.restart(fragile);
    cluster.server(fragile).propose(&Command::Mark(100, "")).unwrap();
    assert_once(&cluster.agreed());
}

/// A machine of an older version, which does not know what others do.
#[derive(Clone, Default)]
struct Older(u64);

impl Machine for Older {
    /// The first kind of [`Command`], and nothing else.
    type Command<'a> = OlderCommand<'a>;
    type Output = (u64, usize);

    fn apply(&mut self, OlderCommand::Mark(number, _): OlderCommand<'_>) -> (u64, usize) {
        self.0 += 1;
        (number, 0)
    }

    fn save(&self, saver: &mut Saver<'_>) {
        saver.value(&self.0);
    }

    fn restore(&mut self, loader: &mut Loader<'_>, _: u16) -> Result<(), LoadError> {
        self.0 = loader.value()?;
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
enum OlderCommand<'a> {
    Mark(u64, &'a str),
}

#[test]
fn a_machine_that_does_not_know_a_command_answers_nothing_more_and_its_node_votes_on() {
    let mut cluster = Cluster::start(Means::Local, 3, settings());
    let (leader, older, gone) = (cluster.leader(), cluster.followers()[0], cluster.followers()[1]);
    cluster.kill(older);
    let path = Path::new(older, cluster.transport(older), Arc::clone(&cluster.weather));
    let setup = Server::without_address(older).settings(settings()).patience(PATIENCE);
    let storage = cluster.host(older).storage.clone();
    let server = setup.transport(path).start(storage, Older::default()).unwrap();
    server.propose(&OlderCommand::Mark(1, "")).unwrap();
    cluster.server(leader).propose(&Command::Fall).unwrap();
    let why = wait_until("it to know that", || server.stopped());
    assert!(matches!(why, Stopped::Apply(_)), "{why}");
    let refused = server.propose(&OlderCommand::Mark(2, ""));
    assert_eq!(refused, Err(ProposeError::Stopped(why.clone())));
    assert_eq!(server.read(|_| ()), Err(ReadError::Stopped(why)));
    // Without its word there is no quorum now.
    cluster.kill(gone);
    cluster.server(leader).propose(&Command::Mark(3, "")).unwrap();
    let before = server.status().unwrap().turns;
    thread::sleep(Duration::from_millis(500));
    let turns = server.status().unwrap().turns - before;
    assert!(turns < 200, "it sleeps, and woke {turns} times");
}

#[test]
fn a_machine_that_panics_when_it_is_restored_is_no_start() {
    #[derive(Clone)]
    struct Broken;
    impl Machine for Broken {
        type Command<'a> = ();
        type Output = ();
        fn apply(&mut self, (): ()) {}
        fn save(&self, saver: &mut Saver<'_>) {
            saver.value(&1_u8);
        }
        fn restore(&mut self, _: &mut Loader<'_>, _: u16) -> Result<(), LoadError> {
            panic!("not this one");
        }
    }
    let memory = Memory::new(settings().log_bytes, 4096).unwrap();
    let setup = || Server::without_address(NodeId(1)).settings(settings()).patience(PATIENCE);
    let found = setup().found(common::CLUSTER, &[NodeId(1)]);
    let server = found.start(memory.clone(), Broken).unwrap();
    server.propose(&()).unwrap();
    server.compact().unwrap();
    drop(server);
    let Err(StartError::Panicked(words)) = setup().start(memory, Broken) else {
        panic!("started");
    };
    assert_eq!(words, "not this one");
}

#[test]
fn a_leaders_disk_mutes_nobody() {
    // So long that a busy machine elects nobody meanwhile.
    let mut cluster = Cluster::start(Means::Local, 3, Settings::SLOW);
    let leader = cluster.leader();
    let server = Arc::clone(cluster.server(leader));
    server.propose(&Command::Mark(1, "")).unwrap();
    let before = server.status().unwrap().node;
    let control = Arc::clone(&cluster.host(leader).storage.control);
    control.hold();
    let ticket = server.begin(&Command::Mark(2, ""));
    // The other two hold it durably, though this one does not.
    wait_until("a commit without the leader's disk", || {
        let now = server.status().unwrap().node;
        assert_eq!((now.term, now.leader), (before.term, Some(leader)));
        (now.committed > before.committed).then_some(())
    });
    assert_eq!(ticket.poll(), None, "the machine never outruns its own log");
    control.let_go();
    assert_eq!(ticket.wait(PATIENCE), Ok((2, 2)));
}

#[test]
fn a_disk_that_fails_stops_its_node_for_good() {
    let mut cluster = Cluster::start(Means::Local, 3, settings());
    let leader = cluster.leader();
    cluster.host(leader).storage.control.fail();
    let server = Arc::clone(cluster.server(leader));
    let Err(ProposeError::Stopped(Stopped::Storage(words))) = server.propose(&Command::Mark(1, ""))
    else {
        panic!("it goes on without its disk");
    };
    assert_eq!(words, "JournalFull");
    cluster.kill(leader);
    let next = cluster.leader();
    cluster.server(next).propose(&Command::Mark(2, "")).unwrap();
}

#[test]
fn waits_that_a_slow_disk_does_not_allow_are_refused() {
    let disk = Disk::new(Memory::new(settings().log_bytes, 4096).unwrap());
    disk.control.take_so_long(Duration::from_millis(45));
    let setup = Server::without_address(NodeId(1)).settings(Settings::LAN);
    let Err(StartError::Setting(setting)) =
        setup.found(common::CLUSTER, &[NodeId(1)]).start(disk, Marks::default())
    else {
        panic!("started");
    };
    assert_eq!((setting.key, setting.value.as_str()), ("election_timeout", "150ms"));
}

/// Logs so small that whoever was away is sent a snapshot.
fn small() -> Settings {
    Settings { log_bytes: 16 * 1024, frame_bytes: 512, ..settings() }
}

#[test]
fn what_a_snapshot_hides_is_neither_claimed_nor_asked_for_again() {
    let cluster = Cluster::start(Means::Local, 3, small());
    let first = cluster.leader();
    let server = Arc::clone(cluster.server(first));
    server.propose(&Command::Mark(1, "")).unwrap();
    cluster.weather.cut(first);
    // It still leads, and puts these into a log that nobody else will hold.
    let tickets: Vec<_> = (2..5).map(|number| server.begin(&Command::Mark(number, ""))).collect();
    let second = cluster.leader_but(Some(first));
    let base = cluster.server(first).status().unwrap().node.last;
    for number in 0..600 {
        let weight = "x".repeat(200);
        cluster.server(second).propose(&Command::Mark(1000 + number, &weight)).unwrap();
    }
    wait_until("a snapshot", || {
        (cluster.server(second).status().unwrap().node.snapshot > base).then_some(())
    });
    cluster.weather.heal();
    for ticket in tickets {
        assert_eq!(ticket.wait(PATIENCE), Err(ProposeError::Unknown));
    }
    // What a follower asks for is known of even then.
    assert!(cluster.server(first).propose(&Command::Mark(5, "")).is_ok());
    let agreed = cluster.agreed();
    assert_once(&agreed);
    assert_eq!(agreed.len(), 602);
}

#[test]
fn what_a_leader_of_before_could_not_commit_comes_true_under_the_next() {
    let cluster = Cluster::start(Means::Local, 3, settings());
    let first = cluster.leader();
    let server = Arc::clone(cluster.server(first));
    cluster.weather.cut(first);
    // Each in an entry of its own, and others will stand in the same places.
    let last = || server.status().unwrap().node.last;
    let mut tickets = Vec::new();
    for number in 1..10 {
        let before = last();
        tickets.push(server.begin(&Command::Mark(number, "")));
        wait_until("an entry", || (last() > before).then_some(()));
    }
    let second = cluster.leader_but(Some(first));
    for number in 100..120 {
        cluster.server(second).propose(&Command::Mark(number, "")).unwrap();
    }
    cluster.weather.heal();
    for (number, ticket) in (1..10).zip(tickets) {
        assert_eq!(ticket.wait(PATIENCE).map(|(number, _)| number), Ok(number));
    }
    let agreed = cluster.agreed();
    assert_once(&agreed);
    assert_eq!((agreed.len(), agreed[0]), (29, 100));
}
