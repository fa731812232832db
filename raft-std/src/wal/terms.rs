//! Which term the entry at each place has: all that a log on disk must know of one in memory.

use raft_core::{Entries, Index, Position, Term};

/// The terms of a log, by the places where they begin.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Terms {
    base: Position,
    last: Position,
    /// The first entry of each term, behind the base.
    begins: Vec<Position>,
}

impl Terms {
    pub(super) fn new(base: Position) -> Self {
        Self { base, last: base, begins: Vec::new() }
    }

    /// Adds entries behind the last one.
    pub(super) fn extend(&mut self, entries: Entries<'_>) {
        if entries.last_term() == self.last.term {
            self.last.index.0 += u64::from(entries.len());
            return;
        }
        for entry in entries.iter() {
            let at = Position { term: entry.term, index: self.last.index.next() };
            if entry.term != self.last.term {
                self.begins.push(at);
            }
            self.last = at;
        }
    }

    /// Drops what stands above an entry that is there.
    pub(super) fn truncate(&mut self, at: Position) {
        self.begins.retain(|begin| begin.index <= at.index);
        self.last = at;
    }

    /// Drops everything up to this one if it is there, else all there is.
    pub(super) fn rebase(&mut self, base: Position) {
        if self.term(base.index) != Some(base.term) {
            *self = Self::new(base);
            return;
        }
        self.begins.retain(|begin| begin.index > base.index);
        self.base = base;
    }

    pub(super) fn term(&self, index: Index) -> Option<Term> {
        if index < self.base.index || index > self.last.index {
            return None;
        }
        let begin = self.begins.iter().rev().find(|begin| begin.index <= index);
        Some(begin.unwrap_or(&self.base).term)
    }

    pub(super) const fn last(&self) -> Position {
        self.last
    }
}
