//! A cluster of real nodes in one process, for stories: every step is the script's choice.
//!
//! Nodes speak real bytes in real envelopes, and keep what they must in storage that forgets like
//! the real thing. [`Cluster`] holds nodes and the datagrams in flight, [`script`] moves them line
//! by line and writes a transcript, [`promises`] looks after every step whether Raft still holds.

pub mod cluster;
pub mod disk;
pub mod forge;
pub mod promises;
pub mod script;
pub mod words;

pub use cluster::{Cluster, Settings};
