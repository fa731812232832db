//! The one source of chance: a seed gives the same numbers on every platform.

/// A stream of numbers (splitmix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream of a seed; another `stream` of the same seed is another one altogether.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut random = Self(seed ^ stream.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        random.next();
        random
    }

    /// Any number.
    #[allow(clippy::should_implement_trait)] // It never ends.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`; zero if that is zero.
    pub fn below(&mut self, limit: u32) -> u32 {
        let scaled = (self.next() >> 32) * u64::from(limit);
        (scaled >> 32) as u32
    }

    /// A number from `least` to `most`, both possible.
    pub fn between(&mut self, least: u32, most: u32) -> u32 {
        least + self.below(most - least + 1)
    }

    /// True in so many cases of 65,536.
    pub fn chance(&mut self, rate: u32) -> bool {
        rate > 0 && (self.next() >> 48) < u64::from(rate)
    }

    /// One of the items.
    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u32) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_a_seed_are_these() {
        let mut random = Random::new(1, 2);
        let drawn = [random.next(), random.next()];
        assert_eq!(drawn, [0x4A61_6D4C_D9D6_95D7, 0x729E_1BBD_E29F_30D8]);
        assert!((0..1000).all(|_| random.below(7) < 7 && (3..=5).contains(&random.between(3, 5))));
        assert!((0..1000).all(|_| !random.chance(0) && random.chance(1 << 16)));
    }
}
