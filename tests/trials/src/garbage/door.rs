//! Garbage at the door for clients, from many connections at once: what is no request gets an
//! error, and whoever claims a lot, or leaves everything unread, gets no memory for it.

use super::committer::{Committer, Pace};
use crate::processes::{Processes, Recipe};
use raft_simulator::random::Random;
use std::fmt;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How many connections there are at a time.
const CONNECTIONS: usize = 200;
/// How many threads have them.
const THREADS: usize = 4;
/// What a node may take for all of it, in bytes. A few have nearly sent the longest request there
/// may be, a MiB, or leave as much unread; the others, which claim 512 MiB each, get nothing.
pub const MEMORY_MOST: u64 = CONNECTIONS as u64 * (512 << 10);
/// How long an answer is waited for that is sure to come.
const PATIENCE: Duration = Duration::from_secs(20);

/// What came of it.
#[derive(Clone, Default, Debug)]
pub struct Door {
    /// How many connections brought garbage.
    pub connections: u64,
    /// How many were told so.
    pub refused: u64,
    /// The most memory that the node took before, and while it lasted, in bytes.
    pub memory: [u64; 2],
    /// How fast a client could write at rest, and while it lasted.
    pub paces: [Pace; 2],
}

/// Goes on for so long.
pub fn run(recipe: Recipe, seed: u64, time: Duration) -> io::Result<Door> {
    let mut cluster = Processes::found(recipe)?;
    let target = cluster.leader()?;
    let committer = Committer::begin(&cluster);
    let ((), rest) = committer.during(|| thread::sleep(time / 4));
    let process = cluster.process_id(target).ok_or(io::ErrorKind::NotFound)?;
    let before = memory_peak(process)?;
    let (connections, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    let until = Instant::now() + time;
    let (outcome, during) = committer.during(|| {
        thread::scope(|scope| {
            let bring = |number: usize| {
                let (random, door) = (Random::new(seed, 400 + number as u64), cluster.door(target));
                let (connections, refused) = (&connections, &refused);
                scope.spawn(move || bring(random, door, until, connections, refused))
            };
            let threads: Vec<_> = (0..THREADS).map(bring).collect();
            let join = |thread: thread::ScopedJoinHandle<'_, io::Result<()>>| {
                thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread panicked")))
            };
            threads.into_iter().try_for_each(join)
        })
    });
    outcome?;
    let after = memory_peak(process)?;
    if let Some((id, how)) = cluster.dead()? {
        return Err(io::Error::other(format!("node {id} ended by itself: {how}")));
    }
    Ok(Door {
        connections: connections.into_inner(),
        refused: refused.into_inner(),
        memory: [before, after],
        paces: [rest, during],
    })
}

/// Brings garbage from one connection after the other, and keeps as many open as it may.
fn bring(
    mut random: Random,
    door: &str,
    until: Instant,
    connections: &AtomicU64,
    refused: &AtomicU64,
) -> io::Result<()> {
    let mut open: Vec<TcpStream> = Vec::new();
    while Instant::now() < until {
        if open.len() >= CONNECTIONS / THREADS {
            open.swap_remove(random.below(open.len() as u32) as usize);
        }
        let mut stream = TcpStream::connect(door)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(Duration::from_millis(50)))?;
        connections.fetch_add(1, Ordering::Relaxed);
        let garbage = Garbage::draw(&mut random);
        // A node that does not listen any more has heard enough.
        stream.write_all(&garbage.bytes).ok();
        if garbage.is_refused {
            let mut first = [0];
            let is_told = stream.read(&mut first)? == 1 && first == *b"-";
            if !is_told {
                let shown = garbage.bytes[..garbage.bytes.len().min(64)].escape_ascii().to_string();
                return Err(io::Error::other(format!("no error for {shown}")));
            }
            refused.fetch_add(1, Ordering::Relaxed);
        }
        open.push(stream);
    }
    Ok(())
}

