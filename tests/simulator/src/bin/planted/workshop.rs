//! A copy of the workspace in which bugs are planted, built and hunted.
//!
//! What is built stays from one bug to the next, and from one run to the next, so that only the
//! core and the simulator are built again.

use crate::bug::Bug;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The program that hunts.
const SIMULATOR: &str = "raft-simulator";

/// A copy of the workspace.
pub struct Workshop {
    tree: PathBuf,
    target: PathBuf,
    /// What is changed now, and what stood there before.
    changed: Vec<(PathBuf, String)>,
}

/// What a hunt came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Hunt {
    /// A checker found something.
    Found {
        /// Its name.
        checker: String,
        /// In which history.
        seed: u64,
    },
    /// The program ended badly without naming a seed: its last words.
    Crashed(String),
    /// It did not end in time.
    Hung,
    /// It found nothing.
    Nothing,
}

impl Workshop {
    /// Copies what git knows of a workspace, and what it would know if it were asked to.
    pub fn open(root: &Path) -> Result<Self, String> {
        let place = root.join("target").join("planted");
        let tree = place.join(format!("tree-{}", std::process::id()));
        let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
        let listed = Command::new("git").arg("-C").arg(root).args(list).output();
        let listed = listed.map_err(|error| format!("git: {error}"))?;
        if !listed.status.success() {
            return Err(format!("git: {}", String::from_utf8_lossy(&listed.stderr)));
        }
        let workshop = Self { tree, target: place.join("target"), changed: Vec::new() };
        for path in String::from_utf8_lossy(&listed.stdout).split_terminator('\0') {
            let (from, to) = (root.join(path), workshop.tree.join(path));
            // What was deleted and not committed is still listed.
            if from.is_file() {
                let made = to.parent().map_or(Ok(()), fs::create_dir_all);
                made.and_then(|()| fs::copy(&from, &to))
                    .map_err(|error| format!("{}: {error}", to.display()))?;
            }
        }
        Ok(workshop)
    }

    /// Plants a bug, and nothing else.
    pub fn plant(&mut self, bug: &Bug) -> Result<(), String> {
        self.restore()?;
        for edit in &bug.edits {
            let path = self.tree.join(&edit.path);
            let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", edit.path))?;
            let planted = edit.apply(&text)?;
            self.changed.push((path, text));
            self.write(self.changed.len() - 1, &planted)?;
        }
        Ok(())
    }

    /// Makes the sources what they are in the workspace.
    pub fn restore(&mut self) -> Result<(), String> {
        while let Some((path, text)) = self.changed.pop() {
            fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(())
    }

    /// Asks the compiler whether the core is a program at all.
    pub fn check(&self) -> Result<(), String> {
        self.cargo(&["check", "--quiet", "--release", "--package", "raft-core"])
    }

    /// Builds the simulator and gives the program, under a name of its own.
    pub fn build(&self, name: &str) -> Result<PathBuf, String> {
        let package = ["--package", SIMULATOR, "--bin", SIMULATOR];
        self.cargo(&[&["build", "--quiet", "--release"], &package[..]].concat())?;
        let built = self.target.join("release").join(SIMULATOR);
        let program = self.tree.join(format!("simulator-{name}"));
        fs::copy(&built, &program).map_err(|error| format!("{}: {error}", built.display()))?;
        Ok(program)
    }

    /// Lets a simulator look at histories until one fails, or time is up.
    pub fn hunt<I: AsRef<OsStr>>(
        &self,
        program: &Path,
        arguments: &[I],
        patience: Duration,
    ) -> Result<Hunt, String> {
        let (output, errors) = (self.tree.join("output"), self.tree.join("errors"));
        let create = |path| fs::File::create(path).map_err(|error| error.to_string());
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.tree).stdin(Stdio::null());
        command.stdout(create(&output)?).stderr(create(&errors)?);
        let began = Instant::now();
        let mut child = command.spawn().map_err(|e| format!("{}: {e}", program.display()))?;
        let status = loop {
            match child.try_wait().map_err(|error| error.to_string())? {
                Some(status) => break status,
                None if began.elapsed() > patience => {
                    child.kill().and_then(|()| child.wait()).map_err(|e| e.to_string())?;
                    return Ok(Hunt::Hung);
                }
                None => sleep(Duration::from_millis(20)),
            }
        };
        let text = |path| fs::read(path).map(|text| String::from_utf8_lossy(&text).into_owned());
        let said = text(&output).and_then(|out| Ok(out + &text(&errors)?));
        Ok(verdict(status.success(), &said.map_err(|error| error.to_string())?))
    }

    fn write(&self, changed: usize, text: &str) -> Result<(), String> {
        let (path, _) = &self.changed[changed];
        fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn cargo(&self, arguments: &[&str]) -> Result<(), String> {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        command.args(arguments).current_dir(&self.tree).env("CARGO_TARGET_DIR", &self.target);
        // The same code, built faster: what is hunted is not speed. A planted bug may leave
        // something unused.
        command.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_DEBUG", "0");
        command.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16").env("RUSTFLAGS", "-Awarnings");
        let output = command.output().map_err(|error| format!("cargo: {error}"))?;
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.tree).ok();
    }
}

/// What a simulator's words mean: `seed 17 failed: election safety: two leaders in term 3`.
fn verdict(success: bool, said: &str) -> Hunt {
    let failed = said.lines().find_map(|line| {
        let (seed, why) = line.trim().strip_prefix("seed ")?.split_once(" failed: ")?;
        let checker = why.split_once(": ").map_or(why, |(checker, _)| checker);
        Some(Hunt::Found { checker: checker.to_owned(), seed: seed.parse().ok()? })
    });
    // Where it panicked, and why; else whatever it said last.
    let panic = said.lines().skip_while(|line| !line.contains(" panicked at "));
    let panic: Vec<&str> = panic.take(2).collect();
    let last = || said.lines().last().unwrap_or("no word").to_owned();
    match failed {
        Some(found) => found,
        None if success => Hunt::Nothing,
        None if panic.is_empty() => Hunt::Crashed(last()),
        None => Hunt::Crashed(panic.join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_seed_is_found_among_other_words() {
        let said = "1000 seeds\nseed 17 failed: election safety: 1 and 2 lead in term: 3\n1 failed";
        let found = Hunt::Found { checker: "election safety".to_owned(), seed: 17 };
        assert_eq!(verdict(false, said), found);
        assert_eq!(verdict(true, "100 seeds passed, 0 failed"), Hunt::Nothing);
        assert_eq!(verdict(false, "seed x failed: \nover"), Hunt::Crashed("over".to_owned()));
        assert_eq!(verdict(false, ""), Hunt::Crashed("no word".to_owned()));
        let panic = "thread 'main' panicked at a.rs:1:2:\noh";
        let words = Hunt::Crashed(panic.replace('\n', " "));
        assert_eq!(verdict(false, &format!("one\n{panic}\nnote: more")), words);
    }
}
