//! The machine of the histories: a few registers, and commands that tell who asked for them; in
//! front of them a table of sessions.
//!
//! Every command carries its client and a number, and answers with what the register held before,
//! so that a lost, a doubled and a reordered command each change what somebody sees. Values are
//! never written twice.

use crate::ledger::{fold, hash};
use crate::register::{self, Register};
use crate::words::Spoken;
use raft_core::{LoadError, Loader, Machine, Request, Saver, Sessions};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How many answers are remembered.
const RECENT: usize = 20;
/// How many registers there are.
pub const KEYS: usize = 4;

/// A request, who makes it, and how often that client has asked for something before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Command<'a> {
    /// Who asks.
    pub client: u8,
    /// Counts the requests of that client; a retry has the number of what it repeats.
    pub sequence: u32,
    /// Of which register.
    pub key: u8,
    /// What is asked of it.
    pub request: register::Request,
    /// Bytes that mean nothing and take up room.
    pub ballast: &'a [u8],
}

/// Registers that all hold zero at first.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Registers {
    registers: [Register; KEYS],
    /// What was last seen, so that there is something to save that takes a few frames.
    recent: [u64; RECENT],
    /// How many commands were applied.
    pub count: u64,
    /// Depends on every command, every output, and their order.
    pub digest: u64,
}

/// Registers, and sessions in front of them: so few that somebody always makes way.
pub type Shared = Sessions<Registers, SESSIONS, 16, 96>;
/// How many sessions there are.
pub const SESSIONS: usize = 3;

/// What came of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Output {
    /// Who asked.
    pub client: u8,
    /// That client's number for it.
    pub sequence: u32,
    /// What the register held just before.
    pub seen: u64,
}

impl Registers {
    /// Depends on all there is.
    pub fn fingerprint(&self) -> u64 {
        let values = self.registers.iter().map(|register| register.0);
        values.chain(self.recent).fold(fold(self.digest, self.count), fold)
    }

    /// What a register holds.
    pub fn get(&self, key: u8) -> u64 {
        self.registers[usize::from(key) % KEYS].0
    }
}

impl Machine for Registers {
    type Command<'a> = Command<'a>;
    type Output = Output;

    fn apply(&mut self, command: Command<'_>) -> Output {
        let Command { client, sequence, key, request, .. } = command;
        let register = &mut self.registers[usize::from(key) % KEYS];
        let seen = register.apply(request);
        let tag = u64::from(sequence) << 8 | u64::from(client);
        self.digest = fold(fold(fold(self.digest, tag), seen), register.0);
        self.recent[self.count as usize % RECENT] = fold(self.digest, seen);
        self.count += 1;
        Output { client, sequence, seen }
    }

    fn save(&self, saver: &mut Saver<'_>) {
        let values = self.registers.map(|register| register.0);
        saver.value(&(values, self.count, self.digest));
        for answer in self.recent {
            saver.write(&answer.to_le_bytes());
        }
    }

    fn restore(&mut self, loader: &mut Loader<'_>, _: u16) -> Result<(), LoadError> {
        let (values, count, digest): ([u64; KEYS], u64, u64) = loader.value()?;
        (self.registers, self.count, self.digest) = (values.map(Register), count, digest);
        for answer in &mut self.recent {
            let mut bytes = [0; 8];
            loader.read(&mut bytes)?;
            *answer = u64::from_le_bytes(bytes);
        }
        Ok(())
    }
}

impl Command<'_> {
    /// What it says.
    fn words(&self) -> String {
        let Command { client, sequence, key, request, .. } = self;
        format!("{client}.{sequence} {request} at {key}")
    }
}

/// Text of which only a hash is kept, up to the word behind which a machine is this node's own.
struct Replicated(u64);

impl fmt::Write for Replicated {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text == "client" {
            return Err(fmt::Error);
        }
        self.0 = fold(self.0, hash(text.as_bytes()));
        Ok(())
    }
}

/// Depends on all that is equal wherever as much was applied: registers, sessions, and what is
/// remembered of each.
pub fn fingerprint(machine: &Shared) -> u64 {
    let mut text = Replicated(machine.inner().fingerprint());
    // Sessions show what they remember in no other way. What follows is the node's own, and the
    // error that ends it is meant.
    let _ = fmt::write(&mut text, format_args!("{machine:?}"));
    text.0
}

impl Spoken for Shared {
    fn born(life: u64) -> Self {
        Self::new(Registers::default(), life)
    }

    fn say(body: &[u8]) -> Option<String> {
        Some(match postcard::from_bytes::<Request<Command<'_>>>(body).ok()? {
            Request::Bare(command) => command.words(),
            Request::Open(life) => format!("a session for life {life}"),
            Request::Numbered { session, sequence, command } => {
                format!("{} as {sequence} of session {session}", command.words())
            }
        })
    }
}
