//! Servers on files: syncs on a thread of their own, and everything back after an end.

mod common;

use common::{Command, Marks, PATIENCE, assert_once, marks, settings, wait_until};
use raft_std::transport::Network;
use raft_std::{NodeId, Server, Settings, StartError, Stopped, Wal, WalError, WalOptions};
use std::path::PathBuf;
use std::thread;

const IDS: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];

/// A directory of its own for each test, gone when the test is.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let name = format!("raft-std-{name}-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn open(&self, id: NodeId) -> Result<Wal, WalError> {
        Wal::open(self.0.join(id.0.to_string()), WalOptions::default())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// Small logs, so that snapshots are taken too.
fn small() -> Settings {
    Settings { log_bytes: 16 * 1024, frame_bytes: 512, ..settings() }
}

fn start(id: NodeId, place: &Place, network: &Network, found: bool) -> Server<Marks> {
    let setup = Server::without_address(id).settings(small()).patience(PATIENCE);
    let setup = setup.transport(network.join(id));
    let setup = if found { setup.found(common::CLUSTER, &IDS) } else { setup };
    setup.start(place.open(id).unwrap(), Marks::default()).unwrap()
}

#[test]
fn what_was_acknowledged_is_in_the_files_of_a_quorum() {
    let (place, network) = (Place::new("quorum"), Network::new());
    let mut servers = IDS.map(|id| Some(start(id, &place, &network, true)));
    let mut told = Vec::new();
    for round in 0..6_u64 {
        let running: Vec<_> = servers.iter().flatten().collect();
        let numbers: Vec<_> = thread::scope(|scope| {
            let clients = (0..4).map(|client| {
                let server = &running[client % running.len()];
                scope.spawn(move || {
                    let own = 1000 * round + 100 * client as u64;
                    let weight = "x".repeat(50);
                    for number in own..own + 100 {
                        server.propose(&Command::Mark(number, &weight)).unwrap();
                    }
                    own..own + 100
                })
            });
            let clients: Vec<_> = clients.collect();
            clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
        });
        told.extend(numbers);
        // One of them ends, or all of them, and comes back with its files.
        let place_of = |round: u64| usize::try_from(round).unwrap() % 3;
        let ends = if round == 4 { 0..3 } else { place_of(round)..place_of(round) + 1 };
        for at in ends.clone() {
            servers[at] = None;
        }
        for at in ends {
            servers[at] = Some(start(IDS[at], &place, &network, false));
        }
    }
    for server in servers.iter().flatten() {
        let mut marks = server.read(|marks| marks.all.clone()).unwrap();
        assert_once(&marks);
        marks.sort_unstable();
        let mut told = told.clone();
        told.sort_unstable();
        assert_eq!(marks, told);
        assert!(server.status().unwrap().node.snapshot.0 > 0, "no snapshot was taken");
    }
}

#[test]
fn a_directory_belongs_to_one_server_of_one_node() {
    let (place, network) = (Place::new("one"), Network::new());
    let server = start(NodeId(1), &place, &network, true);
    assert!(matches!(place.open(NodeId(1)), Err(WalError::Locked)));
    drop(server);
    let other = Server::without_address(NodeId(2)).settings(small());
    let refused = other.start(place.open(NodeId(1)).unwrap(), Marks::default());
    assert!(matches!(refused, Err(StartError::OtherNode(NodeId(1)))));
    let hasty = Settings { frame_bytes: 256, ..small() };
    let other = Server::without_address(NodeId(1)).settings(hasty);
    let refused = other.start(place.open(NodeId(1)).unwrap(), Marks::default());
    assert!(matches!(refused, Err(StartError::UnequalSettings)));
    let server = start(NodeId(1), &place, &network, false);
    assert_eq!(marks(&server), []);
    server.shut_down();
    wait_until("the end", || server.stopped().filter(|why| *why == Stopped::ShutDown));
}
