//! A snapshot that is saved beside the node: drawn up here, saved wherever there is time, and
//! adopted here.
//!
//! A host copies its machine and saves the copy in another thread, so that nobody waits for it. All
//! of this is for machines that say so by [`Machine::SAVED_BESIDE`]; any other is saved by its
//! node.

use super::snapshot::save;
use super::{CompactError, Node};
use crate::configuration::Configuration;
use crate::machine::Machine;
use crate::snapshot::Saver;
use crate::status::Fault;
use crate::storage::{Record, Storage};
use crate::types::{Position, Snapshot};

/// What belongs into a snapshot of the moment in which it was drawn up, beside the machine of that
/// moment. It may be taken anywhere.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Draft {
    last: Position,
    configuration: Configuration,
    most_bytes: u32,
}

impl Draft {
    /// Hands the snapshot to `sink` in pieces, each with its offset, and says which one it is: what
    /// [`Node::adopt`] takes. The machine is as it was when this was drawn up.
    ///
    /// A sink that says `None` is given no more, and then this says `None` too. Of what is longer
    /// than [`Draft::most_bytes`] the rest is only counted, and a machine that can't be written
    /// amounts to a snapshot that is longer than any: the node refuses both.
    pub fn save<M: Machine>(
        &self,
        machine: &M,
        sink: &mut dyn FnMut(u32, &[u8]) -> Option<()>,
    ) -> Option<Snapshot> {
        let mut refused = false;
        let mut watched = |offset: u32, bytes: &[u8]| {
            let room = usize::try_from(self.most_bytes.saturating_sub(offset)).ok()?;
            let taken = if bytes.len() > room { Some(()) } else { sink(offset, bytes) };
            refused |= taken.is_none();
            taken
        };
        let saved = save(&self.configuration, machine, Saver::new(&mut watched));
        let (bytes, checksum) = match saved {
            None if refused => return None,
            saved => saved.unwrap_or((u32::MAX, 0)),
        };
        Some(Snapshot { last: self.last, bytes, checksum })
    }

    /// The last entry that is in it.
    pub const fn last(&self) -> Position {
        self.last
    }

    /// How long the snapshot may be.
    pub const fn most_bytes(&self) -> u32 {
        self.most_bytes
    }
}

impl<B, S, M> Node<B, S, M>
where
    B: AsRef<[u8]> + AsMut<[u8]>,
    S: Storage,
    M: Machine,
{
    /// Whether the log should be compacted, so that it is time for a [`draft`](Node::draft): a
    /// look. Who draws one up does not ask again before it was adopted, or came to nothing.
    pub fn wants_draft(&self) -> bool {
        self.is_compaction_due() && self.raft.staged().is_none()
    }

    /// Draws up a snapshot of the machine as it is now: a look. `None` if nothing was applied since
    /// the last one.
    pub fn draft(&self) -> Result<Option<Draft>, CompactError<S::Error>> {
        self.check_running().map_err(CompactError::Flush)?;
        if let Some(fault) = self.apply_fault {
            return Err(CompactError::ApplyStopped(fault));
        }
        let index = self.applied;
        let mut configuration = Configuration::default();
        let found = self.raft.find_configuration(index, &mut configuration);
        let term = self.raft.log().term(index).filter(|_| found.is_some());
        // The next flush finds out what is wrong with the log, if it has no such entry.
        let most_bytes = self.longest_draft();
        let last = |term| Position { term, index };
        let draft = term.map(|term| Draft { last: last(term), configuration, most_bytes });
        Ok(draft.filter(|draft| self.raft.can_adopt(draft.last)))
    }

    /// Whether a snapshot up to there had better wait before it is [adopted](Node::adopt): a look.
    /// This node streams its last one to somebody who would have to begin anew, or is sent a later
    /// one itself. Neither lasts, and a log without room does not wait.
    pub fn adoption_waits(&self) -> bool {
        self.raft.adoption_waits()
    }

    /// Takes a snapshot that was saved from a [`Draft`], and makes room in the log. Says whether it
    /// did: one that is no news any more is not taken, because this node was sent a later one. What
    /// was taken survives a power cut after the next flush.
    ///
    /// `place` is called if it is, and has the storage take all of the snapshot's bytes, which come
    /// from elsewhere, as its stage; they are durable by the next flush at the latest.
    pub fn adopt(
        &mut self,
        snapshot: Snapshot,
        place: impl FnOnce(&mut S) -> Result<(), S::Error>,
    ) -> Result<bool, CompactError<S::Error>> {
        self.check_running().map_err(CompactError::Flush)?;
        if let Some(fault) = self.apply_fault {
            return Err(CompactError::ApplyStopped(fault));
        }
        if snapshot.last.index > self.applied || !self.raft.can_adopt(snapshot.last) {
            return Ok(false);
        }
        let most_bytes = self.longest_draft();
        if snapshot.bytes > most_bytes {
            self.oversize = Some(snapshot.bytes);
            self.oversize_at = snapshot.last.index;
            return Err(CompactError::TooLarge { bytes: snapshot.bytes, most_bytes });
        }
        let mut configuration = Configuration::default();
        if self.raft.find_configuration(snapshot.last.index, &mut configuration).is_none() {
            return Err(CompactError::Flush(self.stop(Fault::Log)));
        }
        let placed = place(&mut self.storage);
        let written = placed.and_then(|()| self.storage.write(Record::Snapshot(snapshot)));
        self.storage_outcome(written).map_err(CompactError::Flush)?;
        self.oversize = None;
        let compacted = self.raft.compacted(snapshot, &configuration);
        compacted.map_err(|fault| CompactError::Flush(self.stop(fault)))?;
        Ok(true)
    }

    /// What can't be written or counted is longer than that, whatever storage has room for.
    fn longest_draft(&self) -> u32 {
        self.raft.snapshot_bytes_max().min(u32::MAX - 1)
    }
}
