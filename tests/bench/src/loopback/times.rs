//! Many times of the same thing, and what may be said of them.

use std::time::Duration;

/// Times of one thing, done again and again.
#[derive(Default)]
pub struct Times(Vec<Duration>);

impl Times {
    /// One more.
    pub fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// All of another.
    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// The time, in microseconds, that so many percent did not need.
    pub fn percentile(&mut self, percent: usize) -> f64 {
        self.0.sort_unstable();
        let place = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(place).map_or(f64::NAN, |time| time.as_secs_f64() * 1e6)
    }

    /// The one that half of them did not need.
    pub fn median(&mut self) -> f64 {
        self.percentile(50)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_sorted_times() {
        let mut times = Times::default();
        for number in (0..100).rev() {
            times.add(Duration::from_micros(number));
        }
        assert_eq!((times.median(), times.percentile(99), times.percentile(0)), (50.0, 99.0, 0.0));
        assert!(Times::default().median().is_nan());
    }
}
