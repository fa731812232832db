//! Clients that use the store while things happen to it, and what they saw.
//!
//! Few keys, so that they get into each other's way, and each only for some seconds, so that what
//! happened to it can be searched for an order.

mod client;
mod lie;

use self::client::Client;
use self::lie::Liar;
pub use self::lie::Lie;
use crate::history::{Answer, Operation, Request, Told, told, words};
use crate::processes::{PATIENCE, Processes};
use raft_simulator::random::Random;
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How many keys there are at a time.
const KEYS: u32 = 5;
/// The number of the client that looks at everything in the end.
const LAST_CLIENT: u32 = 1000;

/// Something to ask for.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Ask {
    key: u32,
    request: Request,
}

/// What clients saw.
#[derive(Default, Debug)]
pub struct Seen {
    /// What may have taken effect.
    pub history: Vec<Operation>,
    /// How many requests were refused, and not carried out.
    pub refused: usize,
    /// Of how many nobody knows whether they were carried out.
    pub unknown: usize,
    /// Answers that nobody should give.
    pub odd: Vec<String>,
}

/// Clients at work.
pub struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Seen>>,
}

struct Shared {
    doors: Vec<String>,
    begun: Instant,
    over: AtomicBool,
    answered: AtomicU64,
}

impl Shared {
    /// The time in the words of histories.
    fn micros(&self) -> u32 {
        u32::try_from(self.begun.elapsed().as_micros()).unwrap_or(u32::MAX)
    }
}

impl Load {
    /// So many clients begin. One of them lies, if a lie is given, from half of that time on.
    pub fn begin(
        cluster: &Processes,
        clients: u32,
        seed: u64,
        lie: Option<Lie>,
        time: Duration,
    ) -> Self {
        let shared = Arc::new(Shared {
            doors: cluster.ids().map(|id| cluster.door(id).to_owned()).collect(),
            begun: Instant::now(),
            over: AtomicBool::new(false),
            answered: AtomicU64::new(0),
        });
        let client = |number| {
            let (shared, random) =
                (Arc::clone(&shared), Random::new(seed, 100 + u64::from(number)));
            thread::spawn(move || {
                let liar = Liar::new(lie.filter(|_| number == 0), shared.begun + time / 2);
                Client::new(number, random, liar).work(&shared)
            })
        };
        let threads = (0..clients).map(client).collect();
        Self { shared, threads }
    }

    /// How many requests were answered so far.
    pub fn answered(&self) -> u64 {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// Stops them, and asks every node for everything that is there.
    pub fn end(self, cluster: &Processes) -> io::Result<Seen> {
        self.shared.over.store(true, Ordering::Relaxed);
        let mut all = Seen::default();
        for thread in self.threads {
            let seen = thread.join().map_err(|_| io::Error::other("a client panicked"))?;
            all.history.extend(seen.history);
            all.refused += seen.refused;
            all.unknown += seen.unknown;
            all.odd.extend(seen.odd);
        }
        let keys: BTreeSet<_> = all.history.iter().map(|operation| operation.key).collect();
        for id in cluster.ids() {
            let client = LAST_CLIENT + id as u32;
            for &key in &keys {
                all.history.push(look(&self.shared, cluster, id, client, key)?);
            }
        }
        Ok(all)
    }
}

/// Reads a key at a node, as often as it takes.
fn look(
    shared: &Shared,
    cluster: &Processes,
    id: usize,
    client: u32,
    key: u32,
) -> io::Result<Operation> {
    let (request, deadline) = (Request::Get, Instant::now() + PATIENCE);
    let words = words(key, request);
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    while Instant::now() < deadline {
        let invoked = shared.micros();
        let reply = cluster.client(id).and_then(|mut node| node.call(&words).ok());
        if let Some(Told::Found(found)) = reply.map(|reply| told(request, &reply)) {
            let answer = Some(Answer { tick: shared.micros(), found });
            return Ok(Operation { client, key, invoked, request, answer });
        }
        thread::sleep(Duration::from_millis(50));
    }
    Err(io::Error::other(format!("in the end node {id} does not say what key-{key} is")))
}
