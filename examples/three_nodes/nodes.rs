//! The cluster behind the dashboard: servers while they run, their files while they do not.
//!
//! Every call may be made from any thread, and the list of nodes is never locked while something
//! is waited for. So a command that gets no answer holds up nobody else's.

use crate::roads::{Road, Weather};
use crate::store::{Command, Store};
use raft_std::transport::Udp;
use raft_std::{
    ClusterId, HostStatus, NodeId, Server, Settings, Setup, Stopped, Ticket, Wal, WalOptions,
};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const CLUSTER: ClusterId = ClusterId(0xDA5B);
const FOUNDERS: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];
/// How long any command waits for its answer.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// A log so small that a person who loads a few thousand values sees snapshots.
const SETTINGS: Settings = Settings { log_bytes: 64 << 10, ..Settings::LAN };

pub type Outcome<T> = Result<T, Box<dyn Error>>;
type Shared = Arc<Server<Store>>;

/// One node.
struct Host {
    id: NodeId,
    address: String,
    server: Option<Shared>,
}

/// All of them, and the roads between.
pub struct Nodes {
    directory: PathBuf,
    /// Where node 1 listens, if nobody else does, and the others above it; 0 for any free ports.
    first_port: u16,
    pub weather: Arc<Weather>,
    hosts: Mutex<Vec<Host>>,
}

/// What one node is seen to be.
pub struct Seen {
    pub id: NodeId,
    pub address: String,
    /// `None` while it does not run.
    pub status: Option<Result<HostStatus, Stopped>>,
}

impl Nodes {
    /// Three nodes that found a cluster, with files in this directory, at this port and those above
    /// it; at any free ones if it is 0.
    pub fn found(directory: &Path, first_port: u16) -> Outcome<Self> {
        let (directory, weather) = (directory.to_owned(), Arc::default());
        let nodes = Self { directory, first_port, weather, hosts: Mutex::default() };
        // All of them know where the others will be before the first one starts.
        let mut sockets = Vec::new();
        for id in FOUNDERS {
            sockets.push((id, nodes.settle(id)?));
        }
        for (id, socket) in sockets {
            nodes.launch(id, socket, |setup| setup.found(CLUSTER, &FOUNDERS))?;
        }
        Ok(nodes)
    }

    /// Starts a node again on what its files hold.
    pub fn start(&self, id: NodeId) -> Outcome<()> {
        let (address, server) = self.host(id).ok_or("it is no member: add it")?;
        if server.is_some() {
            return Err("it runs already".into());
        }
        self.launch(id, Udp::bind(&address)?, |setup| setup)
    }

    /// Ends a node without a word to the others.
    pub fn kill(&self, id: NodeId) -> Outcome<()> {
        let mut hosts = self.hosts();
        let host = hosts.iter_mut().find(|host| host.id == id).ok_or("there is no such node")?;
        let server = host.server.take().ok_or("it does not run")?;
        drop(hosts);
        // Others may hold it too, and wait: they are told.
        server.end();
        Ok(())
    }

    /// Takes in a new node, which starts without files.
    pub fn add(&self, id: NodeId) -> Outcome<()> {
        if self.host(id).is_none() {
            let socket = self.settle(id)?;
            if let Err(error) = self.launch(id, socket, |setup| setup.join(CLUSTER)) {
                self.forget(id);
                return Err(error);
            }
        }
        let (address, newcomer) = self.host(id).ok_or("it is gone again")?;
        let newcomer = newcomer.ok_or("it does not run: start it")?;
        for server in self.running() {
            if server.id() != id {
                server.learn(id, &address)?;
            }
        }
        Ok(self.leader()?.add(id, newcomer.nonce(), &address)?)
    }

    /// Removes a member, and its files: if it is taken in again, it is as another one.
    pub fn remove(&self, id: NodeId) -> Outcome<()> {
        self.leader()?.remove(id)?;
        // It may not run, or have been forgotten.
        self.kill(id).ok();
        self.forget(id);
        Ok(())
    }

    /// Hands leadership over.
    pub fn transfer(&self, to: NodeId) -> Outcome<()> {
        let leader = self.leader()?;
        if leader.id() == to {
            return Err("it leads already".into());
        }
        leader.transfer(Some(to))?;
        Ok(())
    }

    /// Writes a value; says through which node, and whether there was one before.
    pub fn set(&self, key: &str, value: &str) -> Outcome<(NodeId, bool)> {
        let server = self.nearest()?;
        let replaced = server.propose(&Command::Set { key, value })?;
        Ok((server.id(), replaced))
    }

