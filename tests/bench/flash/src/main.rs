//! What it costs to keep records in flash: `FlashStorage` beside `sequential-storage`, in one run,
//! on the same flash of 4 KiB sectors and 4-byte words, 10,000 records of 16 bytes each.
//!
//! * `ours.rs`: as a node uses it, so that bases, headers, erases and starts are all counted
//! * `sequential.rs`: its queue and its map, each with its cache, which know neither term nor index
//! * `mock.rs`: the flash, which counts
//! * `cost.rs`: what it comes to, a table and then a `name = value` a line
//!
//! `cargo run --release -p raft-bench -- flash` is how a person asks for it.

#[path = "../../callgrind.rs"]
mod callgrind;
mod cost;
mod mock;
mod ours;
mod sequential;

use cost::Subject;
use std::env;
use std::process::ExitCode;

/// What a record is without everything that is written beside it.
const PAYLOAD_BYTES: usize = 16;
const SECTORS: usize = 16;

/// Another one each time: what never changes is summed up by whoever compiles it.
fn payload(record: u64) -> [u8; PAYLOAD_BYTES] {
    let mut payload = [7; PAYLOAD_BYTES];
    payload[..8].copy_from_slice(&record.to_le_bytes());
    payload
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        [] => cost::print(),
        // What this program runs of itself under valgrind.
        [callgrind::WORKLOAD, name, records] => run(name, records),
        _ => Err("this takes no words: `cargo run --release -p raft-bench -- flash`".to_string()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(name: &str, records: &str) -> Result<(), String> {
    let subject = Subject::ALL.into_iter().find(|subject| subject.name() == name);
    let subject = subject.ok_or_else(|| format!("nothing is called {name}"))?;
    let records = records.parse().map_err(|error| format!("{records} records: {error}"))?;
    subject.run(records);
    Ok(())
}
