//! What a server is told before it is started, and how it is started.
//!
//! Founding a cluster, and joining one, are things to do **once** for each storage: whoever founds
//! again on a wiped disk has forgotten what it promised. So blank storage is refused unless one of
//! the two is asked for, and storage that is not blank is refused if it is.

use crate::HostMachine;
use crate::commands::Batches;
use crate::errors::StartError;
use crate::host::{Host, Shared, Stack, words_of};
use crate::links::Links;
use crate::server::Server;
use crate::settings::{BadSetting, Settings};
use crate::storage::HostStorage;
use crate::transport::{Pace, Transport, Udp};
use crate::waker::Waker;
use raft_core::wire::ENVELOPE_BYTES;
use raft_core::{
    ClusterId, Config, FormatError, Identity, Loss, Machine, Node, NodeId, Nonce, Record,
    RecoverError, Sessions, format,
};
use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// A server that is not started yet. [`Server::new`] makes one.
pub struct Setup {
    id: NodeId,
    /// Where this node is, in the eyes of its peers; `None` if only the other transports count.
    address: Option<String>,
    bind: Option<String>,
    peers: Vec<(NodeId, String)>,
    transports: Vec<Box<dyn Transport>>,
    settings: Settings,
    beginning: Option<Beginning>,
    patience: Duration,
}

/// What is to become of blank storage.
enum Beginning {
    Found(ClusterId, Vec<NodeId>),
    Join(ClusterId),
}

impl Setup {
    pub(crate) fn new(id: NodeId, address: Option<&str>) -> Self {
        Self {
            id,
            address: address.map(str::to_owned),
            bind: None,
            peers: Vec::new(),
            transports: Vec::new(),
            settings: Settings::default(),
            beginning: None,
            patience: Duration::from_secs(5),
        }
    }

    /// Another node and its address, `host:port`, which is where its datagrams come from.
    pub fn peer(mut self, id: NodeId, address: &str) -> Self {
        self.peers.push((id, address.to_owned()));
        self
    }

    /// Listens at this address, where that is another than the one that peers know.
    pub fn bind(mut self, address: &str) -> Self {
        self.bind = Some(address.to_owned());
        self
    }

    /// Reaches some of its peers another way. The first transport that reaches a peer counts.
    pub fn transport(mut self, transport: impl Transport + 'static) -> Self {
        self.transports.push(Box::new(transport));
        self
    }

    /// Waits, sizes and leases; at first [`Settings::LAN`].
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// For how long callers wait for an answer; at first five seconds.
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Founds a cluster, together with these voters: each of them is started **once** with the same
    /// cluster and the same voters, and this node is one of them. The cluster's id is any number
    /// that no other cluster on the same network has.
    pub fn found(mut self, cluster: ClusterId, voters: &[NodeId]) -> Self {
        self.beginning = Some(Beginning::Found(cluster, voters.to_vec()));
        self
    }

    /// Prepares to join a cluster, **once**: then its leader is told by [`Server::add`], with the
    /// [`Server::nonce`] of this one.
    pub fn join(mut self, cluster: ClusterId) -> Self {
        self.beginning = Some(Beginning::Join(cluster));
        self
    }

