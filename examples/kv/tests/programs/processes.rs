//! Processes on loopback, with their data in a directory of their own. Every wait has an end.

use crate::wait::{PATIENCE, wait_until};
use kv::control::{Client, field};
use kv::resp::Reply;
use std::fs::{self, File};
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub struct Processes {
    directory: PathBuf,
    /// Of each node its address, and that for clients.
    addresses: Vec<[String; 2]>,
    running: Vec<Option<Child>>,
}

impl Processes {
    /// Three founders.
    pub fn start(name: &str) -> Self {
        let directory = format!("kv-{name}-{}", std::process::id());
        let directory = std::env::temp_dir().join(directory);
        fs::create_dir_all(&directory).unwrap();
        // Freed again; all at once, so that they differ.
        let sockets = [(); 3].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        let doors = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let addresses = sockets.iter().zip(&doors).map(|(socket, door)| {
            [socket.local_addr().unwrap().to_string(), door.local_addr().unwrap().to_string()]
        });
        let addresses = addresses.collect();
        drop((sockets, doors));
        let mut cluster = Self { directory, addresses, running: vec![None, None, None] };
        (1..=3).for_each(|id| cluster.run(id, &["--bootstrap"]));
        cluster.leader();
        cluster
    }

    /// Starts those that do not run, and waits until somebody leads.
    pub fn start_all(&mut self) {
        for id in 1..=3 {
            if self.running[id - 1].is_none() {
                self.run(id, &[]);
            }
        }
        self.leader();
    }

    pub fn kill(&mut self, id: usize) {
        let mut child = self.running[id - 1].take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks a process to end, and sees that it ends in good order.
    pub fn terminate(&mut self, id: usize) {
        let mut child = self.running[id - 1].take().unwrap();
        output(Command::new("kill").args(["-TERM", &child.id().to_string()]));
        let ended = wait_until("the end of a process", || child.try_wait().unwrap());
        assert_eq!(ended.code(), Some(0), "{}", self.messages(id));
    }

    pub fn client_port(&self, id: usize) -> String {
        self.addresses[id - 1][1].rsplit(':').next().unwrap().to_owned()
    }

    /// A client, if that node runs.
    pub fn client(&self, id: usize) -> Option<Client> {
        Client::connect(&self.addresses[id - 1][1], None, PATIENCE).ok()
    }

    /// Waits until all that run agree on who leads, and runs.
    pub fn leader(&self) -> usize {
        wait_until("a leader", || {
            let ids = (1..=3).filter(|id| self.running[id - 1].is_some());
            let leaders: Vec<_> = ids.map(|id| self.leader_for(id)).collect();
            let leader = leaders.first().copied()??;
            let agreed = leaders.iter().all(|said| *said == Some(leader));
            (agreed && self.running[leader - 1].is_some()).then_some(leader)
        })
    }

    /// What `raftctl` says: what was done, or why not.
    pub fn raftctl(&self, id: usize, words: &str) -> Result<String, String> {
        let mut raftctl = Command::new(env!("CARGO_BIN_EXE_raftctl"));
        raftctl.args(["--server", &self.addresses[id - 1][1]]).args(words.split(' '));
        let output = raftctl.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    fn leader_for(&self, id: usize) -> Option<usize> {
        let status = self.client(id)?.call(&["RAFT.STATUS"]).ok()?;
        match field(&status, "leader")? {
            Reply::Number(leader) => usize::try_from(*leader).ok(),
            _ => None,
        }
    }

    fn run(&mut self, id: usize, more: &[&str]) {
        let [address, client] = &self.addresses[id - 1];
        let mut words = vec!["--id".to_owned(), id.to_string(), "--listen".into(), address.clone()];
        words.extend(["--client".into(), client.clone()]);
        words.extend(["--data".into(), self.file(id, "data").display().to_string()]);
        // Waits that a busy machine of two cores keeps.
        words.extend(["--election-timeout=600", "--heartbeat=100"].map(str::to_owned));
        for (peer, [address, _]) in (1..).zip(&self.addresses) {
            if peer != id {
                words.extend(["--peer".into(), format!("{peer}={address}")]);
            }
        }
        let file = self.file(id, "messages");
        let messages = File::options().create(true).append(true).open(file).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_kv"))
            .args(words)
            .args(more)
            .stdin(Stdio::null())
            .stderr(messages)
            .spawn();
        self.running[id - 1] = Some(child.unwrap());
    }

    fn file(&self, id: usize, what: &str) -> PathBuf {
        self.directory.join(format!("{what}-{id}"))
    }

    fn messages(&self, id: usize) -> String {
        fs::read_to_string(self.file(id, "messages")).unwrap_or_default()
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for child in self.running.iter_mut().flatten() {
            child.kill().ok();
            child.wait().ok();
        }
        if std::thread::panicking() {
            (1..=3).for_each(|id| eprintln!("node {id} said:\n{}", self.messages(id)));
        } else {
            fs::remove_dir_all(&self.directory).ok();
        }
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
