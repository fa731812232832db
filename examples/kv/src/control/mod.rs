//! What `raftctl` does: it speaks to a node's door, and finds the one that leads by itself; and it
//! looks after files on which no node works.

mod backup;
mod client;
mod offline;
mod render;
mod words;

pub use self::client::{Client, request};
pub use self::offline::Offline;
use self::render::{human, json, table};
pub use self::words::CONFIRMATION;
use crate::resp::{BadAnswer, Reply};
use raft_std::BackupError;
use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long an answer may take, and how long it is tried again.
const PATIENCE: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_millis(200);

/// How the tool is used.
pub const HELP: &str = "raftctl: looks after a cluster of kv

Usage: raftctl [--server HOST:PORT] [--password TEXT] [--json] COMMAND

Commands:
  status               how all nodes are
  watch [--count N]    the same every second
  add HOST:PORT        take in the node that serves clients there; it was started with --join
      [--learner]      ... without a vote
  promote ID           give a learner a vote
  remove ID            remove a node, which is to be switched off then
  transfer [ID]        have this node lead, or whoever is best
  snapshot             have the node at --server take a snapshot
  backup FILE          have the node at --server take a backup, and keep it here; FILE is there as
                       a whole or not at all

Commands for files, while no node works on them:
  check FILE           what a backup holds, and whether it is whole
  restore FILE --data DIR --id ID [--founder ID ...] [--attempt N]
                       make DIR, which is blank, that of founder ID of a new cluster, which begins
                       with a backup; the same FILE and founders for each of them, once
  force-new-cluster --data DIR [--cluster NUMBER] [--yes-i-lose-what-others-had]
                       make DIR that of a new cluster of one, when most disks are lost for good;
                       without that word only say what DIR has
  wal inspect FILE     what stands where in a file of a node's directory
  wal verify DIR       what a node's directory amounts to

Options:
  --server HOST:PORT   any node's address for clients (127.0.0.1:6379)
  --password TEXT      what clients must say first (or KV_PASSWORD in the environment)
  --json               answers for programs

Examples:
  raftctl status
  raftctl --server 10.0.0.1:6379 add 10.0.0.4:6379
  raftctl --json status
  raftctl --server 10.0.0.2:6379 backup /backup/kv-$(date +%F)
  raftctl check /backup/kv-2026-11-21
  raftctl restore /backup/kv-2026-11-21 --data /var/lib/kv --id 1 \\
      --founder 1 --founder 2 --founder 3
  raftctl wal verify /var/lib/kv
";

/// What is to be done, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Control {
    /// Any node.
    pub server: String,
    /// What clients must say first.
    pub password: Option<String>,
    /// Whether programs read the answers.
    pub json: bool,
    /// What to do.
    pub task: Task,
}

/// Something to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Task {
    /// Show how all nodes are.
    Status,
    /// The same every second, so many times if that is said.
    Watch(Option<u32>),
    /// Take in the node that serves clients there.
    Add {
        /// Where.
        client: String,
        /// Whether it gets no vote.
        learner: bool,
    },
    /// Have the leader do this.
    Lead(Vec<String>),
    /// Have the node at hand do this.
    Here(Vec<String>),
    /// Have it take a backup, and keep that here.
    Backup(PathBuf),
    /// Do something to files.
    Offline(Offline),
}

/// Why something was not done.
#[derive(Debug)]
pub enum Failed {
    /// A node could not be spoken to.
    Node(String, BadAnswer),
    /// A node said no.
    Refused(String),
    /// Something can't be done with a file or a directory.
    Path(PathBuf, Box<dyn Error + Send + Sync>),
    /// A backup was not kept.
    Backup(BackupError),
}

impl Control {
    /// Does it, and has each thing that there is to say told.
    pub fn run(&self, tell: &mut dyn FnMut(&str)) -> Result<(), Failed> {
        match &self.task {
            Task::Status => tell(&self.status()?),
            Task::Watch(count) => {
                let mut left = count.unwrap_or(u32::MAX);
                while left > 0 {
                    tell(&self.status()?);
                    left -= 1;
                    if left > 0 {
                        std::thread::sleep(Duration::from_secs(1));
                    }
                }
            }
            Task::Add { client, learner } => {
                let node = self.ask(client, &["RAFT.STATUS"])?;
                let number = |name| field(&node, name).map(shown).unwrap_or_default();
                let address = field(&node, "address").map(shown).unwrap_or_default();
                let mut words: Vec<String> =
                    vec!["RAFT.ADD".into(), number("id"), address, number("nonce")];
                if *learner {
                    words.push("LEARNER".into());
                }
                tell(&self.render(&self.lead(&words)?));
            }
            Task::Lead(words) => tell(&self.render(&self.lead(words)?)),
            Task::Backup(file) => tell(&self.render(&self.backup(file)?)),
            Task::Offline(task) => self.offline(task, tell)?,
            Task::Here(words) => {
                let words: Vec<_> = words.iter().map(String::as_str).collect();
                tell(&self.render(&self.ask(&self.server, &words)?));
            }
        }
        Ok(())
    }

