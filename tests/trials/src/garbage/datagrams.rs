//! Datagrams that mean nothing, at full speed, from the addresses of peers and of strangers.
//!
//! Rest, a flood of a socket that belongs to nobody, and a flood of a node take turns, so that what
//! the sender takes of the machine is known, and what it does to the node.

use super::committer::{Committer, Pace};
use super::counters::Refused;
use super::mutate::Mutator;
use crate::processes::{PATIENCE, Processes, Recipe, within};
use crate::proxy::Proxy;
use kv::control::Client;
use raft_core::ClusterId;
use std::fmt;
use std::io;
use std::net::UdpSocket;
use std::thread;
use std::time::{Duration, Instant};

/// How often rest and floods take turns.
const ROUNDS: u64 = 10;
/// How long a rest is.
const REST: Duration = Duration::from_secs(1);
/// What nodes are of, and what they are not.
const FOREIGN: ClusterId = ClusterId(2);
/// By how much floods may slow a client down that writes one value after the other.
pub const FACTOR_MOST: f64 = 10.0;

/// What came of it.
#[derive(Clone, Default, Debug)]
pub struct Datagrams {
    /// How many were sent to nodes.
    pub sent: u64,
    /// How many of them nodes counted as garbage.
    pub counted: u64,
    /// For how many there was no room in a socket.
    pub without_room: u64,
    /// How long the floods took.
    pub flooding: Duration,
    /// How fast a client could write: at rest, beside a flood of nobody, in a flood.
    pub paces: [Pace; 3],
    /// How often that client had to ask another node.
    pub failed: u64,
}

/// Sends so many.
pub fn run(recipe: Recipe, seed: u64, count: u64) -> io::Result<Datagrams> {
    let mut cluster = Processes::prepare(recipe)?;
    let proxy = Proxy::begin(&mut cluster, seed)?;
    cluster.begin()?;
    let mut mutator = Mutator::new(seed, real(&mut cluster, &proxy)?, FOREIGN);
    let committer = Committer::begin(&cluster);
    let (mut report, nobody) = (Datagrams::default(), UdpSocket::bind("127.0.0.1:0")?);
    let nobody = (nobody.local_addr()?.to_string(), nobody);
    for round in 0..ROUNDS {
        let leader = cluster.leader()?;
        let others = cluster.ids().find(|id| *id != leader);
        let target = others.filter(|_| round % 2 == 1).unwrap_or(leader);
        let mut sources = vec![UdpSocket::bind("127.0.0.1:0")?];
        for id in cluster.ids().filter(|id| *id != target) {
            sources.push(proxy.face(id)?);
        }
        let ((), rest) = committer.during(|| thread::sleep(REST));
        let aside = || flood(&mut mutator, &sources, &nobody.0, u64::MAX, Some(REST));
        let (aside, beside) = committer.during(aside);
        aside?;
        let share = count / ROUNDS + u64::from(round < count % ROUNDS);
        let before = Refused::now(cluster.metrics(target), cluster.address(target))?;
        let begun = Instant::now();
        let address = cluster.address(target);
        let (sent, during) =
            committer.during(|| flood(&mut mutator, &sources, address, share, None));
        report.flooding += begun.elapsed();
        report.account(&cluster, target, before, sent?)?;
        for (all, pace) in report.paces.iter_mut().zip([rest, beside, during]) {
            all.add(pace);
        }
        if let Some((id, how)) = cluster.dead()? {
            return Err(io::Error::other(format!("node {id} ended by itself: {how}")));
        }
    }
    report.failed = committer.failed();
    Ok(report)
}

/// Has nodes say all kinds of things to each other.
fn real(cluster: &mut Processes, proxy: &Proxy) -> io::Result<Vec<Vec<u8>>> {
    for _ in 0..2 {
        let leader = cluster.leader()?;
        for id in cluster.ids() {
            let client = Client::connect(cluster.door(id), None, PATIENCE);
            let mut client = client.map_err(|error| io::Error::other(error.to_string()))?;
            for number in 0..100 {
                client.call(&["SET", &format!("key-{number}"), &"x".repeat(number)]).ok();
                client.call(&["GET", "key"]).ok();
            }
        }
        cluster.kill(leader)?;
        cluster.leader()?;
        cluster.run_all()?;
    }
    Ok(proxy.samples())
}

/// Sends as many as are asked for, or for as long.
fn flood(
    mutator: &mut Mutator,
    sources: &[UdpSocket],
    to: &str,
    count: u64,
    time: Option<Duration>,
) -> io::Result<u64> {
    let to: std::net::SocketAddr = to.parse().map_err(io::Error::other)?;
    let begun = Instant::now();
    let mut sent = 0;
    for (number, source) in (0..count).zip(sources.iter().cycle()) {
        // Every now and then: looking at a clock takes time.
        if number % 256 == 0 && time.is_some_and(|time| begun.elapsed() >= time) {
            break;
        }
        // The system may have no memory for one, or know that a node was killed.
        sent += u64::from(source.send_to(mutator.next(), to).is_ok());
    }
    Ok(sent)
}

impl Datagrams {
    /// Everything that was sent is to be found somewhere.
    fn account(
        &mut self,
        cluster: &Processes,
        target: usize,
        before: Refused,
        sent: u64,
    ) -> io::Result<()> {
        let look = || {
            let now = Refused::now(cluster.metrics(target), cluster.address(target)).ok()?;
            let counted = now.counted() - before.counted();
            let without_room = now.without_room - before.without_room;
            (counted + without_room >= sent).then_some((counted, without_room))
        };
        let Some((counted, without_room)) = within(PATIENCE, look) else {
            let now = Refused::now(cluster.metrics(target), cluster.address(target))?;
            let words = format!("{sent} were sent to node {target}, {before:?} before, {now:?}");
            return Err(io::Error::other(words));
        };
        // It may have dropped what was real, too, but the most of it is garbage.
        if counted > sent + sent / 1000 + 100 {
            let words = format!("{sent} were sent to node {target}, which refused {counted}");
            return Err(io::Error::other(words));
        }
        self.sent += sent;
        self.counted += counted;
        self.without_room += without_room;
        Ok(())
    }

    /// By how much a flood slows a client down, beside nothing, and beside a flood of nobody.
    pub fn factors(&self) -> (f64, f64) {
        let [rest, beside, during] = &self.paces;
        (rest.rate() / during.rate(), beside.rate() / during.rate())
    }
}

impl fmt::Display for Datagrams {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.sent as f64 / self.flooding.as_secs_f64();
        writeln!(formatter, "garbage sent to nodes  {}, {rate:.0} a second", self.sent)?;
        writeln!(formatter, "counted there          {}", self.counted)?;
        writeln!(formatter, "without room there     {}", self.without_room)?;
        let names = ["at rest", "while nobody is flooded", "while a node is flooded"];
        for (name, pace) in names.iter().zip(&self.paces) {
            let (p50, p99) = (pace.share(50), pace.share(99));
            write!(formatter, "writes {name:<23}  {:.0} a second, ", pace.rate())?;
            writeln!(formatter, "p50 {p50:.1?}, p99 {p99:.1?}")?;
        }
        let (rest, beside) = self.factors();
        writeln!(formatter, "slower by              {rest:.1}, of which the node {beside:.1}")?;
        write!(formatter, "writes without answer  {}", self.failed)
    }
}
