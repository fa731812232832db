//! Snapshots that are saved while commands go on: a machine whose `save` waits for a signal, fails,
//! or panics, on servers that must not mind.

mod common;

use common::{CLUSTER, Disk, PATIENCE, settings, wait_until};
use raft_std::transport::Network;
use raft_std::{
    AdminError, Event, LoadError, Loader, Machine, Memory, NodeId, ProposeError, Saver, Server,
    Settings, Stopped, Wal, WalOptions,
};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

#[path = "wal/scratch.rs"]
mod scratch;

use scratch::Scratch;

/// What a machine does when it is copied or saved.
#[derive(Default)]
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    closed: bool,
    /// How many have come to the gate.
    came: u32,
    breaks: bool,
    breaks_copies: bool,
    /// Whether it has a value that can't be written.
    mute: bool,
}

/// A list that does not say how long it is.
struct Endless;

impl serde::Serialize for Endless {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde::ser::SerializeSeq::end(serializer.serialize_seq(None)?)
    }
}

impl Gate {
    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }

    fn close(&self) {
        self.set(|state| state.closed = true);
    }

    fn open(&self) {
        self.set(|state| state.closed = false);
    }

    fn came(&self) -> u32 {
        self.state.lock().unwrap().came
    }

    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.came += 1;
        while state.closed {
            state = self.changed.wait(state).unwrap();
        }
        let breaks = state.breaks;
        drop(state);
        assert!(!breaks, "it was told to break");
    }
}

/// Counts what it is told, and weighs something.
#[derive(Default)]
struct Scale {
    count: u64,
    sum: u64,
    weight: Vec<u8>,
    gate: Arc<Gate>,
}

impl Clone for Scale {
    fn clone(&self) -> Self {
        let breaks = self.gate.state.lock().unwrap().breaks_copies;
        assert!(!breaks, "it is not to be copied");
        let (weight, gate) = (self.weight.clone(), Arc::clone(&self.gate));
        Self { weight, gate, ..*self }
    }
}

impl Machine for Scale {
    type Command<'a> = (u64, &'a str);
    type Output = u64;

    fn apply(&mut self, (number, _): (u64, &str)) -> u64 {
        (self.count, self.sum) = (self.count + 1, self.sum + number);
        self.count
    }

    fn save(&self, saver: &mut Saver<'_>) {
        self.gate.pass();
        saver.value(&(self.count, self.sum, self.weight.len()));
        saver.write(&self.weight);
        if self.gate.state.lock().unwrap().mute {
            saver.value(&Endless);
        }
    }

    fn restore(&mut self, loader: &mut Loader<'_>, _: u16) -> Result<(), LoadError> {
        let length;
        (self.count, self.sum, length) = loader.value()?;
        self.weight = vec![0; length];
        loader.read(&mut self.weight)
    }
}

const IDS: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];

/// Logs so small that they have to be compacted now and then.
fn small() -> Settings {
    Settings { log_bytes: 16 * 1024, frame_bytes: 512, ..settings() }
}

fn machine(gate: &Arc<Gate>, weight: usize) -> Scale {
    Scale { gate: Arc::clone(gate), weight: vec![7; weight], ..Scale::default() }
}

/// A server alone, with storage that fails when it is told to.
fn alone(gate: &Arc<Gate>, weight: usize) -> (Arc<Server<Scale>>, Disk) {
    let disk = Disk::new(Memory::new(small().log_bytes, 32 * 1024).unwrap());
    let setup = Server::without_address(NodeId(1)).settings(small()).patience(PATIENCE);
    let server = setup.found(CLUSTER, &[NodeId(1)]).start(disk.clone(), machine(gate, weight));
    let server = Arc::new(server.unwrap());
    server.propose(&(1, "")).unwrap();
    (server, disk)
}

fn again(disk: &Disk) -> Server<Scale> {
    let setup = Server::without_address(NodeId(1)).settings(small()).patience(PATIENCE);
    setup.start(disk.clone(), Scale::default()).unwrap()
}

/// Asks for a snapshot, and returns when it is being saved.
fn compact(
    server: &Arc<Server<Scale>>,
    gate: &Gate,
) -> thread::JoinHandle<Result<bool, AdminError>> {
    let before = gate.came();
    let server = Arc::clone(server);
    let asker = thread::spawn(move || server.compact());
    wait_until("somebody at the gate", || (gate.came() > before).then_some(()));
    asker
}

#[test]
fn commands_go_on_while_a_snapshot_is_saved() {
    let gate = Arc::default();
    let (server, disk) = alone(&gate, 100);
    gate.close();
    let asker = compact(&server, &gate);
    let at = server.status().unwrap().node.applied;
    for number in 2..=40 {
        assert_eq!(server.propose(&(number, "")), Ok(number), "nobody waits for the gate");
    }
    assert!(!asker.is_finished());
    assert_eq!(server.status().unwrap().node.snapshot.0, 0);
    gate.open();
    assert_eq!(asker.join().unwrap(), Ok(true));
    let status = server.status().unwrap().node;
    assert_eq!(status.snapshot, at, "it is of when it was asked for");
    assert!(status.applied.0 >= at.0 + 39);
    server.end();
    disk.memory.crash().unwrap();
    let server = again(&disk);
    assert_eq!(server.status().unwrap().node.snapshot, at);
    let all = (40, (1..=40).sum(), 100);
    let seen = server.read(|scale| (scale.count, scale.sum, scale.weight.len()));
    assert_eq!(seen, Ok(all));
}

