//! Nodes that are this package's own program.

use raft_trials::processes::{NODE, Recipe};

pub fn recipe() -> Recipe {
    let program = Recipe::of(env!("CARGO_BIN_EXE_raft-trials"));
    Recipe { first: Some(NODE.into()), ..program }
}
