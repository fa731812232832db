//! Time in ticks, on a clock that goes on while the machine sleeps.
//!
//! A laptop that wakes up, or a process that is let go on, must learn how long it was away before
//! it does anything else: `std::time::Instant` stands still meanwhile on Linux, and this does not.

use std::time::Duration;

/// Counts ticks since it was made.
#[derive(Debug)]
pub(crate) struct Ticks {
    length: Duration,
    start: Duration,
    /// How many ticks were given out.
    given: u64,
}

impl Ticks {
    pub(crate) fn new(length: Duration, now: Duration) -> Self {
        Self { length, start: now, given: 0 }
    }

    /// How many ticks were over by `now` since this was asked last.
    pub(crate) fn take(&mut self, now: Duration) -> u32 {
        let over = self.over(now);
        let ticks = over.saturating_sub(self.given);
        self.given = self.given.max(over);
        u32::try_from(ticks).unwrap_or(u32::MAX)
    }

    /// Whether no tick is over since those that were given out.
    pub(crate) fn is_current(&self, now: Duration) -> bool {
        self.over(now) <= self.given
    }

    /// How long it takes from `now` until so many more ticks are over.
    pub(crate) fn until(&self, ticks: u32, now: Duration) -> Duration {
        let nanoseconds = self.length.as_nanos() * (u128::from(self.given) + u128::from(ticks));
        let due = u64::try_from(nanoseconds).map_or(Duration::MAX, Duration::from_nanos);
        due.saturating_sub(now.saturating_sub(self.start))
    }

    fn over(&self, now: Duration) -> u64 {
        let passed = now.saturating_sub(self.start).as_nanos();
        u64::try_from(passed / self.length.as_nanos().max(1)).unwrap_or(u64::MAX)
    }
}

/// The time at this moment, from some beginning on.
#[cfg(not(test))]
pub(crate) fn now() -> Duration {
    system_now()
}

/// The same, unless a test has a time of its own in this thread.
#[cfg(test)]
pub(crate) fn now() -> Duration {
    own::now().unwrap_or_else(system_now)
}

/// The time since the machine was started, its sleep included.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn system_now() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::try_from(time).unwrap_or_default()
}

/// The time since this was asked first. macOS and Windows count their sleep here, or don't: a node
/// that must not serve a lease after one has leases off.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn system_now() -> Duration {
    use std::{sync::OnceLock, time::Instant};
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

#[cfg(test)]
pub(crate) mod own {
    //! A time that goes on only when a test says so.

    use std::cell::Cell;
    use std::time::Duration;

    thread_local! {
        static NOW: Cell<Option<Duration>> = const { Cell::new(None) };
    }

    pub(super) fn now() -> Option<Duration> {
        NOW.get()
    }

    /// So much passes at once, in this thread.
    pub(crate) fn pass(time: Duration) {
        NOW.set(Some(NOW.get().unwrap_or_default() + time));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn ticks_are_given_out_when_they_are_over_and_none_is_lost() {
        let mut ticks = Ticks::new(ms(10), ms(1000));
        assert_eq!((ticks.take(ms(1009)), ticks.take(ms(1010))), (0, 1));
        assert_eq!((ticks.take(ms(1045)), ticks.until(1, ms(1045))), (3, ms(5)));
        assert!(ticks.is_current(ms(1049)) && !ticks.is_current(ms(1050)));
        assert_eq!(ticks.until(0, ms(1045)), ms(0));
        assert_eq!(ticks.until(3, ms(1050)), ms(20));
    }

    #[test]
    fn a_sleep_is_given_out_as_a_whole_and_a_step_back_is_nothing() {
        let mut ticks = Ticks::new(ms(10), ms(0));
        assert_eq!(ticks.take(ms(3_600_000)), 360_000);
        assert_eq!(ticks.take(ms(5)), 0);
        assert_eq!(ticks.take(ms(3_600_010)), 1);
    }

    #[test]
    fn the_clock_goes_on() {
        let before = now();
        std::thread::sleep(ms(5));
        assert!(now() >= before + ms(5));
    }
}