#[test]
fn who_asks_while_one_is_saved_gets_one_of_later() {
    let gate = Arc::default();
    let (server, _disk) = alone(&gate, 100);
    gate.close();
    let first = compact(&server, &gate);
    server.propose(&(2, "")).unwrap();
    let second = {
        let server = Arc::clone(&server);
        thread::spawn(move || server.compact())
    };
    // What was asked for before this is being waited for when it is answered.
    while server.status().unwrap().turns < 50 {}
    assert_eq!(gate.came(), 1, "one at a time");
    gate.open();
    assert_eq!((first.join().unwrap(), second.join().unwrap()), (Ok(true), Ok(true)));
    let status = server.status().unwrap().node;
    assert_eq!(status.snapshot, status.applied);
    assert_eq!((gate.came(), server.compact()), (2, Ok(false)));
}

#[test]
fn a_full_log_waits_for_the_snapshot_under_way_and_then_goes_on() {
    let gate = Arc::default();
    let (server, _disk) = alone(&gate, 100);
    gate.close();
    let heavy = "x".repeat(300);
    let tickets: Vec<_> = (0..200).map(|_| server.begin(&(1, heavy.as_str()))).collect();
    wait_until("a log that is to be compacted", || (gate.came() > 0).then_some(()));
    wait_until("a log that is full", || {
        let waits = server.status().unwrap().node;
        (waits.last == waits.applied && server.status().unwrap().waiting > 0).then_some(())
    });
    let last = tickets.last().unwrap();
    assert_eq!(last.poll(), None, "all of them are more than the log has room for");
    assert_eq!(gate.came(), 1);
    gate.open();
    for ticket in tickets {
        assert!(ticket.wait(PATIENCE).is_ok());
    }
    assert_eq!(server.read(|scale| scale.count), Ok(201));
    assert!(gate.came() > 1, "it was compacted more than once");
}

#[test]
fn a_machine_that_panics_while_it_is_saved_or_copied_stops_its_node_and_all_are_told() {
    for copies in [false, true] {
        let gate: Arc<Gate> = Arc::default();
        let (server, _disk) = alone(&gate, 100);
        gate.set(|state| (state.breaks, state.breaks_copies) = (true, copies));
        let words = if copies { "it is not to be copied" } else { "it was told to break" };
        let stopped = Stopped::Panicked(words.to_owned());
        assert_eq!(server.compact(), Err(AdminError::Stopped(stopped.clone())));
        assert_eq!(server.stopped(), Some(stopped.clone()));
        assert_eq!(server.propose(&(1, "")), Err(ProposeError::Stopped(stopped)));
    }
}

#[test]
fn a_snapshot_that_is_too_large_is_refused_and_told_of_and_nothing_of_it_stays() {
    let gate = Arc::default();
    let (server, _disk) = alone(&gate, 40 * 1024);
    let events = server.subscribe();
    let Err(AdminError::SnapshotTooLarge { bytes, most_bytes }) = server.compact() else {
        panic!("there is no room for it");
    };
    assert!(bytes > 40 * 1024 && most_bytes == 32 * 1024);
    let told = wait_until("an event", || {
        events.try_iter().find(|event| matches!(event, Event::SnapshotTooLarge(_)))
    });
    assert_eq!(told, Event::SnapshotTooLarge(bytes));
    assert_eq!(server.propose(&(1, "")), Ok(2));
    let status = server.status().unwrap();
    assert_eq!((status.node.snapshot.0, status.failed_snapshots), (0, 1));
}

#[test]
fn a_machine_that_can_not_be_written_is_longer_than_any_and_stops_nobody() {
    let scratch = Scratch::new("saving-mute");
    let gate: Arc<Gate> = Arc::default();
    let wal = Wal::open(scratch.path(), WalOptions::default()).unwrap();
    let setup = Server::without_address(NodeId(1)).settings(small()).patience(PATIENCE);
    let server = setup.found(CLUSTER, &[NodeId(1)]).start(wal, machine(&gate, 100)).unwrap();
    server.propose(&(1, "")).unwrap();
    gate.set(|state| state.mute = true);
    let refused = AdminError::SnapshotTooLarge { bytes: u32::MAX, most_bytes: u32::MAX - 1 };
    assert_eq!(server.compact(), Err(refused));
    assert_eq!(stages(&scratch), 0);
    gate.set(|state| state.mute = false);
    assert_eq!(server.propose(&(1, "")), Ok(2));
    assert_eq!(server.compact(), Ok(true));
}

