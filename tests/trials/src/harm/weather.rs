//! What becomes of datagrams between nodes, and how it changes.

use super::Harm;
use crate::proxy::Proxy;
use raft_simulator::random::Random;
use std::io;

/// What becomes of datagrams from one node to another. Rates are out of 65,536.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Weather {
    /// Nothing arrives.
    pub cut: bool,
    /// How many are lost.
    pub loss: u32,
    /// How many come twice.
    pub twice: u32,
    /// How many are late, so that later ones overtake them.
    pub late: u32,
    /// By how many microseconds, at most.
    pub late_micros: u32,
}

const WHOLE: u32 = 1 << 16;

impl Weather {
    /// Everything arrives once and in time.
    pub const CALM: Self = Self { cut: false, loss: 0, twice: 0, late: 0, late_micros: 0 };
    /// Nothing arrives.
    pub const CUT: Self = Self { cut: true, ..Self::CALM };

    fn rain(random: &mut Random) -> Self {
        Self {
            cut: false,
            loss: random.below(WHOLE / 4),
            twice: random.below(WHOLE / 8),
            late: random.below(WHOLE),
            late_micros: random.between(100, 30_000),
        }
    }

    fn storm(random: &mut Random) -> Self {
        Self {
            cut: false,
            loss: random.between(WHOLE / 4, WHOLE / 2),
            twice: WHOLE / 8,
            late: WHOLE / 2,
            late_micros: random.between(30_000, 300_000),
        }
    }
}

impl Harm<'_> {
    /// Changes the weather, and kills now and then, until the time is over. In the end it is calm.
    pub fn change_weather_again_and_again(&mut self, proxy: &Proxy) -> io::Result<()> {
        while !self.is_over() {
            self.change_weather(proxy);
            self.sleep(200, 2500);
            self.look()?;
            if self.random.below(8) == 0 {
                self.kill_some()?;
            }
            // Otherwise one kind of weather goes over into the next.
            if self.random.below(3) == 0 {
                proxy.set(|_, _| Weather::CALM);
                self.recover()?;
            }
        }
        proxy.set(|_, _| Weather::CALM);
        self.cluster.run_all().map(drop)
    }

    fn change_weather(&mut self, proxy: &Proxy) {
        self.tally.weathers += 1;
        let one = self.victims().first().copied().unwrap_or(1);
        let other = self.cluster.ids().find(|id| *id != one).unwrap_or(1);
        let both_ways = self.random.below(2) == 0;
        let random = &mut self.random;
        match random.below(8) {
            0 => proxy.set(|_, _| Weather::storm(random)),
            // Nobody hears it, or it hears nobody, or neither.
            1 => proxy.cut(|from, to| from == one || both_ways && to == one),
            2 => proxy.cut(|from, to| to == one || both_ways && from == one),
            3 => proxy.cut(|from, to| (from, to) == (one, other)),
            4 => proxy.cut(|from, to| from == one && to == other || from == other && to == one),
            5 => proxy.cut(|_, _| true),
            _ => proxy.set(|_, _| Weather::rain(random)),
        }
    }
}
