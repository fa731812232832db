//! What a node's storage holds, taken in record by record and checked like any bytes from outside.
//!
//! Storage promises whole records in order; that they fit together and into this node's memory is
//! for this file to find out.

use crate::log::{Entries, Log};
use crate::storage::{Identity, Record};
use crate::types::{Ballot, Index, Term};

/// What recovery has found so far.
pub(super) struct Found<B: AsRef<[u8]> + AsMut<[u8]>> {
    pub(super) identity: Option<Identity>,
    pub(super) ballot: Ballot,
    pub(super) log: Log<B>,
    pub(super) flaw: Option<Flaw>,
}

/// Why what was found is no use.
pub(super) enum Flaw {
    Corrupt,
    TooLarge,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Found<B> {
    pub(super) fn new(log: Log<B>) -> Self {
        Self { identity: None, ballot: Ballot::default(), log, flaw: None }
    }

    pub(super) fn take(&mut self, record: Record<'_>) {
        if self.flaw.is_none() {
            self.flaw = self.try_take(record).err();
        }
    }

    fn try_take(&mut self, record: Record<'_>) -> Result<(), Flaw> {
        match record {
            Record::Identity(identity) => {
                self.identity = Some(identity);
                self.ballot.admitted = identity.is_founder();
            }
            Record::Ballot(ballot) => self.ballot = ballot,
            Record::Base(base) if base.index < Index::LIMIT && base.term < Term::LIMIT => {
                self.log.restart_after(base);
            }
            Record::Base(_) => return Err(Flaw::Corrupt),
            Record::Entries { after, bytes } => {
                let entries = Entries::parse(after.term, bytes).ok_or(Flaw::Corrupt)?;
                if self.log.term(after.index) != Some(after.term) {
                    return Err(Flaw::Corrupt);
                }
                self.log.truncate(after.index).ok_or(Flaw::Corrupt)?;
                let taken = self.log.extend(entries).ok_or(Flaw::Corrupt)?;
                if taken < entries.len() {
                    return Err(Flaw::TooLarge);
                }
            }
        }
        Ok(())
    }
}
