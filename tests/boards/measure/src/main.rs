//! Says how much flash, RAM and stack the core takes on a Cortex-M0, as lines of `name = value`.
//!
//! Flash is what an image with one node, or with a part beside it, has more than an empty one, or
//! one with storage in flash more than one over a storage that does nothing; RAM is a node without
//! its log, storage and machine; stack is the deepest call of three nodes on an emulated board.

use object::{Object, ObjectSection};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

const TARGET: &str = "thumbv6m-none-eabi";

/// What is weighed, the image that has it, and the one that does not.
const WEIGHED: [(&str, &str, &str); 3] = [
    ("core_text_bytes", "node", "empty"),
    ("flash_text_bytes", "flash", "storage"),
    ("serial_text_bytes", "serial", "empty"),
];

/// What the image that measures itself is asked for.
const SELF_MEASURED: [&str; 2] = ["node_ram_bytes", "peak_stack_bytes"];

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match measure() {
        Ok(lines) => {
            print!("{lines}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("measure: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Outcome<String> {
    cargo(&["build", "--package", "size"])?;
    let mut lines = String::new();
    for (name, with, without) in WEIGHED {
        let text_bytes = flash_bytes(&image(with))? - flash_bytes(&image(without))?;
        lines.push_str(&format!("{name} = {text_bytes}\n"));
    }
    let said = cargo(&["run", "--package", "stack"])?;
    for name in SELF_MEASURED {
        let is_it = |line: &&str| line.split(" = ").next() == Some(name);
        let line = said.lines().find(is_it).ok_or(format!("the image does not say its {name}"))?;
        lines.push_str(line);
        lines.push('\n');
    }
    Ok(lines)
}

/// Runs cargo for the board, with the toolchain that `toolchain` chooses; gives what it printed.
fn cargo(arguments: &[&str]) -> Outcome<String> {
    let script = r#"
        set -euo pipefail
        source ./toolchain
        install_emulator
        cargo "$@"
    "#;
    let mut command = Command::new("bash");
    command.current_dir(boards()).args(["-c", script, "cargo"]).args(arguments);
    command.args(["--quiet", "--release", "--target", TARGET, "--target-dir", "target"]);
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("cargo {} failed", arguments.join(" ")).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// What of an image lies in flash: code, constants and the first values of variables.
fn flash_bytes(path: &Path) -> Outcome<u64> {
    let bytes = std::fs::read(path)?;
    let file = object::File::parse(&*bytes)?;
    let sections = [".text", ".rodata", ".data"].map(|name| file.section_by_name(name));
    Ok(sections.iter().flatten().map(|section| section.size()).sum())
}

fn image(name: &str) -> PathBuf {
    boards().join("target").join(TARGET).join("release").join(name)
}

fn boards() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
