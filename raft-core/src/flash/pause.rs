//! How long a flash holds everything up, next to how long a node may be silent.
//!
//! On many chips no code runs while a sector is erased, and heartbeats wait.

use crate::config::Config;

/// What a chip's maker says of its worst pause: on many no code runs while a sector is erased.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Pause {
    /// The longest that a sector's erasing takes.
    pub erase_micros: u32,
    /// What else may come on top of it.
    pub margin_micros: u32,
    /// The period of a watchdog that nobody feeds meanwhile; 0 if there is none.
    pub watchdog_micros: u32,
}

/// Why a configuration does not go together with a flash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Unsuited {
    /// While a sector is erased the others would take this node for dead.
    Timeout {
        /// The shortest [`base_timeout_ticks`](Config::base_timeout_ticks) that would do.
        least_ticks: u32,
    },
    /// While a sector is erased the watchdog would end it all.
    Watchdog {
        /// The shortest period that would do.
        least_micros: u32,
    },
    /// Entries may be longer than the buffer or a sector takes.
    Frame {
        /// The largest [`frame_bytes`](Config::frame_bytes) that would do.
        most_bytes: usize,
    },
}

impl Pause {
    /// Refuses a configuration whose election timeout, or a watchdog whose period, is not longer
    /// than this pause with its margin.
    pub const fn check(&self, config: &Config) -> Result<(), Unsuited> {
        let pause = self.erase_micros.saturating_add(self.margin_micros);
        let ticks = match config.tick_micros {
            0 => u32::MAX,
            tick => pause / tick + 1,
        };
        // The last heartbeat before may have left one heartbeat ago.
        let least_ticks = ticks.saturating_add(config.heartbeat_ticks);
        if config.base_timeout_ticks < least_ticks {
            return Err(Unsuited::Timeout { least_ticks });
        }
        if self.watchdog_micros > 0 && self.watchdog_micros <= pause {
            return Err(Unsuited::Watchdog { least_micros: pause.saturating_add(1) });
        }
        Ok(())
    }
}
