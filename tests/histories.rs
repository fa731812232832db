//! Random histories of small clusters: whatever is lost, doubled, late or cut off, Raft's promises
//! hold after every step, and once the trouble is over the cluster works.

use raft_core::{ClusterId, Identity, NodeId, RoleName};
use raft_simulator::promises::Promises;
use raft_simulator::{Cluster, Settings};

struct History {
    cluster: Cluster,
    promises: Promises,
    random: u64,
    size: u8,
    words: u32,
    commits: u64,
    /// Whether every node has a log of another size: the small ones fill up.
    unequal: bool,
}

impl History {
    fn new(seed: u64) -> Self {
        let mut history = Self {
            cluster: Cluster::default(),
            promises: Promises::default(),
            random: seed,
            size: 0,
            words: 0,
            commits: 0,
            unequal: false,
        };
        history.size = 1 + history.below(5) as u8;
        history.unequal = seed % 4 == 3;
        let voters: Vec<NodeId> = (1..=history.size).map(NodeId).collect();
        let (window, frame) = (1 + history.below(8) as u32, 40 + history.below(140) as usize);
        let mut log_bytes = 1024 << history.below(3);
        for &id in &voters {
            if history.unequal {
                log_bytes = 600 << history.below(4);
            }
            let seed = seed as u32 / 3;
            let settings = Settings { seed, window, frame, log_bytes, ..Settings::default() };
            let identity = Identity::founder(ClusterId(settings.cluster), id, &voters);
            history.cluster.add(identity, &settings).expect("a node");
        }
        history
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.random >> 33) % limit
    }

    /// Something happens somewhere.
    fn step(&mut self) -> Result<(), String> {
        let id = 1 + self.below(u64::from(self.size)) as u8;
        let runs = self.cluster.node(id).is_ok();
        match self.below(24) {
            0..5 if runs => self.cluster.node_mut(id)?.tick(),
            5 if runs => {
                let ticks = self.below(9) as u32;
                self.cluster.node_mut(id)?.advance(ticks);
            }
            6..8 if runs => {
                self.words += 1;
                let word = format!("{}", self.words);
                // Refused where nobody leads or the log is full: that is no matter here.
                let _ = self.cluster.node_mut(id)?.propose(&word.as_str());
            }
            8..10 if runs => self.cluster.flush(id)?,
            10 if runs => {
                self.cluster.begin_flush(id)?;
            }
            11 if runs => {
                // None may have begun.
                let _ = self.cluster.finish_flush(id);
            }
            12..15 if runs => {
                let most = 1 + self.below(4) as usize;
                for letter in self.cluster.send(id, most)? {
                    self.promises.check_sent(&mut self.cluster, &letter)?;
                }
            }
            15..21 => self.deliver_one(),
            21 if runs => {
                self.cluster.apply(id)?;
            }
            22 => self.trouble(id)?,
            _ => {}
        }
        self.promises.check(&self.cluster)
    }

    /// Any letter in flight arrives, whatever its age; some arrive again, some never.
    fn deliver_one(&mut self) {
        if self.cluster.flight.is_empty() {
            return;
        }
        let place = self.below(self.cluster.flight.len() as u64) as usize;
        let letter = match self.below(8) {
            0 => self.cluster.flight[place].clone(),
            _ => self.cluster.flight.swap_remove(place),
        };
        if self.below(10) > 0 {
            self.cluster.deliver(&letter);
        }
    }

    fn trouble(&mut self, id: u8) -> Result<(), String> {
        let other = 1 + self.below(u64::from(self.size)) as u8;
        match (self.below(6), self.cluster.node(id).is_ok()) {
            (0 | 1, true) => {
                let unflushed = self.cluster.node(id)?.storage().memory.unflushed_bytes();
                let kept = self.below(unflushed as u64 + 1) as usize;
                self.cluster.crash(id, kept)?;
            }
            (_, false) => self.cluster.start(id)?,
            (2, _) => {
                self.cluster.cuts.insert((id, other));
            }
            (3, _) => self.cluster.cuts.clear(),
            (4, true) => self.cluster.node_mut(id)?.campaign(),
            _ => {}
        }
        Ok(())
    }

    /// All trouble ends; within twenty election timeouts there is a leader and all agree.
    fn recover(&mut self) -> Result<(), String> {
        self.cluster.cuts.clear();
        for id in self.cluster.ids() {
            if self.cluster.node(id).is_err() {
                self.cluster.start(id)?;
            }
        }
        for _ in 0..20 * 10 {
            self.cluster.tick_and_settle()?;
            for id in self.cluster.ids() {
                self.cluster.apply(id)?;
            }
            self.promises.check(&self.cluster)?;
        }
        let statuses: Vec<_> = self.cluster.running().map(|(_, node)| node.status()).collect();
        let leaders = statuses.iter().filter(|status| status.role == RoleName::Leader).count();
        let full = self.cluster.running().any(|(_, node)| !node.log().has_room_for_noop());
        let agree = statuses.windows(2).all(|pair| pair[0].applied == pair[1].applied);
        let well = leaders == 1 && (agree || self.unequal);
        if !full && !well {
            return Err(format!("{leaders} leaders, agreement: {agree}"));
        }
        self.commits = statuses[0].committed.0;
        Ok(())
    }
}

#[test]
fn promises_hold_in_every_history_and_work_goes_on_afterwards() {
    let (mut commits, mut failures) = (0, Vec::new());
    for seed in 0..400 {
        let mut history = History::new(seed);
        let lived = (0..1500).try_for_each(|_| history.step()).and_then(|()| history.recover());
        if let Err(error) = lived {
            failures.push(format!("seed {seed}: {error}"));
        }
        commits += history.commits;
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(commits > 4000, "only {commits} commits in 400 histories");
}
