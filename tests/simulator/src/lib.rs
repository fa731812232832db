//! Whole-cluster histories under every fault that a seed can draw.

pub mod checkers;
pub mod clients;
pub mod cluster;
pub mod disk;
mod faults;
pub mod forge;
pub mod ledger;
pub mod linearizability;
pub mod network;
pub mod plan;
pub mod promises;
pub mod random;
pub mod recorder;
pub mod register;
pub mod registers;
pub mod runner;
pub mod script;
pub mod tally;
pub mod timeline;
pub mod trace;
pub mod words;
pub mod world;

pub use cluster::Settings;

/// The cluster of the scenarios.
pub type Cluster = cluster::Cluster<words::Words>;
