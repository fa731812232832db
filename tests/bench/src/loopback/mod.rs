//! Three real processes on this machine: what a commit takes, beside what the machine takes.
//!
//! * `child`: processes that are this program once more; `times`: what is said of many times
//! * `floors`: what the machine takes for a round trip and for a sync
//! * `node`, `cluster`: one node in a process of its own, and three of them
//! * `clients`, `door`, `etcd`: many clients at once, and the two clusters that they are of
//! * `figures`: rounds, medians and the table; `trial`: what a round is

mod child;
mod clients;
mod cluster;
mod door;
mod etcd;
mod figures;
mod floors;
mod node;
mod times;
mod trial;

use self::trial::Trial;
use crate::budgets;
use raft_trials::processes::{NODE as STORE, become_node};
use std::path::PathBuf;
use std::process::{self, ExitCode};
use std::{env, fs};

/// How often everything is measured before a ratio past its limit is one: a machine may be too busy
/// for a while.
const TRIES: usize = 3;

/// Is one of the processes that are measured, if the words say so, for as long as it is one.
pub fn become_process(words: &[&str]) -> Option<ExitCode> {
    let outcome = match *words {
        [STORE, ..] => return Some(become_node(env::args_os().skip(1))),
        [floors::ECHO, core] => floors::echo(core),
        [node::NODE, core, id, storage, ref addresses @ ..] => {
            node::run(core, id, storage, addresses)
        }
        _ => return None,
    };
    let failed = |message| {
        eprintln!("error: {message}");
        ExitCode::FAILURE
    };
    Some(outcome.map_or_else(failed, |()| ExitCode::SUCCESS))
}

/// Measures, prints, and fails if a ratio is past its limit each time.
pub fn run() -> Result<(), String> {
    if cfg!(debug_assertions) {
        return Err("a debug build says nothing: `cargo run --release -p raft-bench`".to_owned());
    }
    let directory = Directory::new()?;
    for left in (0..TRIES).rev() {
        let trial = Trial::measure(&directory.0)?;
        trial.print();
        let Err(problem) = budgets::hold(budgets::Meter::Loopback, &trial.measured()) else {
            return Ok(());
        };
        if left == 0 {
            return Err(format!("{problem}, {TRIES} times in a row"));
        }
        println!("\n{problem}: once more, this machine may have been busy");
    }
    Ok(())
}

/// A directory on the file system that everything was built on, which is hardly one in memory.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Result<Self, String> {
        let target = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target");
        let path = PathBuf::from(target).join(format!("loopback-{}", process::id()));
        fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // It lies where everything lies that may be removed.
        fs::remove_dir_all(&self.0).ok();
    }
}
