//! Storage that forgets like the real thing: for tests, and for boards that keep nothing.
//!
//! Records are written to a journal of bytes, of which the first part is flushed. A crash cuts the
//! rest after any byte, and the record that was cut is gone with all that follow it. What was
//! flushed is folded into an image, a log like the node's, when the journal is full or looked at.

use super::{Identity, Record, Storage};
use crate::bytes;
use crate::log::{Entries, Log, UnfitMemory};
use crate::types::{Ballot, Index, NodeId, Position, Term};

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

/// What every record in the journal starts with, all numbers little-endian:
///
/// ```text
/// kind     u8
/// term     u32      the ballot's, or the position's
/// index    u64      the position's; of a ballot, 1 if the node is admitted
/// number   u32      the ballot's vote, 255 for none; else how many bytes follow
/// ```
struct Head {
    kind: u8,
    position: Position,
    number: u32,
}

const IDENTITY: u8 = 1;
const BALLOT: u8 = 2;
const BASE: u8 = 3;
const ENTRIES: u8 = 4;

const HEAD_BYTES: usize = 17;
/// Six varints of at most ten bytes, and a few of one.
const IDENTITY_BYTES_MAX: usize = 64;
const NO_VOTE: u32 = 255;

impl Head {
    /// Gives what is left of the room behind it.
    fn write<'b>(&self, room: &'b mut [u8]) -> Option<&'b mut [u8]> {
        let (kind, room) = room.split_first_mut()?;
        let (term, room) = room.split_first_chunk_mut()?;
        let (index, room) = room.split_first_chunk_mut()?;
        let (number, room) = room.split_first_chunk_mut()?;
        *kind = self.kind;
        *term = self.position.term.0.to_le_bytes();
        *index = self.position.index.0.to_le_bytes();
        *number = self.number.to_le_bytes();
        Some(room)
    }

    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (kind, bytes) = bytes.split_first()?;
        let (term, bytes) = bytes.split_first_chunk()?;
        let (index, bytes) = bytes.split_first_chunk()?;
        let (number, bytes) = bytes.split_first_chunk()?;
        let (term, index) = (Term(u32::from_le_bytes(*term)), Index(u64::from_le_bytes(*index)));
        let number = u32::from_le_bytes(*number);
        Some((Self { kind: *kind, position: Position { term, index }, number }, bytes))
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> MemoryStorage<B> {
    /// Blank storage over two pieces of memory: the image is as large as the node's log, and the
    /// journal holds all that is written between two flushes, which is never more than twice that
    /// and a hundred bytes.
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

    /// The ballot as it would be found then.
    pub fn flushed_ballot(&mut self) -> Result<Ballot, MemoryStorageError> {
        self.fold()?;
        Ok(self.ballot)
    }

    /// Moves the whole records of what is flushed out of the journal and into the image.
    #[cold]
    fn fold(&mut self) -> Result<(), MemoryStorageError> {
        let journal = self.journal.as_mut().get_mut(..self.written).unwrap_or_default();
        let mut rest = journal.get(..self.flushed).unwrap_or_default();
        while let Some((record, after)) = read(rest) {
            match record {
                Record::Identity(identity) => {
                    self.identity = Some(identity);
                    self.ballot.admitted = identity.is_founder();
                }
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
        let left = journal.len().checked_sub(folded).ok_or(MemoryStorageError::BadRecord)?;
        bytes::shift(journal, folded, 0, left).ok_or(MemoryStorageError::BadRecord)?;
        self.flushed -= folded;
        self.begun = self.begun.saturating_sub(folded);
        self.written -= folded;
        Ok(())
    }

    /// Writes a record behind the others, making room for it if there is none.
    fn push(&mut self, head: &Head, bytes: &[u8]) -> Result<(), MemoryStorageError> {
        if self.try_push(head, bytes).is_none() {
            self.fold()?;
            self.try_push(head, bytes).ok_or(MemoryStorageError::JournalFull)?;
        }
        Ok(())
    }

    fn try_push(&mut self, head: &Head, bytes: &[u8]) -> Option<()> {
        let room = self.journal.as_mut().get_mut(self.written..)?;
        head.write(room)?.get_mut(..bytes.len())?.copy_from_slice(bytes);
        self.written += HEAD_BYTES + bytes.len();
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
            let index = Index(after.index.0 + u64::from(run.len()));
            let term = self.image.term(index).ok_or(MemoryStorageError::BadRecord)?;
            after = Position { term, index };
        }
        Ok(())
    }

    fn write(&mut self, record: Record<'_>) -> Result<(), Self::Error> {
        let count = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        match record {
            Record::Identity(identity) => {
                let mut buffer = [0; IDENTITY_BYTES_MAX];
                let bytes = postcard::to_slice(&identity, &mut buffer);
                let bytes = bytes.map_err(|_| MemoryStorageError::BadRecord)?;
                let number = count(bytes);
                self.push(&Head { kind: IDENTITY, position: Position::ZERO, number }, bytes)
            }
            Record::Ballot(Ballot { term, vote, admitted }) => {
                let position = Position { term, index: Index(u64::from(admitted)) };
                let number = vote.map_or(NO_VOTE, |vote| u32::from(vote.0));
                self.push(&Head { kind: BALLOT, position, number }, &[])
            }
            Record::Base(position) => self.push(&Head { kind: BASE, position, number: 0 }, &[]),
            Record::Entries { after, bytes } => {
                self.push(&Head { kind: ENTRIES, position: after, number: count(bytes) }, bytes)
            }
        }
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
    let (Head { kind, position, number }, rest) = Head::read(journal)?;
    let with_bytes = || rest.split_at_checked(number as usize);
    Some(match kind {
        IDENTITY => {
            let (bytes, rest) = with_bytes()?;
            (Record::Identity(postcard::from_bytes(bytes).ok()?), rest)
        }
        BALLOT => {
            let vote = u8::try_from(number).ok().map(NodeId).filter(|vote| vote.is_valid());
            let (term, admitted) = (position.term, position.index > Index::ZERO);
            (Record::Ballot(Ballot { term, vote, admitted }), rest)
        }
        BASE => (Record::Base(position), rest),
        ENTRIES => {
            let (bytes, rest) = with_bytes()?;
            (Record::Entries { after: position, bytes }, rest)
        }
        _ => return None,
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

impl<B: AsRef<[u8]> + AsMut<[u8]>> core::fmt::Debug for MemoryStorage<B> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let unflushed = self.unflushed_bytes();
        let mut storage = f.debug_struct("MemoryStorage");
        storage.field("image", &self.image).field("unflushed_bytes", &unflushed);
        storage.finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl<B: AsRef<[u8]> + AsMut<[u8]>> defmt::Format for MemoryStorage<B> {
    fn format(&self, f: defmt::Formatter<'_>) {
        let unflushed = self.unflushed_bytes();
        defmt::write!(
            f,
            "MemoryStorage {{ image: {}, unflushed_bytes: {}, .. }}",
            self.image,
            unflushed
        );
    }
}