    /// Reads a value, linearizably; says through which node.
    pub fn get(&self, key: &str) -> Outcome<(NodeId, Option<String>)> {
        let (server, key) = (self.nearest()?, key.to_owned());
        let value = server.read(move |store: &Store| store.get(&key).map(str::to_owned))?;
        Ok((server.id(), value))
    }

    /// Whoever leads, or else any node that runs: commands reach the leader from there.
    pub fn nearest(&self) -> Outcome<Shared> {
        let any = || self.running().into_iter().next();
        self.seen_leading().or_else(any).ok_or_else(|| "no node runs".into())
    }

    /// Begins to write a value through a node.
    pub fn begin(server: &Shared, key: &str, value: &str) -> Ticket<Store> {
        server.begin(&Command::Set { key, value })
    }

    /// Ends all of them.
    pub fn end(&self) {
        for server in self.running() {
            server.end();
        }
        self.hosts().clear();
    }

    /// What each of them is at the moment.
    pub fn look(&self) -> Vec<Seen> {
        let see = |host: &Host| (host.id, host.address.clone(), host.server.clone());
        let hosts: Vec<_> = self.hosts().iter().map(see).collect();
        let look = |(id, address, server): (NodeId, String, Option<Shared>)| {
            let status = server.map(|server| server.status());
            Seen { id, address, status }
        };
        hosts.into_iter().map(look).collect()
    }

    /// Gives a node its socket, at its own port if that is free, and its place in the list.
    fn settle(&self, id: NodeId) -> Outcome<Udp> {
        let above = u16::from(id.0.saturating_sub(1));
        let port = if self.first_port == 0 { 0 } else { self.first_port.saturating_add(above) };
        let socket = Udp::bind(&format!("127.0.0.1:{port}"));
        let socket = socket.or_else(|_| Udp::bind("127.0.0.1:0"))?;
        let address = socket.local_address()?.to_string();
        let mut hosts = self.hosts();
        hosts.push(Host { id, address, server: None });
        hosts.sort_by_key(|host| host.id);
        drop(hosts);
        Ok(socket)
    }

    fn launch(
        &self,
        id: NodeId,
        socket: Udp,
        beginning: impl FnOnce(Setup) -> Setup,
    ) -> Outcome<()> {
        let others = |host: &Host| (host.id, host.address.clone());
        let others: Vec<_> = self.hosts().iter().map(others).collect();
        let others = others.iter().filter(|(other, _)| *other != id);
        let socket = others.fold(socket, |socket, (id, address)| socket.peer(*id, address));
        let road = Road::new(id, socket, Arc::clone(&self.weather));
        let setup = Server::without_address(id).settings(SETTINGS).patience(PATIENCE);
        let options = WalOptions { segment_bytes: 1 << 20, ..WalOptions::default() };
        let files = Wal::open(self.files(id), options)?;
        let server = beginning(setup.transport(road)).start(files, Store::default())?;
        let mut hosts = self.hosts();
        let host = hosts.iter_mut().find(|host| host.id == id).ok_or("it was removed")?;
        host.server = Some(Arc::new(server));
        Ok(())
    }

    fn forget(&self, id: NodeId) {
        self.hosts().retain(|host| host.id != id);
        // If they can't be removed, adding it again says so.
        fs::remove_dir_all(self.files(id)).ok();
    }

    /// Waits until somebody leads.
    fn leader(&self) -> Outcome<Shared> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(leader) = self.seen_leading() {
                return Ok(leader);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err("nobody leads".into())
    }

    /// Whoever leads by its own account; of several, the one of the latest term does.
    fn seen_leading(&self) -> Option<Shared> {
        let term = |server: Shared| {
            let node = server.status().ok()?.node;
            (node.leader == Some(node.id)).then_some((node.term, server))
        };
        let leaders = self.running().into_iter().filter_map(term);
        leaders.max_by_key(|(term, _)| *term).map(|(_, server)| server)
    }

    fn running(&self) -> Vec<Shared> {
        self.hosts().iter().filter_map(|host| host.server.clone()).collect()
    }

    fn host(&self, id: NodeId) -> Option<(String, Option<Shared>)> {
        let hosts = self.hosts();
        let host = hosts.iter().find(|host| host.id == id)?;
        Some((host.address.clone(), host.server.clone()))
    }

    fn files(&self, id: NodeId) -> PathBuf {
        self.directory.join(id.0.to_string())
    }

    fn hosts(&self) -> MutexGuard<'_, Vec<Host>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
