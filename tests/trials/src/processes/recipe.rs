//! What a cluster of processes is made of.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

/// The first word of a program of this package that is to be a node.
pub const NODE: &str = "node";

/// How the processes of a cluster are started.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// The program, and what is said to it before a node's own words.
    pub program: PathBuf,
    /// See `program`.
    pub first: Option<OsString>,
    /// How many nodes there are.
    pub nodes: usize,
    /// What is said to each of them, such as `--election-timeout=600`.
    pub words: Vec<String>,
    /// Where the cluster has a directory of its own; nowhere, if nodes keep everything in memory.
    /// What they say is in files there too, or with their parent's.
    pub parent: Option<PathBuf>,
}

impl Recipe {
    /// Three nodes of this program, which must be one that begins as [`super::become_node`] says.
    pub fn itself() -> io::Result<Self> {
        Ok(Self { first: Some(NODE.into()), ..Self::of(std::env::current_exe()?) })
    }

    /// Three nodes of that program.
    pub fn of(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            first: None,
            nodes: 3,
            words: Vec::new(),
            parent: Some(std::env::temp_dir()),
        }
    }

    /// The same, with more said to each node.
    pub fn say(mut self, words: &[&str]) -> Self {
        self.words.extend(words.iter().map(|word| (*word).to_owned()));
        self
    }
}
