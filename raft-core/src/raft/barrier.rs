//! The barrier between what a node knows and what it may promise.
//!
//! What storage lacks is not queued: it is whatever lies between what was written and what there
//! is. When a flush has ended, votes and commits are counted again, the node's own among them.

use super::{Raft, Role, Stop};
use crate::durable::FlushToken;
use crate::status::Fault;
use crate::types::{Ballot, Index, Position};

/// Entries that storage lacks.
pub(crate) struct Unwritten<'a> {
    /// The position of the entry before them.
    pub(crate) after: Position,
    pub(crate) committed: Index,
    pub(crate) bytes: &'a [u8],
    pub(crate) count: u32,
}

/// All entries there are, in two parts.
pub(crate) struct Whole<'a> {
    /// The position of the entry before them.
    pub(crate) base: Position,
    pub(crate) committed: Index,
    pub(crate) parts: [&'a [u8]; 2],
    /// How many of them storage lacks.
    pub(crate) unwritten: u32,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Raft<B> {
    /// The ballot that storage must be given, if any.
    pub(crate) fn unwritten_ballot(&self) -> Option<Ballot> {
        (self.watermark.written_ballot() != self.ballot).then_some(self.ballot)
    }

    /// Whether the ballot tells of a loss, or of its end, and storage knows nothing of it.
    pub(crate) const fn has_unwritten_loss(&self) -> bool {
        self.watermark.written_ballot().losses != self.ballot.losses
    }

    /// Where the entries end that storage was given, and what is committed.
    #[cold]
    pub(crate) fn written_end(&self) -> Result<(Position, Index), Fault> {
        let index = self.watermark.written();
        let term = self.log.term(index).ok_or(Fault::Log)?;
        Ok((Position { term, index }, self.committed))
    }

    /// Storage was given the ballot.
    pub(crate) fn wrote_ballot(&mut self) {
        self.watermark.wrote_ballot(self.ballot);
    }

    /// The log's base, if storage was told of another.
    pub(crate) fn unwritten_base(&self) -> Option<Position> {
        let base = self.log.base();
        (self.watermark.written_base() != base.index).then_some(base)
    }

    /// Storage was given the base.
    pub(crate) fn wrote_base(&mut self) {
        self.watermark.wrote_base(self.log.base().index);
    }

    /// Whether storage lacks entries.
    pub(crate) fn has_unwritten_entries(&self) -> bool {
        self.watermark.written() < self.log.last().index
    }

    /// The next entries that storage lacks.
    pub(crate) fn unwritten_entries(&self) -> Result<Unwritten<'_>, Fault> {
        let index = self.watermark.written();
        let term = self.log.term(index).ok_or(Fault::Log)?;
        let piece = self.log.piece(index.next(), u32::MAX, usize::MAX);
        let (bytes, count) = piece.filter(|(_, count)| *count > 0).ok_or(Fault::Log)?;
        Ok(Unwritten { after: Position { term, index }, committed: self.committed, bytes, count })
    }

    /// How many bytes they are.
    pub(crate) fn unwritten_bytes(&self) -> usize {
        let first = self.watermark.written().next();
        self.log.bytes_from(first).map_or(usize::MAX, |bytes| bytes as usize)
    }

    /// The log, for storage that wants it anew.
    pub(crate) fn whole_log(&self) -> Result<Whole<'_>, Fault> {
        let parts = self.log.pieces().ok_or(Fault::Log)?;
        let unwritten = self.log.last().index.above(self.watermark.written());
        let unwritten = u32::try_from(unwritten).map_err(|_| Fault::Log)?;
        let base = self.log.base();
        Ok(Whole { base, committed: self.committed, parts, unwritten })
    }

    /// Storage was given that many entries more.
    pub(crate) fn wrote_entries(&mut self, count: u32) {
        let index = Index(self.watermark.written().0 + u64::from(count));
        self.watermark.wrote_entries(index);
    }

    /// A flush of what storage was given begins, if none is on its way.
    pub(crate) fn begin_flush(&mut self) -> Option<FlushToken> {
        self.snapshots.unflushed = false;
        self.watermark.begin()
    }

    /// That flush has ended. Says whether it was on its way.
    pub(crate) fn flushed(&mut self, token: FlushToken) -> bool {
        let known = self.fault.is_none() && self.watermark.finish(token);
        if known {
            self.became_durable();
        }
        known
    }

    /// Everything that storage was given is durable.
    pub(crate) fn flushed_all(&mut self) {
        if self.fault.is_none() {
            self.snapshots.unflushed = false;
            self.watermark.finish_all();
            self.became_durable();
        }
    }

    /// Whether anything is not durable yet.
    pub(crate) fn has_unflushed(&self) -> bool {
        self.watermark.in_flight()
            || self.has_unwritten_entries()
            || self.unwritten_ballot().is_some()
            || self.unwritten_base().is_some()
            || self.snapshots.unflushed
            || self.staged().is_some()
    }

    /// Whether a flush is on its way.
    pub(crate) const fn is_flushing(&self) -> bool {
        self.watermark.in_flight()
    }

    /// Whether storage must be given something, and may be: no flush is on its way.
    pub(crate) fn wants_flush(&self) -> bool {
        self.fault.is_none() && !self.watermark.in_flight() && self.has_unflushed()
    }

    fn became_durable(&mut self) {
        let outcome = match self.role {
            Role::Follower(_) => Ok(()),
            Role::PreCandidate(_) | Role::Candidate(_) => self.count_votes(),
            Role::Leader(_) => {
                self.count_commits(self.watermark.index());
                Ok(())
            }
        };
        self.judge();
        self.close(outcome.map_err(Stop::Fault));
    }
}
