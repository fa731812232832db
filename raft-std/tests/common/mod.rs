//! A few servers in one process, what connects them, and a machine that shows what was done twice.
//!
//! Every wait here has an end, and nothing asserts how long anything took.

#![allow(dead_code, reason = "each test file uses a part of it")]

mod disks;
mod paths;

pub use disks::Disk;
pub use paths::{Path, Weather};
use raft_std::transport::{Network, Tcp, Transport, Udp};
use raft_std::{
    ClusterId, LoadError, Loader, Machine, Memory, NodeId, Saver, Server, Settings, Setup,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub const CLUSTER: ClusterId = ClusterId(0xC1);
/// No wait of a test is longer.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Keeps every number that it was given, in order.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Marks {
    pub all: Vec<u64>,
    /// Whether this very node falls over when it is asked to.
    pub fragile: bool,
}

#[derive(Serialize, Deserialize, Debug)]
pub enum Command<'a> {
    /// A number to keep, and some weight.
    Mark(u64, &'a str),
    Fall,
}

impl Machine for Marks {
    type Command<'a> = Command<'a>;
    /// The number, and how many there are now.
    type Output = (u64, usize);

    fn apply(&mut self, command: Command<'_>) -> (u64, usize) {
        match command {
            Command::Mark(number, _) => {
                self.all.push(number);
                (number, self.all.len())
            }
            Command::Fall => {
                assert!(!self.fragile, "it was told to fall");
                (0, self.all.len())
            }
        }
    }

    fn save(&self, saver: &mut Saver<'_>) {
        saver.value(&self.all.len());
        self.all.iter().for_each(|number| saver.value(number));
    }

    fn restore(&mut self, loader: &mut Loader<'_>, _: u16) -> Result<(), LoadError> {
        let count: usize = loader.value()?;
        self.all = (0..count).map(|_| loader.value()).collect::<Result<_, _>>()?;
        Ok(())
    }
}

/// What carries the datagrams.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Means {
    Local,
    Udp,
    Tcp,
}

/// Servers, whether they run or not.
pub struct Cluster {
    pub settings: Settings,
    means: Means,
    network: Network,
    pub weather: Arc<Weather>,
    pub nodes: Vec<Host>,
}

pub struct Host {
    pub id: NodeId,
    pub storage: Disk,
    pub server: Option<Arc<Server<Marks>>>,
    address: String,
}

/// Waits that a busy machine of two cores keeps.
pub fn settings() -> Settings {
    Settings {
        election_timeout: Duration::from_millis(300),
        heartbeat: Duration::from_millis(60),
        ..Settings::LAN
    }
}

impl Cluster {
    /// Founders with these settings, all of them started.
    pub fn start(means: Means, count: u8, settings: Settings) -> Self {
        let network = Network::new();
        let weather = Arc::default();
        let mut cluster = Self { settings, means, network, weather, nodes: Vec::new() };
        (1..=count).for_each(|id| cluster.prepare(NodeId(id)));
        let founders: Vec<_> = cluster.nodes.iter().map(|host| host.id).collect();
        for &id in &founders {
            cluster.start_with(id, Marks::default(), |setup| setup.found(CLUSTER, &founders));
        }
        cluster
    }

    /// Another node, with blank storage and an address, not started.
    pub fn prepare(&mut self, id: NodeId) {
        let storage = Disk::new(Memory::new(self.settings.log_bytes, 1 << 20).unwrap());
        // Freed again, so that nobody else gets it and a restart can have it once more.
        let address = match self.means {
            Means::Local => String::new(),
            Means::Udp => Udp::bind("127.0.0.1:0").unwrap().local_address().unwrap().to_string(),
            Means::Tcp => Tcp::bind(id, "127.0.0.1:0").unwrap().local_address().to_string(),
        };
        self.nodes.push(Host { id, storage, server: None, address });
    }

