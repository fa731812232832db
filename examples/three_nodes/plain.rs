//! Three nodes over UDP on 127.0.0.1, with files in a temporary directory: elect, write, lose the
//! leader, elect again, take it back, change the members, agree.
//!
//! `cargo run --release --example three_nodes -- --plain` tells it in lines of text and exits 0
//! only if every replica agrees at the end. The nodes share nothing but the datagrams they send.

use raft_std::transport::Udp;
use raft_std::{
    ClusterId, LoadError, Loader, Machine, NodeId, Read, Saver, Server, Wal, WalOptions,
};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const CLUSTER: ClusterId = ClusterId(0xB0A2D5);
/// How long anything may take before the story ends badly.
const PATIENCE: Duration = Duration::from_secs(20);

/// What clients may ask for.
#[derive(Serialize, Deserialize)]
enum Command<'a> {
    Add(i64),
    Label(&'a str),
}

/// A number with a name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Counter {
    total: i64,
    label: String,
}

impl Machine for Counter {
    type Command<'a> = Command<'a>;
    type Output = i64;

    fn apply(&mut self, command: Command<'_>) -> i64 {
        match command {
            Command::Add(amount) => self.total += amount,
            Command::Label(label) => self.label = label.to_owned(),
        }
        self.total
    }

    fn save(&self, saver: &mut Saver<'_>) {
        saver.value(&(self.total, self.label.len()));
        saver.write(self.label.as_bytes());
    }

    fn restore(&mut self, loader: &mut Loader<'_>, _: u16) -> Result<(), LoadError> {
        let (total, length) = loader.value()?;
        let mut label = vec![0; length];
        loader.read(&mut label)?;
        self.label = String::from_utf8(label).map_err(|_| LoadError::Content)?;
        self.total = total;
        Ok(())
    }
}

type Outcome<T> = Result<T, Box<dyn Error>>;

/// One node: its server while it runs, its files while it does not.
struct Host {
    id: NodeId,
    address: String,
    files: PathBuf,
    server: Option<Server<Counter>>,
}

/// What is to become of a node that starts.
enum Start<'a> {
    Found(&'a [NodeId]),
    Join,
    Again,
}

struct Story {
    hosts: Vec<Host>,
}

impl Story {
    /// Nodes without files yet, each at a free port.
    fn new(ids: &[NodeId], directory: &Path) -> Outcome<Self> {
        let mut sockets = Vec::new();
        let mut hosts = Vec::new();
        for &id in ids {
            let socket = Udp::bind("127.0.0.1:0")?;
            let address = socket.local_address()?.to_string();
            // All of them are open until all have their ports, so that no two are the same.
            sockets.push(socket);
            let files = directory.join(id.0.to_string());
            hosts.push(Host { id, address, files, server: None });
        }
        Ok(Self { hosts })
    }

    fn start(&mut self, id: NodeId, start: &Start<'_>) -> Outcome<()> {
        let others = self.hosts.iter().filter(|host| host.id != id);
        let host = self.hosts.iter().find(|host| host.id == id).ok_or("no such node")?;
        let mut setup = Server::new(id, &host.address).patience(PATIENCE);
        for other in others {
            setup = setup.peer(other.id, &other.address);
        }
        setup = match start {
            Start::Found(founders) => setup.found(CLUSTER, founders),
            Start::Join => setup.join(CLUSTER),
            Start::Again => setup,
        };
        let files = Wal::open(&host.files, WalOptions::default())?;
        let server = setup.start(files, Counter::default())?;
        let host = self.hosts.iter_mut().find(|host| host.id == id).ok_or("no such node")?;
        println!("  node {} runs at {}", id.0, host.address);
        host.server = Some(server);
        Ok(())
    }

    /// Ends a node without a word to the others.
    fn kill(&mut self, id: NodeId) -> Outcome<()> {
        let host = self.hosts.iter_mut().find(|host| host.id == id).ok_or("no such node")?;
        host.server = None;
        println!("  node {} is gone", id.0);
        Ok(())
    }

