//! The program: seeds in, a table and a verdict out.
//!
//! Everything it can do is in the library; here are only its arguments and its words.

use raft_simulator::runner::{self, Report};
use raft_simulator::tally::Count;
use raft_simulator::trace;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

const USAGE: &str = "\
usage: raft-simulator --seeds A..B      run these seeds on all cores
       raft-simulator --minutes M       run seeds that the clock chooses until time is up
       raft-simulator --seed X          run one seed
       raft-simulator --seed X --trace  and tell what happened in it";

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Task {
    Seeds(u64, u64),
    Minutes(u64),
    Seed(u64),
    Trace(u64),
}

fn task(arguments: &[String]) -> Option<Task> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["--seeds", range] => {
            let (first, last) = range.split_once("..")?;
            let (first, last) = (first.parse().ok()?, last.parse().ok()?);
            (first < last).then_some(Task::Seeds(first, last))
        }
        ["--minutes", minutes] => Some(Task::Minutes(minutes.parse().ok()?)),
        ["--seed", seed] => Some(Task::Seed(seed.parse().ok()?)),
        ["--seed", seed, "--trace"] => Some(Task::Trace(seed.parse().ok()?)),
        _ => None,
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(task) = task(&arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    // A panic is told with its seed, as what it is: a failure of that seed.
    std::panic::set_hook(Box::new(|_| {}));
    let report = match task {
        Task::Seeds(first, last) => runner::run_many(first, Some(last), None),
        Task::Minutes(minutes) => {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            let first = since.map_or(0, |since| since.as_secs()) << 20;
            println!("seeds from {first} on");
            runner::run_many(first, None, Some(Duration::from_secs(60 * minutes)))
        }
        Task::Seed(seed) => runner::run_many(seed, seed.checked_add(1), None),
        Task::Trace(seed) => {
            tell(seed);
            runner::run_many(seed, seed.checked_add(1), None)
        }
    };
    say(&report);
    if report.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tell(seed: u64) {
    println!("{:#?}", raft_simulator::plan::Plan::draw(seed));
    for moment in runner::run_keeping(seed).1 {
        println!("{}", trace::words(&moment));
    }
}

fn say(report: &Report) {
    print!("{}", report.tally);
    let node_ticks = report.tally.get(Count::NodeTicks);
    let nanoseconds = report.elapsed.as_nanos().max(1) as u64 * u64::from(report.cores);
    let speed = u128::from(node_ticks) * 1_000_000_000 / u128::from(nanoseconds);
    println!(
        "{node_ticks} node-ticks in {:.1} s on {} cores: {speed} node-ticks per second and core",
        report.elapsed.as_secs_f64(),
        report.cores
    );
    for (seed, broken) in &report.failed {
        println!("seed {seed}: {}: {}", broken.checker, broken.words);
        println!("  cargo run --release -p raft-simulator -- --seed {seed} --trace");
    }
    println!("{} seeds passed, {} failed", report.passed, report.failed.len());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<Task> {
        task(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn arguments_are_read_or_refused() {
        assert_eq!(read("--seeds 3..9"), Some(Task::Seeds(3, 9)));
        assert_eq!(read("--minutes 5"), Some(Task::Minutes(5)));
        assert_eq!(read("--seed 7"), Some(Task::Seed(7)));
        assert_eq!(read("--seed 7 --trace"), Some(Task::Trace(7)));
        for bad in ["", "--seeds", "--seeds 9..3", "--seeds 3", "--seed x", "--trace", "--seed 1 2"]
        {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
