//! Processes on loopback, with their data in a directory of their own. Every wait has an end.

use crate::wait::PATIENCE;
use kv::control::Client;
use raft_trials::processes::{self, Recipe};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub struct Processes(pub processes::Processes);

impl Processes {
    /// Three founders.
    pub fn start() -> Self {
        let mut cluster = Self::prepare();
        cluster.0.begin().unwrap();
        cluster
    }

    /// Three nodes to be.
    pub fn prepare() -> Self {
        let recipe = Recipe::of(env!("CARGO_BIN_EXE_kv"));
        // Waits that a busy machine of two cores keeps.
        let recipe = recipe.say(&["--election-timeout=600", "--heartbeat=100"]);
        Self(processes::Processes::prepare(recipe).unwrap())
    }

    /// Starts those that do not run, and waits until somebody leads.
    pub fn start_all(&mut self) {
        self.0.run_all().unwrap();
    }

    pub fn kill(&mut self, id: usize) {
        self.0.kill(id).unwrap();
    }

    /// Asks a process to end, and sees that it ends in good order.
    pub fn terminate(&mut self, id: usize) {
        assert_eq!(self.0.terminate(id).unwrap().code(), Some(0), "{}", self.0.messages(id));
    }

    pub fn client_port(&self, id: usize) -> String {
        self.0.door(id).rsplit(':').next().unwrap().to_owned()
    }

    /// A client, if that node runs.
    pub fn client(&self, id: usize) -> Option<Client> {
        self.0.client(id)
    }

    /// Waits until all that run agree on who leads, and runs.
    pub fn leader(&self) -> usize {
        self.0.leader().unwrap()
    }

    /// What `raftctl` says: what was done, or why not.
    pub fn raftctl(&self, id: usize, words: &str) -> Result<String, String> {
        let mut raftctl = Command::new(env!("CARGO_BIN_EXE_raftctl"));
        raftctl.args(["--server", self.0.door(id)]).args(words.split(' '));
        let output = raftctl.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }
}

/// Makes commands of this program; where it may be missing, says so and makes none.
pub fn tool(name: &'static str, package: &str) -> Option<impl Fn() -> Command> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = std::env::split_paths(&path).any(|path| Path::new(&path).join(name).is_file());
    if !is_there {
        assert!(std::env::var_os("CI").is_none(), "{name} is not installed: it is in {package}");
        eprintln!("NOT TESTED: {name} is not installed; on Debian it is in {package}");
        return None;
    }
    Some(move || Command::new(name))
}

/// What a command says that ends well, and in time.
pub fn output(command: &mut Command) -> String {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap();
    let (mut said, mut wrong) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let said = std::thread::spawn(move || std::io::read_to_string(&mut said).unwrap());
    let wrong = std::thread::spawn(move || std::io::read_to_string(&mut wrong).unwrap());
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if Instant::now() >= deadline => child.kill().unwrap(),
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let (said, wrong) = (said.join().unwrap(), wrong.join().unwrap());
    assert!(status.success(), "{command:?} ended with {status}: {said}{wrong}");
    said
}

/// How a node that does not start ends, and what it says.
pub fn refused(words: &str) -> (i32, String) {
    let mut kv = Command::new(env!("CARGO_BIN_EXE_kv"));
    let output = kv.args(words.split(' ')).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}
