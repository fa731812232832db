//! A whole node: its server, its door, what it does by itself, and how all of it ends.

use crate::command::Member;
use crate::door::{Door, DoorSettings};
use crate::housekeeping::Housekeeping;
use crate::operators::Operators;
use crate::options::{Beginning, Options};
use crate::ports;
use crate::store::{Notices, Store};
use raft_std::{
    Event, HostStorage, Memory, Metrics, NodeId, Read, Server, Setup, Stopped, Wal, WalOptions,
};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

/// How long a snapshot may be that is kept in memory only.
const MEMORY_SNAPSHOT_BYTES: usize = 64 << 20;

/// A node that runs, until this is dropped.
pub struct Program {
    // In the order in which they end.
    door: Door,
    _housekeeping: Housekeeping,
    _metrics: Option<Metrics>,
    server: Arc<Server<Store>>,
}

/// Why a node does not start: what was to be done, and why it can't be.
#[derive(Debug)]
pub struct NotStarted(String);

impl Program {
    /// Starts a node as the options say.
    pub fn start(options: &Options) -> Result<Self, NotStarted> {
        let Some(data) = &options.data else {
            let memory = Memory::new(options.settings.log_bytes, MEMORY_SNAPSHOT_BYTES);
            let memory = memory.map_err(|error| failed("memory", &format!("{error:?}")))?;
            return Self::start_on(options, memory);
        };
        let wal = WalOptions { cluster: Some(options.cluster), ..WalOptions::default() };
        let wal = Wal::open(data, wal)
            .map_err(|error| failed(&format!("data is {}", data.display()), &error))?;
        Self::start_on(options, wal)
    }

    /// Starts a node on this storage, whatever the options say of it.
    pub fn start_on(options: &Options, storage: impl HostStorage) -> Result<Self, NotStarted> {
        let notices = Arc::new(Notices::default());
        let store = Store::new(Arc::clone(&notices)).in_cluster(options.cluster);
        let setup =
            setup(options).map_err(|error| failed("a peer's port can't be used", &error))?;
        let server = setup.start(storage, store);
        let server = Arc::new(server.map_err(|error| NotStarted(error.to_string()))?);
        let metrics = match &options.metrics {
            None => None,
            Some(address) => {
                let metrics = server.serve_metrics(address);
                let what = format!("metrics is {address}");
                Some(metrics.map_err(|error| failed(&what, &error))?)
            }
        };
        let address = options.address().unwrap_or_default();
        let operators = Operators::new(Arc::clone(&server), Arc::clone(&notices), address);
        let door = open(options, Arc::new(operators))?;
        let own = Member {
            id: server.id().0,
            address: address.to_owned(),
            client: client_address(options, door.address()),
        };
        let housekeeping = Housekeeping::begin(Arc::clone(&server), notices, own);
        let housekeeping = housekeeping.map_err(|error| failed("a thread", &error))?;
        log::info!("node {} serves clients at {}", server.id().0, door.address());
        Ok(Self { door, _housekeeping: housekeeping, _metrics: metrics, server })
    }

    /// Where clients are served.
    pub const fn client_address(&self) -> SocketAddr {
        self.door.address()
    }

    /// What happens to the node from now on. It ends with the node.
    pub fn events(&self) -> Receiver<Event> {
        self.server.subscribe()
    }

    /// Why the node has stopped by itself, if it has.
    pub fn stopped(&self) -> Option<Stopped> {
        self.server.stopped()
    }

    /// Ends it: somebody else leads, clients hear their last answers, everything is flushed.
    pub fn shut_down(self) {
        // If nobody takes over, the others elect somebody.
        self.server.transfer(None).ok();
        let server = Arc::clone(&self.server);
        drop(self);
        server.end();
    }
}

fn setup(options: &Options) -> io::Result<Setup> {
    // There is no node without an id: the options were looked at.
    let id = options.id.unwrap_or(NodeId(0));
    let mut setup = match options.address() {
        Some(address) => Server::new(id, address),
        None => Server::without_address(id),
    };
    if let (Some(listen), Some(_)) = (&options.listen, &options.advertise) {
        setup = setup.bind(listen);
    }
    for (peer, address) in options.peers.iter().filter(|(_, it)| ports::parse(it).is_none()) {
        setup = setup.peer(*peer, address);
    }
    setup = ports::connect(setup, id, &options.peers)?;
    setup = match options.beginning {
        Beginning::None => setup,
        Beginning::Join => setup.join(options.cluster),
        Beginning::Bootstrap => {
            let peers = options.peers.iter().map(|(peer, _)| *peer).filter(|peer| *peer != id);
            let voters: Vec<_> = std::iter::once(id).chain(peers).collect();
            setup.found(options.cluster, &voters)
        }
    };
    Ok(setup.settings(options.settings.clone()).patience(options.patience))
}

fn open(options: &Options, operators: Arc<Operators>) -> Result<Door, NotStarted> {
    let is_leased = options.settings.lease_drift.is_some();
    let settings = DoorSettings {
        password: options.password.clone(),
        clients_max: options.clients_max,
        read: if is_leased { Read::Lease } else { Read::Linearizable },
        command_bytes_max: options.settings.command_bytes_max(),
        patience: options.patience,
    };
    let addresses = options.client_sockets().map_err(|error| NotStarted(error.to_string()))?;
    let mut error = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match Door::open(address, Arc::clone(&operators), settings.clone()) {
            Ok(door) => return Ok(door),
            Err(other) => error = other,
        }
    }
    Err(failed(&format!("client is {}", options.client), &error))
}

/// Where clients find this node: the port that the system gave, if none was asked for.
fn client_address(options: &Options, door: SocketAddr) -> String {
    let address = options.client_address();
    match address.strip_suffix(":0") {
        Some(host) => format!("{host}:{}", door.port()),
        None => address.to_owned(),
    }
}

fn failed(what: &str, error: &dyn fmt::Display) -> NotStarted {
    NotStarted(format!("{what}; {error}"))
}

impl fmt::Display for NotStarted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl std::error::Error for NotStarted {}
