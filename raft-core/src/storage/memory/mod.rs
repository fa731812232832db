//! Storage that forgets like the real thing: for tests, and for boards that keep nothing.
//!
//! Records are written to a journal of bytes, of which the first part is flushed. A crash cuts the
//! rest after any byte, and the record that was cut is gone with all that follow it. What was
//! flushed is folded into an image, a log like the node's, when the journal is full or looked at,
//! and into two slots, of which one holds the snapshot and one the stage.

mod journal;

use self::journal::{
    BALLOT, BASE, CHUNK, ENTRIES, HEAD_BYTES, Head, IDENTITY, IDENTITY_BYTES_MAX, NO_VOTE,
    SNAPSHOT, SNAPSHOT_BYTES, STAGE, count, read,
};
use super::{Identity, Loss, Part, Record, Storage};
use crate::bytes;
use crate::log::{Entries, Log, UnfitMemory};
use crate::types::{Ballot, Index, Position, Snapshot, Term};

/// A [`Storage`] in memory that loses what was not flushed, as a power cut would.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MemoryStorage<B: AsRef<[u8]> + AsMut<[u8]>> {
    identity: Option<Identity>,
    ballot: Ballot,
    image: Log<B>,
    /// What was known to be committed when entries were written last.
    committed: Index,
    snapshot: Snapshot,
    stage: Option<(Snapshot, u32)>,
    /// Whether flushed entries rotted, and no ballot says so yet.
    lost: bool,
    /// Memory for the snapshot and for the stage, in this order; none for a log that stays whole.
    slots: Option<[B; 2]>,
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
    /// The snapshot is longer than its memory.
    StageFull,
    /// A record that no node writes.
    BadRecord,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> MemoryStorage<B> {
    /// Blank storage over two pieces of memory: the image is as large as the node's log, and the
    /// journal holds all that is written between two flushes, which is never more than twice that
    /// and a hundred bytes. It has no room for snapshots: the node's log is never compacted.
    pub fn new(image: B, journal: B) -> Result<Self, UnfitMemory> {
        Ok(Self {
            identity: None,
            ballot: Ballot::default(),
            image: Log::new(image)?,
            committed: Index::ZERO,
            snapshot: Snapshot::NONE,
            stage: None,
            lost: false,
            slots: None,
            journal,
            flushed: 0,
            begun: 0,
            written: 0,
        })
    }

    /// The same with room for snapshots as long as the shorter of two more pieces of memory. The
    /// journal must hold twice as much of a snapshot, too.
    pub fn with_snapshots(self, one: B, other: B) -> Self {
        Self { slots: Some([one, other]), ..self }
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

    /// What was flushed of the log rots from the entry at `first` on, and the snapshot if it is
    /// said so; what was not flushed is lost as well.
    pub fn rot(&mut self, first: Index, snapshot: bool) -> Result<(), MemoryStorageError> {
        self.crash(0)?;
        let kept = first.previous().max(self.image.base().index);
        if kept < self.image.last().index {
            self.image.truncate(kept).ok_or(MemoryStorageError::BadRecord)?;
        }
        if snapshot {
            (self.snapshot, self.committed) = (Snapshot::NONE, Index::ZERO);
        }
        let last = self.snapshot.last;
        if self.image.term(last.index) != Some(last.term) {
            self.image.restart_after(last);
        }
        self.committed = self.committed.min(self.image.last().index);
        self.lost = true;
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
                Record::Ballot(ballot) => {
                    self.ballot = ballot;
                    self.lost &= !ballot.is_refilling();
                }
                Record::Base(base) => self.image.rebase(base),
                Record::Stage { snapshot, held } => self.stage = Some((snapshot, held)),
                Record::Chunk { offset, bytes } => {
                    let slot = self.slots.as_mut().map(|[_, stage]| stage.as_mut());
                    let room = slot.and_then(|slot| slot.get_mut(offset as usize..));
                    let room = room.and_then(|room| room.get_mut(..bytes.len()));
                    room.ok_or(MemoryStorageError::StageFull)?.copy_from_slice(bytes);
                    if let Some((_, held)) = &mut self.stage {
                        *held = offset + count(bytes);
                    }
                }
                Record::Snapshot(snapshot) => {
                    (self.snapshot, self.stage) = (snapshot, None);
                    if let Some([snapshot, stage]) = &mut self.slots {
                        core::mem::swap(snapshot, stage);
                    }
                    if self.image.term(snapshot.last.index) != Some(snapshot.last.term) {
                        self.image.restart_after(snapshot.last);
                    }
                }
                Record::Entries { after, committed, bytes } => {
                    self.committed = self.committed.max(committed);
                    let entries = Entries::parse(after.term, bytes);
                    let entries = entries.ok_or(MemoryStorageError::BadRecord)?;
                    replace(&mut self.image, after, entries)?;
                }
                Record::Lost(_) => return Err(MemoryStorageError::BadRecord),
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

    fn push_snapshot(&mut self, kind: u8, of: &Snapshot) -> Result<(), MemoryStorageError> {
        let mut rest = [0; SNAPSHOT_BYTES];
        let (bytes, checksum) = rest.split_at_mut(SNAPSHOT_BYTES / 2);
        bytes.copy_from_slice(&of.bytes.to_le_bytes());
        checksum.copy_from_slice(&of.checksum.to_le_bytes());
        self.push(&Head::new(kind, of.last, count(&rest)), &rest)
    }

    /// Reads what the slots hold, and over it what the journal still has for them.
    fn read_folded(&self, part: Part, offset: u32, buffer: &mut [u8]) -> Option<()> {
        let journal = || {
            let mut rest = self.journal.as_ref().get(..self.written).unwrap_or_default();
            core::iter::from_fn(move || {
                let (record, after) = read(rest)?;
                rest = after;
                Some(record)
            })
        };
        let switches = journal().filter(|it| matches!(it, Record::Snapshot(_))).count();
        let [snapshot, stage] = self.slots.as_ref()?;
        let slot = if part == Part::Snapshot && switches == 0 { snapshot } else { stage };
        let (start, mut switched) = (offset as usize, 0);
        buffer.copy_from_slice(slot.as_ref().get(start..start.checked_add(buffer.len())?)?);
        for record in journal() {
            match record {
                Record::Snapshot(_) => switched += 1,
                // What was staged before the last switch is the snapshot; what came later is not.
                Record::Chunk { offset, bytes }
                    if (switched < switches) == (part == Part::Snapshot) =>
                {
                    let places = (offset as usize..).zip(bytes);
                    for (at, byte) in places.filter(|(at, _)| *at >= start) {
                        if let Some(here) = buffer.get_mut(at - start) {
                            *here = *byte;
                        }
                    }
                }
                _ => {}
            }
        }
        Some(())
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
        if self.lost {
            each(Record::Lost(Loss::Entries));
        }
        if self.snapshot != Snapshot::NONE {
            each(Record::Snapshot(self.snapshot));
        }
        let mut after = self.image.base();
        each(Record::Base(after));
        while after.index < self.image.last().index {
            let run = self.image.run(after.index.next(), u32::MAX, usize::MAX);
            let run = run.ok_or(MemoryStorageError::BadRecord)?;
            each(Record::Entries { after, committed: self.committed, bytes: run.bytes() });
            let index = Index(after.index.0 + u64::from(run.len()));
            let term = self.image.term(index).ok_or(MemoryStorageError::BadRecord)?;
            after = Position { term, index };
        }
        if let Some((snapshot, held)) = self.stage {
            each(Record::Stage { snapshot, held });
        }
        Ok(())
    }

    fn write(&mut self, record: Record<'_>) -> Result<(), Self::Error> {
        match record {
            Record::Identity(identity) => {
                let mut buffer = [0; IDENTITY_BYTES_MAX];
                let bytes = postcard::to_slice(&identity, &mut buffer);
                let bytes = bytes.map_err(|_| MemoryStorageError::BadRecord)?;
                let number = count(bytes);
                self.push(&Head::new(IDENTITY, Position::ZERO, number), bytes)
            }
            Record::Ballot(Ballot { term, vote, admitted, losses }) => {
                let standing = u64::from(losses) << 1 | u64::from(admitted);
                let position = Position { term, index: Index(standing) };
                let number = vote.map_or(NO_VOTE, |vote| u32::from(vote.0));
                self.push(&Head::new(BALLOT, position, number), &[])
            }
            Record::Base(position) => self.push(&Head::new(BASE, position, 0), &[]),
            Record::Stage { snapshot, .. } => self.push_snapshot(STAGE, &snapshot),
            Record::Snapshot(snapshot) => self.push_snapshot(SNAPSHOT, &snapshot),
            Record::Chunk { offset, bytes } => {
                let position = Position { term: Term::ZERO, index: Index(u64::from(offset)) };
                self.push(&Head::new(CHUNK, position, count(bytes)), bytes)
            }
            Record::Entries { after, committed, bytes } => {
                let number = count(bytes);
                self.push(&Head { kind: ENTRIES, position: after, number, committed }, bytes)
            }
            Record::Lost(_) => Err(MemoryStorageError::BadRecord),
        }
    }

    fn read(&mut self, part: Part, offset: u32, buffer: &mut [u8]) -> Result<(), Self::Error> {
        self.fold()?;
        self.read_folded(part, offset, buffer).ok_or(MemoryStorageError::BadRecord)
    }

    fn snapshot_bytes_max(&self) -> u32 {
        self.slots.as_ref().map_or(0, |[one, other]| {
            let count = |slot: &B| count(slot.as_ref());
            count(one).min(count(other))
        })
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
