//! One line of log for each thing that a person would want to know, and none for a heartbeat.
//!
//! The lines go to `defmt` or to `log`, whichever feature is on, and are nothing otherwise.

/// Notes something: a format string and plain numbers, as both facades understand them.
macro_rules! note {
    ($format:literal $(, $value:expr)* $(,)?) => {{
        #[cfg(feature = "defmt")]
        ::defmt::info!($format $(, $value)*);
        #[cfg(feature = "log")]
        ::log::info!($format $(, $value)*);
        #[cfg(not(any(feature = "defmt", feature = "log")))]
        { $(let _ = &$value;)* }
    }};
}

pub(crate) use note;
