//! A replicated key-value server that Redis clients talk to, and the tool of its operators.
//!
//! - [`bytes`], [`command`], [`store`]: what is kept, what can be done with it, and the machine
//!   that every node replicates;
//! - [`resp`], [`dialect`]: the bytes that clients speak, and what they mean;
//! - [`operators`], [`backups`], [`housekeeping`]: what is done with a node, and what it does by
//!   itself;
//! - [`door`]: all connections of clients, in one thread;
//! - [`options`], [`ports`]: what can be chosen, and peers at serial ports;
//! - [`program`], [`process`], [`lines`]: a whole node, a process that is one, and what it tells;
//! - [`control`]: what `raftctl` does.

#![forbid(unsafe_code)]

pub mod backups;
pub mod bytes;
pub mod command;
pub mod control;
pub mod dialect;
pub mod door;
pub mod housekeeping;
pub mod lines;
pub mod operators;
pub mod options;
pub mod ports;
pub mod process;
pub mod program;
pub mod resp;
pub mod store;

/// Which Redis clients may take this for: by it they know which commands there may be.
pub const REDIS_VERSION: &str = "7.0.0";
