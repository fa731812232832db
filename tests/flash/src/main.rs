//! Runs the trials of the storage in flash, as many as are asked for.

use raft_flash_trials::boards::{BOARDS, Board};
use raft_flash_trials::cuts::{Plan, Tally};
use raft_flash_trials::fuzz::Fuzz;
use raft_flash_trials::fuzz::game::Counts;
use raft_flash_trials::rot::Decay;
use std::env;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

const USAGE: &str = "\
usage: cargo run --release -p raft-flash-trials -- TRIAL [SEEDS [CHIP]]

  cuts      the power fails in every operation of a history of 200 steps, in every way, and again in
            every operation of the start that follows, in every way
  sample    the same, with few of the starts that follow: for every run of CI
  lives     100 lives in a row, each of any length and with any end
  rot       each byte rots
  debris    1,000 things that are no storage, or not a whole one, are mounted
  stick     a sector sticks in every operation
  fuzz      200 inputs, each any calls in any order with any arguments, while the power fails, bytes
            rot and sectors stick; 20 where sectors are large
  all       all of these; cuts has all that sample has

SEEDS is how many are tried on each chip (2), CHIP a part of the name of the only one.";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (trial, seeds, chip) = match words[..] {
        [trial] => (trial, Ok(2), ""),
        [trial, seeds] => (trial, seeds.parse(), ""),
        [trial, seeds, chip] => (trial, seeds.parse(), chip),
        _ => ("", Ok(0), ""),
    };
    const TRIALS: [&str; 7] = ["sample", "cuts", "lives", "rot", "debris", "stick", "fuzz"];
    let trials: Vec<&str> = match trial {
        "all" => TRIALS[1..].to_vec(),
        trial => TRIALS.into_iter().filter(|it| *it == trial).collect(),
    };
    let (Ok(seeds), false) = (seeds, trials.is_empty()) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let mut failed = 0;
    for trial in trials {
        failed += run(trial, seeds, chip);
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What came of a trial on one chip.
struct Report {
    line: String,
    cuts: u64,
    pairs: u64,
    failed: u64,
    failures: Vec<String>,
}

/// One trial on each chip, as many at a time as there are processors; says how often it failed.
fn run(trial: &str, seeds: u64, chip: &str) -> u64 {
    let boards: Vec<&Board> = BOARDS.iter().filter(|board| board.name.contains(chip)).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut reports = Vec::new();
        // Those at the end take longest.
        while let Some(left) = boards.len().checked_sub(1 + next.fetch_add(1, Ordering::Relaxed)) {
            let report = on_board(trial, seeds, boards[left]);
            println!("{}", report.line);
            reports.push(report);
        }
        reports
    };
    let reports: Vec<Report> = thread::scope(|scope| {
        let count = thread::available_parallelism().map_or(1, |count| count.get());
        let workers: Vec<_> = (0..count).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|it| it.join().expect("failures are told")).collect()
    });
    for failure in reports.iter().flat_map(|report| &report.failures).take(3) {
        println!("\n{failure}");
    }
    let sum = |part: fn(&Report) -> u64| reports.iter().map(part).sum::<u64>();
    let (cuts, pairs, failed) = (sum(|it| it.cuts), sum(|it| it.pairs), sum(|it| it.failed));
    println!("{trial}: {cuts} cuts, {pairs} pairs, {failed} failed\n");
    failed
}

fn on_board(trial: &str, seeds: u64, board: &Board) -> Report {
    let begin = Instant::now();
    let Board { name, word, sector, .. } = board;
    let mut report =
        Report { line: String::new(), cuts: 0, pairs: 0, failed: 0, failures: Vec::new() };
    let (mut told, mut worn) = (String::new(), String::new());
    for seed in 0..seeds {
        let (failed, failures);
        (told, failed, failures) = match trial {
            "cuts" | "sample" | "lives" => {
                let tally = match trial {
                    "cuts" => (board.cuts)(plan(board, seed)),
                    "sample" => (board.cuts)(sample(board, seed)),
                    _ => lives(board, seed, &mut worn),
                };
                report.cuts += tally.singles;
                report.pairs += tally.pairs + tally.twice;
                (format!("{worn}{}", tally_line(&tally)), tally.failed, tally.failures)
            }
            "fuzz" => {
                let fuzz = (board.fuzz)(seed, if board.is_large() { 20 } else { 200 });
                report.cuts += fuzz.counts.cuts;
                (fuzz_line(&fuzz), fuzz.failed, fuzz.failures)
            }
            _ => {
                let decay = decay(trial, board, seed);
                (decay_line(&decay), decay.failed, decay.failures)
            }
        };
        report.failed += failed;
        report.failures.extend(failures);
    }
    let seconds = begin.elapsed().as_secs_f32();
    report.line = format!("{trial:6} {name:27} {word:3} {sector:6}: {told}, {seconds:.1} s");
    report
}

fn plan(board: &Board, seed: u64) -> Plan {
    let every = if board.is_large() { 7 } else { 1 };
    Plan { seed, steps: 200, every, pairs_every: 1, mischief: None }
}

/// Every cut alone. What follows one is much alike what follows another, so that few of each tell
/// of a mistake in the start itself.
fn sample(board: &Board, seed: u64) -> Plan {
    let pairs_every = if board.is_large() { 293 } else { 29 };
    Plan { seed, steps: 200, every: 1, pairs_every, mischief: None }
}

/// Also says how often each sector was erased.
fn lives(board: &Board, seed: u64, worn: &mut String) -> Tally {
    let (tally, erases) = (board.lives)(seed, 100);
    *worn = format!("[erases {erases:?}] ");
    tally
}

fn decay(trial: &str, board: &Board, seed: u64) -> Decay {
    let rare = if board.is_large() { 61 } else { 1 };
    match trial {
        "rot" => (board.rot)(seed, 120, rare),
        "debris" => (board.debris)(seed, 1000 / rare),
        _ => (board.stick)(seed, 200, if board.is_large() { 7 } else { 1 }),
    }
}

fn tally_line(tally: &Tally) -> String {
    let Tally { operations, erases, singles, twice, pairs, stage_bytes_lost, failed, .. } = tally;
    format!(
        "{operations} operations ({erases} erases), {singles} cuts, {twice} in the life after, \
         {pairs} in the start after, {stage_bytes_lost} B of a stage missing, {failed} failed"
    )
}

fn decay_line(decay: &Decay) -> String {
    let Decay { harmless, told, torn, refused, most_reads, failed, .. } = decay;
    format!(
        "{harmless} harmless, {told} told, {torn} torn, {refused} refused, \
         read {most_reads} times, {failed} failed"
    )
}

fn fuzz_line(fuzz: &Fuzz) -> String {
    let Counts { inputs, calls, refused, cuts, starts, told, operations } = fuzz.counts;
    format!(
        "{inputs} inputs, {calls} calls ({refused} refused), {operations} operations, {cuts} cuts, \
         {starts} starts ({told} told of a loss), {} failed",
        fuzz.failed
    )
}
