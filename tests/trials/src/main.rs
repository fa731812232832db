//! Trials of real processes: run without a word to see which there are.

use raft_trials::options::{Options, USAGE};
use raft_trials::processes::{NODE, Recipe, become_node};
use raft_trials::trial::Trial;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    if words.first().is_some_and(|word| word == NODE) {
        return become_node(words);
    }
    let options = match Options::read(words) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("error: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    let &Options { kind, time, seed, clients, leases, plant } = options;
    let recipe = Recipe::itself().map_err(|error| error.to_string())?;
    println!("{kind:?}, --seed {seed}, {} s", time.as_secs());
    let trial = Trial { kind, seed, time, clients, leases, plant, recipe };
    let report = trial.run().map_err(|failed| failed.to_string())?;
    println!("{report}");
    match &report.complaint {
        None => println!("What the clients saw is linearizable."),
        Some(complaint) => println!("The planted lie was found.\n{complaint}"),
    }
    Ok(())
}
