//! Storage that forgets like the real thing: for tests, and for boards that keep nothing.
//!
//! Records are written to a journal of bytes, of which the first part is flushed. A crash cuts the
//! rest after any byte, and the record that was cut is gone with all that follow it. What was
//! flushed is folded into an image, a log like the node's, when the journal is full or looked at.

use super::{Identity, Record, Storage};
use crate::log::{Entries, Log, UnfitMemory};
use crate::types::{Ballot, Position};
use serde::{Deserialize, Serialize};

/// A [`Storage`] in memory that loses what was not flushed, as a power cut would.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MemoryStorage<B: AsRef<[u8]> + AsMut<[u8]>> {
    identity: Option<Identity>,
    ballot: Ballot,
    image: Log<B>,
    journal: B,
    /// How much of the journal is flushed, at most `begun`.
    flushed: usize,
    /// How much of it will be flushed when the flush that has begun ends, at most `written`.
    begun: usize,
    /// How much of it is written.
    written: usize,
}

/// Why [`MemoryStorage`] refused a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum MemoryStorageError {
    /// The journal is full: it must hold what is written between two flushes.
    JournalFull,
    /// The image is full: it must be as large as the node's log.
    ImageFull,
    /// A record that no node writes.
    BadRecord,
}

/// A record as it lies in the journal; the bytes of entries follow it.
#[derive(Clone, Copy, Serialize, Deserialize)]
enum Head {
    Identity(Identity),
    Ballot(Ballot),
    Base(Position),
    Entries { after: Position, length: u32 },
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> MemoryStorage<B> {
    /// Blank storage over two pieces of memory, each as large as the node's log.
    pub fn new(image: B, journal: B) -> Result<Self, UnfitMemory> {
        let image = Log::new(image)?;
        let ballot = Ballot::default();
        Ok(Self { identity: None, ballot, image, journal, flushed: 0, begun: 0, written: 0 })
    }

    /// Finishes what [`begin_flush`](Storage::begin_flush) began, as a driver's interrupt would.
    pub fn finish_flush(&mut self) {
        self.flushed = self.begun;
    }

    /// The power fails: of the bytes that were not flushed only the first `kept` reached the
    /// medium. [`MemoryStorage::unflushed_bytes`] is the most there is to keep.
    pub fn crash(&mut self, kept: usize) -> Result<(), MemoryStorageError> {
        self.flushed += kept.min(self.unflushed_bytes());
        self.fold()?;
        (self.flushed, self.begun, self.written) = (0, 0, 0);
        Ok(())
    }

    /// How many bytes a crash could lose.
    pub fn unflushed_bytes(&self) -> usize {
        self.written - self.flushed
    }

    /// The log as it would be found after a crash that keeps nothing more.
    pub fn flushed(&mut self) -> Result<&Log<B>, MemoryStorageError> {
        self.fold()?;
        Ok(&self.image)
    }

    /// Moves the whole records of what is flushed out of the journal and into the image.
    fn fold(&mut self) -> Result<(), MemoryStorageError> {
        let journal = self.journal.as_mut().get_mut(..self.written).unwrap_or_default();
        let mut rest = journal.get(..self.flushed).unwrap_or_default();
        while let Some((record, after)) = read(rest) {
            match record {
                Record::Identity(identity) => self.identity = Some(identity),
                Record::Ballot(ballot) => self.ballot = ballot,
                Record::Base(base) => self.image.restart_after(base),
                Record::Entries { after, bytes } => {
                    let entries = Entries::parse(after.term, bytes);
                    let entries = entries.ok_or(MemoryStorageError::BadRecord)?;
                    replace(&mut self.image, after, entries)?;
                }
            }
            rest = after;
        }
        let folded = self.flushed - rest.len();
        journal.copy_within(folded.., 0);
        self.flushed -= folded;
        self.begun = self.begun.saturating_sub(folded);
        self.written -= folded;
        Ok(())
    }

    /// Writes a record behind the others. `None` if there is no room.
    fn push(&mut self, head: Head, bytes: &[u8]) -> Option<()> {
        let room = self.journal.as_mut().get_mut(self.written..)?;
        let used = postcard::to_slice(&head, room).ok()?.len();
        room.get_mut(used..)?.get_mut(..bytes.len())?.copy_from_slice(bytes);
        self.written += used + bytes.len();
        Some(())
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Storage for MemoryStorage<B> {
    type Error = MemoryStorageError;

    fn recover(&mut self, each: &mut dyn FnMut(Record<'_>)) -> Result<(), Self::Error> {
        self.fold()?;
        let Some(identity) = self.identity else { return Ok(()) };
        each(Record::Identity(identity));
        each(Record::Ballot(self.ballot));
        let mut after = self.image.base();
        each(Record::Base(after));
        while after.index < self.image.last().index {
            let run = self.image.run(after.index.next(), u32::MAX, usize::MAX);
            let run = run.ok_or(MemoryStorageError::BadRecord)?;
            each(Record::Entries { after, bytes: run.bytes() });
            let index = crate::types::Index(after.index.0 + u64::from(run.len()));
            let term = self.image.term(index).ok_or(MemoryStorageError::BadRecord)?;
            after = Position { term, index };
        }
        Ok(())
    }

    fn write(&mut self, record: Record<'_>) -> Result<(), Self::Error> {
        let (head, bytes): (Head, &[u8]) = match record {
            Record::Identity(identity) => (Head::Identity(identity), &[]),
            Record::Ballot(ballot) => (Head::Ballot(ballot), &[]),
            Record::Base(base) => (Head::Base(base), &[]),
            Record::Entries { after, bytes } => {
                let length = u32::try_from(bytes.len());
                let length = length.map_err(|_| MemoryStorageError::JournalFull)?;
                (Head::Entries { after, length }, bytes)
            }
        };
        if self.push(head, bytes).is_none() {
            self.fold()?;
            self.push(head, bytes).ok_or(MemoryStorageError::JournalFull)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Self::Error> {
        (self.flushed, self.begun) = (self.written, self.written);
        Ok(())
    }

    fn begin_flush(&mut self) -> Result<(), Self::Error> {
        self.begun = self.written;
        Ok(())
    }
}

/// The record at the start of the journal, and what follows it. `None` if it is torn.
fn read(journal: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let (head, rest) = postcard::take_from_bytes(journal).ok()?;
    Some(match head {
        Head::Identity(identity) => (Record::Identity(identity), rest),
        Head::Ballot(ballot) => (Record::Ballot(ballot), rest),
        Head::Base(base) => (Record::Base(base), rest),
        Head::Entries { after, length } => {
            let (bytes, rest) = rest.split_at_checked(length as usize)?;
            (Record::Entries { after, bytes }, rest)
        }
    })
}

/// Puts a run of entries in the place of everything that stood above `after`.
fn replace<B: AsRef<[u8]> + AsMut<[u8]>>(
    image: &mut Log<B>,
    after: Position,
    entries: Entries<'_>,
) -> Result<(), MemoryStorageError> {
    let fits = image.term(after.index) == Some(after.term);
    image.truncate(after.index).filter(|()| fits).ok_or(MemoryStorageError::BadRecord)?;
    match image.extend(entries) {
        Some(count) if count == entries.len() => Ok(()),
        _ => Err(MemoryStorageError::ImageFull),
    }
}
