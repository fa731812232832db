//! What a node's storage holds, taken in record by record and checked like any bytes from outside.
//!
//! Storage promises whole records in order; that they fit together and into this node's memory is
//! for this file to find out.

use super::snapshot::{adds_up, find_configuration, restore};
use super::{FlushError, Node};
use crate::config::{Config, ConfigError};
use crate::configuration::Configuration;
use crate::log::{Entries, Log, UnfitMemory};
use crate::machine::Machine;
use crate::raft::{Kept, Stage, latest};
use crate::snapshot::LoadError;
use crate::storage::{Identity, Loss, Part, Record, Storage};
use crate::types::{Index, NodeId, Position, Snapshot, Term};

/// Why a node could not be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum RecoverError<E> {
    /// The storage said so.
    Storage(E),
    /// The configuration can't work.
    Config(ConfigError),
    /// The memory for the log can't hold one.
    Memory(UnfitMemory),
    /// The storage was never formatted: see [`format`](crate::format).
    Blank,
    /// The storage belongs to another node.
    OtherNode(NodeId),
    /// The storage holds more entries than the log's memory: give it at least as much as before.
    LogTooSmall,
    /// The log is smaller than [`Config::least_log_bytes`] says that any is: what fits into all
    /// others would not fit into this one.
    LogBelowLeast {
        /// What would do.
        least_bytes: u32,
    },
    /// The log can't hold the commands that `frame_bytes` lets in: commands that fit into frames
    /// and not into a quorum of logs would never commit, so give it more memory, or set
    /// `frame_bytes` to this on every node.
    FrameExceedsLog {
        /// What would do.
        most_bytes: u32,
    },
    /// The storage has no room for the longest snapshot in the cluster, which is
    /// [`Config::snapshot_bytes_max`].
    SnapshotExceedsStorage {
        /// For how long a one there is room.
        most_bytes: u32,
    },
    /// The storage has no room for entries as long as frames let in: set
    /// [`frame_bytes`](Config::frame_bytes) to this on every node, or give it more room.
    FrameExceedsStorage {
        /// What would do.
        most_bytes: u32,
    },
    /// While the storage's medium pauses, as for an erase, the others would take this node for
    /// dead: [`base_timeout_ticks`](Config::base_timeout_ticks) must be longer than that by more
    /// than a heartbeat.
    PauseExceedsTimeout {
        /// How long the pause is, with its margin.
        pause_micros: u32,
    },
    /// The cluster has other settings than this configuration:
    /// [`Config::shared_digest`] says which must be equal everywhere.
    UnequalSettings,
    /// The storage holds a record that no node writes.
    Corrupt,
    /// The storage lost the node's ballot: nobody knows what it has promised. Wipe it, have the
    /// node removed, and add it anew, as [`Identity::newcomer`].
    BallotLost,
    /// The storage's snapshot is damaged, or of a layout that this version does not know. What the
    /// machine saved may still be unknown to it: see
    /// [`ApplyFault::Snapshot`](crate::ApplyFault::Snapshot).
    Snapshot(LoadError),
}

/// What recovery has found so far, beside what is in the log.
struct Found<'l, B: AsRef<[u8]> + AsMut<[u8]>> {
    identity: Option<Identity>,
    log: &'l mut Log<B>,
    kept: &'l mut Kept,
    flaw: Option<Flaw>,
    /// Whether anything that was flushed is lost; then what does not fit stood on that.
    gaps: bool,
}

/// Why what was found is no use.
enum Flaw {
    Corrupt,
    TooLarge,
    BallotLost,
}

impl<'l, B: AsRef<[u8]> + AsMut<[u8]>> Found<'l, B> {
    fn take(&mut self, record: Record<'_>) {
        if self.flaw.is_some() {
            return;
        }
        match self.try_take(record) {
            // Where a base is lost, too many entries stay.
            Err(Flaw::Corrupt | Flaw::TooLarge) if self.gaps => self.kept.lost = true,
            outcome => self.flaw = outcome.err(),
        }
    }

