//! Raft without an allocator, a clock or a thread.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod clock;
mod config;
mod durable;
mod log;
mod machine;
mod macros;
mod node;
mod node_set;
mod progress;
mod quorum;
mod raft;
mod random;
mod status;
mod storage;
mod types;
pub mod wire;

pub use crate::config::{Config, ConfigError};
pub use crate::durable::{Durable, FlushToken};
pub use crate::log::{AppendError, BODY_BYTES_MAX, Entries, Entry, Kind, Log, UnfitMemory};
pub use crate::machine::{Applied, Machine};
pub use crate::node::{FlushError, Node, RecoverError};
pub use crate::node_set::NodeSet;
pub use crate::progress::{Flow, PEERS_MAX};
pub use crate::quorum::Membership;
pub use crate::raft::ProposeError;
pub use crate::status::{
    ApplyFault, Counters, DropReason, Event, Fault, PeerStatus, RoleName, Status,
};
pub use crate::storage::{
    FormatError, Identity, MemoryStorage, MemoryStorageError, Record, Storage, format,
};
pub use crate::types::{Ballot, ClusterId, Index, NodeId, Nonce, Position, Round, Term};
pub use crate::wire::{Frame, Packet, Recipient};
