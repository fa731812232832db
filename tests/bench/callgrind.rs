//! Counts instructions, which are the same on a busy machine as on an idle one.
//!
//! A program that measures runs itself under valgrind, once with little work and once with much:
//! what both runs share, from loading the program to electing a leader, is no part of the
//! difference. This file is part of each such program.

use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Output};
use std::{env, fs, process};

/// The hidden command that runs a workload and nothing else.
pub const WORKLOAD: &str = "workload";

/// The instructions that a workload takes for each of the things that `many` has more than `few`.
pub fn instructions_each(workload: &str, few: u64, many: u64) -> Result<f64, String> {
    let less = instructions(workload, few)?;
    let more = instructions(workload, many)?;
    let difference = more.checked_sub(less).ok_or("fewer instructions for more work")?;
    Ok(difference as f64 / (many - few) as f64)
}

/// An error in a build whose instructions say nothing.
pub fn expect_release() -> Result<(), String> {
    if cfg!(debug_assertions) {
        return Err("a debug build says nothing: `cargo run --release -p raft-bench`".to_string());
    }
    Ok(())
}

/// The instructions of one run from beginning to end.
fn instructions(workload: &str, count: u64) -> Result<u64, String> {
    let counts = env::temp_dir().join(format!("raft-bench-{}.callgrind", process::id()));
    let run = run_counted(workload, count, &counts);
    let text = fs::read_to_string(&counts).unwrap_or_default();
    // Whether it is there or not, it is of no use any more.
    let _ = fs::remove_file(&counts);
    let run = run?;
    if !run.status.success() {
        let said = String::from_utf8_lossy(&run.stderr);
        return Err(format!("the workload {workload} failed under valgrind:\n{said}"));
    }
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    let total = total.and_then(|total| total.trim().parse().ok());
    total.ok_or_else(|| format!("valgrind left no totals in {}", counts.display()))
}

fn run_counted(workload: &str, count: u64, counts: &Path) -> Result<Output, String> {
    let program = env::current_exe().map_err(|error| format!("where this program is: {error}"))?;
    let mut valgrind = Command::new("valgrind");
    valgrind.arg("--tool=callgrind");
    valgrind.arg(format!("--callgrind-out-file={}", counts.display()));
    valgrind.arg(program).args([WORKLOAD, workload, &count.to_string()]);
    valgrind.output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            "valgrind, which counts the instructions, is not installed: `apt-get install valgrind`"
                .to_string()
        }
        _ => format!("valgrind does not start: {error}"),
    })
}
