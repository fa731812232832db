//! Raft without an allocator, a clock or a thread.
//!
//! A [`Node`] is one member of a cluster. Its owner hands it what happens (time, frames,
//! proposals), lets it make things durable, and asks it what to send and what has been decided:
//!
//! ```
//! use raft_core::{
//!     ClusterId, Config, Identity, LoadError, Loader, Machine, MemoryStorage, Node, NodeId,
//!     RoleName, Saver, format,
//! };
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Toggle;
//!
//! #[derive(Default)]
//! struct Lamp(bool);
//!
//! impl Machine for Lamp {
//!     type Command<'a> = Toggle;
//!     type Output = bool;
//!     fn apply(&mut self, _: Toggle) -> bool {
//!         self.0 = !self.0;
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
//! // Once in a board's life: this is node 1, and it founds a cluster of its own.
//! let mut storage = MemoryStorage::new([0; 1024], [0; 1024]).unwrap();
//! let config = Config::new(NodeId(1), 42);
//! format(&mut storage, Identity::founder(ClusterId(7), &config, &[NodeId(1)])).unwrap();
//!
//! // At every boot: what was promised is found again.
//! let mut node = Node::recover(config, [0; 1024], storage, Lamp::default()).unwrap();
//! let mut lit = None;
//! while lit.is_none() {
//!     node.advance(node.ticks_until_due()); // sleeps; a real loop is woken by frames, too
//!     if node.status().role == RoleName::Leader && node.status().last == node.status().applied {
//!         node.propose(&Toggle).ok();
//!     }
//!     node.flush().unwrap(); // then promises may leave
//!     while let Some(packet) = node.transmit(&mut [0; 256]) {
//!         unreachable!("alone, and yet a packet for {:?}", packet.to);
//!     }
//!     while let Some(applied) = node.apply() {
//!         lit = Some(applied.output);
//!     }
//! }
//! assert_eq!(lit, Some(true));
//! ```
//!
//! # The map
//!
//! A file uses only what stands above it:
//!
//! - `bytes`, `number`, `checksum`: bytes and numbers without a way to panic;
//! - `types`, `node_set`, `random`, `config`: words of the protocol, settings;
//! - `quorum`, `configuration`: who votes, what a majority of them is, whose storage is whose;
//! - `log`: entries in a fixed piece of memory, encoded as on the wire;
//! - `storage`, `durable`: what is kept across power cuts, and the type of a promise;
//! - [`wire`]: datagrams, as `WIRE.md` has them byte by byte;
//! - `progress`, `clock`, `status`: followers as a leader sees them, waits, what is seen outside;
//! - `raft`: elections, replication, and what is owed to whom;
//! - `machine`, `node`: the application's part, and the whole behind one set of calls;
//! - [`serial`]: datagrams over a serial line;
//! - [`flash`]: storage in the NOR flash of a board.
//!
//! # What it does without
//!
//! No heap: capacities are the length of the memory handed over. No unsafe code. No panic that any
//! input can reach: a step believed impossible stops the node with a [`Fault`] that has a name.

#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::cast_possible_truncation, clippy::indexing_slicing, clippy::unwrap_used)]
#![cfg_attr(test, allow(clippy::cast_possible_truncation, clippy::indexing_slicing))]
#![cfg_attr(test, allow(clippy::unwrap_used))]

#[cfg(test)]
extern crate std;

mod bytes;
mod checksum;
mod clock;
mod config;
mod configuration;
mod durable;
pub mod flash;
mod log;
mod machine;
mod macros;
mod node;
mod node_set;
mod number;
mod progress;
mod quorum;
mod raft;
mod random;
pub mod serial;
mod session;
mod snapshot;
mod status;
mod storage;
mod types;
pub mod wire;

pub use crate::config::{Config, ConfigError};
pub use crate::configuration::Configuration;
pub use crate::durable::{Durable, FlushToken};
pub use crate::log::{AppendError, BODY_BYTES_MAX, Entries, Entry, Kind, Log, UnfitMemory};
pub use crate::machine::{Applied, Machine};
pub use crate::node::{
    Alone, AloneError, CompactError, Draft, FlushError, FoundError, Node, RecoverError, Saved,
    recover_alone,
};
pub use crate::node_set::NodeSet;
pub use crate::progress::{Flow, PEERS_MAX};
pub use crate::quorum::{MEMBERS_MAX, Membership};
pub use crate::raft::{
    Change, ChangeError, ProposeError, READS_MAX, ReadError, ReadOutcome, ReadTicket, TransferError,
};
pub use crate::session::{Reply, Request, Sessions, SubmitError, Submitted};
pub use crate::snapshot::{LoadError, Loader, Saver};
pub use crate::status::{
    ApplyFault, Counters, DropReason, Event, Fault, PeerStatus, RoleName, Status,
};
pub use crate::storage::{
    FormatError, Identity, Loss, MemoryStorage, MemoryStorageError, Part, Record, Storage, format,
};
pub use crate::types::{Ballot, ClusterId, Index, NodeId, Nonce, Position, Round, Snapshot, Term};
pub use crate::wire::{Frame, Packet, Recipient};
