//! Three processes with a node each, as the process that measures them sees them.

use super::child::Child;
use super::node::{MEMORY, NODE};
use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// How many nodes there are.
pub const NODES: usize = 3;
/// How long a cluster has to elect somebody.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Three nodes on this machine.
pub struct Cluster(Vec<Child>);

/// What doing nothing costs the node that it costs most.
pub struct Idle {
    pub core_percent: f64,
    /// Of datagrams, sent and received.
    pub bytes_per_second: f64,
}

impl Cluster {
    /// Three nodes that keep nothing, or files below this directory; on one core, if that is one.
    pub fn start(core: &str, directory: Option<&Path>) -> Result<Self, String> {
        let addresses = free_addresses()?;
        let mut nodes = Vec::new();
        for id in 1..=NODES {
            let storage = directory.map(|at| at.join(format!("node-{id}")).display().to_string());
            let (id, storage) = (id.to_string(), storage.unwrap_or(MEMORY.to_owned()));
            let mut words = vec![NODE, core, &id, &storage];
            words.extend(addresses.iter().map(String::as_str));
            nodes.push(Child::start(&words)?);
        }
        Ok(Self(nodes))
    }

    /// Asks whoever leads.
    pub fn ask_leader(&mut self, question: &str) -> Result<Vec<f64>, String> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Some(leader) = self.leader()? {
                return leader.ask(question);
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err("three nodes on this machine do not agree on who leads".to_owned())
    }

    /// Who leads, if all agree.
    fn leader(&mut self) -> Result<Option<&mut Child>, String> {
        let asked: Result<Vec<_>, _> = self.0.iter_mut().map(|node| node.ask("leads")).collect();
        let said: Vec<_> =
            asked?.iter().map(|said| said.first().map_or(0, |id| *id as usize)).collect();
        let leader = said.first().copied().unwrap_or(0);
        let agreed = leader > 0 && said.iter().all(|other| *other == leader);
        Ok(agreed.then(|| self.0.get_mut(leader - 1)).flatten())
    }

    /// What doing nothing for so long costs.
    pub fn idle(&mut self, time: Duration) -> Result<Idle, String> {
        let mut before = Vec::new();
        for node in &mut self.0 {
            before.push((busy(node.id())?, node.ask("sent")?));
        }
        thread::sleep(time);
        let mut most = Idle { core_percent: 0.0, bytes_per_second: 0.0 };
        for (node, (was_busy, had_sent)) in self.0.iter_mut().zip(before) {
            let (busy, sent) = (busy(node.id())? - was_busy, node.ask("sent")?);
            let percent = busy.as_secs_f64() / time.as_secs_f64() * 100.0;
            most.core_percent = most.core_percent.max(percent);
            let sent = sent.iter().zip(had_sent).map(|(now, before)| now - before).sum::<f64>();
            most.bytes_per_second = most.bytes_per_second.max(sent / time.as_secs_f64());
        }
        Ok(most)
    }
}

/// How long the threads of a process have had a core.
fn busy(process: u32) -> Result<Duration, String> {
    let failed = |error: std::io::Error| format!("/proc/{process}: {error}");
    let mut busy = Duration::ZERO;
    for thread in fs::read_dir(format!("/proc/{process}/task")).map_err(failed)? {
        let told = fs::read_to_string(thread.map_err(failed)?.path().join("schedstat"));
        let told = told.map_err(failed)?;
        let nanoseconds = told.split_whitespace().next().and_then(|word| word.parse().ok());
        busy += Duration::from_nanos(nanoseconds.ok_or("no times in schedstat")?);
    }
    Ok(busy)
}

/// Addresses of this machine that nobody uses, for datagrams and connections.
pub fn free_addresses() -> Result<Vec<String>, String> {
    let failed = |error| format!("an address of this machine: {error}");
    // Held until all are known, so that none is given twice.
    let sockets: Result<Vec<_>, _> = (0..NODES).map(|_| UdpSocket::bind("127.0.0.1:0")).collect();
    let addresses = sockets.map_err(failed)?;
    let addresses = addresses.iter().map(|socket| Ok(socket.local_addr()?.to_string()));
    addresses.collect::<std::io::Result<_>>().map_err(failed)
}
