//! One measurement of everything: floors and figures in turns, and the ratios of each round.

use super::clients::{Load, load};
use super::cluster::Cluster;
use super::door::{self, Resp};
use super::etcd::{Etcds, Grpc};
use super::figures::Figures;
use super::floors::{self, ANY_CORE, FIRST_CORE, SECOND_CORE};
use crate::meters::Measurement;
use std::path::Path;
use std::time::Duration;

/// How many rounds there are, of commits and of clients.
const ROUNDS: usize = 5;
const CLIENT_ROUNDS: usize = 3;
const CLIENTS: usize = 64;
/// How long clients ask in a round.
const ASKING: Duration = Duration::from_millis(2000);
const IDLE: Duration = Duration::from_secs(5);
/// A sync that is faster than this has synced nothing.
const SYNC_LEAST_MICROS: f64 = 50.0;

/// What one measurement gave.
#[derive(Default)]
pub struct Trial {
    floors: Figures,
    figures: Figures,
    ratios: Figures,
    /// What is not there to be measured.
    lacks: Vec<String>,
}

impl Trial {
    /// Measures everything, with files below this directory.
    pub fn measure(directory: &Path) -> Result<Self, String> {
        let mut trial = Self::default();
        let sync = floors::syncs(directory, 1, 100)?.median();
        let syncs = sync >= SYNC_LEAST_MICROS;
        if !syncs {
            trial.lacks.push(format!(
                "nothing is synced here ({sync:.0} µs for a sync), so nothing synced is measured"
            ));
        }
        trial.commits(directory, syncs)?;
        if syncs {
            trial.clients(directory)?;
        }
        Ok(trial)
    }

    /// Prints everything but what there is to say of limits.
    pub fn print(&self) {
        self.floors.print("what the machine takes");
        self.figures.print("what three nodes take");
        self.ratios.print("ratios, each of two numbers of the same round");
        println!();
        self.lacks.iter().for_each(|lack| println!("not measured: {lack}"));
    }

    /// The numbers that have limits.
    pub fn measured(&self) -> Vec<Measurement> {
        BUDGETS
            .iter()
            .filter_map(|(name, figure)| {
                let value = self.ratios.median(figure).or_else(|| self.figures.median(figure))?;
                Some(Measurement { name: (*name).to_owned(), value })
            })
            .collect()
    }

    fn commits(&mut self, directory: &Path, syncs: bool) -> Result<(), String> {
        let mut one_core = Cluster::start(FIRST_CORE, None)?;
        let mut memory = Cluster::start(ANY_CORE, None)?;
        let mut files = if syncs { Some(Cluster::start(ANY_CORE, Some(directory))?) } else { None };
        for _ in 0..ROUNDS {
            let near = floors::round_trips(FIRST_CORE, 2000)?.median();
            let commit = first(one_core.ask_leader("one-by-one 2000")?);
            self.floors.add(ROUND_TRIP_NEAR, "µs", near);
            self.figures.add(COMMIT_NEAR, "µs", commit);
            self.ratios.add(COMMIT_RATIO_NEAR, "x", commit / near);
            let far = floors::round_trips(SECOND_CORE, 2000)?.median();
            let commit = first(memory.ask_leader("one-by-one 2000")?);
            self.floors.add(ROUND_TRIP_FAR, "µs", far);
            self.figures.add(COMMIT, "µs", commit);
            self.ratios.add(COMMIT_RATIO, "x", commit / far);
            self.figures.add(TOGETHER, "/s", first(memory.ask_leader("together 256 1000")?));
            let Some(files) = &mut files else { continue };
            self.floors.add(SYNC, "µs", floors::syncs(directory, 1, 200)?.median());
            let two = floors::syncs(directory, 2, 200)?.median();
            self.floors.add(SYNC_TWO, "µs", two);
            self.floors.add(SYNC_THREE, "µs", floors::syncs(directory, 3, 200)?.median());
            let synced = first(files.ask_leader("one-by-one 1000")?);
            self.figures.add(COMMIT_SYNCED, "µs", synced);
            self.ratios.add(SYNCED_RATIO, "x", (synced - commit) / two);
            let together = first(files.ask_leader("together 256 500")?);
            self.figures.add(TOGETHER_SYNCED, "/s", together);
        }
        drop(one_core);
        let idle = files.as_mut().unwrap_or(&mut memory).idle(IDLE)?;
        self.figures.add(IDLE_CORE, "%", idle.core_percent);
        self.figures.add(IDLE_BYTES, "/s", idle.bytes_per_second);
        Ok(())
    }

