//! What a node's storage holds, taken in record by record and checked like any bytes from outside.
//!
//! Storage promises whole records in order; that they fit together and into this node's memory is
//! for this file to find out.

use super::{Node, RecoverError, snapshot};
use crate::config::Config;
use crate::configuration::Configuration;
use crate::log::{Entries, Log};
use crate::machine::Machine;
use crate::raft::{Raft, Stage};
use crate::snapshot::LoadError;
use crate::status::Reported;
use crate::storage::{Identity, Part, Record, Storage};
use crate::types::{Ballot, Index, Position, Snapshot, Term};

/// What recovery has found so far.
struct Found<B: AsRef<[u8]> + AsMut<[u8]>> {
    identity: Option<Identity>,
    ballot: Ballot,
    log: Log<B>,
    committed: Index,
    snapshot: Snapshot,
    stage: Option<Stage>,
    flaw: Option<Flaw>,
}

/// Why what was found is no use.
enum Flaw {
    Corrupt,
    TooLarge,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Found<B> {
    fn new(log: Log<B>) -> Self {
        let (ballot, snapshot) = (Ballot::default(), Snapshot::NONE);
        let committed = Index::ZERO;
        Self { identity: None, ballot, log, committed, snapshot, stage: None, flaw: None }
    }

    fn take(&mut self, record: Record<'_>) {
        if self.flaw.is_none() {
            self.flaw = self.try_take(record).err();
        }
    }

    fn try_take(&mut self, record: Record<'_>) -> Result<(), Flaw> {
        match record {
            Record::Identity(identity) => self.identity = Some(identity),
            Record::Ballot(ballot) => self.ballot = ballot,
            Record::Base(base) => {
                self.log.rebase(in_bounds(base)?);
            }
            Record::Stage { snapshot, held } => {
                in_bounds(snapshot.last)?;
                self.stage = Some(Stage::new(snapshot, held));
            }
            Record::Chunk { offset, bytes } => {
                let stage = self.stage.as_mut().filter(|stage| stage.held == offset);
                let more = u32::try_from(bytes.len()).map_err(|_| Flaw::Corrupt)?;
                stage.ok_or(Flaw::Corrupt)?.held = offset.checked_add(more).ok_or(Flaw::Corrupt)?;
            }
            Record::Snapshot(snapshot) => {
                let Position { term, index } = in_bounds(snapshot.last)?;
                if self.log.term(index) != Some(term) {
                    self.log.restart_after(snapshot.last);
                }
                (self.snapshot, self.stage) = (snapshot, None);
                self.committed = self.committed.max(index);
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
                self.committed = self.committed.max(committed.min(self.log.last().index));
            }
        }
        Ok(())
    }

    /// Whether base, snapshot, stage and log can be those of one node.
    fn fits_together(&self) -> bool {
        let (base, last) = (self.log.base().index, self.log.last().index);
        let stage = self.stage.as_ref();
        (base..=last).contains(&self.snapshot.last.index)
            && self.committed <= last
            && stage.is_none_or(|stage| stage.held <= stage.snapshot.bytes)
            && self.ballot.term < Term::LIMIT
    }
}

fn in_bounds(position: Position) -> Result<Position, Flaw> {
    let fits = position.index < Index::LIMIT && position.term < Term::LIMIT;
    fits.then_some(position).ok_or(Flaw::Corrupt)
}

/// Makes a node from what its storage holds.
pub(super) fn recover<B, S, M>(
    config: Config,
    log_memory: B,
    mut storage: S,
    mut machine: M,
) -> Result<Node<B, S, M>, RecoverError<S::Error>>
where
    B: AsRef<[u8]> + AsMut<[u8]>,
    S: Storage,
    M: Machine,
{
    config.check().map_err(RecoverError::Config)?;
    let log = Log::new(log_memory).map_err(RecoverError::Memory)?;
    let most_bytes = log.client_bytes_max() + Config::APPEND_BYTES;
    if config.frame_bytes as usize > most_bytes {
        let most_bytes = u32::try_from(most_bytes).unwrap_or(u32::MAX);
        return Err(RecoverError::FrameExceedsLog { most_bytes });
    }
    let mut found = Found::new(log);
    storage.recover(&mut |record| found.take(record)).map_err(RecoverError::Storage)?;
    let identity = found.identity.ok_or(RecoverError::Blank)?;
    match found.flaw {
        Some(Flaw::Corrupt) => return Err(RecoverError::Corrupt),
        Some(Flaw::TooLarge) => return Err(RecoverError::LogTooSmall),
        None => {}
    }
    if identity.id != config.id {
        return Err(RecoverError::OtherNode(identity.id));
    }
    if !found.fits_together() {
        return Err(RecoverError::Corrupt);
    }
    let founded = Configuration::of_founders(identity.membership);
    let mut configuration = founded.ok_or(RecoverError::Corrupt)?;
    let (kept, mut apply_fault) = (found.snapshot, None);
    if kept != Snapshot::NONE {
        if !snapshot::adds_up(&mut storage, Part::Snapshot, &kept) {
            return Err(RecoverError::Snapshot(LoadError::Content));
        }
        configuration = snapshot::configuration(&mut storage, Part::Snapshot, &kept)
            .map_err(RecoverError::Snapshot)?;
        apply_fault = snapshot::restore(&mut storage, &mut machine, &kept).err();
    }
    let admitted = identity.is_admitted();
    let snapshots = (kept, found.stage);
    let mut raft = Raft::new(config, configuration, admitted, found.log, found.ballot, snapshots);
    raft.remember(found.committed);
    if let Some(staged) = raft.unchecked_stage() {
        raft.checked_stage(snapshot::adds_up(&mut storage, Part::Stage, &staged));
    }
    if apply_fault.is_some() {
        raft.retire();
    }
    let (applied, reported) = (kept.last.index, Reported::new(raft.term()));
    Ok(Node { raft, storage, machine, applied, apply_fault, oversize: None, reported })
}
