//! The entries that a log amounts to, while it is read: runs of them, in order, perhaps with holes.
//!
//! Of what is read first, the older files may be gone or damaged, so that a run need not follow the
//! one before it. Only at the end, when the base is known, is there a say about what fits.

use raft_core::{Entries, Index, Position};

/// A run of encoded entries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Run {
    /// Where the entry before the first one stands.
    pub(super) after: Position,
    /// What was known to be committed when it was written.
    pub(super) committed: Index,
    /// Where the last one stands.
    pub(super) last: Position,
    pub(super) bytes: Vec<u8>,
}

/// Runs by their places, none above the next one's first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Runs(Vec<Run>);

impl Run {
    /// `None` if the bytes are no entries.
    pub(super) fn new(after: Position, committed: Index, bytes: &[u8]) -> Option<Self> {
        let last = last_of(after, bytes)?;
        Some(Self { after, committed, last, bytes: bytes.to_vec() })
    }

    /// Splits it behind the entry at `index`; either part may be empty.
    fn split(self, index: Index) -> Option<(Self, Self)> {
        let (mut at, mut length) = (self.after, 0);
        let mut rest = Entries::parse(at.term, &self.bytes)?;
        while at.index < index {
            let Some((entry, bytes, behind)) = rest.split_first() else { break };
            at = Position { term: entry.term, index: at.index.next() };
            length += usize::try_from(bytes).ok()?;
            rest = behind;
        }
        let (committed, last) = (self.committed, self.last);
        let upper = Self { after: at, committed, last, bytes: rest.bytes().to_vec() };
        let mut bytes = self.bytes;
        bytes.truncate(length);
        Some((Self { after: self.after, committed, last: at, bytes }, upper))
    }
}

/// Where the last of some entries stands. `None` if the bytes are none.
pub(super) fn last_of(after: Position, bytes: &[u8]) -> Option<Position> {
    let entries = Entries::parse(after.term, bytes)?;
    let index = Index(after.index.0.checked_add(u64::from(entries.len()))?);
    Some(Position { term: entries.last_term(), index })
}

impl Runs {
    /// Puts a run in the place of everything at its first place and above.
    pub(super) fn push(&mut self, run: Run) {
        self.cut_above(run.after.index);
        if run.last.index > run.after.index {
            self.0.push(run);
        }
    }

    /// Drops entries above this one.
    pub(super) fn cut_above(&mut self, index: Index) {
        while let Some(run) = self.0.pop_if(|run| run.last.index > index) {
            if run.after.index < index {
                self.0.extend(run.split(index).map(|(lower, _)| lower));
            }
        }
    }

    /// Drops entries up to this one.
    pub(super) fn cut_below(&mut self, index: Index) {
        self.0.retain(|run| run.last.index > index);
        let Some(first) = self.0.first_mut().filter(|run| run.after.index < index) else { return };
        if let Some((_, upper)) = first.clone().split(index) {
            *first = upper;
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Keeps what follows the base without a hole. Says whether that is all.
    pub(super) fn settle(&mut self, base: Position) -> bool {
        self.cut_below(base.index);
        let (before, mut last) = (self.0.len(), base);
        let mut attached = true;
        self.0.retain(|run| {
            attached &= run.after == last;
            last = run.last;
            attached
        });
        self.0.len() == before
    }

    /// Where the last entry stands; the base if there is none.
    pub(super) fn last(&self, base: Position) -> Position {
        self.0.last().map_or(base, |run| run.last)
    }

    /// Whether an entry, or the base, stands exactly there.
    pub(super) fn hold(&self, base: Position, position: Position) -> bool {
        let within =
            |run: &&Run| run.after.index < position.index && position.index <= run.last.index;
        match self.0.iter().find(within) {
            Some(run) => {
                let lower = run.clone().split(position.index).map(|(lower, _)| lower.last);
                lower == Some(position)
            }
            None => position == base,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Run> {
        self.0.iter()
    }
}
