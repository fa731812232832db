//! Three nodes over UDP on 127.0.0.1, with files in a temporary directory.
//!
//! `cargo run --release --example three_nodes` shows them on a dashboard and takes commands. With
//! `--plain`, or when it does not write to a terminal, it tells a story in lines of text instead,
//! and exits 0 only if every replica agrees at the end.
//!
//! - `plain`: the story, complete in itself;
//! - `store`, `roads`, `nodes`: the machine, what the network does to datagrams, the cluster;
//! - `commands`, `prompt`, `load`, `dashboard`: what a person types, and what comes of it;
//! - `screen`, `terminal`: what it looks like, and where.

mod commands;
mod dashboard;
mod load;
mod nodes;
mod plain;
mod prompt;
mod roads;
mod screen;
mod store;
mod terminal;

use std::fs;
use std::io::{IsTerminal, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

/// A directory that only this process uses, and that is gone with it, after a panic too.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // There is nobody left to tell.
        fs::remove_dir_all(&self.0).ok();
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let plain = arguments.iter().any(|argument| argument == "--plain");
    if arguments.len() > usize::from(plain) {
        eprintln!("This takes --plain, for a story in lines of text, and nothing else.");
        return ExitCode::FAILURE;
    }
    let name = format!("three-nodes-{}", std::process::id());
    let scratch = Scratch(std::env::temp_dir().join(name));
    if plain || !stdout().is_terminal() {
        return plain::run(&scratch.0);
    }
    match terminal::run(&scratch.0) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("The dashboard ends: {error}.");
            ExitCode::FAILURE
        }
    }
}
