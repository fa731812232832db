//! Garbage at full speed: nothing of it may be taken for something, or stop anybody for long.
//!
//! - `mutate`: datagrams that mean nothing;
//! - `counters`: what became of them;
//! - `committer`: a client that writes meanwhile;
//! - `datagrams`: all of it, at the sockets for peers;
//! - `door`: the same at the door for clients, and how much memory it takes.

mod committer;
mod counters;
mod datagrams;
mod door;
mod mutate;

pub use self::committer::Pace;
pub use self::datagrams::{Datagrams, FACTOR_MOST, run as datagrams};
pub use self::door::{Door, MEMORY_MOST, run as door};
