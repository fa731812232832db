//! Processes are stopped, as laptops sleep, and go on: after less than a heartbeat, after longer
//! than an election takes, or all of them at once.

use super::Harm;
use std::io;

impl Harm<'_> {
    /// Stops until the time is over. In the end all go on.
    pub fn stop_again_and_again(&mut self) -> io::Result<()> {
        while !self.is_over() {
            self.sleep(50, 800);
            if self.random.below(12) == 0 {
                self.kill_some()?;
            } else {
                self.stop_some()?;
            }
            self.look()?;
            if self.random.below(3) == 0 {
                self.recover()?;
            }
        }
        self.cluster.run_all().map(drop)
    }

    fn stop_some(&mut self) -> io::Result<()> {
        let victims = self.victims();
        self.tally.blackouts += usize::from(victims.len() == self.cluster.ids().count());
        for &id in &victims {
            self.cluster.stop(id)?;
            self.tally.stops += 1;
        }
        for id in victims {
            match self.random.below(10) {
                0..3 => self.sleep(5, 150),
                3..8 => self.sleep(150, 1200),
                _ => self.sleep(1200, 3500),
            }
            self.cluster.go_on(id)?;
        }
        Ok(())
    }
}
