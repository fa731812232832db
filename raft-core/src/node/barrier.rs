//! What storage lacks, handed to it: the ballot first, then what has changed of the log, or all of
//! the log where storage would rather have that.

use super::{FlushError, Node, RecoverError};
use crate::machine::Machine;
use crate::raft::{Unwritten, Whole};
use crate::status::Fault;
use crate::storage::{Record, Storage};

impl<B, S, M> Node<B, S, M>
where
    B: AsRef<[u8]> + AsMut<[u8]>,
    S: Storage,
    M: Machine,
{
    /// Writes what was found at the start anew, where storage asks for that before anything is
    /// promised.
    pub(super) fn settle(&mut self) -> Result<(), RecoverError<S::Error>> {
        if !self.storage.wants_renewal(0) {
            return Ok(());
        }
        self.flush_all().map_err(|error| match error {
            FlushError::Storage(error) => RecoverError::Storage(error),
            FlushError::Stopped(_) => RecoverError::Corrupt,
        })
    }

    pub(super) fn flush_all(&mut self) -> Result<(), FlushError<S::Error>> {
        self.write_all()?;
        let flushed = self.storage.flush();
        self.storage_outcome(flushed)?;
        self.raft.flushed_all();
        Ok(())
    }

    /// Hands to storage whatever it has not seen.
    pub(super) fn write_all(&mut self) -> Result<(), FlushError<S::Error>> {
        if let Some(ballot) = self.raft.unwritten_ballot() {
            if self.raft.has_unwritten_loss() {
                self.write_ends()?;
            }
            let written = self.storage.write(Record::Ballot(ballot));
            self.storage_outcome(written)?;
            self.raft.wrote_ballot();
        }
        if self.storage.wants_renewal(self.raft.unwritten_bytes()) {
            self.renew()?;
        }
        if let Some(base) = self.raft.unwritten_base() {
            let written = self.storage.write(Record::Base(base));
            self.storage_outcome(written)?;
            self.raft.wrote_base();
        }
        while self.raft.has_unwritten_entries() {
            match self.raft.unwritten_entries() {
                Ok(Unwritten { after, committed, bytes, count }) => {
                    let record = Record::Entries { after, committed, bytes };
                    let written = self.storage.write(record);
                    self.storage_outcome(written)?;
                    self.raft.wrote_entries(count);
                }
                Err(fault) => {
                    self.raft.fail(fault);
                    return Err(FlushError::Stopped(fault));
                }
            }
        }
        Ok(())
    }

    /// Hands all of the log to storage, what it has seen already too.
    #[cold]
    fn renew(&mut self) -> Result<(), FlushError<S::Error>> {
        match self.raft.whole_log() {
            Ok(Whole { base, committed, parts, unwritten }) => {
                let renewed = self.storage.renew(base, committed, parts);
                self.storage_outcome(renewed)?;
                self.raft.wrote_base();
                self.raft.wrote_entries(unwritten);
                Ok(())
            }
            Err(fault) => {
                self.raft.fail(fault);
                Err(FlushError::Stopped(fault))
            }
        }
    }

    /// An error of storage is final.
    pub(super) fn storage_outcome<T>(
        &mut self,
        outcome: Result<T, S::Error>,
    ) -> Result<T, FlushError<S::Error>> {
        outcome.map_err(|error| {
            self.raft.fail(Fault::Storage);
            FlushError::Storage(error)
        })
    }
}
