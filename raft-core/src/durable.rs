//! Promises are typed: a [`Durable`] value is one that a power cut can't take back.
//!
//! This file is the only one that makes them. A node's own are made by its [`Watermark`] when a
//! datagram is written, or a commit is counted, and are never kept; a peer's are made by
//! [`promised_by_peer`] when its datagram is read. What a node may not yet promise has no value to
//! put into the message, so a forgotten flush is a missing message and not a broken promise.

use crate::types::{Ballot, Index, Position, Term};

/// A value that survives a power cut at the node that named it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Durable<T>(T);

impl<T: Copy> Durable<T> {
    /// The value.
    pub const fn get(self) -> T {
        self.0
    }
}

impl Durable<Index> {
    /// Nothing at all is always durable.
    pub(crate) const NOTHING: Self = Self(Index::ZERO);
}

impl Durable<Ballot> {
    /// The ballot's term, which is as durable as the ballot.
    pub(crate) const fn term(self) -> Durable<Term> {
        Durable(self.0.term)
    }
}

/// What a peer's datagram says of the peer's own storage: it could not have sent it otherwise.
pub(crate) fn promised_by_peer<T>(value: T) -> Durable<T> {
    Durable(value)
}

/// Names one flush; no other flush of the same node ever has the same name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct FlushToken(u64);

/// How far storage has got: what was handed to it, and what it has made durable.
///
/// Only entries that still stand in the log count: a truncation lowers everything at once, a flush
/// that is on its way included, so that what is appended afterwards in the same place, were it the
/// very same entry, is not taken for flushed.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Watermark {
    /// The last entry that storage was given and that still stands.
    written: Index,
    /// The base of the log that storage was given last.
    written_base: Index,
    /// The last entry that is durable, at most `written`.
    durable: Index,
    written_ballot: Ballot,
    durable_ballot: Ballot,
    flight: Option<Flight>,
    /// How many flushes have begun: the name of the last one.
    flushes: u64,
}

/// A flush that has begun, and what will be durable when it ends.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Flight {
    index: Index,
    ballot: Ballot,
}

impl Watermark {
    /// After a restart exactly what was found is durable.
    pub(crate) fn recovered(base: Index, last: Index, ballot: Ballot) -> Self {
        Self {
            written_base: base,
            written: last,
            durable: last,
            written_ballot: ballot,
            durable_ballot: ballot,
            ..Self::default()
        }
    }

    /// Entries above `index` are gone from the log.
    pub(crate) fn truncated(&mut self, index: Index) {
        self.written = self.written.min(index);
        self.durable = self.durable.min(index);
        if let Some(flight) = &mut self.flight {
            flight.index = flight.index.min(index);
        }
    }

    /// The log begins anew behind `index`, which is durable.
    pub(crate) fn restarted(&mut self, index: Index) {
        (self.written, self.written_base, self.durable) = (index, index, index);
        self.flight = None;
    }

    /// Storage was given every entry up to `index`.
    pub(crate) fn wrote_entries(&mut self, index: Index) {
        self.written = index;
    }

    /// Storage was given the base of the log.
    pub(crate) fn wrote_base(&mut self, base: Index) {
        self.written_base = base;
    }

    /// Storage was given this ballot.
    pub(crate) fn wrote_ballot(&mut self, ballot: Ballot) {
        self.written_ballot = ballot;
    }

    /// A flush of everything written begins. One at a time: `None` while another is on its way.
    pub(crate) fn begin(&mut self) -> Option<FlushToken> {
        if self.flight.is_some() {
            return None;
        }
        self.flushes += 1;
        self.flight = Some(Flight { index: self.written, ballot: self.written_ballot });
        Some(FlushToken(self.flushes))
    }

    /// The flush of that name has ended. Says whether it was the one on its way.
    pub(crate) fn finish(&mut self, token: FlushToken) -> bool {
        let Some(flight) = self.flight.take_if(|_| token.0 == self.flushes) else {
            return false;
        };
        self.durable = flight.index;
        self.durable_ballot = flight.ballot;
        true
    }

    /// Everything written is durable; a flush that is on its way has nothing more to add.
    pub(crate) fn finish_all(&mut self) {
        self.durable = self.written;
        self.durable_ballot = self.written_ballot;
        self.flight = None;
    }

    /// The last entry that storage was given.
    pub(crate) const fn written(&self) -> Index {
        self.written
    }

    /// The base that storage was given last.
    pub(crate) const fn written_base(&self) -> Index {
        self.written_base
    }

    /// The ballot that storage was given last.
    pub(crate) const fn written_ballot(&self) -> Ballot {
        self.written_ballot
    }

    /// Whether a flush is on its way.
    pub(crate) const fn in_flight(&self) -> bool {
        self.flight.is_some()
    }

    /// The last entry that may be promised.
    pub(crate) const fn index(&self) -> Durable<Index> {
        Durable(self.durable)
    }

    /// As much of everything up to `index` as may be promised.
    pub(crate) fn up_to(&self, index: Index) -> Durable<Index> {
        Durable(self.durable.min(index))
    }

    /// The last position that may be promised; `term` looks a term up in the log.
    pub(crate) fn position(
        &self,
        term: impl Fn(Index) -> Option<Term>,
    ) -> Option<Durable<Position>> {
        let index = self.durable;
        term(index).map(|term| Durable(Position { term, index }))
    }

    /// The ballot that a power cut would leave.
    pub(crate) const fn durable_ballot(&self) -> Ballot {
        self.durable_ballot
    }

    /// The ballot, if it may be promised just as it is.
    pub(crate) fn ballot(&self, ballot: Ballot) -> Option<Durable<Ballot>> {
        (self.durable_ballot == ballot).then_some(Durable(ballot))
    }

    /// The term, if it may be promised, whoever has the vote in it.
    pub(crate) fn term(&self, term: Term) -> Option<Durable<Term>> {
        (self.durable_ballot.term == term).then_some(Durable(term))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flush_that_another_overtook_takes_nothing_back() {
        let mut watermark = Watermark::default();
        watermark.wrote_entries(Index(3));
        let token = watermark.begin().unwrap();
        assert_eq!(watermark.begin(), None, "one at a time");
        watermark.wrote_entries(Index(5));
        watermark.finish_all();
        assert_eq!((watermark.index().get(), watermark.in_flight()), (Index(5), false));
        assert!(!watermark.finish(token));
        assert_eq!(watermark.index().get(), Index(5));
        let next = watermark.begin().unwrap();
        assert!(!watermark.finish(token) && watermark.finish(next));
    }
}
