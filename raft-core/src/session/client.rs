//! A node as a client of its own cluster: one request at a time, kept until it is known what became
//! of it.
//!
//! What was submitted is not answered by anyone: whoever submitted it applies it, like every node,
//! and sees in its own table that it was. So an answer can't be lost, and there is none to forge.

use super::table::{Standing, Table};
use super::{NUMBERED, OPEN};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a session adds to a command at most: which request it is, of which session, its number.
const HEAD_BYTES_MAX: usize = 1 + 10 + 5;

/// This life of a node, as a client.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Client<const SUBMIT: usize> {
    life: u64,
    /// Its session, once that is open.
    session: Option<u64>,
    /// The number of its last request.
    sequence: u32,
    /// The command that is under way or just ended, encoded.
    command: heapless::Vec<u8, SUBMIT>,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Phase {
    /// It asks for nothing.
    Idle,
    /// It asks for a session, and then for its command.
    Asks,
    /// Its command was applied.
    Done,
    /// Its session made way for another before that was known.
    Lost,
}

/// Why a command was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SubmitError {
    /// The one before is under way, or nobody has asked what became of it.
    Busy,
    /// It does not fit into the room that this node has for one, or into a frame.
    TooLarge,
}

/// What became of a command that was submitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Submitted<O> {
    /// It was applied, once. This is what the machine answered, unless that was too long to keep.
    Applied(Option<O>),
    /// The session made way for another: whether it was applied, nobody knows any more. It never
    /// will be.
    Unknown,
}

impl<const SUBMIT: usize> Client<SUBMIT> {
    pub(super) const fn new(life: u64) -> Self {
        let command = heapless::Vec::new();
        Self { life, session: None, sequence: 0, command, phase: Phase::Idle }
    }

    /// Takes a command.
    pub(super) fn submit<C: Serialize>(
        &mut self,
        command: &C,
        next_session: u64,
        bytes_max: usize,
    ) -> Result<(), SubmitError> {
        if self.phase != Phase::Idle {
            return Err(SubmitError::Busy);
        }
        self.command.resize_default(SUBMIT).ok();
        let written = postcard::to_slice(command, &mut self.command).map(|bytes| bytes.len());
        let length = written.map_err(|_| SubmitError::TooLarge)?;
        // Its session may be one that opens a little later.
        let (mut head, longest) = ([0; HEAD_BYTES_MAX], next_session.saturating_mul(16));
        let head = postcard::to_slice(&(NUMBERED, longest, self.sequence), &mut head);
        let head_bytes = head.map_or(HEAD_BYTES_MAX, |head| head.len());
        if length + head_bytes > bytes_max {
            return Err(SubmitError::TooLarge);
        }
        self.command.truncate(length);
        // Without a session it is the first of the next one.
        self.sequence = self.sequence.saturating_add(1);
        self.phase = Phase::Asks;
        Ok(())
    }

    /// Says what became of it, once.
    pub(super) fn take<O: DeserializeOwned, const CLIENTS: usize, const OUTPUT: usize>(
        &mut self,
        table: &Table<CLIENTS, OUTPUT>,
    ) -> Option<Submitted<O>> {
        let ended = match self.phase {
            Phase::Idle | Phase::Asks => return None,
            Phase::Lost => Submitted::Unknown,
            Phase::Done => {
                let session = self.session.and_then(|id| table.find(id));
                let kept = session.filter(|known| known.sequence == self.sequence);
                let bytes = kept.and_then(|known| known.output.as_deref());
                Submitted::Applied(bytes.and_then(|bytes| postcard::from_bytes(bytes).ok()))
            }
        };
        self.phase = Phase::Idle;
        Some(ended)
    }

    /// The table has changed by one request, or, after a jump, by nobody knows how many.
    pub(super) fn look<const CLIENTS: usize, const OUTPUT: usize>(
        &mut self,
        table: &Table<CLIENTS, OUTPUT>,
        jumped: bool,
    ) {
        if self.phase != Phase::Asks {
            return;
        }
        let Some(id) = self.session else {
            if let Some(session) = table.named(self.life) {
                (self.session, self.sequence) =
                    (Some(session.id), session.sequence.saturating_add(1));
            }
            return;
        };
        match table.standing(id, self.sequence) {
            Standing::Next => {}
            Standing::Repeated => self.phase = Phase::Done,
            // Each request was seen, and this was none of them: another session may have it.
            Standing::OutOfTurn | Standing::Expired if !jumped => self.session = None,
            Standing::OutOfTurn | Standing::Expired => {
                (self.phase, self.session) = (Phase::Lost, None);
            }
        }
    }

    /// Whether there is something to say of its last command.
    pub(super) const fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Done | Phase::Lost)
    }

    /// What it asks for, by a number: zero for a session.
    pub(super) fn asks(&self) -> Option<u32> {
        let number = self.session.map_or(0, |_| self.sequence);
        (self.phase == Phase::Asks).then_some(number)
    }

    /// Writes what it asks for now. `None` if that is nothing, or has no room.
    pub(super) fn write(&self, room: &mut [u8]) -> Option<usize> {
        self.asks()?;
        let Some(session) = self.session else {
            return Some(postcard::to_slice(&(OPEN, self.life), room).ok()?.len());
        };
        let head = postcard::to_slice(&(NUMBERED, session, self.sequence), room).ok()?.len();
        let end = head.checked_add(self.command.len())?;
        room.get_mut(head..end)?.copy_from_slice(&self.command);
        Some(end)
    }
}