#[test]
fn a_full_disk_costs_a_snapshot_and_no_node() {
    let gate = Arc::default();
    let (server, disk) = alone(&gate, 100);
    disk.control.fill(1);
    assert_eq!(server.compact(), Err(AdminError::SnapshotFailed("StageFull".to_owned())));
    assert_eq!(server.propose(&(1, "")), Ok(2));
    assert_eq!(server.status().unwrap().failed_snapshots, 1);
    assert_eq!(server.compact(), Ok(true));
    // One that is due by itself is tried again, too.
    disk.control.fill(1);
    let heavy = "x".repeat(300);
    let tickets: Vec<_> = (0..100).map(|_| server.begin(&(1, heavy.as_str()))).collect();
    tickets.into_iter().for_each(|ticket| assert!(ticket.wait(PATIENCE).is_ok()));
    assert_eq!(server.status().unwrap().failed_snapshots, 2);
}

#[test]
fn a_server_that_ends_while_a_snapshot_is_saved_tells_whoever_waits_and_leaves_no_file() {
    let scratch = Scratch::new("saving-end");
    let gate = Arc::default();
    let wal = Wal::open(scratch.path(), WalOptions::default()).unwrap();
    let setup = || Server::without_address(NodeId(1)).settings(small()).patience(PATIENCE);
    let server = setup().found(CLUSTER, &[NodeId(1)]).start(wal, machine(&gate, 100)).unwrap();
    let server = Arc::new(server);
    server.propose(&(1, "")).unwrap();
    gate.close();
    let asker = compact(&server, &gate);
    let ender = {
        let server = Arc::clone(&server);
        thread::spawn(move || server.end())
    };
    let stopped = AdminError::Stopped(Stopped::ShutDown);
    assert_eq!(asker.join().unwrap(), Err(stopped), "before the gate opens");
    assert!(!ender.is_finished(), "nothing of it is left behind");
    gate.open();
    ender.join().unwrap();
    drop(server);
    assert_eq!(stages(&scratch), 0);
    let wal = Wal::open(scratch.path(), WalOptions::default()).unwrap();
    let server = setup().start(wal, Scale::default()).unwrap();
    assert_eq!(server.read(|scale| scale.count), Ok(1));
    assert_eq!(server.compact(), Ok(true));
    drop(server);
    assert_eq!(stages(&scratch), 0);
}

/// How many stages lie in a directory.
fn stages(scratch: &Scratch) -> usize {
    let files = std::fs::read_dir(scratch.path()).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("stage-")).count()
}

#[test]
fn a_snapshot_that_is_overtaken_by_the_leaders_is_dropped() {
    let network = Network::new();
    let weather = Arc::<common::Weather>::default();
    let gates: Vec<Arc<Gate>> = IDS.iter().map(|_| Arc::default()).collect();
    let scratch = Scratch::new("saving-overtaken");
    let servers: Vec<_> = IDS
        .iter()
        .zip(&gates)
        .map(|(&id, gate)| {
            let directory = scratch.path().join(id.0.to_string());
            let wal = Wal::open(directory, WalOptions::default()).unwrap();
            let path = common::Path::new(id, Box::new(network.join(id)), Arc::clone(&weather));
            let setup = Server::without_address(id).settings(small()).patience(PATIENCE);
            let setup = setup.transport(path).found(CLUSTER, &IDS);
            Arc::new(setup.start(wal, machine(gate, 100)).unwrap())
        })
        .collect();
    servers[0].propose(&(1, "")).unwrap();
    let place = wait_until("a follower", || {
        let leader = servers[0].status().unwrap().node.leader?;
        IDS.iter().position(|id| *id != leader)
    });
    let (follower, gate) = (&servers[place], &gates[place]);
    assert_eq!(follower.read(|scale| scale.count), Ok(1));
    gate.close();
    let asker = compact(follower, gate);
    let at = follower.status().unwrap().node.applied;
    weather.cut(IDS[place]);
    let mut others = servers.iter().filter(|server| server.id() != follower.id());
    let other = Arc::clone(others.next_back().unwrap());
    let heavy = "x".repeat(200);
    for _ in 0..300 {
        other.propose(&(1, &heavy)).unwrap();
    }
    weather.heal();
    wait_until("a snapshot from the leader", || {
        (follower.status().unwrap().node.snapshot > at).then_some(())
    });
    gate.open();
    assert_eq!(asker.join().unwrap(), Ok(false), "a later one has come");
    assert!(follower.status().unwrap().node.snapshot > at);
    assert_eq!(follower.read(|scale| scale.count), Ok(301));
    let own = Scratch::path(&scratch).join(IDS[place].0.to_string());
    let names = std::fs::read_dir(own).unwrap().map(|file| file.unwrap().file_name());
    let stages = names.filter(|name| name.to_string_lossy().starts_with("stage-"));
    assert_eq!(stages.count(), 0);
}
