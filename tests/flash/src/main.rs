//! Runs the trials of the storage in flash, as many as are asked for.

use raft_flash_trials::boards::{BOARDS, Board};
use raft_flash_trials::cuts::{Plan, Tally};
use raft_flash_trials::rot::Decay;
use std::env;
use std::process::ExitCode;
use std::time::Instant;

const USAGE: &str = "\
usage: cargo run --release -p raft-flash-trials -- TRIAL [SEEDS [CHIP]]

  cuts      the power fails in every operation of a history of 200 steps, in every way, and again in
            every operation of the start that follows, in every way
  lives     100 lives in a row, each of any length and with any end
  rot       each byte rots
  debris    1,000 things that are no storage, or not a whole one, are mounted
  stick     a sector sticks in every operation
  all       all of these

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
    const TRIALS: [&str; 5] = ["cuts", "lives", "rot", "debris", "stick"];
    let trials: Vec<&str> = match trial {
        "all" => TRIALS.to_vec(),
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

/// One trial on each chip; says how often it failed.
fn run(trial: &str, seeds: u64, chip: &str) -> u64 {
    let (mut failures, mut failed, mut cuts, mut pairs) = (Vec::new(), 0, 0, 0);
    for board in BOARDS.iter().filter(|board| board.name.contains(chip)) {
        let begin = Instant::now();
        print!("{trial:6} {:27} {:3} {:6}: ", board.name, board.word, board.sector);
        for seed in 0..seeds {
            let (told, more) = match trial {
                "cuts" | "lives" => {
                    let tally = match trial {
                        "cuts" => (board.cuts)(plan(board, seed)),
                        _ => lives(board, seed),
                    };
                    (cuts, pairs) = (cuts + tally.singles, pairs + tally.pairs + tally.twice);
                    failed += tally.failed;
                    (tally_line(&tally), tally.failures)
                }
                _ => {
                    let decay = decay(trial, board, seed);
                    failed += decay.failed;
                    (decay_line(&decay), decay.failures)
                }
            };
            if seed + 1 == seeds {
                print!("{told}, ");
            }
            failures.extend(more);
        }
        println!("{:.1} s", begin.elapsed().as_secs_f32());
    }
    for failure in failures.iter().take(3) {
        println!("\n{failure}");
    }
    println!("{trial}: {cuts} cuts, {pairs} pairs, {failed} failed\n");
    failed
}

fn plan(board: &Board, seed: u64) -> Plan {
    let every = if board.is_large() { 7 } else { 1 };
    Plan { seed, steps: 200, every, pairs_every: 1, mischief: None }
}

fn lives(board: &Board, seed: u64) -> Tally {
    let (tally, erases) = (board.lives)(seed, 100);
    print!("[erases {erases:?}] ");
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
        "{harmless} harmless, {told} told, {torn} torn, {refused} refused, read {most_reads} times, \
         {failed} failed"
    )
}
