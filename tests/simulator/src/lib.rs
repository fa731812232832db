//! Whole-cluster histories under every fault that a seed can draw.

pub mod trace;
