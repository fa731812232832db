//! The machine's way into storage and out of it, and the pieces of it that come and go.
//!
//! All of this is rare next to a commit, and nothing here runs while nobody lacks anything and the
//! log has room.

use super::{FlushError, Node};
use crate::configuration::Configuration;
use crate::machine::Machine;
use crate::raft::{Stage, Staging};
use crate::snapshot::{HEAD_BYTES_MAX, LoadError, Loader, Saver, VERSION};
use crate::status::{ApplyFault, Fault};
use crate::storage::{Part, Record, Storage};
use crate::types::{NodeId, Position, Snapshot};

/// Why no snapshot was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum CompactError<E> {
    /// It would be longer than the storage has room for, or than the cluster agreed on.
    TooLarge {
        /// How long.
        bytes: u32,
        /// How long it may be.
        most_bytes: u32,
    },
    /// The machine does not follow the log any more.
    ApplyStopped(ApplyFault),
    /// The node stops, or had stopped before.
    Flush(FlushError<E>),
}

/// Writes what belongs into a snapshot. `None` if the configuration is longer than any.
pub(super) fn save<M: Machine>(
    configuration: &Configuration,
    machine: &M,
    mut saver: Saver<'_>,
) -> Option<(u32, u32)> {
    let mut head = [0; HEAD_BYTES_MAX];
    let (before, rest) = head.split_first_chunk_mut()?;
    let length = configuration.write(rest)?;
    *before = [VERSION, u8::try_from(length).ok()?];
    saver.write(head.get(..length + 2)?);
    saver.write(&M::FORMAT.to_le_bytes());
    machine.save(&mut saver);
    saver.finish()
}

