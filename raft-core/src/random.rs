//! A small generator for election timeouts: two neighbours must not wait equally long for ever.
//!
//! It is no source of secrets. The seed is mixed with the node's id, so that boards flashed with
//! one image and one seed still draw different numbers.

use crate::types::NodeId;

/// A stream of numbers, the same for the same seed and id on every platform.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Random(u32);

impl Random {
    pub(crate) fn new(seed: u32, id: NodeId) -> Self {
        let mixed = scramble(seed ^ scramble(u32::from(id.0).wrapping_add(0x9E37_79B9)));
        // The generator's one dead state is zero.
        Self(if mixed == 0 { 0x9E37_79B9 } else { mixed })
    }

    /// A number below `limit`; zero if that is zero.
    pub(crate) fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        let scaled = (u64::from(scramble(self.0)) * u64::from(limit)) >> 32;
        // The upper half of a product of two words is a word.
        u32::try_from(scaled).unwrap_or(limit)
    }
}

/// Spreads every bit of the input over the whole word.
pub(crate) fn scramble(mut word: u32) -> u32 {
    word ^= word >> 16;
    word = word.wrapping_mul(0x7FEB_352D);
    word ^= word >> 15;
    word = word.wrapping_mul(0x846C_A68B);
    word ^ (word >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_and_different_ids_draw_differently() {
        let mut one = Random::new(7, NodeId(1));
        let mut two = Random::new(7, NodeId(2));
        let same = (0..1000).filter(|_| one.below(150) == two.below(150)).count();
        assert!(same < 30, "{same} of 1000 draws from 150 values were equal");
    }

    #[test]
    fn every_value_below_the_limit_appears_about_equally_often() {
        let mut random = Random::new(1, NodeId(0));
        let mut counts = [0_u32; 10];
        (0..10_000).for_each(|_| counts[random.below(10) as usize] += 1);
        assert!(counts.iter().all(|&count| (850..1150).contains(&count)), "{counts:?}");
        assert_eq!(random.below(0), 0);
    }
}
