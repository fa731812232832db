//! What things cost, held against budgets: the core by itself, and whole clusters of processes.
//!
//! * `cluster.rs`: three nodes that talk in encoded bytes, and the machine that they drive
//! * `workload.rs`: what they do while they are measured
//! * `callgrind.rs`: counts the instructions of a workload, by running this program under valgrind
//! * `datagrams.rs`: how long each kind of datagram is
//! * `report.rs`: all of that in one list
//! * `loopback/`: three processes on this machine, beside its floors and another cluster
//! * `budgets.rs`: the list, and what `tests/boards/measure` finds, against `tests/budgets.toml`

mod budgets;
mod callgrind;
mod cluster;
mod datagrams;
#[cfg(target_os = "linux")]
mod loopback;
mod report;
mod workload;

use std::env;
use std::process::ExitCode;
use workload::Workload;

const USAGE: &str = "\
usage: cargo run --release -p raft-bench -- COMMAND

  core                  what it costs a three-node cluster to commit a 16-byte command
  budgets               every number of tests/budgets.toml; fails if one is past its hard limit
  budgets --only core   the same without the numbers that tests/boards/measure finds
  loopback              three processes on this machine: what a commit takes, beside what the
                        machine takes for a round trip and a sync, and beside etcd if it is there";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    #[cfg(target_os = "linux")]
    if let Some(code) = loopback::become_process(&words) {
        return code;
    }
    let outcome = match words[..] {
        ["core"] => report::print(),
        ["budgets"] => budgets::check(budgets::Scope::Everything),
        ["budgets", "--only", "core"] => budgets::check(budgets::Scope::Core),
        #[cfg(target_os = "linux")]
        ["loopback"] => loopback::run(),
        #[cfg(not(target_os = "linux"))]
        ["loopback"] => Err("Linux is where processes are measured".to_string()),
        // What this program runs of itself under valgrind.
        [callgrind::WORKLOAD, name, commits] => run_workload(name, commits),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
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
