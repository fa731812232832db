//! Storage that forgets like the real thing: for tests, and for boards that keep nothing.
//!
//! What was flushed lies in an image; what was not lies behind it as a journal of bytes. A crash
//! cuts the journal after any byte, and the record that was cut is gone with all that follow it.

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
    /// How much of the journal is written.
    written: usize,
    /// How much of it a flush that has begun will make durable.
    begun: usize,
}

/// Why [`MemoryStorage`] refused a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum MemoryStorageError {
    /// The journal is full: it must hold what one flush writes.
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
        Ok(Self { identity: None, ballot, image, journal, written: 0, begun: 0 })
    }

    /// Finishes what [`begin_flush`](Storage::begin_flush) began, as a driver's interrupt would.
    pub fn finish_flush(&mut self) -> Result<(), MemoryStorageError> {
        self.keep(self.begun)
    }

    /// The power fails: of the bytes that were not flushed only the first `kept` reached the
    /// medium. [`MemoryStorage::unflushed_bytes`] is the most there is to keep.
    pub fn crash(&mut self, kept: usize) -> Result<(), MemoryStorageError> {
        self.written = self.written.min(kept);
        self.keep(self.written)?;
        self.written = 0;
        Ok(())
    }

    /// The log as it would be found after a crash that keeps nothing more.
    pub fn flushed(&self) -> &Log<B> {
        &self.image
    }

    /// How many bytes a crash could lose.
    pub fn unflushed_bytes(&self) -> usize {
        self.written
    }

    /// Moves the whole records among the journal's first `limit` bytes into the image.
    fn keep(&mut self, limit: usize) -> Result<(), MemoryStorageError> {
        let journal = self.journal.as_mut().get_mut(..self.written).unwrap_or_default();
        let mut rest = journal.get(..limit).unwrap_or_default();
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
        let kept = limit.min(self.written) - rest.len();
        journal.copy_within(kept.., 0);
        self.written -= kept;
        self.begun = self.begun.saturating_sub(kept);
        Ok(())
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Storage for MemoryStorage<B> {
    type Error = MemoryStorageError;

    fn recover(&mut self, each: &mut dyn FnMut(Record<'_>)) -> Result<(), Self::Error> {
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
        let room = self.journal.as_mut().get_mut(self.written..).unwrap_or_default();
        let used = postcard::to_slice(&head, room).map(|head| head.len());
        let used = used.map_err(|_| MemoryStorageError::JournalFull)?;
        let room = room.get_mut(used..).and_then(|room| room.get_mut(..bytes.len()));
        room.ok_or(MemoryStorageError::JournalFull)?.copy_from_slice(bytes);
        self.written += used + bytes.len();
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Self::Error> {
        self.keep(self.written)
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