    pub fn start_with(&mut self, id: NodeId, machine: Marks, more: impl FnOnce(Setup) -> Setup) {
        let path = Path::new(id, self.transport(id), Arc::clone(&self.weather));
        let setup = Server::without_address(id)
            .settings(self.settings.clone())
            .patience(PATIENCE)
            .transport(path);
        let host = self.host(id);
        let server = more(setup).start(host.storage.clone(), machine).unwrap();
        host.server = Some(Arc::new(server));
    }

    /// Starts a node again on what its storage holds.
    pub fn restart(&mut self, id: NodeId) {
        self.start_with(id, Marks::default(), |setup| setup);
    }

    /// Ends a node as a power cut would: what was not flushed is gone.
    pub fn kill(&mut self, id: NodeId) {
        let host = self.host(id);
        if let Some(server) = host.server.take() {
            server.end();
        }
        host.storage.memory.crash().unwrap();
    }

    pub fn host(&mut self, id: NodeId) -> &mut Host {
        self.nodes.iter_mut().find(|host| host.id == id).unwrap()
    }

    pub fn server(&self, id: NodeId) -> &Arc<Server<Marks>> {
        self.nodes.iter().find(|host| host.id == id).unwrap().server.as_ref().unwrap()
    }

    pub fn address(&self, id: NodeId) -> &str {
        &self.nodes.iter().find(|host| host.id == id).unwrap().address
    }

    pub fn servers(&self) -> impl Iterator<Item = &Arc<Server<Marks>>> {
        self.nodes.iter().filter_map(|host| host.server.as_ref())
    }

    /// Waits until somebody leads and has committed something.
    pub fn leader(&self) -> NodeId {
        self.leader_but(None)
    }

    /// The same for another node than this one.
    pub fn leader_but(&self, not: Option<NodeId>) -> NodeId {
        wait_until("a leader", || {
            self.servers().find_map(|server| {
                let node = server.status().ok()?.node;
                (node.leader == Some(node.id) && Some(node.id) != not && node.committed.0 > 0)
                    .then_some(node.id)
            })
        })
    }

    pub fn followers(&self) -> Vec<NodeId> {
        let leader = self.leader();
        self.servers().map(|server| server.id()).filter(|id| *id != leader).collect()
    }

    /// Waits until all that run have the same marks, and gives them.
    pub fn agreed(&self) -> Vec<u64> {
        wait_until("agreement", || {
            let statuses: Vec<_> = self.servers().map(|server| server.status().unwrap()).collect();
            let first = statuses.first()?.node.applied;
            let same = statuses.iter().all(|status| status.node.applied == first);
            let marks: Vec<_> = self.servers().map(|server| marks(server)).collect();
            let agreed = same && marks.windows(2).all(|pair| pair[0] == pair[1]);
            agreed.then(|| marks.into_iter().next().unwrap())
        })
    }

    pub fn transport(&self, id: NodeId) -> Box<dyn Transport> {
        let peers = self.nodes.iter().filter(|host| host.id != id);
        let own = self.address(id);
        match self.means {
            Means::Local => Box::new(self.network.join(id)),
            Means::Udp => Box::new(
                peers.fold(Udp::bind(own).unwrap(), |udp, host| udp.peer(host.id, &host.address)),
            ),
            Means::Tcp => {
                Box::new(peers.fold(Tcp::bind(id, own).unwrap(), |tcp, host| {
                    tcp.peer(host.id, &host.address)
                }))
            }
        }
    }
}

/// What a node has applied, whatever the others have.
pub fn marks(server: &Server<Marks>) -> Vec<u64> {
    server.read_with(raft_std::Read::Stale, |marks| marks.all.clone()).unwrap()
}

/// Asks again and again until there is an answer.
pub fn wait_until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// That nothing was applied twice.
pub fn assert_once(marks: &[u64]) {
    let mut sorted = marks.to_vec();
    sorted.sort_unstable();
    let twice: Vec<_> = sorted.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty(), "applied twice: {twice:?}");
}
