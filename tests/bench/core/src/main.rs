//! What the core costs: the work of a commit, and the bytes on the wire, a `name = value` a line.
//!
//! * `cluster.rs`: three nodes that talk in encoded bytes, and the machine that they drive
//! * `workload.rs`: what they do while they are measured
//! * `../../callgrind.rs`: counts their instructions, by running this program under valgrind
//! * `datagrams.rs`: how long each kind of datagram is
//! * `report.rs`: all of that in one list
//!
//! `cargo run --release -p raft-bench -- core` is how a person asks for it.

#[path = "../../callgrind.rs"]
mod callgrind;
mod cluster;
mod datagrams;
mod report;
mod workload;

use std::env;
use std::process::ExitCode;
use workload::Workload;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        [] => report::print(),
        // What this program runs of itself under valgrind.
        [callgrind::WORKLOAD, name, commits] => run_workload(name, commits),
        _ => Err("this takes no words: `cargo run --release -p raft-bench -- core`".to_string()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run_workload(name: &str, commits: &str) -> Result<(), String> {
    let workload = Workload::ALL.into_iter().find(|workload| workload.name() == name);
    let workload = workload.ok_or_else(|| format!("no workload is called {name}"))?;
    let commits = commits.parse().map_err(|error| format!("{commits} commits: {error}"))?;
    workload.run(commits);
    Ok(())
}
