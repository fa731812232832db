//! Whole-cluster histories under every fault that a seed can draw.

pub mod linearizability;
pub mod register;
pub mod timeline;
pub mod trace;
