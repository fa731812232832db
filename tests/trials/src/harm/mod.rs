//! What is done to nodes while clients use them.
//!
//! - `kill`: processes are killed, and started again;
//! - `stop`: processes are stopped, and go on;
//! - `weather`: what becomes of datagrams between them.

mod kill;
mod stop;
pub mod weather;

use crate::processes::Processes;
use crate::watch::Watch;
use raft_simulator::random::Random;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

/// What was done.
#[derive(Clone, Copy, Default, Debug)]
pub struct Tally {
    /// Processes killed.
    pub kills: usize,
    /// How often all of them were, at once.
    pub blackouts: usize,
    /// Processes stopped for a while.
    pub stops: usize,
    /// How often the weather changed.
    pub weathers: usize,
}

/// One who does harm, as a seed says.
pub struct Harm<'a> {
    /// To whom.
    pub cluster: &'a mut Processes,
    /// Who knows who leads.
    pub watch: &'a Watch,
    /// What is drawn.
    pub random: Random,
    /// Until when.
    pub until: Instant,
    /// What was done so far.
    pub tally: Tally,
}

impl Harm<'_> {
    fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    /// Sleeps for a drawn time.
    fn sleep(&mut self, least_ms: u32, most_ms: u32) {
        let time = Duration::from_millis(self.random.between(least_ms, most_ms).into());
        thread::sleep(time.min(self.until.saturating_duration_since(Instant::now())));
    }

    /// The leader, or anyone, or two, or all.
    fn victims(&mut self) -> Vec<usize> {
        let mut ids: Vec<_> = self.cluster.ids().collect();
        for place in (1..ids.len()).rev() {
            ids.swap(place, self.random.below(place as u32 + 1) as usize);
        }
        let count = [1, 1, 1, 1, 1, 1, 2, 2, ids.len()][self.random.below(9) as usize];
        if let Some(leader) = self.watch.leader()
            && self.random.below(2) == 0
        {
            ids.retain(|id| *id != leader);
            ids.insert(0, leader);
        }
        ids.truncate(count);
        ids
    }

    /// Waits until somebody leads, and sees that no process has ended by itself.
    fn recover(&mut self) -> io::Result<()> {
        self.look()?;
        self.cluster.leader().map(drop)
    }

    fn look(&mut self) -> io::Result<()> {
        match self.cluster.dead()? {
            Some((id, how)) => Err(io::Error::other(format!("node {id} ended by itself: {how}"))),
            None => Ok(()),
        }
    }
}