    /// The log begins anew behind the snapshot unless it holds the very entry that this ends with:
    /// what a leader will add must have something to stand on, now and at the next start.
    fn close_gap(&mut self) {
        let last = self.kept.snapshot.last;
        if self.log.term(last.index) != Some(last.term) {
            self.log.restart_after(last);
        }
        self.kept.committed = self.kept.committed.min(self.log.last().index);
    }

    fn try_take(&mut self, record: Record<'_>) -> Result<(), Flaw> {
        match record {
            Record::Identity(identity) => {
                self.identity = Some(identity);
                self.kept.ballot.admitted = identity.is_founder();
            }
            Record::Ballot(ballot) => {
                self.kept.ballot = ballot;
                if self.kept.lost && ballot.is_refilling() {
                    self.close_gap();
                    self.kept.lost = false;
                }
            }
            Record::Lost(Loss::Ballot) => return Err(Flaw::BallotLost),
            Record::Lost(Loss::Entries) => (self.gaps, self.kept.lost) = (true, true),
            Record::Base(base) => {
                self.log.rebase(in_bounds(base)?);
            }
            Record::Stage { snapshot, held } => {
                in_bounds(snapshot.last)?;
                self.kept.stage = Some(Stage::new(snapshot, held));
            }
            Record::Chunk { offset, bytes } => {
                let stage = self.kept.stage.as_mut().filter(|stage| stage.held == offset);
                let more = u32::try_from(bytes.len()).map_err(|_| Flaw::Corrupt)?;
                stage.ok_or(Flaw::Corrupt)?.held = offset.checked_add(more).ok_or(Flaw::Corrupt)?;
            }
            Record::Snapshot(snapshot) => {
                let Position { term, index } = in_bounds(snapshot.last)?;
                if self.log.term(index) != Some(term) {
                    self.log.restart_after(snapshot.last);
                }
                (self.kept.snapshot, self.kept.stage) = (snapshot, None);
                self.kept.committed = self.kept.committed.max(index);
            }
            Record::Entries { after, committed, bytes } => {
                let entries = Entries::parse(after.term, bytes).ok_or(Flaw::Corrupt)?;
                if self.log.term(after.index) != Some(after.term) {
                    return Err(Flaw::Corrupt);
                }
                self.log.truncate(after.index).ok_or(Flaw::Corrupt)?;
                let taken = self.log.extend(entries).ok_or(Flaw::Corrupt)?;
                if taken < entries.len() {
                    return Err(Flaw::TooLarge);
                }
                self.kept.committed = self.kept.committed.max(committed.min(self.log.last().index));
            }
        }
        Ok(())
    }

    /// Whether base, snapshot, stage and log can be those of one node.
    fn fits_together(&self) -> bool {
        let (base, last) = (self.log.base().index, self.log.last().index);
        let stage = self.kept.stage.as_ref();
        (base..=last).contains(&self.kept.snapshot.last.index)
            && self.kept.committed <= last
            && stage.is_none_or(|stage| stage.held <= stage.snapshot.bytes)
            && self.kept.ballot.term < Term::LIMIT
    }
}

fn in_bounds(position: Position) -> Result<Position, Flaw> {
    let fits = position.index < Index::LIMIT && position.term < Term::LIMIT;
    fits.then_some(position).ok_or(Flaw::Corrupt)
}

/// Whether a node of this configuration can work with the storage at all.
pub(super) fn suits<S: Storage>(
    config: &Config,
    storage: &S,
) -> Result<(), RecoverError<S::Error>> {
    let most_bytes = u32::try_from(storage.entry_bytes_max()).unwrap_or(u32::MAX);
    if config.frame_bytes > most_bytes {
        return Err(RecoverError::FrameExceedsStorage { most_bytes });
    }
    let pause_micros = storage.pause_micros();
    // The last heartbeat before it may have left one heartbeat ago.
    let borne_ticks = config.base_timeout_ticks.saturating_sub(config.heartbeat_ticks);
    let borne_micros = u64::from(borne_ticks) * u64::from(config.tick_micros);
    if pause_micros > 0 && borne_micros <= pause_micros.into() {
        return Err(RecoverError::PauseExceedsTimeout { pause_micros });
    }
    Ok(())
}