/// What a connection brings.
struct Garbage {
    bytes: Vec<u8>,
    /// Whether that is no request whatever might follow, and must be told so.
    is_refused: bool,
}

impl Garbage {
    fn draw(random: &mut Random) -> Self {
        let claim = |claim: &str| Self { bytes: claim.into(), is_refused: true };
        match random.below(10) {
            0 => claim("*1\r\n$536870912\r\n"),
            1 => claim("*2147483647\r\n"),
            2 => claim("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\nxxxx"),
            3 => claim("*1\r\n$-5\r\n"),
            4 => claim("*1\r\n:5\r\n"),
            5 => Self { bytes: vec![b'x'; 100_000], is_refused: true },
            // The node waits for the rest, as it should.
            6 => Self::half(random),
            7 => Self::unread(random),
            8 => Self::many_words(),
            _ => {
                let bytes = (0..random.between(1, 4000)).map(|_| random.next() as u8).collect();
                Self { bytes, is_refused: false }
            }
        }
    }

    /// As much as may be claimed, and the most of it.
    fn half(random: &mut Random) -> Self {
        let mut bytes = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\n".to_vec();
        bytes.extend((0..random.below(999_000)).map(|_| b'v'));
        Self { bytes, is_refused: false }
    }

    /// Answers that nobody reads.
    fn unread(random: &mut Random) -> Self {
        let ask = b"*1\r\n$7\r\nCOMMAND\r\n";
        Self { bytes: ask.repeat(random.between(100, 2000) as usize), is_refused: false }
    }

    /// A list of nothing, as long as may be.
    fn many_words() -> Self {
        let mut bytes = b"*16000\r\n".to_vec();
        bytes.extend(b"$0\r\n\r\n".repeat(15_999));
        Self { bytes, is_refused: false }
    }
}

/// The most memory that a process ever had, in bytes.
fn memory_peak(process: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.map(|kilobytes| kilobytes << 10).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

impl Door {
    /// What it took, beyond what the node had before.
    pub const fn taken(&self) -> u64 {
        self.memory[1].saturating_sub(self.memory[0])
    }
}

impl fmt::Display for Door {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [before, after] = self.memory.map(|bytes| bytes >> 20);
        let names = ["at rest", "meanwhile"];
        writeln!(formatter, "connections            {}", self.connections)?;
        writeln!(formatter, "refused with an error  {}", self.refused)?;
        writeln!(formatter, "memory                 {before} MiB before, {after} MiB at most")?;
        for (name, pace) in names.iter().zip(&self.paces) {
            let (p50, p99) = (pace.share(50), pace.share(99));
            write!(formatter, "writes {name:<15} {:.0} a second, ", pace.rate())?;
            writeln!(formatter, "p50 {p50:.1?}, p99 {p99:.1?}")?;
        }
        let [rest, during] = &self.paces;
        write!(formatter, "slower by              {:.1}", rest.rate() / during.rate())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kv::resp::{Limits, Requests};

    #[test]
    fn what_must_be_refused_is_refused_and_the_rest_may_be() {
        let mut random = Random::new(1, 1);
        let mut refused = 0;
        for _ in 0..300 {
            let garbage = Garbage::draw(&mut random);
            let mut requests = Requests::new(Limits::TRUSTED);
            requests.push(&garbage.bytes);
            let mut taken = requests.take();
            while matches!(taken, Ok(Some(_))) {
                taken = requests.take();
            }
            refused += u32::from(garbage.is_refused);
            assert!(taken.is_err() || !garbage.is_refused);
        }
        assert!(refused > 100);
    }

    #[test]
    fn memory_is_that_of_a_process() {
        let peak = memory_peak(std::process::id()).unwrap();
        let more = vec![1_u8; 64 << 20];
        assert_eq!(more[more.len() - 1], 1);
        assert!(memory_peak(std::process::id()).unwrap() >= peak + (32 << 20));
    }
}
