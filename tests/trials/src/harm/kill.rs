//! Processes are killed at drawn moments, and started again: while others are down, or while they
//! still read what they had.

use super::Harm;
use std::io;

impl Harm<'_> {
    /// Kills until the time is over. In the end all run.
    pub fn kill_again_and_again(&mut self) -> io::Result<()> {
        while !self.is_over() {
            self.sleep(50, 1200);
            self.kill_some()?;
            // Otherwise the next are killed while these come back.
            if self.random.below(2) == 0 {
                self.recover()?;
            }
        }
        self.cluster.run_all().map(drop)
    }

    /// Kills some, and starts them again in some order.
    pub(super) fn kill_some(&mut self) -> io::Result<()> {
        let mut victims = self.victims();
        self.tally.blackouts += usize::from(victims.len() == self.cluster.ids().count());
        for &id in &victims {
            self.kill(id)?;
        }
        while let Some(&last) = victims.last() {
            let id = if self.random.below(2) == 0 { victims.remove(0) } else { last };
            victims.retain(|victim| *victim != id);
            self.sleep(0, 900);
            self.cluster.run(id)?;
            if self.random.below(5) == 0 {
                self.sleep(0, 60);
                self.kill(id)?;
                self.cluster.run(id)?;
            }
        }
        self.look()
    }

    fn kill(&mut self, id: usize) -> io::Result<()> {
        self.look()?;
        self.tally.kills += 1;
        self.cluster.kill(id)
    }
}
