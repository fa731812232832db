//! Threads, sockets and files around [`raft_core`]: the same consensus on a laptop and a server.
//!
//! A [`Server`] is one node. Its machine is the application's; everything else is here:
//!
//! ```
//! use raft_std::{ClusterId, LoadError, Loader, Machine, Memory, NodeId, Saver, Server};
//!
//! #[derive(Clone, Default)]
//! struct Counter(i64);
//!
//! impl Machine for Counter {
//!     type Command<'a> = i64;
//!     type Output = i64;
//!     fn apply(&mut self, amount: i64) -> i64 {
//!         self.0 += amount;
//!         self.0
//!     }
//!     fn save(&self, saver: &mut Saver<'_>) {
//!         saver.value(&self.0);
//!     }
//!     fn restore(&mut self, loader: &mut Loader<'_>, _: u16) -> Result<(), LoadError> {
//!         self.0 = loader.value()?;
//!         Ok(())
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let storage = Memory::new(4 << 20, 4096).map_err(|error| format!("{error:?}"))?;
//! let server = Server::new(NodeId(1), "127.0.0.1:0") // and .peer(NodeId(2), "10.0.0.2:7000")
//!     .found(ClusterId(7), &[NodeId(1)]) // once in a cluster's life
//!     .start(storage, Counter::default())?;
//! let total = server.propose(&5)?; // returns when it is applied
//! assert_eq!(server.read(|counter| counter.0)?, total); // linearizable
//! # Ok(())
//! # }
//! ```
//!
//! # The map
//!
//! - `slot`, `ticket`, `waker`, `clock`: an answer and who waits for it, sleep, time;
//! - [`transport`]: UDP, TCP, serial ports, or none within one process; `links`: envelopes;
//! - `commands`: several commands in one entry; `storage`: what is expected of it beside the core;
//!   [`wal`]: storage in files;
//! - `host`: the consensus thread, which owns the node; `server`: its callers' side; `metrics`:
//!   pages about it for operators;
//! - `backup`, `disaster`: the state of a cluster in one file, another cluster that begins with it,
//!   or with a single survivor;
//! - `settings`, `setup`, `errors`: what can be chosen, and what can't work.

#![forbid(unsafe_code)]

mod backup;
mod clock;
mod commands;
mod disaster;
mod errors;
mod host;
mod links;
mod metrics;
mod server;
mod settings;
mod setup;
mod slot;
mod storage;
mod ticket;
pub mod transport;
mod waker;
pub mod wal;

pub use crate::backup::{
    Backup, BackupError, BackupFile, BackupHead, BadBackup, save_backup, save_backup_in,
};
pub use crate::disaster::{
    ForceError, Forced, Restore, RestoreError, Restored, Survivor, force_new_cluster, restore,
    survivor,
};
pub use crate::errors::{AdminError, ProposeError, ReadError, StartError, Stopped};
pub use crate::host::{HostStatus, Read};
pub use crate::links::LinkCounters;
pub use crate::metrics::Metrics;
pub use crate::server::{NotStarted, Server};
pub use crate::settings::{BadSetting, Settings};
pub use crate::setup::Setup;
pub use crate::storage::{HostStorage, Memory, MemorySheet, Sheet, StorageCounters};
pub use crate::ticket::{Reading, Ticket};
pub use crate::waker::Waker;
pub use crate::wal::{Wal, WalError, WalOptions, WalSheet};
pub use raft_core::{
    Alone, Change, ChangeError, ClusterId, Event, LoadError, Loader, Machine, NodeId, Nonce,
    RoleName, Saver,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A machine that a [`Server`] can drive: any [`Machine`] that may move to another thread, and
/// whose answers can be kept for whoever asks twice.
///
/// For a snapshot it is cloned on the consensus thread, and the copy is saved in another. So a
/// large one is made of parts in an [`Arc`](std::sync::Arc), which a copy shares with it until
/// [`make_mut`](std::sync::Arc::make_mut) changes one of them. Whatever a copy shares beyond that,
/// `save` must not see it change.
pub trait HostMachine:
    Machine<Output: Serialize + DeserializeOwned + Send + 'static> + Clone + Send + 'static
{
}

impl<M> HostMachine for M
where
    M: Machine + Clone + Send + 'static,
    M::Output: Serialize + DeserializeOwned + Send + 'static,
{
}
