//! Nodes of the key-value store as processes of this machine, with their data in a directory of
//! their own: started, killed, stopped, and started again.
//!
//! - `recipe`: what a cluster is made of;
//! - `ports`: where its nodes listen.
//!
//! No other program is needed: one that begins with [`become_node`] can be all of them.

mod ports;
mod recipe;

pub use self::recipe::{NODE, Recipe};
use kv::control::{Client, field};
use kv::resp::Reply;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// No wait of this module is longer.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How many clusters this process has had, so that each has another directory.
static CLUSTERS: AtomicU32 = AtomicU32::new(0);

/// A few processes. Those that run are killed when this is dropped.
///
/// - what is done to nodes, by their number, from 1 on: `run`, `kill`, `terminate`, `stop` and
///   `go_on`;
/// - looks: everything else.
pub struct Processes {
    recipe: Recipe,
    directory: Option<PathBuf>,
    nodes: Vec<Process>,
    keeps_files: bool,
}

struct Process {
    /// Where it listens, and where others find it.
    address: String,
    advertised: String,
    door: String,
    metrics: String,
    child: Option<Child>,
    stopped: bool,
}

/// Is a node, as the words say, and ends when its parent does. The first word is the program's
/// name.
pub fn become_node(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    thread::spawn(|| {
        // Nobody says anything. It ends when there is nobody left who could.
        io::stdin().read_to_end(&mut Vec::new()).ok();
        std::process::exit(1);
    });
    kv::process::run(words)
}

impl Processes {
    /// Chooses addresses and makes a directory; nothing runs yet.
    pub fn prepare(recipe: Recipe) -> io::Result<Self> {
        let number = CLUSTERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("raft-trial-{}-{number}", std::process::id());
        let directory = recipe.parent.as_ref().map(|parent| parent.join(name));
        directory.as_ref().map_or(Ok(()), fs::create_dir_all)?;
        let local = || Ok::<_, io::Error>(format!("127.0.0.1:{}", ports::free()?));
        let process = || {
            let address = local()?;
            Ok(Process {
                advertised: address.clone(),
                address,
                door: local()?,
                metrics: local()?,
                child: None,
                stopped: false,
            })
        };
        let nodes = (0..recipe.nodes).map(|_| process()).collect::<io::Result<_>>()?;
        Ok(Self { recipe, directory, nodes, keeps_files: false })
    }

    /// Starts all of them as founders, and waits until they follow one of them.
    pub fn found(recipe: Recipe) -> io::Result<Self> {
        let mut cluster = Self::prepare(recipe)?;
        cluster.begin()?;
        Ok(cluster)
    }

    /// The same with one that is prepared.
    pub fn begin(&mut self) -> io::Result<usize> {
        self.ids().try_for_each(|id| self.run_with(id, &["--bootstrap"]))?;
        self.leader()
    }

    /// Others find a node there, where somebody passes on what they send. Before it is started.
    pub fn advertise(&mut self, id: usize, address: &str) {
        address.clone_into(&mut self.nodes[id - 1].advertised);
    }

    /// Starts a node.
    pub fn run(&mut self, id: usize) -> io::Result<()> {
        self.run_with(id, &[])
    }

    /// Starts those that do not run, and waits until all follow one of them.
    pub fn run_all(&mut self) -> io::Result<usize> {
        for id in self.ids() {
            if !self.runs(id) {
                self.run(id)?;
            }
        }
        self.leader()
    }

    /// Kills a node, at once.
    pub fn kill(&mut self, id: usize) -> io::Result<()> {
        let node = &mut self.nodes[id - 1];
        node.stopped = false;
        let Some(mut child) = node.child.take() else { return Ok(()) };
        child.kill()?;
        child.wait().map(drop)
    }

    /// Asks a node to end, and says how it did.
    pub fn terminate(&mut self, id: usize) -> io::Result<ExitStatus> {
        self.go_on(id)?;
        self.signal(id, Signal::TERM)?;
        let gone = || io::Error::from(io::ErrorKind::NotFound);
        let mut child = self.nodes[id - 1].child.take().ok_or_else(gone)?;
        let ended = within(PATIENCE, || child.try_wait().transpose());
        match ended {
            Some(status) => status,
            None => {
                child.kill()?;
                Err(in_vain("the end of a node"))
            }
        }
    }

    /// Stops a node, as a laptop that sleeps.
    pub fn stop(&mut self, id: usize) -> io::Result<()> {
        self.nodes[id - 1].stopped = true;
        self.signal(id, Signal::STOP)
    }

    /// Lets it go on.
    pub fn go_on(&mut self, id: usize) -> io::Result<()> {
        if !std::mem::take(&mut self.nodes[id - 1].stopped) {
            return Ok(());
        }
        self.signal(id, Signal::CONT)
    }

    /// Leaves the directory there when this is dropped, and says where it is.
    pub fn keep_files(&mut self) -> Option<PathBuf> {
        self.keeps_files = true;
        self.directory.clone()
    }

