//! RESP, the protocol of Redis clients, in both of its versions.
//!
//! Parsed by hand, because a server reads nothing but lists of strings: [`Requests`] looks at every
//! length when it is claimed, before it waits for a byte of what is claimed, and never looks at a
//! byte twice, while a general parser has to be given everything again until it is whole. `reply`
//! is what goes back; `answers` reads that again, for `raftctl` and for tests.

mod answers;
mod reply;
mod requests;

pub use self::answers::{Answers, BadAnswer};
pub use self::reply::{Reply, Version};
pub use self::requests::{BadRequest, Limits, Requests};
