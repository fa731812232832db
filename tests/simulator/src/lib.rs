//! Whole-cluster histories under every fault that a seed can draw.
//!
//! One [`cluster`] of real nodes, real bytes and storage that forgets serves both ways to move it:
//! [`script`]s, line by line, and a [`world`] that carries out the [`plan`] of a seed.
//!
//! - `chip`, `cut`, `flash`: storage in flash, on a chip whose power fails in any operation;
//! - `cluster`, `disk`, `ledger`, `words`, `forge`: nodes, what they keep, what they say;
//! - `script`, `promises`: the language of `tests/scenarios`, and what must hold in every scenario;
//! - `random`, `plan`: what a seed draws;
//! - `registers`, `clients`, `readers`, `submitters`: what the cluster is used for, and what its
//!   users see;
//! - `network`, `faults`: what happens to letters, and to nodes;
//! - `checkers`: what must hold after every step, whatever happened;
//! - `register`, `linearizability`: whether what the clients saw is possible at all;
//! - `trace`, `recorder`, `tally`, `timeline`: what is kept of a history, and shown;
//! - `world`, `runner`: one history, and many.

pub mod checkers;
pub mod chip;
pub mod clients;
pub mod cluster;
pub mod cut;
pub mod disk;
mod faults;
pub mod flash;
pub mod forge;
pub mod ledger;
pub mod linearizability;
pub mod network;
pub mod plan;
pub mod promises;
pub mod random;
pub mod readers;
pub mod recorder;
pub mod register;
pub mod registers;
pub mod runner;
pub mod script;
pub mod submitters;
pub mod tally;
pub mod timeline;
pub mod trace;
pub mod words;
pub mod world;

pub use cluster::Settings;

/// The cluster of the scenarios.
pub type Cluster = cluster::Cluster<words::Words>;
