//! Who leads, as the nodes say all the time: at most one in each term, and who it is now.

use crate::processes::Processes;
use kv::control::{Client, field};
use kv::resp::Reply;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often each node is asked, and how long it has to answer.
const EVERY: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_millis(300);

/// Asks all nodes until it is dropped.
pub struct Watch {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    over: AtomicBool,
    leaders: Mutex<Leaders>,
}

#[derive(Default)]
struct Leaders {
    /// By term.
    seen: BTreeMap<i64, i64>,
    /// Two of one term.
    broken: Option<String>,
}

impl Watch {
    /// Begins.
    pub fn begin(cluster: &Processes) -> Self {
        let shared = Arc::new(Shared::default());
        let watch = |id| {
            let (door, shared) = (cluster.door(id).to_owned(), Arc::clone(&shared));
            thread::spawn(move || watch(&door, &shared))
        };
        let threads = cluster.ids().map(watch).collect();
        Self { shared, threads }
    }

    /// The leader of the last term that had one, as far as anybody said.
    pub fn leader(&self) -> Option<usize> {
        let leaders = self.shared.leaders.lock().unwrap_or_else(PoisonError::into_inner);
        leaders.seen.last_key_value().and_then(|(_, leader)| usize::try_from(*leader).ok())
    }

    /// In how many terms there was a leader; or what should never be.
    pub fn leaders(&self) -> Result<usize, String> {
        let leaders = self.shared.leaders.lock().unwrap_or_else(PoisonError::into_inner);
        leaders.broken.clone().map_or(Ok(leaders.seen.len()), Err)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().ok();
        }
    }
}

fn watch(door: &str, shared: &Shared) {
    let mut client = None;
    while !shared.over.load(Ordering::Relaxed) {
        if client.is_none() {
            client = Client::connect(door, None, PATIENCE).ok();
        }
        let status = client.as_mut().map(|client| client.call(&["RAFT.STATUS"]));
        match status {
            Some(Ok(status)) => note(&status, shared),
            _ => client = None,
        }
        thread::sleep(EVERY);
    }
}

fn note(status: &Reply, shared: &Shared) {
    let (Some(Reply::Number(term)), Some(Reply::Number(leader))) =
        (field(status, "term"), field(status, "leader"))
    else {
        return;
    };
    let mut leaders = shared.leaders.lock().unwrap_or_else(PoisonError::into_inner);
    let first = *leaders.seen.entry(*term).or_insert(*leader);
    if first != *leader {
        leaders.broken = Some(format!("nodes {first} and {leader} both led in term {term}"));
    }
}
