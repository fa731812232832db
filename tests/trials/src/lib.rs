//! Real processes under every kind of harm, and whether their clients can tell.
//!
//! - [`processes`]: nodes of the key-value store as processes of this machine.

#![forbid(unsafe_code)]

pub mod processes;
