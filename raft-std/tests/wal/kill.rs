//! A real process that writes real files, killed at some moment or other: what it had said was done
//! is done. The process is this test, started once more.

use crate::counter::{flush, found, lead, recover};
use crate::scratch::Scratch;
use raft_core::NodeId;
use raft_simulator::random::Random;
use raft_std::wal::{Wal, WalOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

const DIRECTORY: &str = "RAFT_WAL_TEST_DIRECTORY";
const ROUNDS: u64 = 60;

fn options() -> WalOptions {
    WalOptions { segment_bytes: 32 * 1024, ..WalOptions::default() }
}

/// Tells each number when it is applied, until somebody puts an end to it.
fn tell(directory: &Path) {
    let mut wal = Wal::open(directory, options()).expect("a directory of its own");
    found(&mut wal, 1, &[NodeId(1)]).expect("a working disk");
    let mut node = recover(wal, 1);
    lead(&mut node).expect("a working disk");
    let mut next = node.machine().0.len() as u64;
    let mut out = std::io::stdout();
    loop {
        for _ in 0..=(next % 4) {
            next += u64::from(node.propose(&next).is_ok());
        }
        flush(&mut node, next.is_multiple_of(2)).expect("a working disk");
        while let Some(applied) = node.apply() {
            writeln!(out, "done {}", applied.output).expect("somebody listens");
        }
    }
}

#[test]
fn a_process_that_is_killed_has_kept_what_it_said() {
    if let Ok(directory) = std::env::var(DIRECTORY) {
        return tell(Path::new(&directory));
    }
    let scratch = Scratch::new("kill");
    let mut random = Random::new(7, 4);
    let (mut said, mut grown) = (0, 0);
    for round in 0..ROUNDS {
        let mut command = Command::new(std::env::current_exe().expect("this test"));
        command.args(["--exact", "kill::a_process_that_is_killed_has_kept_what_it_said"]);
        command.arg("--nocapture").env(DIRECTORY, scratch.path()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("another process");
        let out = BufReader::new(child.stdout.take().expect("what it says"));
        let wait = random.below(60);
        let mut heard = 0;
        let mut last = None;
        for line in out.lines() {
            let line = line.expect("words");
            let number = line.rsplit_once("done ").and_then(|(_, number)| number.parse().ok());
            let Some(number) = number else { continue };
            (last, heard) = (Some(number), heard + 1);
            if heard == wait.max(1) {
                child.kill().expect("it was there");
            }
        }
        child.wait().expect("it has ended");
        let before = said;
        said = last.map_or(said, |last: u64| last + 1);
        grown += u64::from(said > before);
        let wal = Wal::open(scratch.path(), options()).expect("nobody is there any more");
        let mut node = recover(wal, 1);
        lead(&mut node).expect("a working disk");
        let numbers = &node.machine().0;
        let there = numbers.len() as u64;
        assert_eq!(*numbers, (0..there).collect::<Vec<_>>(), "round {round}");
        assert!(there >= said, "round {round}: {there} of {said}");
        said = there;
    }
    println!("{ROUNDS} processes killed, {said} numbers kept");
    assert!(grown == ROUNDS && said > 500, "{grown} {said}");
}