    /// A node that ended by itself, and how.
    pub fn dead(&mut self) -> io::Result<Option<(usize, ExitStatus)>> {
        for (id, node) in (1..).zip(&mut self.nodes) {
            let Some(child) = &mut node.child else { continue };
            if let Some(status) = child.try_wait()? {
                return Ok(Some((id, status)));
            }
        }
        Ok(None)
    }

    /// Waits until all that can say something follow one of them.
    pub fn leader(&self) -> io::Result<usize> {
        let leader = within(PATIENCE, || {
            let ids = self.ids().filter(|id| self.can_answer(*id));
            let leaders: Vec<_> = ids.map(|id| self.leader_for(id)).collect();
            let leader = leaders.first().copied()??;
            let agreed = leaders.iter().all(|said| *said == Some(leader));
            (agreed && self.can_answer(leader)).then_some(leader)
        });
        leader.ok_or_else(|| in_vain("a leader"))
    }

    /// Whom a node takes for the leader.
    pub fn leader_for(&self, id: usize) -> Option<usize> {
        let mut client = Client::connect(self.door(id), None, Duration::from_secs(2)).ok()?;
        let status = client.call(&["RAFT.STATUS"]).ok()?;
        match field(&status, "leader")? {
            Reply::Number(leader) => usize::try_from(*leader).ok(),
            _ => None,
        }
    }

    /// The numbers of all nodes.
    pub fn ids(&self) -> std::ops::RangeInclusive<usize> {
        1..=self.nodes.len()
    }

    /// Whether a node was started, and not killed.
    pub fn runs(&self, id: usize) -> bool {
        self.nodes[id - 1].child.is_some()
    }

    /// Whether it runs, and is not stopped.
    pub fn can_answer(&self, id: usize) -> bool {
        self.runs(id) && !self.nodes[id - 1].stopped
    }

    /// Its process.
    pub fn process_id(&self, id: usize) -> Option<u32> {
        self.nodes[id - 1].child.as_ref().map(Child::id)
    }

    /// Where it listens for its peers.
    pub fn address(&self, id: usize) -> &str {
        &self.nodes[id - 1].address
    }

    /// Where it listens for clients.
    pub fn door(&self, id: usize) -> &str {
        &self.nodes[id - 1].door
    }

    /// Where it has its pages for operators.
    pub fn metrics(&self, id: usize) -> &str {
        &self.nodes[id - 1].metrics
    }

    /// A client, if that node runs.
    pub fn client(&self, id: usize) -> Option<Client> {
        Client::connect(self.door(id), None, PATIENCE).ok()
    }

    /// Where data and messages are.
    pub fn file(&self, id: usize, what: &str) -> Option<PathBuf> {
        self.directory.as_ref().map(|directory| directory.join(format!("{what}-{id}")))
    }

    /// What a node said.
    pub fn messages(&self, id: usize) -> String {
        let read = self.file(id, "messages").map(fs::read_to_string);
        read.and_then(Result::ok).unwrap_or_default()
    }

    /// Starts a node, and says more to it.
    pub fn run_with(&mut self, id: usize, more: &[&str]) -> io::Result<()> {
        let mut command = Command::new(&self.recipe.program);
        command.args(&self.recipe.first);
        let node = &self.nodes[id - 1];
        command.args(["--id", &id.to_string(), "--listen", &node.address]);
        command.args(["--client", &node.door, "--metrics", &node.metrics]);
        if node.advertised != node.address {
            command.args(["--advertise", &node.advertised]);
        }
        for (peer, node) in (1..).zip(&self.nodes).filter(|(peer, _)| *peer != id) {
            command.args(["--peer", &format!("{peer}={}", node.advertised)]);
        }
        if let Some(messages) = self.file(id, "messages") {
            command.stderr(File::options().create(true).append(true).open(messages)?);
        }
        match self.file(id, "data") {
            Some(data) => command.arg("--data").arg(data),
            None => command.arg("--memory"),
        };
        // Held open as long as this process lives; see `become_node`.
        command.stdin(Stdio::piped());
        let child = command.args(&self.recipe.words).args(more).spawn()?;
        self.nodes[id - 1].child = Some(child);
        Ok(())
    }

    fn signal(&self, id: usize, signal: Signal) -> io::Result<()> {
        match &self.nodes[id - 1].child {
            Some(child) => Ok(kill_process(Pid::from_child(child), signal)?),
            None => Ok(()),
        }
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for child in self.nodes.iter_mut().filter_map(|node| node.child.as_mut()) {
            child.kill().ok();
            child.wait().ok();
        }
        if thread::panicking() {
            self.ids().for_each(|id| eprintln!("node {id} said:\n{}", self.messages(id)));
        }
        if let Some(directory) = self.directory.take().filter(|_| !self.keeps_files) {
            fs::remove_dir_all(directory).ok();
        }
    }
}

/// Asks again and again until there is an answer, or the time is over.
pub fn within<T>(time: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + time;
    loop {
        let answer = ask();
        if answer.is_some() || Instant::now() >= deadline {
            return answer;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn in_vain(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("waited in vain for {what}"))
}
