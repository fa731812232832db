//! Three nodes in one process: elect, write, lose the leader, elect again, rejoin, agree.
//!
//! `cargo run --release --example three_nodes -- --plain` tells it in lines of text and exits 0
//! only if every replica agrees at the end. The nodes share nothing but the bytes they send.

use raft_core::wire::{ENVELOPE_BYTES, Envelope};
use raft_core::{
    ClusterId, Config, Event, Identity, LoadError, Loader, Machine, MemoryStorage, Node, NodeId,
    Recipient, RoleName, Saver, format,
};
use serde::{Deserialize, Serialize};
use std::process::ExitCode;

const CLUSTER: ClusterId = ClusterId(0xB0A2D5);
/// Where election timeouts start.
const SEED: u32 = 2026;
const LOG_BYTES: usize = 8 * 1024;
/// The longest snapshot of a counter and its label.
const SNAPSHOT_BYTES: usize = 512;
const MTU: usize = 256;

/// What clients of the three may ask for.
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

type Disk = MemoryStorage<Vec<u8>>;

/// One host: a node while it runs, its disk while it does not.
struct Host {
    id: NodeId,
    link: Envelope,
    node: Option<Node<Vec<u8>, Disk, Counter>>,
    disk: Option<Disk>,
}

impl Host {
    /// Formats a disk for one of the founders.
    fn new(id: NodeId, founders: &[NodeId]) -> Result<Self, String> {
        let journal = vec![0; 2 * (LOG_BYTES + SNAPSHOT_BYTES) + 256];
        let disk = Disk::new(vec![0; LOG_BYTES], journal).map_err(|error| format!("{error:?}"))?;
        let mut disk = disk.with_snapshots(vec![0; SNAPSHOT_BYTES], vec![0; SNAPSHOT_BYTES]);
        format(&mut disk, Identity::founder(CLUSTER, &Config::new(id, SEED), founders))
            .map_err(|error| format!("{error:?}"))?;
        Ok(Self { id, link: Envelope::new(CLUSTER, id), node: None, disk: Some(disk) })
    }

    fn start(&mut self) -> Result<(), String> {
        let disk = self.disk.take().ok_or("it is running")?;
        let config = Config::new(self.id, SEED);
        let node = Node::recover(config, vec![0; LOG_BYTES], disk, Counter::default());
        self.node = Some(node.map_err(|error| format!("{error:?}"))?);
        Ok(())
    }

    /// Pulls the plug: what was not flushed is gone.
    fn kill(&mut self) -> Result<(), String> {
        let mut disk = self.node.take().ok_or("it is not running")?.into_storage();
        disk.crash(0).map_err(|error| format!("{error:?}"))?;
        self.disk = Some(disk);
        Ok(())
    }

    /// What a board's main loop does once: hear, flush, speak, apply. Gives what it said.
    fn turn(&mut self, inbox: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, String> {
        let Some(node) = &mut self.node else { return Ok(Vec::new()) };
        for datagram in inbox {
            if let Some(frame) = self.link.take_off(datagram) {
                node.receive(frame);
            }
        }
        node.flush().map_err(|error| format!("{error:?}"))?;
        let (mut said, mut buffer) = (Vec::new(), [0; MTU]);
        while let Some(packet) = node.transmit(&mut buffer) {
            let mut datagram = vec![0; packet.bytes.len() + ENVELOPE_BYTES];
            let Recipient::Peer(_) = packet.to else { continue };
            self.link.put_on(packet, &mut datagram).ok_or("no room for an envelope")?;
            said.push(datagram);
        }
        while let Some(applied) = node.apply() {
            let index = applied.position.index.0;
            if node.status().role == RoleName::Leader {
                println!("  node {}: entry {index} applied, total {}", self.id.0, applied.output);
            }
        }
        while let Some(event) = node.poll_event() {
            if let Event::Role { role: RoleName::Leader, term } = event {
                println!("  node {} leads in term {}", self.id.0, term.0);
            }
        }
        Ok(said)
    }
}

/// Three hosts and the wire between them.
struct Story {
    hosts: Vec<Host>,
    wire: Vec<Vec<u8>>,
    datagrams: usize,
    bytes: usize,
}

impl Story {
    fn new() -> Result<Self, String> {
        let ids = [1, 2, 3].map(NodeId);
        let hosts: Result<Vec<_>, _> = ids.iter().map(|&id| Host::new(id, &ids)).collect();
        let mut story = Self { hosts: hosts?, wire: Vec::new(), datagrams: 0, bytes: 0 };
        story.hosts.iter_mut().try_for_each(Host::start)?;
        Ok(story)
    }

