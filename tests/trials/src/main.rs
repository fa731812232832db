//! Trials of real processes: run without a word to see which there are.

use raft_trials::failover;
use raft_trials::garbage::{self, FACTOR_MOST, MEMORY_MOST};
use raft_trials::options::{self, Chosen, Task, USAGE};
use raft_trials::processes::{NODE, Recipe, become_node};
use raft_trials::trial::Trial;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    if words.first().is_some_and(|word| word == NODE) {
        return become_node(words);
    }
    let outcome = match options::read(words) {
        Ok(Task::Trial(chosen)) => try_out(&chosen),
        Ok(Task::Failover { tries, limited }) => fail_over(tries, limited),
        Ok(Task::Garbage { datagrams, time, seed }) => besiege(datagrams, time, seed),
        Err(error) => {
            eprintln!("error: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn try_out(chosen: &Chosen) -> Result<(), Box<dyn Error>> {
    let &Chosen { kind, time, seed, clients, leases, plant } = chosen;
    println!("{kind:?}, --seed {seed}, {} s", time.as_secs());
    let trial = Trial { kind, seed, time, clients, leases, plant, recipe: Recipe::itself()? };
    let report = trial.run()?;
    println!("{report}");
    match &report.complaint {
        None => println!("What the clients saw is linearizable."),
        Some(complaint) => println!("The planted lie was found.\n{complaint}"),
    }
    Ok(())
}

fn fail_over(tries: usize, limited: bool) -> Result<(), Box<dyn Error>> {
    let failovers = failover::run(Recipe::itself()?, tries)?;
    println!("{failovers}");
    if limited && failovers.median() >= failover::MEDIAN_MOST {
        return Err(format!("p50 is to be less than {:?}", failover::MEDIAN_MOST).into());
    }
    Ok(())
}

fn besiege(datagrams: u64, time: Duration, seed: u64) -> Result<(), Box<dyn Error>> {
    println!("garbage, --seed {seed}");
    let flooded = garbage::datagrams(Recipe::itself()?, seed, datagrams)?;
    println!("{flooded}\n");
    let besieged = garbage::door(Recipe::itself()?, seed, time)?;
    println!("{besieged}");
    let (slower, _) = flooded.factors();
    if slower.is_nan() || slower > FACTOR_MOST {
        return Err(format!("slower by {slower:.1}; {FACTOR_MOST} is the most").into());
    }
    if besieged.taken() > MEMORY_MOST {
        let (taken, most) = (besieged.taken() >> 20, MEMORY_MOST >> 20);
        return Err(format!("the door took {taken} MiB; {most} MiB is the most").into());
    }
    Ok(())
}
