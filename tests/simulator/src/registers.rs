//! The machine of the histories: a few registers, and commands that tell who asked for them.
//!
//! Every command carries its client and a number, and answers with what the register held before,
//! so that a lost, a doubled and a reordered command each change what somebody sees. Values are
//! never written twice.

use crate::ledger::fold;
use crate::words::Spoken;
use raft_core::Machine;
use serde::{Deserialize, Serialize};

/// How many registers there are.
pub const KEYS: usize = 4;

/// What a client asks of one register.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Request {
    /// What does it hold?
    Get {
        /// Which register.
        key: u8,
    },
    /// Let it hold this.
    Put {
        /// Which register.
        key: u8,
        /// What it is to hold.
        value: u32,
    },
    /// Let it hold this if it holds that.
    Swap {
        /// Which register.
        key: u8,
        /// What it must hold.
        expected: u32,
        /// What it is to hold then.
        value: u32,
    },
}

/// A request, who makes it, and how often that client has asked for something before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Command<'a> {
    /// Who asks.
    pub client: u8,
    /// Counts the requests of that client; a retry has the number of what it repeats.
    pub sequence: u32,
    /// What is asked.
    pub request: Request,
    /// Bytes that mean nothing and take up room.
    pub ballast: &'a [u8],
}

/// Registers that all hold zero at first.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Registers {
    values: [u32; KEYS],
    /// How many commands were applied.
    pub count: u64,
    /// Depends on every command, every output, and their order.
    pub digest: u64,
}

/// What came of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Output {
    /// Who asked.
    pub client: u8,
    /// That client's number for it.
    pub sequence: u32,
    /// What the register held just before.
    pub seen: u32,
}

impl Machine for Registers {
    type Command<'a> = Command<'a>;
    type Output = Output;

    fn apply(&mut self, command: Command<'_>) -> Output {
        let Command { client, sequence, request, .. } = command;
        let (Request::Get { key } | Request::Put { key, .. } | Request::Swap { key, .. }) = request;
        let register = &mut self.values[usize::from(key) % KEYS];
        let seen = *register;
        match request {
            Request::Put { value, .. } => *register = value,
            Request::Swap { expected, value, .. } if expected == seen => *register = value,
            Request::Get { .. } | Request::Swap { .. } => {}
        }
        let (tag, left) = (u64::from(sequence) << 8 | u64::from(client), u64::from(*register));
        self.digest = fold(fold(self.digest, tag), u64::from(seen) << 32 | left);
        self.count += 1;
        Output { client, sequence, seen }
    }
}

impl Spoken for Registers {
    fn say(body: &[u8]) -> Option<String> {
        let command: Command<'_> = postcard::from_bytes(body).ok()?;
        let who = format!("{}.{}", command.client, command.sequence);
        Some(match command.request {
            Request::Get { key } => format!("{who} k{key}?"),
            Request::Put { key, value } => format!("{who} k{key}={value}"),
            Request::Swap { key, expected, value } => format!("{who} k{key}:{expected}->{value}"),
        })
    }
}
