//! What batches amount to, taken in one by one, and which of them are missing.

use super::batch::Batch;
use super::item::{self, Gap, Held, Item, State};
use super::runs::{Run, Runs};
use raft_core::Index;

/// What has been read so far.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Fold {
    pub(super) state: State,
    pub(super) runs: Runs,
    /// How much of the stage was said to be there, each time that it was said.
    pub(super) marks: Vec<Held>,
    /// Batches that were flushed and can't be read.
    pub(super) gaps: Vec<Gap>,
    /// Those that the node knows of.
    pub(super) known: Vec<Gap>,
    /// The number of the next batch.
    pub(super) next: u64,
    /// The number of the last batch that had a ballot in it.
    pub(super) ballot_at: u64,
}

impl Fold {
    /// Nothing, in front of the batch of that number.
    pub(super) fn new(next: u64) -> Self {
        Self { next, ..Self::default() }
    }

    /// Every batch before this one was flushed: those that were not read are lost.
    pub(super) fn reach(&mut self, next: u64) {
        if next > self.next {
            self.gaps.push(Gap { from: self.next, to: next - 1 });
            self.next = next;
        }
    }

    /// Takes in a batch that comes no earlier than expected. Gives the highest entry in it.
    pub(super) fn take(&mut self, batch: &Batch<'_>) -> Index {
        let Some(items) = item::split(batch.items) else {
            // It is what was written, and nobody knows what it says.
            self.reach(batch.number + 1);
            return Index::ZERO;
        };
        // A copy stands for the batches from the one that it repeats on.
        let repeats = batch.from < self.next;
        self.reach(batch.from);
        self.next = batch.number + 1;
        let mut highest = Index::ZERO;
        for (item, entries) in items {
            let run = match item {
                Item::Entries { after, committed, .. } => Run::new(after, committed, entries),
                _ => None,
            };
            highest = run.as_ref().map_or(highest, |run| highest.max(run.last.index));
            if repeats && !matches!(item, Item::State(_) | Item::Known(_)) {
                continue;
            }
            if matches!(item, Item::Identity(_) | Item::Ballot(_) | Item::State(_)) {
                self.ballot_at = batch.number;
            }
            self.apply(&item, run);
        }
        highest
    }

    /// Whether a gap came after the last ballot, in which there may have been another.
    pub(super) fn may_lack_ballot(&self) -> bool {
        self.gaps.last().is_some_and(|gap| gap.to > self.ballot_at)
    }

    /// Whether anything is missing that the node does not know of.
    pub(super) fn has_news(&self) -> bool {
        self.gaps.iter().any(|gap| !self.known.iter().any(|known| known.covers(gap)))
    }

    fn apply(&mut self, item: &Item, run: Option<Run>) {
        self.state.take(item);
        match *item {
            Item::Entries { .. } => run.into_iter().for_each(|run| self.runs.push(run)),
            Item::Base(base) => self.runs.cut_below(base.index),
            Item::Stage(_) => self.marks.clear(),
            Item::Held(held) => self.marks.push(held),
            Item::Snapshot { restarts, .. } => {
                self.marks.clear();
                if restarts {
                    self.runs.clear();
                }
            }
            Item::State(state) => {
                self.known.clear();
                self.runs.cut_above(state.last);
                self.runs.cut_below(state.base.index);
                if let Some((_, held)) = state.stage {
                    self.marks.push(held);
                }
            }
            Item::Known(gap) => self.known.push(gap),
            Item::Identity(_) | Item::Ballot(_) => {}
        }
    }
}
