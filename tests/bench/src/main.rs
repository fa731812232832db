//! What things cost, held against budgets: the core by itself, storage in flash, and whole clusters
//! of processes.
//!
//! * `core/`, a program of its own: instructions and bytes for a commit of three nodes
//! * `flash/`, another: records in flash, ours and those of another crate
//! * `loopback/`: three processes on this machine, beside its floors and another cluster
//! * `meters.rs`: runs the programs that measure, and reads what they say
//! * `budgets.rs`: what they say against `tests/budgets.toml`

mod budgets;
#[cfg(target_os = "linux")]
mod loopback;
mod meters;

use std::env;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo run --release -p raft-bench -- COMMAND

  core                  what it costs a three-node cluster to commit a 16-byte command
  flash                 what it costs to keep 16-byte records in flash, beside sequential-storage
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
        ["core"] => meters::print_core(),
        ["flash"] => meters::print_flash(),
        ["budgets"] => budgets::check(budgets::Scope::Everything),
        ["budgets", "--only", "core"] => budgets::check(budgets::Scope::Core),
        #[cfg(target_os = "linux")]
        ["loopback"] => loopback::run(),
        #[cfg(not(target_os = "linux"))]
        ["loopback"] => Err("Linux is where processes are measured".to_string()),
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
