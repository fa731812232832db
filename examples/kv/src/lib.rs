//! A replicated key-value server that Redis clients talk to, and the tool of its operators.
//!
//! - [`bytes`], [`command`], [`store`]: what is kept, what can be done with it, and the machine
//!   that every node replicates;
//! - [`resp`], [`dialect`]: the bytes that clients speak, and what they mean.

#![forbid(unsafe_code)]

pub mod bytes;
pub mod command;
pub mod dialect;
pub mod resp;
pub mod store;