    /// Starts the server, from what its storage holds.
    pub fn start<S: HostStorage, M: HostMachine>(
        mut self,
        mut storage: S,
        machine: M,
    ) -> Result<Server<M>, StartError> {
        let shape = <Stack<M> as Machine>::SHAPE;
        let sync = storage.sync_time();
        let (seed, life) = (random(), random());
        // Any part of a random number is one.
        let seed = u32::try_from(seed >> 32).unwrap_or(0);
        let longest = self.settings.frame_bytes as usize + ENVELOPE_BYTES;
        let paces = self.transports.iter().filter_map(|transport| transport.pace(longest));
        let pace = paces.reduce(Pace::slower);
        let config = self.settings.config(self.id, seed, shape, sync, pace)?;
        self.begin(&config, &mut storage)?;
        let identity = identity(&mut storage)?.ok_or(StartError::Blank)?;
        self.open_udp()?;
        let waker = Waker::new().map_err(StartError::System)?;
        let ended = waker.clone();
        storage.on_flushed(Box::new(move || ended.wake()));
        let shared = Arc::new(Shared::new(waker));
        let (cluster, frame) = (identity.cluster, self.settings.frame_bytes);
        let mut links = Links::new(self.id, cluster, frame, self.transports);
        links.start(&shared.waker).map_err(StartError::System)?;
        let log = vec![0; self.settings.log_bytes];
        let machine = Sessions::new(Batches(machine), life);
        // The machine restores itself in there.
        let recover = AssertUnwindSafe(|| Node::recover(config, log, storage, machine));
        let recovered = catch_unwind(recover)
            .map_err(|panic| StartError::Panicked(words_of(panic.as_ref())))?;
        let node = recovered.map_err(|error| refused(error, &self.settings))?;
        let most_bytes = self.settings.command_bytes_max();
        let host = Host::new(node, Arc::clone(&shared), links, self.settings.tick, most_bytes);
        let (mut host, id) = (Box::new(host), self.id);
        log::info!("node {} of cluster {:x} starts", id.0, cluster.0);
        let thread = thread::Builder::new().name(format!("raft-{}", id.0));
        let thread = thread.spawn(move || host.run()).map_err(StartError::System)?;
        Ok(Server::started(identity, shared, thread, self.patience, most_bytes))
    }

    /// Gives blank storage its identity, if that was asked for.
    fn begin<S: HostStorage>(&self, config: &Config, storage: &mut S) -> Result<(), StartError> {
        let identity = match &self.beginning {
            None => return Ok(()),
            Some(Beginning::Found(cluster, voters)) => Identity::founder(*cluster, config, voters),
            Some(Beginning::Join(cluster)) => {
                // Any part of a random number is one; zero would be that of a founder.
                let nonce = u32::try_from(random() >> 32).unwrap_or(1).max(1);
                Identity::newcomer(*cluster, self.id, Nonce(nonce))
            }
        };
        format(storage, identity).map_err(|error| match error {
            FormatError::Storage(error) => StartError::Storage(format!("{error:?}")),
            FormatError::NotBlank => StartError::NotBlank,
            FormatError::BadMembership => StartError::Founders,
        })
    }

    /// Opens a socket, where there are peers to be reached by one.
    fn open_udp(&mut self) -> Result<(), StartError> {
        let Some(address) = self.bind.as_ref().or(self.address.as_ref()) else { return Ok(()) };
        let failed = |error| StartError::Address { name: address.clone(), error };
        let udp = Udp::bind(address).map_err(failed)?;
        let peers = self.peers.iter().filter(|(id, _)| *id != self.id);
        let udp = peers.fold(udp, |udp, (id, address)| udp.peer(*id, address));
        self.transports.push(Box::new(udp));
        Ok(())
    }
}

/// Whose storage this is.
fn identity<S: HostStorage>(storage: &mut S) -> Result<Option<Identity>, StartError> {
    let (mut found, mut lost) = (None, false);
    let look = &mut |record: Record<'_>| match record {
        Record::Identity(identity) => found = Some(identity),
        // It may have taken the identity with it, and then is not blank.
        Record::Lost(Loss::Ballot) => lost = true,
        _ => {}
    };
    storage.recover(look).map_err(|error| StartError::Storage(format!("{error:?}")))?;
    if lost { Err(StartError::BallotLost) } else { Ok(found) }
}

fn refused<E: std::fmt::Debug>(error: RecoverError<E>, settings: &Settings) -> StartError {
    match error {
        RecoverError::Blank => StartError::Blank,
        RecoverError::BallotLost => StartError::BallotLost,
        RecoverError::OtherNode(id) => StartError::OtherNode(id),
        RecoverError::UnequalSettings => StartError::UnequalSettings,
        RecoverError::LogTooSmall => StartError::LogTooSmall,
        RecoverError::SnapshotExceedsStorage { most_bytes } => StartError::Setting(BadSetting {
            key: "snapshot_bytes_max",
            value: settings.snapshot_bytes_max.to_string(),
            allowed: format!("at most {most_bytes}, for which this storage has room"),
        }),
        error => StartError::Storage(format!("{error:?}")),
    }
}

/// A number that nobody can foresee, another one each time: what hash maps are seeded with.
fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}