/// Reads a part of the storage, in pieces, up to before `end`.
pub(super) fn with_loader<S: Storage, T>(
    storage: &mut S,
    part: Part,
    end: u32,
    read: impl FnOnce(Loader<'_>) -> T,
) -> T {
    read(Loader::new(&mut |offset, buffer| storage.read(part, offset, buffer).ok(), end))
}

/// Whether a part of the storage is what it should be.
pub(super) fn adds_up<S: Storage>(storage: &mut S, part: Part, snapshot: &Snapshot) -> bool {
    let found = with_loader(storage, part, snapshot.bytes, |loader| loader.checksum());
    found == Some(snapshot.checksum)
}

/// Finds the configuration that stands before the machine's bytes; gives these bytes' format.
pub(super) fn find_configuration<S: Storage>(
    storage: &mut S,
    part: Part,
    snapshot: &Snapshot,
    found: &mut Configuration,
) -> Result<u16, LoadError> {
    with_loader(storage, part, snapshot.bytes, |mut loader| loader.head(found))
}

/// Makes the machine what the snapshot says it was.
pub(super) fn restore<S: Storage, M: Machine>(
    storage: &mut S,
    machine: &mut M,
    snapshot: &Snapshot,
) -> Result<(), ApplyFault> {
    let loaded = with_loader(storage, Part::Snapshot, snapshot.bytes, |mut loader| {
        let format = loader.head(&mut Configuration::default())?;
        if format > M::FORMAT {
            return Err(LoadError::Format(format));
        }
        machine.restore(&mut loader, format)
    });
    loaded.map_err(|error| ApplyFault::Snapshot(snapshot.last.index, error))
}

impl<B, S, M> Node<B, S, M>
where
    B: AsRef<[u8]> + AsMut<[u8]>,
    S: Storage,
    M: Machine,
{
    /// Takes a snapshot of the machine now, and makes room in the log; says whether anything was
    /// applied since the last one. It survives a power cut after the next flush.
    ///
    /// A node does this by itself in a flush when its log is full enough: see
    /// [`Config::compact_percent`](crate::Config::compact_percent). This is for whoever knows a
    /// better moment. Who has a thread to spare need not wait for it: see [`Node::draft`].
    pub fn compact(&mut self) -> Result<bool, CompactError<S::Error>> {
        self.check_running().map_err(CompactError::Flush)?;
        if let Some(fault) = self.apply_fault {
            return Err(CompactError::ApplyStopped(fault));
        }
        if self.applied <= self.raft.snapshot().last.index {
            return Ok(false);
        }
        self.save()?;
        Ok(true)
    }

    /// Whether the log should be compacted in this flush.
    pub(super) fn wants_compaction(&self) -> bool {
        !M::SAVED_BESIDE && self.is_compaction_due()
    }

    /// Whether the log should be compacted, by whomever.
    pub(super) fn is_compaction_due(&self) -> bool {
        self.raft.wants_compaction(self.applied)
            && self.apply_fault.is_none()
            && (self.oversize.is_none() || self.oversize_at != self.applied)
            && self.raft.snapshot_bytes_max() > 0
    }

    /// Compacts the log; that storage lacks the room is told by an event.
    #[cold]
    #[inline(never)]
    pub(super) fn compact_in_time(&mut self) -> Result<(), FlushError<S::Error>> {
        match self.save() {
            Err(CompactError::Flush(error)) => Err(error),
            Ok(()) | Err(CompactError::TooLarge { .. } | CompactError::ApplyStopped(_)) => Ok(()),
        }
    }

    fn save(&mut self) -> Result<(), CompactError<S::Error>> {
        let index = self.applied;
        let Some(term) = self.raft.log().term(index) else {
            return Err(CompactError::Flush(self.stop(Fault::Log)));
        };
        let configuration = &mut Configuration::default();
        if self.raft.find_configuration(index, configuration).is_none() {
            return Err(CompactError::Flush(self.stop(Fault::Log)));
        }
        let measured = save(configuration, &self.machine, Saver::new(&mut |_, _| Some(())));
        let (bytes, checksum) = measured.unwrap_or((u32::MAX, 0));
        let most_bytes = self.raft.snapshot_bytes_max();
        if bytes > most_bytes {
            (self.oversize, self.oversize_at) = (Some(bytes), index);
            return Err(CompactError::TooLarge { bytes, most_bytes });
        }
        let snapshot = Snapshot { last: Position { term, index }, bytes, checksum };
        let mut written = self.storage.write(Record::Stage { snapshot, held: 0 });
        if written.is_ok() {
            let storage = &mut self.storage;
            let mut sink = |offset, bytes: &[u8]| {
                written = storage.write(Record::Chunk { offset, bytes });
                written.is_ok().then_some(())
            };
            let saved = save(configuration, &self.machine, Saver::new(&mut sink));
            if written.is_ok() && saved != Some((bytes, checksum)) {
                return Err(CompactError::Flush(self.stop(Fault::UnstableSave)));
            }
        }
        if written.is_ok() {
            written = self.storage.write(Record::Snapshot(snapshot));
        }
        self.storage_outcome(written).map_err(CompactError::Flush)?;
        self.oversize = None;
        let compacted = self.raft.compacted(snapshot, configuration);
        compacted.map_err(|fault| CompactError::Flush(self.stop(fault)))
    }

    /// Puts what has come together on the stage in the place of log and machine, if it is whole.
    /// Everything that storage was given is flushed.
    pub(super) fn install(&mut self) -> Result<(), FlushError<S::Error>> {
        let Some(snapshot) = self.raft.staged() else { return Ok(()) };
        let mut configuration = Configuration::default();
        let found =
            find_configuration(&mut self.storage, Part::Stage, &snapshot, &mut configuration);
        if let Err(error) = found {
            // It can't be followed by this version, not even in who its members are.
            Stage::hold_back(self.raft.stage_mut());
            self.stop_applying(ApplyFault::Snapshot(snapshot.last.index, error));
            return Ok(());
        }
        let written = self.storage.write(Record::Snapshot(snapshot));
        self.storage_outcome(written)?;
        let flushed = self.storage.flush();
        self.storage_outcome(flushed)?;
        self.raft.installed(snapshot, &configuration);
        self.applied = self.applied.max(snapshot.last.index);
        if self.apply_fault.is_none()
            && let Err(fault) = restore(&mut self.storage, &mut self.machine, &snapshot)
        {
            self.stop_applying(fault);
        }
        Ok(())
    }

    /// A piece of a snapshot came in: it goes on the stage.
    #[cold]
    #[inline(never)]
    pub(super) fn stage(&mut self, staging: &Staging<'_>) {
        let Some(stage) = self.raft.stage_mut() else { return };
        let (snapshot, unchecked) = (stage.snapshot, stage.unchecked());
        let Staging { begins, offset, bytes } = *staging;
        let mut written = Ok(());
        if begins {
            written = self.storage.write(Record::Stage { snapshot, held: 0 });
        }
        if written.and_then(|()| self.storage.write(Record::Chunk { offset, bytes })).is_err() {
            self.raft.fail(Fault::Storage);
        } else if unchecked.is_some() {
            let sound = adds_up(&mut self.storage, Part::Stage, &snapshot);
            Stage::checked(self.raft.stage_mut(), sound);
        }
    }

    /// The next datagram, where a follower lacks what was dropped: pieces of the snapshot come
    /// last, and now and then first.
    #[cold]
    #[inline(never)]
    pub(super) fn transmit_lagging(&mut self, buffer: &mut [u8]) -> Option<(NodeId, usize)> {
        if self.raft.has_waited()
            && let Some(sent) = self.transmit_chunk(buffer)
        {
            return Some(sent);
        }
        match self.raft.transmit(buffer) {
            None => self.transmit_chunk(buffer),
            sent => sent,
        }
    }

    fn transmit_chunk(&mut self, buffer: &mut [u8]) -> Option<(NodeId, usize)> {
        if let Some(snapshot) = self.raft.wants_check() {
            // One that was taken before this node knew any member says nothing to others.
            let (storage, mut found) = (&mut self.storage, Configuration::default());
            let head = find_configuration(storage, Part::Snapshot, &snapshot, &mut found);
            let names = head.is_ok() && !found.membership.incoming.is_empty();
            let sound = names && adds_up(&mut self.storage, Part::Snapshot, &snapshot);
            self.raft.checked(sound);
        }
        let piece = self.raft.chunk(buffer)?;
        let end = piece.head_bytes + piece.bytes;
        let room = buffer.get_mut(piece.head_bytes..end)?;
        if self.storage.read(Part::Snapshot, piece.offset, room).is_err() {
            self.raft.fail(Fault::Storage);
            return None;
        }
        Some((piece.to, end))
    }

    #[cold]
    pub(super) fn stop(&mut self, fault: Fault) -> FlushError<S::Error> {
        self.raft.fail(fault);
        FlushError::Stopped(fault)
    }
}
