//! Servers on files: they stop, start again, lose a byte, and have what they acknowledged.

use raft_core::{LoadError, Loader, Machine, NodeId, RoleName, Saver};
use raft_std::transport::Network;
use raft_std::wal::verify;
use raft_std::{ClusterId, Server, Settings, StartError, Wal, WalError, WalOptions};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[path = "wal/scratch.rs"]
mod scratch;

use scratch::Scratch;

const CLUSTER: ClusterId = ClusterId(0xF11E);
const IDS: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];
/// No wait is longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A sum of what it was told, and how often it was.
#[derive(Clone, Default)]
struct Sum(u64, u64);

impl Machine for Sum {
    type Command<'a> = u64;
    type Output = u64;

    fn apply(&mut self, number: u64) -> u64 {
        *self = Self(self.0 + number, self.1 + 1);
        self.0
    }

    fn save(&self, saver: &mut Saver<'_>) {
        saver.value(&(self.0, self.1));
    }

    fn restore(&mut self, loader: &mut Loader<'_>, _: u16) -> Result<(), LoadError> {
        let (sum, count) = loader.value()?;
        *self = Self(sum, count);
        Ok(())
    }
}

struct Cluster {
    network: Network,
    scratch: Scratch,
    servers: Vec<(NodeId, Server<Sum>)>,
}

fn options() -> WalOptions {
    WalOptions { cluster: Some(CLUSTER), segment_bytes: 64 * 1024, ..WalOptions::default() }
}

impl Cluster {
    fn start(name: &str) -> Self {
        let (network, scratch) = (Network::new(), Scratch::new(name));
        let mut cluster = Self { network, scratch, servers: Vec::new() };
        IDS.iter().for_each(|id| cluster.go(*id, true));
        cluster
    }

    fn directory(&self, id: NodeId) -> PathBuf {
        self.scratch.path().join(id.0.to_string())
    }

    fn go(&mut self, id: NodeId, founds: bool) {
        let server = self.try_go(id, founds);
        self.servers.push((id, server.expect("sound files")));
    }

    fn try_go(&self, id: NodeId, founds: bool) -> Result<Server<Sum>, StartError> {
        let settings = Settings {
            election_timeout: Duration::from_millis(600),
            heartbeat: Duration::from_millis(60),
            ..Settings::LAN
        };
        let setup = Server::without_address(id).settings(settings).patience(PATIENCE);
        let setup = setup.transport(self.network.join(id));
        let setup = if founds { setup.found(CLUSTER, &IDS) } else { setup };
        let wal = Wal::open(self.directory(id), options()).expect("a directory of its own");
        setup.start(wal, Sum::default())
    }

    /// Stops a server that follows, and says which.
    fn stop_a_follower(&mut self) -> NodeId {
        let follows = |(_, server): &(NodeId, Server<Sum>)| {
            server.status().is_ok_and(|status| status.node.role == RoleName::Follower)
        };
        let place = self.servers.iter().position(follows).expect("a follower");
        let (id, server) = self.servers.remove(place);
        drop(server);
        id
    }

    fn add_up(&self, numbers: std::ops::Range<u64>) {
        for number in numbers {
            let (_, server) = &self.servers[number as usize % self.servers.len()];
            server.propose(&number).expect("a quorum");
        }
    }

    /// Waits until everyone has applied so many, and looks whether they are right.
    fn agree(&self, count: u64) {
        let begun = Instant::now();
        for (id, server) in &self.servers {
            let sum = loop {
                let (sum, found) = server.read(|machine| (machine.0, machine.1)).expect("a quorum");
                if found == count {
                    break sum;
                }
                assert!(begun.elapsed() < PATIENCE, "{id:?}: {found} of {count}");
            };
            assert_eq!(sum, (0..count).sum::<u64>(), "{id:?}");
        }
    }
}

/// The file of the log that was written last, and where it is written to next.
fn log_of(directory: &Path) -> PathBuf {
    let files = fs::read_dir(directory).expect("a directory");
    let paths = files.map(|entry| entry.expect("a file").path());
    let logs = paths.filter(|path| path.to_string_lossy().contains("/log-"));
    logs.max().expect("a log")
}

#[test]
fn servers_on_files_stop_and_start_again() {
    let mut cluster = Cluster::start("servers");
    cluster.add_up(0..60);
    let id = cluster.stop_a_follower();
    cluster.add_up(60..100);
    cluster.go(id, false);
    cluster.agree(100);
    let error = Wal::open(cluster.directory(id), options()).err();
    assert_eq!(error, Some(WalError::Locked), "a server is there");
    cluster.servers.clear();
    IDS.iter().for_each(|id| cluster.go(*id, false));
    cluster.add_up(100..120);
    cluster.agree(120);
}

#[test]
fn a_server_whose_log_rots_is_refilled_and_one_without_its_ballot_does_not_start() {
    let mut cluster = Cluster::start("rot");
    cluster.add_up(0..50);
    let id = cluster.stop_a_follower();
    // The first entries of all: a batch begins in each sector.
    let log = log_of(&cluster.directory(id));
    let mut bytes = fs::read(&log).expect("a log");
    bytes[5 * 512 + 40] ^= 1;
    fs::write(&log, &bytes).expect("a working disk");
    let verified = verify(&cluster.directory(id)).expect("a directory");
    assert_eq!(verified.loss, Some(raft_core::Loss::Entries));
    cluster.go(id, false);
    cluster.add_up(50..60);
    cluster.agree(60);
    let begun = Instant::now();
    let (_, server) = cluster.servers.last().expect("it was started");
    while server.status().expect("it runs").node.refilling {
        assert!(begun.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(5));
    }
    let id = cluster.stop_a_follower();
    let directory = cluster.directory(id);
    fs::write(directory.join("ballot"), [0; 4608]).expect("a working disk");
    // Nobody knows what the first batch said, nor any other that is left.
    for entry in fs::read_dir(&directory).expect("a directory") {
        let path = entry.expect("a file").path();
        if path.to_string_lossy().contains("/log-") {
            let mut bytes = fs::read(&path).expect("a log");
            bytes.chunks_mut(512).skip(1).for_each(|sector| sector[33] ^= 1);
            fs::write(&path, &bytes).expect("a working disk");
        }
    }
    let refused = cluster.try_go(id, false).err();
    assert!(matches!(refused, Some(StartError::BallotLost)), "{refused:?}");
    cluster.add_up(60..70);
    cluster.agree(70);
}