/// Takes in what the storage holds: entries go into the log, and the machine becomes what its
/// snapshot says.
#[inline(never)]
pub(super) fn load<B, S, M>(
    config: &Config,
    log: &mut Log<B>,
    storage: &mut S,
    machine: &mut M,
    kept: &mut Kept,
) -> Result<(), RecoverError<S::Error>>
where
    B: AsRef<[u8]> + AsMut<[u8]>,
    S: Storage,
    M: Machine,
{
    let mut found = Found { identity: None, log, kept, flaw: None, gaps: false };
    storage.recover(&mut |record| found.take(record)).map_err(RecoverError::Storage)?;
    match found.flaw {
        Some(Flaw::Corrupt) => return Err(RecoverError::Corrupt),
        Some(Flaw::TooLarge) => return Err(RecoverError::LogTooSmall),
        Some(Flaw::BallotLost) => return Err(RecoverError::BallotLost),
        // A ballot of an earlier loss may stand behind a snapshot that is lost now.
        None if found.gaps && (found.kept.lost || !found.fits_together()) => {
            found.kept.lost = true;
            found.close_gap();
        }
        None => {}
    }
    // Whose it is may be lost with the ballot, and that is another thing than to be blank.
    let identity = found.identity.ok_or(RecoverError::Blank)?;
    if identity.id != config.id {
        return Err(RecoverError::OtherNode(identity.id));
    }
    if !found.fits_together() {
        return Err(RecoverError::Corrupt);
    }
    let Identity { membership, nonce, settings, id, .. } = identity;
    kept.nonce = nonce;
    let most_bytes = storage.snapshot_bytes_max();
    if config.snapshot_bytes_max > most_bytes {
        return Err(RecoverError::SnapshotExceedsStorage { most_bytes });
    }
    let agreed = Some(config.snapshot_bytes_max).filter(|&agreed| agreed > 0);
    kept.snapshot_bytes_max = agreed.unwrap_or(most_bytes);
    kept.base_configuration = Configuration::of_founders(membership, settings);
    let snapshot = kept.snapshot;
    if snapshot != Snapshot::NONE {
        if !adds_up(storage, Part::Snapshot, &snapshot) {
            return Err(RecoverError::Snapshot(LoadError::Content));
        }
        find_configuration(storage, Part::Snapshot, &snapshot, &mut kept.base_configuration)
            .map_err(RecoverError::Snapshot)?;
        kept.apply_fault = restore(storage, machine, &snapshot).err();
    }
    let last = log.last().index;
    let latest = latest(log, &kept.base_configuration, last, &mut kept.configuration);
    kept.configured_at = latest.ok_or(RecoverError::Corrupt)?;
    let admitted = kept.ballot.admitted && kept.configuration.nonce(id) == Some(nonce);
    if admitted && !kept.configuration.admits(nonce, config) {
        return Err(RecoverError::UnequalSettings);
    }
    if let Some(staged) = kept.stage.as_ref().and_then(Stage::unchecked) {
        let sound = adds_up(storage, Part::Stage, &staged);
        Stage::checked(&mut kept.stage, sound);
    }
    Ok(())
}

impl<B, S, M> Node<B, S, M>
where
    B: AsRef<[u8]> + AsMut<[u8]>,
    S: Storage,
    M: Machine,
{
    /// Says where the entries begin and end, before a ballot tells of a loss or that this node
    /// counts again: what could not stay goes, and if more rots of what stands before the ballot,
    /// the next start does not take that for the same loss.
    #[cold]
    pub(super) fn write_ends(&mut self) -> Result<(), FlushError<S::Error>> {
        let (after, committed) = match self.raft.written_end() {
            Ok(end) => end,
            Err(fault) => {
                self.raft.fail(fault);
                return Err(FlushError::Stopped(fault));
            }
        };
        let mut written = self.storage.write(Record::Base(self.raft.log().base()));
        if written.is_ok() {
            self.raft.wrote_base();
            written = self.storage.write(Record::Entries { after, committed, bytes: &[] });
        }
        self.storage_outcome(written)
    }
}
