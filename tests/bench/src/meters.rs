//! The programs that measure: each is built by itself, so that nothing else is in what it weighs,
//! and says `name = value`, a line for each number. What begins with `|` is a table for people.

use crate::budgets::{self, Meter};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One number; budgets go by its name.
pub struct Measurement {
    pub name: String,
    pub value: f64,
}

/// What one look gave, or a message that says what is in its way.
pub type Measured = Result<Vec<Measurement>, String>;

/// What a program said.
pub struct Said {
    pub numbers: Vec<Measurement>,
    /// Lines of its table, if it has one.
    pub table: Vec<String>,
}

/// Prints the numbers of the core, one a line.
pub fn print_core() -> Result<(), String> {
    for Measurement { name, value } in core()? {
        println!("{name} = {value:.1}");
    }
    Ok(())
}

/// Measures a commit of three nodes in one program.
pub fn core() -> Measured {
    Ok(part("raft-bench-core")?.numbers)
}

/// Measures what records in flash cost.
pub fn flash() -> Measured {
    Ok(part("raft-bench-flash")?.numbers)
}

/// Prints what records in flash cost beside another crate's, and holds it against its budgets.
pub fn print_flash() -> Result<(), String> {
    let Said { numbers, table } = part("raft-bench-flash")?;
    println!("10,000 records of 16 bytes, 16 sectors of 4 KiB, words of 4 bytes\n");
    table.iter().for_each(|line| println!("{line}"));
    println!();
    budgets::hold(Meter::Flash, &numbers)
}

/// Has a package beside this one measure.
fn part(package: &str) -> Result<Said, String> {
    let words = ["run", "--quiet", "--release", "--package", package];
    read(&words, &tests_folder().join("bench"), "it says above why")
}

/// Builds images for boards and weighs them.
pub fn boards() -> Measured {
    let needs = "as it says above; it needs `rustup target add thumbv6m-none-eabi` and \
        `apt-get install qemu-system-arm`";
    let words = ["run", "--quiet", "--package", "measure"];
    Ok(read(&words, &tests_folder().join("boards"), needs)?.numbers)
}

pub fn tests_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Has cargo run a program, and reads its lines.
fn read(words: &[&str], folder: &Path, needs: &str) -> Result<Said, String> {
    let mut cargo = Command::new("cargo");
    let run = cargo.current_dir(folder).stderr(Stdio::inherit()).args(words).output();
    let run = run.map_err(|error| format!("cargo does not start: {error}"))?;
    if !run.status.success() {
        return Err(format!("`cargo {}` failed, {needs}", words.join(" ")));
    }
    let said = String::from_utf8_lossy(&run.stdout);
    let lines = said.lines().filter(|line| !line.trim().is_empty());
    let (table, numbers): (Vec<&str>, Vec<&str>) = lines.partition(|line| line.starts_with('|'));
    let numbers: Measured = numbers.into_iter().map(read_measurement).collect();
    Ok(Said { numbers: numbers?, table: table.into_iter().map(str::to_string).collect() })
}

fn read_measurement(line: &str) -> Result<Measurement, String> {
    let number = line.split_once('=').and_then(|(name, value)| {
        Some(Measurement { name: name.trim().to_string(), value: value.trim().parse().ok()? })
    });
    number.ok_or_else(|| format!("`{line}` was said, which is not `name = value`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_no_measurement_is_an_error() {
        let number = read_measurement("core_text_bytes = 14336").ok().unwrap();
        assert_eq!((number.name.as_str(), number.value), ("core_text_bytes", 14336.0));
        assert!(read_measurement("core_text_bytes").is_err());
        assert!(read_measurement("core_text_bytes = many").is_err());
    }
}
