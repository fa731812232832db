//! A few nodes in one process, and clients for them. Every wait here has an end.

#![allow(dead_code, reason = "each test file uses a part of it")]

mod wait;

use kv::control::Client;
use kv::options::{Beginning, Options};
use kv::program::Program;
use kv::resp::Reply;
use raft_std::transport::Udp;
use raft_std::{Memory, NodeId, Settings};
use std::time::Duration;
pub use wait::{PATIENCE, wait_until};

pub struct Cluster {
    pub nodes: Vec<Node>,
}

pub struct Node {
    pub options: Options,
    memory: Memory,
    program: Option<Program>,
}

impl Cluster {
    /// Founders, all of them started.
    pub fn start(count: u8, more: impl Fn(&mut Options)) -> Self {
        let mut cluster = Self { nodes: Vec::new() };
        for id in 1..=count {
            cluster.prepare(id, Beginning::Bootstrap);
        }
        let peers: Vec<_> = cluster.nodes.iter().map(Node::peer).collect();
        for node in &mut cluster.nodes {
            node.options.peers.clone_from(&peers);
            node.options.peers.retain(|(id, _)| Some(*id) != node.options.id);
            more(&mut node.options);
            node.start();
            node.options.beginning = Beginning::None;
        }
        cluster
    }

    /// Another node with blank storage, not started.
    pub fn prepare(&mut self, id: u8, beginning: Beginning) -> &mut Node {
        // Waits that a busy machine of two cores keeps.
        let settings = Settings {
            election_timeout: Duration::from_millis(300),
            heartbeat: Duration::from_millis(60),
            ..Settings::LAN
        };
        // Freed again, so that nobody else gets it and a restart can have it once more.
        let address = Udp::bind("127.0.0.1:0").unwrap().local_address().unwrap();
        let memory = Memory::new(settings.log_bytes, 1 << 20).unwrap();
        let peers = self.nodes.iter().map(Node::peer).collect();
        let options = Options {
            id: Some(NodeId(id)),
            listen: Some(address.to_string()),
            peers,
            memory: true,
            client: "127.0.0.1:0".to_owned(),
            patience: PATIENCE,
            beginning,
            settings,
            ..Options::default()
        };
        self.nodes.push(Node { options, memory, program: None });
        self.nodes.last_mut().unwrap()
    }

    pub fn node(&mut self, id: u8) -> &mut Node {
        self.nodes.iter_mut().find(|node| node.options.id == Some(NodeId(id))).unwrap()
    }

    pub fn running(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.program.is_some())
    }

    /// Waits until everybody who runs agrees on who leads, and runs itself.
    pub fn leader(&self) -> u8 {
        wait_until("a leader", || {
            let says = |node: &Node| number(&node.client().call(&["RAFT.STATUS"]).ok()?, "leader");
            let leaders: Vec<_> = self.running().map(says).collect();
            let leader = u8::try_from(leaders.first().copied()??).ok()?;
            let is_there = self.running().any(|node| node.peer().0 == NodeId(leader));
            (is_there && leaders.iter().all(|said| *said == Some(leader.into()))).then_some(leader)
        })
    }
}

impl Node {
    pub fn start(&mut self) {
        let program = Program::start_on(&self.options, self.memory.clone());
        self.program = Some(program.unwrap());
    }

    /// Ends it as a power cut would: what was not flushed is gone.
    pub fn kill(&mut self) {
        self.program = None;
        self.memory.crash().unwrap();
    }

    /// Ends it as a signal does.
    pub fn shut_down(&mut self) {
        self.program.take().unwrap().shut_down();
    }

    pub fn peer(&self) -> (NodeId, String) {
        (self.options.id.unwrap(), self.options.listen.clone().unwrap_or_default())
    }

    pub fn door(&self) -> String {
        self.program.as_ref().unwrap().client_address().to_string()
    }

    pub fn client(&self) -> Client {
        Client::connect(&self.door(), self.options.password.as_deref(), PATIENCE).unwrap()
    }
}

/// The number under a name.
pub fn number(reply: &Reply, name: &str) -> Option<i64> {
    match kv::control::field(reply, name)? {
        Reply::Number(number) => Some(*number),
        _ => None,
    }
}

/// Asks, and says the answer as a text.
pub fn ask(client: &mut Client, line: &str) -> String {
    shown(&client.call(&line.split(' ').collect::<Vec<_>>()).unwrap())
}

pub fn shown(reply: &Reply) -> String {
    match reply {
        Reply::Word(word) => (*word).to_owned(),
        Reply::Error(error) => error.clone(),
        Reply::Number(number) => number.to_string(),
        Reply::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Reply::Nothing => "nothing".to_owned(),
        Reply::List(replies) => replies.iter().map(shown).collect::<Vec<_>>().join(" "),
        Reply::Map(_) => "a map".to_owned(),
    }
}