    fn running(&self) -> impl Iterator<Item = &Server<Counter>> {
        self.hosts.iter().filter_map(|host| host.server.as_ref())
    }

    fn server(&self, id: NodeId) -> Outcome<&Server<Counter>> {
        self.running().find(|server| server.id() == id).ok_or_else(|| "it is not running".into())
    }

    /// Waits until somebody leads.
    fn leader(&self) -> Outcome<&Server<Counter>> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            for server in self.running() {
                let node = server.status()?.node;
                if node.leader == Some(node.id) {
                    println!("  node {} leads in term {}", node.id.0, node.term.0);
                    return Ok(server);
                }
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err("nobody leads".into())
    }

    fn write(&self, through: &Server<Counter>, command: &Command<'_>) -> Outcome<()> {
        let total = through.propose(command)?;
        println!("  through node {}: total {total}", through.id().0);
        Ok(())
    }

    /// Whether all that run hold the same, and what they are to hold.
    fn agree(&self, expected: &Counter) -> Outcome<()> {
        let mut commits = Vec::new();
        for server in self.running() {
            // Linearizable: this waits until the node has everything.
            let counter = server.read(Counter::clone)?;
            let node = server.status()?.node;
            let (role, committed) = (node.role, node.committed.0);
            println!("  node {}: {role:?}, term {}, {counter:?}", node.id.0, node.term.0);
            if counter != *expected {
                return Err("the replicas differ".into());
            }
            commits.push(committed);
        }
        let stale = self.running().map(|it| it.read_with(Read::Stale, Counter::clone));
        let same = stale.into_iter().all(|it| it.as_ref() == Ok(expected));
        if same && commits.len() == 3 { Ok(()) } else { Err("not all three are there".into()) }
    }
}

fn tell(directory: &Path) -> Outcome<()> {
    let ids = [1, 2, 3, 4].map(NodeId);
    let (founders, newcomer) = (&ids[..3], ids[3]);
    let mut story = Story::new(&ids, directory)?;
    println!("Three nodes start, each with a blank disk.");
    for &id in founders {
        story.start(id, &Start::Found(founders))?;
    }
    let lost = story.leader()?.id();

    println!("Clients write, whichever node they ask.");
    story.write(story.server(lost)?, &Command::Label("lamp"))?;
    for (amount, server) in [5, 7, 1].into_iter().zip(story.running()) {
        story.write(server, &Command::Add(amount))?;
    }

    println!("The power of node {} fails.", lost.0);
    story.kill(lost)?;
    story.leader()?;
    for (amount, server) in [10, 9].into_iter().zip(story.running()) {
        story.write(server, &Command::Add(amount))?;
    }

    println!("Node {} comes back with what was on its disk.", lost.0);
    story.start(lost, &Start::Again)?;
    story.write(story.server(lost)?, &Command::Add(10))?;
    println!("All three agree:");
    story.agree(&Counter { total: 42, label: "lamp".to_owned() })?;

    println!("Node {} takes the place of node {}.", newcomer.0, lost.0);
    story.start(newcomer, &Start::Join)?;
    let nonce = story.server(newcomer)?.nonce();
    let mut leader = story.leader()?;
    if leader.id() == lost {
        leader.transfer(None)?;
        leader = story.leader()?;
    }
    leader.add(newcomer, nonce, "")?;
    leader.remove(lost)?;
    story.kill(lost)?;
    story.write(story.server(newcomer)?, &Command::Add(-41))?;
    println!("All three agree:");
    story.agree(&Counter { total: 1, label: "lamp".to_owned() })
}

/// Tells the story, and says whether it ends well.
pub fn run(directory: &Path) -> ExitCode {
    match tell(directory) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("The story ends badly: {error}.");
            ExitCode::FAILURE
        }
    }
}
