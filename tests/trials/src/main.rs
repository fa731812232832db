//! A node of the key-value store, as the words behind `node` say.

use raft_trials::processes::{NODE, become_node};
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    if words.get(1).is_some_and(|word| word == NODE) {
        return become_node(words.into_iter().skip(1));
    }
    eprintln!("error: the first word is not {NODE}");
    ExitCode::from(2)
}
