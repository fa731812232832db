//! Plants known bugs into a copy of the core, one at a time, and lets the simulator find them.
//!
//! ```text
//! planted [--seeds N] [--minutes M] [--check] [NAME...]
//! ```
//!
//! Each bug has N seeds (2,000), from zero on, and M minutes (10). One that is not found fails the
//! run, and so does a sound core that fails under the seed that found one: then the checker is what
//! is wrong.
//! `--check` only asks the compiler whether each bug is a program.

mod bug;
mod workshop;

use bug::Bug;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use workshop::{Hunt, Workshop};

/// What is asked for.
struct Plan {
    seeds: u64,
    patience: Duration,
    only_checks: bool,
    names: Vec<String>,
}

/// How one bug fared: a row of the table.
struct Row {
    checker: String,
    seed: Option<u64>,
    passed: bool,
}

fn main() -> ExitCode {
    let outcome = Plan::read(std::env::args().skip(1)).and_then(|plan| run(&plan));
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(words) => {
            eprintln!("planted: {words}");
            ExitCode::FAILURE
        }
    }
}

impl Plan {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut seeds, mut minutes, mut only_checks, mut names) = (2_000, 10, false, Vec::new());
        while let Some(argument) = arguments.next() {
            let mut number = || {
                let text = arguments.next().unwrap_or_default();
                text.parse().map_err(|_| format!("{argument} needs a number, not `{text}`"))
            };
            match argument.as_str() {
                "--seeds" => seeds = number()?,
                "--minutes" => minutes = number()?,
                "--check" => only_checks = true,
                name if name.starts_with('-') => return Err(format!("what is {name}?")),
                name => names.push(name.to_owned()),
            }
        }
        let patience = Duration::from_secs(minutes * 60);
        Ok(Self { seeds, patience, only_checks, names })
    }
}

/// Says whether every bug was found.
fn run(plan: &Plan) -> Result<bool, String> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let bugs = Bug::read_all(&package.join("planted"), &plan.names)?;
    let mut workshop = Workshop::open(&package.join("../.."))?;
    let sound = match plan.only_checks {
        true => workshop.check().map(|()| PathBuf::new()),
        false => workshop.build("sound"),
    };
    let sound = sound.map_err(|error| format!("the sound core does not build:\n{error}"))?;
    let width = bugs.iter().map(|bug| bug.name.len()).max().unwrap_or_default();
    println!("{:width$}  {:6}  {:6}  {:7}  found by", "bug", "seed", "seeds", "seconds");
    let mut missed = 0;
    for bug in &bugs {
        let began = Instant::now();
        let row = match plant_and_find(&mut workshop, plan, bug, &sound) {
            Ok(row) => row,
            Err(words) => Row { checker: words, seed: None, passed: false },
        };
        let seconds = began.elapsed().as_secs();
        missed += u32::from(!row.passed);
        let number = |number: Option<u64>| number.map_or("-".to_owned(), |it| it.to_string());
        let (seed, seeds) = (number(row.seed), number(row.seed.map(|seed| seed + 1)));
        println!("{:width$}  {seed:6}  {seeds:6}  {seconds:7}  {}", bug.name, row.checker);
        if !row.passed {
            println!("{:width$}  {}", "", bug.words);
        }
    }
    let done = if plan.only_checks { "do not compile" } else { "were not found" };
    println!("{} bugs planted, {missed} {done}", bugs.len());
    Ok(missed == 0)
}

fn plant_and_find(
    workshop: &mut Workshop,
    plan: &Plan,
    bug: &Bug,
    sound: &Path,
) -> Result<Row, String> {
    workshop.plant(bug)?;
    let row = |checker: &str, seed, passed| Ok(Row { checker: checker.to_owned(), seed, passed });
    if plan.only_checks {
        workshop.check()?;
        return row("compiles", None, true);
    }
    let program = workshop.build(&bug.name)?;
    let seeds = ["--seeds".to_owned(), format!("0..{}", plan.seeds), "--until-failure".to_owned()];
    match workshop.hunt(&program, &seeds, plan.patience)? {
        Hunt::Nothing => row(&format!("NOT FOUND in {} seeds", plan.seeds), None, false),
        Hunt::Hung => row("NOT FOUND in time", None, false),
        Hunt::Crashed(words) => row(&format!("CRASHED: {words}"), None, false),
        Hunt::Found { checker, seed } => {
            match workshop.hunt(sound, &["--seed", &seed.to_string()], plan.patience)? {
                Hunt::Nothing => row(&checker, Some(seed), true),
                _ => {
                    let words =
                        format!("FALSE ALARM of {checker}: the sound core fails there, too");
                    row(&words, Some(seed), false)
                }
            }
        }
    }
}
