//! Whole-cluster histories under every fault that a seed can draw.
pub mod cluster;
pub mod disk;
pub mod forge;
pub mod ledger;
pub mod promises;
pub mod random;
pub mod registers;
pub mod script;
pub mod trace;
pub mod words;

pub use cluster::Settings;

/// The cluster of the scenarios.
pub type Cluster = cluster::Cluster<words::Words>;
