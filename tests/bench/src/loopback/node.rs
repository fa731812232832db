//! A process with one node in it, which drives itself when it is asked to.
//!
//! Its machine counts 16-byte values and does nothing else, so that what is measured is the way of
//! a command: from a thread that proposes it, through the log of a majority, back to that thread.

use super::child;
use super::floors;
use super::times::Times;
use raft_std::{
    ClusterId, HostStorage, LoadError, Loader, Machine, Memory, NodeId, Saver, Server, Settings,
    Ticket, Wal, WalOptions,
};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The hidden command that is a node.
pub const NODE: &str = "loopback-node";
/// What stands for storage that keeps nothing, and makes no promise that would outlive the process.
pub const MEMORY: &str = "memory";

const LOG_BYTES: usize = 16 << 20;
const PATIENCE: Duration = Duration::from_secs(10);

/// Counts the values that it was given.
#[derive(Clone, Default)]
struct Tally(u64);

impl Machine for Tally {
    type Command<'a> = [u8; 16];
    type Output = u64;

    fn apply(&mut self, _: [u8; 16]) -> u64 {
        self.0 += 1;
        self.0
    }

    fn save(&self, saver: &mut Saver<'_>) {
        saver.value(&self.0);
    }

    fn restore(&mut self, loader: &mut Loader<'_>, _: u16) -> Result<(), LoadError> {
        self.0 = loader.value()?;
        Ok(())
    }
}

/// In such a process: is this one of the nodes at these addresses, on this core if that is one, and
/// answers questions.
pub fn run(core: &str, id: &str, storage: &str, addresses: &[&str]) -> Result<(), String> {
    floors::stay_on(core)?;
    let id: usize = id.parse().map_err(|_| format!("no node is called {id}"))?;
    if storage == MEMORY {
        let memory = Memory::new(LOG_BYTES, 4096);
        return serve(id, memory.map_err(|error| format!("{error:?}"))?, addresses);
    }
    let wal = Wal::open(storage, WalOptions::default());
    serve(id, wal.map_err(|error| error.to_string())?, addresses)
}

/// How long waits are. Patience costs nothing here: nobody is lost.
fn settings() -> Settings {
    let election_timeout = Duration::from_secs(1);
    // The heartbeat is that of the usual settings: an idle node is measured, too.
    Settings { election_timeout, log_bytes: LOG_BYTES, ..Settings::LAN }
}

fn serve(id: usize, storage: impl HostStorage, addresses: &[&str]) -> Result<(), String> {
    let node = |number: usize| NodeId(number as u8);
    let voters: Vec<_> = (1..=addresses.len()).map(node).collect();
    let own = addresses.get(id - 1).copied().unwrap_or_default();
    let mut setup = Server::new(node(id), own).settings(settings()).patience(PATIENCE);
    for (number, address) in (1..).zip(addresses).filter(|(number, _)| *number != id) {
        setup = setup.peer(node(number), address);
    }
    let server = setup.found(ClusterId(5), &voters).start(storage, Tally::default());
    let server = server.map_err(|error| error.to_string())?;
    child::answer(|words| {
        let number = |place: usize| words.get(place).and_then(|word| word.parse::<usize>().ok());
        match words.first().copied() {
            Some("leads") => {
                let status = server.status().map_err(|error| error.to_string())?;
                Ok(vec![f64::from(status.node.leader.map_or(0, |leader| leader.0))])
            }
            Some("sent") => {
                let status = server.status().map_err(|error| error.to_string())?;
                Ok(vec![(status.links.sent_bytes + status.links.received_bytes) as f64])
            }
            Some("one-by-one") => one_by_one(&server, number(1).unwrap_or(1)),
            Some("together") => {
                let time = Duration::from_millis(number(2).unwrap_or(1000) as u64);
                together(&server, number(1).unwrap_or(1), time)
            }
            _ => Err("nobody knows what that is".to_owned()),
        }
    })
}

/// Median and 99th percentile of so many commands, each proposed when the one before was answered.
fn one_by_one(server: &Server<Tally>, count: usize) -> Result<Vec<f64>, String> {
    let mut times = Times::default();
    for number in 0..count + count / 10 {
        let begun = Instant::now();
        server.propose(&value(number)).map_err(|error| error.to_string())?;
        // The first ones find everything cold.
        if number >= count / 10 {
            times.add(begun.elapsed());
        }
    }
    Ok(vec![times.median(), times.percentile(99)])
}

/// Commands a second, with so many under way all the time.
fn together(server: &Server<Tally>, window: usize, time: Duration) -> Result<Vec<f64>, String> {
    let mut under_way: VecDeque<Ticket<Tally>> = VecDeque::new();
    let mut number = 0;
    // What the machine says that it has counted, and when.
    let (mut begun, mut warm, mut first) = (Instant::now(), false, 0);
    let rate = loop {
        while under_way.len() < window {
            under_way.push_back(server.begin(&value(number)));
            number += 1;
        }
        let Some(oldest) = under_way.pop_front() else { break 0.0 };
        let mut tally = oldest.wait(PATIENCE).map_err(|error| error.to_string())?;
        while let Some(outcome) = under_way.front().and_then(Ticket::poll) {
            tally = tally.max(outcome.map_err(|error| error.to_string())?);
            under_way.pop_front();
        }
        if !warm && begun.elapsed() > time / 10 {
            (warm, begun, first) = (true, Instant::now(), tally);
        } else if begun.elapsed() > time {
            break (tally - first) as f64 / begun.elapsed().as_secs_f64();
        }
    };
    for ticket in under_way {
        ticket.wait(PATIENCE).map_err(|error| error.to_string())?;
    }
    Ok(vec![rate])
}

fn value(number: usize) -> [u8; 16] {
    let mut value = [7; 16];
    value[..8].copy_from_slice(&(number as u64).to_le_bytes());
    value
}