    /// Time passes: in each tick every host has a few turns.
    fn run(&mut self, ticks: u32) -> Result<(), String> {
        for _ in 0..ticks {
            self.hosts.iter_mut().filter_map(|host| host.node.as_mut()).for_each(Node::tick);
            for _ in 0..4 {
                let inbox = std::mem::take(&mut self.wire);
                for host in &mut self.hosts {
                    self.wire.extend(host.turn(&inbox)?);
                }
                self.datagrams += self.wire.len();
                self.bytes += self.wire.iter().map(Vec::len).sum::<usize>();
            }
        }
        Ok(())
    }

    fn leader(&mut self) -> Result<&mut Host, String> {
        let leads =
            |host: &Host| host.node.as_ref().is_some_and(|node| node.leader() == Some(host.id));
        self.hosts.iter_mut().find(|host| leads(host)).ok_or("nobody leads".to_owned())
    }

    fn propose(&mut self, command: &Command<'_>) -> Result<(), String> {
        let node = self.leader()?.node.as_mut().ok_or("the leader is gone")?;
        node.propose(command).map(drop).map_err(|error| format!("{error:?}"))
    }

    fn agree(&self) -> Result<(), String> {
        let mut states = Vec::new();
        for node in self.hosts.iter().filter_map(|host| host.node.as_ref()) {
            let status = node.status();
            println!(
                "  node {}: {:?}, term {}, commit {}, applied {}, {:?}",
                status.id.0,
                status.role,
                status.term.0,
                status.committed.0,
                status.applied.0,
                node.machine()
            );
            states.push((status.applied, node.machine().clone()));
        }
        let same = states.windows(2).all(|pair| pair[0] == pair[1]);
        if same { Ok(()) } else { Err("the replicas differ".to_owned()) }
    }
}

fn tell() -> Result<(), String> {
    let mut story = Story::new()?;
    println!("Three nodes start, each with a blank log.");
    story.run(40)?;

    println!("A client writes through the leader.");
    story.propose(&Command::Label("lamp"))?;
    story.propose(&Command::Add(5))?;
    story.run(5)?;

    let leader = story.leader()?;
    let lost = leader.id;
    println!("The power of node {} fails.", lost.0);
    leader.kill()?;
    story.run(60)?;

    println!("The other two go on.");
    for amount in [10, 20, 7] {
        story.propose(&Command::Add(amount))?;
    }
    story.run(5)?;

    println!("Node {} comes back with what was on its disk.", lost.0);
    story.hosts.iter_mut().filter(|host| host.id == lost).try_for_each(Host::start)?;
    story.run(30)?;

    println!("All three agree:");
    story.agree()?;
    let total = story.hosts[0].node.as_ref().map(|node| node.machine().total);
    if total != Some(42) {
        return Err(format!("the total is {total:?}, not 42"));
    }
    println!("{} datagrams, {} bytes with envelopes", story.datagrams, story.bytes);
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments != ["--plain"] {
        eprintln!("usage: cargo run --release --example three_nodes -- --plain");
        return ExitCode::from(2);
    }
    match tell() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("three_nodes: {error}");
            ExitCode::FAILURE
        }
    }
}
