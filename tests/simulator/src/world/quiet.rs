//! Quiet mode at the end of a history: it comes, it is quiet, and it ends when it must.

use super::World;
use crate::checkers::{Broken, Outcome};
use crate::faults;
use crate::tally::Count;

impl World {
    /// Where all nodes are there and have everything, heartbeats become rare; when their sender
    /// fails, another one leads before long, and takes commands.
    pub(super) fn say_little(&mut self, spared: &[u8]) -> Outcome {
        let all = self.stations.iter().all(|it| it.spared && !it.lost);
        let Some(leader) = self.common_leader(spared) else { return Ok(()) };
        if self.plan.quiet == 0 || !all || spared.len() < 3 {
            return Ok(());
        }
        let lost = |what: &str| Err(Broken::new("liveness", what.to_owned()));
        // Four questions for a quorum, each after two base timeouts at most, on the slowest clock.
        let is_quiet = |world: &Self| world.status(leader).is_some_and(|it| it.quiet);
        if !self.until(10 * self.plan.base, is_quiet)? {
            return lost("nobody becomes quiet, though there is nothing to do");
        }
        self.keep_silence(leader)?;
        faults::crash(self, leader)?;
        let others: Vec<u8> = spared.iter().copied().filter(|&id| id != leader).collect();
        let patience = 10 * self.election_timeout();
        let heir = |world: &Self| {
            world.common_leader(&others).is_some() || world.common_leader(spared).is_some()
        };
        if !self.until(patience, heir)? {
            return lost("nobody takes over from a quiet leader");
        }
        self.clients.resting = false;
        let start = self.tick;
        let patience = 30 * self.clients.patience;
        let all = |world: &Self| world.clients.all.iter().all(|it| it.served > start);
        let served = self.until(patience, all)?;
        self.clients.resting = true;
        self.tally.add(Count::QuietEnds);
        if served { Ok(()) } else { lost("a client is stuck after a quiet time") }
    }

    /// In a quiet time there are no more letters than rare heartbeats and their answers.
    fn keep_silence(&mut self, leader: u8) -> Outcome {
        let before = self.begin_peace();
        let ticks = 8 * self.plan.quiet + 2 * self.plan.base;
        self.until(ticks, |_| false)?;
        let (heard, said) = (self.provoked - before.0, self.letters() - before.1);
        if heard > 0 {
            // Old letters still come in, and are answered.
            return Ok(());
        }
        if !self.status(leader).is_some_and(|it| it.quiet) {
            return Err(Broken::new("liveness", "a quiet time ends for no reason"));
        }
        // The clock may run fast, and the question for a quorum has a round of its own.
        let fast = ticks * 11 / 10;
        let rounds = fast / self.plan.quiet + fast / (self.plan.base + 3 * self.plan.quiet) + 3;
        let budget = u64::from(rounds) * 2 * (self.stations.len() as u64 - 1);
        if said > budget {
            let words = format!("{said} letters in {ticks} quiet ticks, {budget} at most");
            return Err(Broken::new("message budget", words));
        }
        Ok(())
    }
}