    fn render(&self, reply: &Reply) -> String {
        if self.json { json(reply) } else { human(reply) }
    }

    /// How every node is that can be found from the one at hand.
    fn status(&self) -> Result<String, Failed> {
        let first = self.ask(&self.server, &["RAFT.STATUS"])?;
        let (own, mut nodes) = (field(&first, "id").cloned(), Vec::new());
        for member in members(&first) {
            let (id, client) = (field(member, "id").cloned(), field(member, "client"));
            nodes.push(match client {
                _ if id == own => first.clone(),
                Some(Reply::Bytes(client)) => {
                    let client = String::from_utf8_lossy(client).into_owned();
                    self.ask(&client, &["RAFT.STATUS"]).unwrap_or_else(|error| {
                        let id = id.unwrap_or(Reply::Nothing);
                        Reply::map([("id", id), ("fault", Reply::text(&error.to_string()))])
                    })
                }
                _ => {
                    let id = id.unwrap_or(Reply::Nothing);
                    Reply::map([("id", id), ("fault", Reply::text("its address is not known"))])
                }
            });
        }
        if nodes.is_empty() {
            // It is no member itself.
            nodes.push(first.clone());
        }
        Ok(if self.json { json(&Reply::List(nodes)) } else { table(&first, &nodes) })
    }

    /// Has the leader do something, whoever that is, and however often it changes meanwhile.
    fn lead(&self, words: &[String]) -> Result<Reply, Failed> {
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let until = Instant::now() + PATIENCE;
        loop {
            let outcome = self.leader().and_then(|leader| self.ask(&leader, &words));
            let again = match &outcome {
                Err(Failed::Refused(why)) => {
                    why.starts_with("NOTLEADER") || why.starts_with("TRYAGAIN")
                }
                _ => false,
            };
            if !again || Instant::now() >= until {
                return outcome;
            }
            std::thread::sleep(AGAIN);
        }
    }

    /// Where the leader serves clients.
    fn leader(&self) -> Result<String, Failed> {
        let status = self.ask(&self.server, &["RAFT.STATUS"])?;
        let Some(leader @ Reply::Number(_)) = field(&status, "leader") else {
            return Err(Failed::Refused("TRYAGAIN no leader is known".to_owned()));
        };
        if field(&status, "id") == Some(leader) {
            return Ok(self.server.clone());
        }
        let member = members(&status).find(|member| field(member, "id") == Some(leader));
        match member.and_then(|member| field(member, "client")) {
            Some(Reply::Bytes(client)) => Ok(String::from_utf8_lossy(client).into_owned()),
            _ => Err(Failed::Refused("TRYAGAIN the leader's address is not known".to_owned())),
        }
    }

    fn ask(&self, node: &str, words: &[&str]) -> Result<Reply, Failed> {
        let failed = |error| Failed::Node(node.to_owned(), error);
        let client = Client::connect(node, self.password.as_deref(), PATIENCE);
        match client.map_err(failed)?.call(words).map_err(failed)? {
            Reply::Error(error) => Err(Failed::Refused(error)),
            reply => Ok(reply),
        }
    }
}

fn members(status: &Reply) -> impl Iterator<Item = &Reply> {
    match field(status, "members") {
        Some(Reply::List(members)) => members.as_slice(),
        _ => &[],
    }
    .iter()
}

/// What stands under a name.
pub fn field<'a>(reply: &'a Reply, name: &str) -> Option<&'a Reply> {
    let Reply::Map(pairs) = reply else { return None };
    let is_named = |(key, _): &&(Reply, Reply)| *key == Reply::text(name);
    pairs.iter().find(is_named).map(|(_, value)| value)
}

/// An answer in a word.
fn shown(reply: &Reply) -> String {
    match reply {
        Reply::Word(word) => (*word).to_owned(),
        Reply::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Reply::Number(number) => number.to_string(),
        Reply::Nothing => "-".to_owned(),
        other => json(other),
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(node, error) => write!(f, "{node}: {error}"),
            Self::Refused(why) => write!(f, "{why}"),
            Self::Path(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Backup(error) => write!(f, "{error}"),
        }
    }
}

impl Error for Failed {}
