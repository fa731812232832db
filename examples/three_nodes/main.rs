//! Three nodes over UDP on 127.0.0.1, with files in a temporary directory.
//!
//! It tells a story in lines of text, and exits 0 only if every replica agrees at the end.

mod plain;

use std::fs;
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
    let name = format!("three-nodes-{}", std::process::id());
    let scratch = Scratch(std::env::temp_dir().join(name));
    plain::run(&scratch.0)
}
