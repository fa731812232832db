//! How long a flash holds everything up.
//!
//! On many chips no code runs while a sector is erased, and neither heartbeats leave nor does
//! anybody feed a watchdog.

/// What a chip's maker says of its worst pause.
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

impl Pause {
    /// Both together.
    pub const fn micros(&self) -> u32 {
        self.erase_micros.saturating_add(self.margin_micros)
    }
}