    fn clients(&mut self, directory: &Path) -> Result<(), String> {
        let stores = door::start(directory)?;
        let etcds = Etcds::start(directory)?;
        if etcds.is_none() {
            self.lacks.push("etcd is not installed (on Debian it is in etcd-server)".to_owned());
        }
        for _ in 0..CLIENT_ROUNDS {
            let doors = door::addresses(&stores)?;
            let ours = load(&doors[..1], CLIENTS, ASKING, || Resp)?;
            self.add_load(CLIENTS_LEADER, &ours);
            let spread = load(&doors, CLIENTS, ASKING, || Resp)?;
            self.add_load(CLIENTS_SPREAD, &spread);
            if let Some(redis) = door::redis_benchmark(doors[0], CLIENTS, 60_000)? {
                self.add_load(CLIENTS_REDIS, &redis);
            }
            let Some(etcds) = &etcds else { continue };
            let doors = etcds.addresses()?;
            let theirs = load(&doors[..1], CLIENTS, ASKING, Grpc::new)?;
            self.add_load(ETCD_LEADER, &theirs);
            self.add_load(ETCD_SPREAD, &load(&doors, CLIENTS, ASKING, Grpc::new)?);
            self.ratios.add(THROUGHPUT_RATIO, "x", theirs.per_second / ours.per_second);
            self.ratios.add(P99_RATIO, "x", ours.p99 / theirs.p99);
        }
        if self.figures.median(CLIENTS_REDIS[0]).is_none() {
            let lack = "redis-benchmark is not installed (on Debian it is in redis-tools)";
            self.lacks.push(lack.to_owned());
        }
        Ok(())
    }

    fn add_load(&mut self, [rate, median, p99]: [&'static str; 3], load: &Load) {
        self.figures.add(rate, "/s", load.per_second);
        self.figures.add(median, "µs", load.median);
        self.figures.add(p99, "µs", load.p99);
    }
}

/// The first of the numbers that a node answers.
fn first(answer: Vec<f64>) -> f64 {
    answer.first().copied().unwrap_or(f64::NAN)
}

/// Which figures have limits in tests/budgets.toml, and under which names.
const BUDGETS: [(&str, &str); 7] = [
    ("loopback_commit_one_core", COMMIT_RATIO_NEAR),
    ("loopback_commit", COMMIT_RATIO),
    ("loopback_commit_synced", SYNCED_RATIO),
    ("loopback_etcd_throughput", THROUGHPUT_RATIO),
    ("loopback_etcd_p99", P99_RATIO),
    ("loopback_idle_core_percent", IDLE_CORE),
    ("loopback_idle_bytes", IDLE_BYTES),
];

const ROUND_TRIP_NEAR: &str = "datagram there and back, both processes on one core";
const ROUND_TRIP_FAR: &str = "datagram there and back, each on a core of its own";
const SYNC: &str = "512 bytes and fdatasync";
const SYNC_TWO: &str = "512 bytes and fdatasync, two at the same time";
const SYNC_THREE: &str = "512 bytes and fdatasync, three at the same time";
const COMMIT_NEAR: &str = "commit, no sync, all processes on one core";
const COMMIT: &str = "commit, no sync";
const COMMIT_SYNCED: &str = "commit, synced";
const TOGETHER: &str = "commits, no sync, 256 under way";
const TOGETHER_SYNCED: &str = "commits, synced, 256 under way";
const IDLE_CORE: &str = "nothing to do: the busiest node's share of a core";
const IDLE_BYTES: &str = "nothing to do: the busiest node's bytes, both ways";
const CLIENTS_LEADER: [&str; 3] =
    ["64 clients, synced: SET", "64 clients, synced: SET, median", "64 clients, synced: SET, p99"];
const CLIENTS_SPREAD: [&str; 3] = [
    "64 clients at all nodes: SET",
    "64 clients at all nodes: SET, median",
    "64 clients at all nodes: SET, p99",
];
const CLIENTS_REDIS: [&str; 3] = [
    "64 of redis-benchmark: SET",
    "64 of redis-benchmark: SET, median",
    "64 of redis-benchmark: SET, p99",
];
const ETCD_LEADER: [&str; 3] =
    ["etcd, 64 clients: put", "etcd, 64 clients: put, median", "etcd, 64 clients: put, p99"];
const ETCD_SPREAD: [&str; 3] = [
    "etcd, 64 clients at all nodes: put",
    "etcd, 64 clients at all nodes: put, median",
    "etcd, 64 clients at all nodes: put, p99",
];
const COMMIT_RATIO_NEAR: &str = "commit, no sync, to a round trip; one core";
const COMMIT_RATIO: &str = "commit, no sync, to a round trip; two cores";
const SYNCED_RATIO: &str = "what syncing adds to a commit, to two syncs in parallel";
const THROUGHPUT_RATIO: &str = "etcd's puts to ours";
const P99_RATIO: &str = "our p99 to etcd's";
