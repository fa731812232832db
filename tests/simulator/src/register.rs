//! The register that clients work on: one 64-bit value under each key.
//!
//! Every request answers the value that it found, a put too. So each answer says which change came
//! just before it, which makes a lost or doubled change visible and the search for an order short.
//! The replicated machine and the checker of client histories share this file: it is what they
//! must agree on.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One value, zero at first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Register(pub u64);

/// What a client may ask of a register.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Request {
    /// Make it this.
    Put(u64),
    /// Leave it as it is.
    Get,
    /// If it is the one, make it the other.
    CompareAndSwap {
        /// What it must be.
        expected: u64,
        /// What it is then.
        new: u64,
    },
    /// Make it larger; past the largest number it begins again at zero.
    Add(u64),
}

impl Register {
    /// Does what is asked and gives the value that was there before.
    pub fn apply(&mut self, request: Request) -> u64 {
        let found = self.0;
        self.0 = request.leaves(found);
        found
    }
}

impl Request {
    /// What is there afterwards, where this was found.
    pub const fn leaves(self, found: u64) -> u64 {
        match self {
            Self::Put(value) => value,
            Self::CompareAndSwap { expected, new } if found == expected => new,
            Self::Get | Self::CompareAndSwap { .. } => found,
            Self::Add(amount) => found.wrapping_add(amount),
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put(value) => write!(formatter, "put {value}"),
            Self::Get => formatter.write_str("get"),
            Self::CompareAndSwap { expected, new } => {
                write!(formatter, "make {expected} into {new}")
            }
            Self::Add(amount) => write!(formatter, "add {amount}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_answers_what_it_found() {
        let mut register = Register::default();
        assert_eq!(register.apply(Request::Put(5)), 0);
        assert_eq!(register.apply(Request::Get), 5);
        assert_eq!(register.apply(Request::Add(2)), 5);
        assert_eq!(register.apply(Request::CompareAndSwap { expected: 5, new: 1 }), 7);
        assert_eq!(register.apply(Request::CompareAndSwap { expected: 7, new: 1 }), 7);
        assert_eq!(register, Register(1));
    }
}
