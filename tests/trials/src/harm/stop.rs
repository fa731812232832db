//! Processes are stopped, as laptops sleep, and go on: after less than a heartbeat, after longer
//! than an election takes, or all of them at once.
//!
//! Some are cut off as well, and for a while longer: what others said meanwhile does not wait for
//! them, and nothing but their clock tells them that there may be another leader.

use super::Harm;
use super::weather::Weather;
use crate::proxy::Proxy;
use std::io;

impl Harm<'_> {
    /// Stops until the time is over. In the end all go on.
    pub fn stop_again_and_again(&mut self, proxy: &Proxy) -> io::Result<()> {
        while !self.is_over() {
            self.sleep(50, 800);
            if self.random.below(12) == 0 {
                self.kill_some()?;
            } else {
                self.stop_some(proxy)?;
            }
            self.look()?;
            if self.random.below(3) == 0 {
                self.recover()?;
            }
        }
        self.cluster.run_all().map(drop)
    }

    fn stop_some(&mut self, proxy: &Proxy) -> io::Result<()> {
        // What is most dangerous, half of the time: a leader that is away while another is elected.
        let leader = self.watch.leader().filter(|_| self.random.below(2) == 0);
        let victims = leader.map_or_else(|| self.victims(), |leader| vec![leader]);
        self.tally.blackouts += usize::from(victims.len() == self.cluster.ids().count());
        let alone = leader.is_some() || self.random.below(2) == 0;
        if alone {
            self.tally.weathers += 1;
            proxy.cut(|from, to| victims.contains(&from) || victims.contains(&to));
        }
        for &id in &victims {
            self.cluster.stop(id)?;
            self.tally.stops += 1;
        }
        for id in victims {
            match self.random.below(10) {
                _ if leader.is_some() => self.sleep(300, 1000),
                0..3 => self.sleep(5, 150),
                3..8 => self.sleep(150, 1200),
                _ => self.sleep(1200, 3500),
            }
            self.cluster.go_on(id)?;
        }
        if alone {
            self.sleep(0, 600);
            proxy.set(|_, _| Weather::CALM);
        }
        Ok(())
    }
}
