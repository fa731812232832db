//! The program: seeds in, a table and a verdict out.
//!
//! Everything it can do is in the library; here are only its arguments and its words.

use raft_simulator::plan::Plan;
use raft_simulator::registers::Shared;
use raft_simulator::runner::{self, Limits, Report};
use raft_simulator::tally::Count;
use raft_simulator::timeline::{self, Cast, Span};
use raft_simulator::{trace, words};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

const USAGE: &str = "\
usage: raft-simulator --seeds A..B                  run these seeds on all cores
       raft-simulator --seeds A..B --until-failure  and stop at the first that fails
       raft-simulator --minutes M                   run seeds that the clock picks, until time is up
       raft-simulator --seed X                      run one seed
       raft-simulator --seed X --trace              and tell what happened in it
       raft-simulator --seed X --timeline FILE      and draw what happened, as a page";

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Task<'a> {
    Seeds { first: u64, last: u64, until_failure: bool },
    Minutes(u64),
    Seed(u64),
    Trace(u64),
    Timeline(u64, &'a str),
}

fn task(arguments: &[String]) -> Option<Task<'_>> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["--seeds", range, ref rest @ ..] => {
            let (first, last) = range.split_once("..")?;
            let (first, last) = (first.parse().ok()?, last.parse().ok()?);
            let until_failure = rest == ["--until-failure"];
            let sound = first < last && (rest.is_empty() || until_failure);
            sound.then_some(Task::Seeds { first, last, until_failure })
        }
        ["--minutes", minutes] => Some(Task::Minutes(minutes.parse().ok()?)),
        ["--seed", seed] => Some(Task::Seed(seed.parse().ok()?)),
        ["--seed", seed, "--trace"] => Some(Task::Trace(seed.parse().ok()?)),
        ["--seed", seed, "--timeline", file] => Some(Task::Timeline(seed.parse().ok()?, file)),
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
    let limits = match task {
        Task::Seeds { first, last, until_failure } => Limits { until_failure, ..to(first, last) },
        Task::Minutes(minutes) => {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            let first = since.map_or(0, |since| since.as_secs()) << 20;
            println!("seeds from {first} on");
            Limits { time: Some(Duration::from_secs(60 * minutes)), ..to(first, u64::MAX) }
        }
        Task::Seed(seed) | Task::Trace(seed) | Task::Timeline(seed, _) => {
            to(seed, seed.saturating_add(1))
        }
    };
    if let Task::Trace(seed) = task {
        tell(seed);
    }
    if let Task::Timeline(seed, file) = task
        && let Err(error) = std::fs::write(file, draw(seed))
    {
        eprintln!("{file} can't be written: {error}");
        return ExitCode::FAILURE;
    }
    let report = runner::run_many(&limits);
    say(&report);
    if report.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tell(seed: u64) {
    println!("{:#?}", Plan::draw(seed));
    for moment in runner::run_keeping(seed).1 {
        println!("{}", trace::words(&moment));
    }
}

/// The seeds from one to before another.
fn to(first: u64, last: u64) -> Limits {
    Limits { seeds: first..last, time: None, until_failure: false }
}

/// The page of a seed's history.
fn draw(seed: u64) -> String {
    let plan = Plan::draw(seed);
    let (ended, moments) = runner::run_keeping(seed);
    let verdict = runner::verdict(ended);
    let outcome = verdict.map_or_else(
        |broken| format!("{}: {}", broken.checker, broken.words),
        |()| "every promise was kept".to_owned(),
    );
    let down = |name, begins| Span { name, begins, ends: "starts", down: true };
    let apart = "the network falls apart";
    let cast = Cast {
        seed,
        nodes: plan.ids().collect(),
        ticks: moments.last().map_or(0, |moment| moment.tick),
        headline: format!("{:?} seed of {} nodes: {outcome}", plan.temper, plan.nodes.len()),
        spans: vec![
            down("without power", "power fails"),
            down("stopped", "stops"),
            down("a new disk", "gets a blank disk"),
            Span { name: "apart", begins: apart, ends: "the network is whole", down: false },
        ],
        words: words::datagram::<Shared>,
    };
    timeline::page(&cast, &moments)
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
        println!("seed {seed} failed: {}: {}", broken.checker, broken.words);
        println!("  cargo run --release -p raft-simulator -- --seed {seed} --trace");
    }
    println!("{} seeds passed, {} failed", report.passed, report.failed.len());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_or_refused() {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let seeds = |until_failure| Some(Task::Seeds { first: 3, last: 9, until_failure });
        for (line, meant) in [
            ("--seeds 3..9", seeds(false)),
            ("--seeds 3..9 --until-failure", seeds(true)),
            ("--minutes 5", Some(Task::Minutes(5))),
            ("--seed 7", Some(Task::Seed(7))),
            ("--seed 7 --trace", Some(Task::Trace(7))),
            ("--seed 7 --timeline a.html", Some(Task::Timeline(7, "a.html"))),
            ("", None),
            ("--seeds", None),
            ("--seeds 9..3", None),
            ("--seeds 3", None),
            ("--seeds 3..9 --trace", None),
            ("--seed x", None),
            ("--trace", None),
            ("--seed 1 2", None),
            ("--seed 1 --timeline", None),
        ] {
            assert_eq!(task(&words(line)), meant, "{line}");
        }
    }
}
