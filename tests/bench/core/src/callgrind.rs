//! Counts instructions, which are the same on a busy machine as on an idle one.
//!
//! This program runs itself under valgrind, once with few commits and once with many: what both
//! runs share, from loading the program to electing a leader, is no part of the difference.

use crate::workload::{BATCH, Workload};
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Output};
use std::{env, fs, process};

/// The hidden command that runs a workload and nothing else.
pub const WORKLOAD: &str = "workload";

/// Enough commits for every buffer to be warm and every kind of tick to have passed.
pub const FEW_COMMITS: u64 = 50 * BATCH;
pub const MANY_COMMITS: u64 = 350 * BATCH;

/// The instructions that a whole cluster takes for one commit.
pub fn instructions_per_commit(workload: Workload) -> Result<f64, String> {
    let few = instructions(workload, FEW_COMMITS)?;
    let many = instructions(workload, MANY_COMMITS)?;
    let difference = many.checked_sub(few).ok_or("fewer instructions for more commits")?;
    Ok(difference as f64 / (MANY_COMMITS - FEW_COMMITS) as f64)
}

/// The instructions of one run from beginning to end.
fn instructions(workload: Workload, commits: u64) -> Result<u64, String> {
    let counts = env::temp_dir().join(format!("raft-bench-{}.callgrind", process::id()));
    let run = run_counted(workload, commits, &counts);
    let text = fs::read_to_string(&counts).unwrap_or_default();
    // Whether it is there or not, it is of no use any more.
    let _ = fs::remove_file(&counts);
    let run = run?;
    if !run.status.success() {
        let said = String::from_utf8_lossy(&run.stderr);
        return Err(format!("the workload {} failed under valgrind:\n{said}", workload.name()));
    }
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    let total = total.and_then(|total| total.trim().parse().ok());
    total.ok_or_else(|| format!("valgrind left no totals in {}", counts.display()))
}

fn run_counted(workload: Workload, commits: u64, counts: &Path) -> Result<Output, String> {
    let program = env::current_exe().map_err(|error| format!("where this program is: {error}"))?;
    let mut valgrind = Command::new("valgrind");
    valgrind.arg("--tool=callgrind");
    valgrind.arg(format!("--callgrind-out-file={}", counts.display()));
    valgrind.arg(program).args([WORKLOAD, workload.name(), &commits.to_string()]);
    valgrind.output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            "valgrind, which counts the instructions, is not installed: `apt-get install valgrind`"
                .to_string()
        }
        _ => format!("valgrind does not start: {error}"),
    })
}
