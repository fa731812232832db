//! What a node's storage holds, taken in record by record and checked like any bytes from outside.
//!
//! Storage promises whole records in order; that they fit together and into this node's memory is
//! for this file to find out.

use super::{Node, RecoverError, snapshot};
use crate::configuration::Configuration;
use crate::log::{Entries, Log};
use crate::machine::Machine;
use crate::raft::Stage;
use crate::snapshot::LoadError;
use crate::status::Reported;
use crate::storage::{Identity, Part, Record, Storage};
use crate::types::{Ballot, Index, Position, Snapshot, Term};

/// What recovery has found so far, beside what is in the log.
struct Found<'l, B: AsRef<[u8]> + AsMut<[u8]>> {
    identity: Option<Identity>,
    ballot: Ballot,
    log: &'l mut Log<B>,
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

impl<'l, B: AsRef<[u8]> + AsMut<[u8]>> Found<'l, B> {
    fn new(log: &'l mut Log<B>) -> Self {
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

impl<B, S, M> Node<B, S, M>
where
    B: AsRef<[u8]> + AsMut<[u8]>,
    S: Storage,
    M: Machine,
{
    /// Takes in what the storage holds. A node is large: it is made once, empty, and filled where
    /// it lies.
    #[inline(never)]
    pub(super) fn load(&mut self) -> Result<(), RecoverError<S::Error>> {
        let mut found = Found::new(self.raft.log_mut());
        self.storage.recover(&mut |record| found.take(record)).map_err(RecoverError::Storage)?;
        let identity = found.identity.ok_or(RecoverError::Blank)?;
        match found.flaw {
            Some(Flaw::Corrupt) => return Err(RecoverError::Corrupt),
            Some(Flaw::TooLarge) => return Err(RecoverError::LogTooSmall),
            None => {}
        }
        if !found.fits_together() {
            return Err(RecoverError::Corrupt);
        }
        let (ballot, kept, stage, committed) =
            (found.ballot, found.snapshot, found.stage, found.committed);
        if identity.id != self.raft.id() {
            return Err(RecoverError::OtherNode(identity.id));
        }
        let founded = Configuration::of_founders(identity.membership);
        let mut configuration = founded.ok_or(RecoverError::Corrupt)?;
        if kept != Snapshot::NONE {
            configuration = self.load_snapshot(&kept).map_err(RecoverError::Snapshot)?;
        }
        self.raft.recovered(configuration, identity.is_admitted(), ballot);
        self.raft.recovered_snapshots(kept, stage, committed);
        if let Some(staged) = self.raft.unchecked_stage() {
            let sound = snapshot::adds_up(&mut self.storage, Part::Stage, &staged);
            self.raft.checked_stage(sound);
        }
        if self.apply_fault.is_some() {
            self.raft.retire();
        }
        self.applied = kept.last.index;
        self.reported = Reported::new(self.raft.term());
        Ok(())
    }

    /// Makes the machine what the snapshot says, if it can be.
    fn load_snapshot(&mut self, kept: &Snapshot) -> Result<Configuration, LoadError> {
        if !snapshot::adds_up(&mut self.storage, Part::Snapshot, kept) {
            return Err(LoadError::Content);
        }
        let configuration = snapshot::configuration(&mut self.storage, Part::Snapshot, kept)?;
        self.apply_fault = snapshot::restore(&mut self.storage, &mut self.machine, kept).err();
        Ok(configuration)
    }
}
