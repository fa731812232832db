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
            Item::Entries { .. } => {
                if let Some(run) = run {
                    self.state.last = run.last.index;
                    self.runs.push(run);
                }
            }
            Item::Base(base) => {
                self.state.last = self.state.last.max(base.index);
                self.runs.cut_below(base.index);
            }
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

#[cfg(test)]
mod tests {
    use super::super::item::{BallotForm, Numbered};
    use super::*;
    use raft_core::{Position, Snapshot, Term};
    use raft_simulator::random::Random;

    /// Items that fit to nothing, numbers at their ends among them.
    fn items(random: &mut Random) -> Vec<u8> {
        let mut items = Vec::new();
        for _ in 0..=random.below(5) {
            let ends = [0, 1, 2, 3, 5, 8, u64::MAX - 1, u64::MAX];
            let mut number = || random.pick(&ends);
            let position = Position { term: Term(number() as u32), index: Index(number()) };
            let snapshot = Snapshot { last: position, bytes: 9, checksum: 9 };
            let of = Numbered { number: number(), snapshot };
            let held = Held { number: number(), bytes: number() as u32, checksum: 1 };
            let last = Index(number());
            let entries: &[u8] = random.pick(&[&[0x10, 7], &[0x11, 1, 7, 0x10, 7], &[0xFF], &[]]);
            let bytes = entries.len() as u32;
            let state = State { base: position, last, stage: Some((of, held)), ..State::default() };
            let item = match random.below(8) {
                0..3 => Item::Entries { after: position, committed: Index(1), bytes },
                3 => Item::Base(position),
                4 => Item::Snapshot { of, restarts: bytes == 0 },
                5 => Item::State(state),
                6 => Item::Held(held),
                _ => Item::Ballot(BallotForm::default()),
            };
            let entries = if matches!(item, Item::Entries { .. }) { entries } else { &[] };
            item::push(&mut items, &item, entries).expect("a short item");
        }
        items
    }

    #[test]
    fn nothing_in_a_sound_batch_makes_it_panic() {
        let mut random = Random::new(1, 1);
        let (mut runs, mut cut) = (0, 0);
        for _ in 0..20_000 {
            let mut fold = Fold::new(1);
            for _ in 0..4 {
                let mut items = items(&mut random);
                if random.below(3) == 0 {
                    let at = random.below(items.len() as u32) as usize;
                    items[at] = random.next() as u8;
                }
                let number = fold.next + u64::from(random.below(2));
                fold.take(&Batch { number, from: number, items: &items });
            }
            runs += fold.runs.iter().count();
            cut += u32::from(!fold.runs.settle(fold.state.base));
            fold.runs.hold(fold.state.base, Position { term: Term(1), index: fold.state.last });
        }
        assert!(runs > 1000 && cut > 1000, "{runs} {cut}");
    }
}
