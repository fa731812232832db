//! What a disk must hold, kept beside it by somebody else.
//!
//! Every record is folded into a stamp for each entry, and a stamp into the next one, so that two
//! logs agree up to a place if and only if their stamps there are equal. Whoever asks what a crash
//! would leave needs no look at the disk: the account was kept while it was written.

use raft_core::{Ballot, Entries, Index, Kind, Position, Record, Term};

/// An entry's term, and a hash of it and of every entry before it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Stamp {
    /// The entry's term.
    pub term: Term,
    /// Equal only where everything up to here is equal.
    pub chain: u64,
}

impl Stamp {
    /// The stamp of the entry that follows the one with this stamp.
    pub fn next(self, term: Term, kind: Kind, body: &[u8]) -> Self {
        let head = u64::from(term.0) << 8 | u64::from(kind.number());
        Self { term, chain: fold(fold(self.chain, head), hash(body)) }
    }
}

/// One number more in a hash.
pub fn fold(hash: u64, number: u64) -> u64 {
    let mixed = (hash ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9)
}

/// A hash of bytes and of how many they are.
pub fn hash(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let whole = words.iter().fold(bytes.len() as u64, |hash, w| fold(hash, u64::from_le_bytes(*w)));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    fold(whole, u64::from_le_bytes(last))
}

/// A ballot, and the stamps of a log.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Ledger {
    /// The newest one.
    pub ballot: Ballot,
    /// The position before the first entry kept.
    pub base: Position,
    /// Up to where the snapshot goes.
    pub snapshot: Index,
    /// What would be the chain of the entry at the base.
    base_chain: u64,
    stamps: Vec<Stamp>,
}

impl Ledger {
    /// Where the last entry stands.
    pub fn last(&self) -> Index {
        Index(self.base.index.0 + self.stamps.len() as u64)
    }

    /// The stamp at an index. `None` outside the log; below the first entry there is one for all.
    pub fn get(&self, index: Index) -> Option<Stamp> {
        match index.0.checked_sub(self.base.index.0)? {
            0 => Some(Stamp { term: self.base.term, chain: self.base_chain }),
            step => self.stamps.get(step as usize - 1).copied(),
        }
    }

    /// Drops everything above an index.
    pub fn truncate(&mut self, index: Index) {
        self.stamps.truncate(index.above(self.base.index) as usize);
    }

    /// Adds the stamp of the next entry.
    pub fn push(&mut self, stamp: Stamp) {
        self.stamps.push(stamp);
    }

    /// Forgets every entry up to this one if it is here, else all there are: the stamp is the one
    /// of the entry that would be at the base. Says whether it was here.
    pub fn rebase(&mut self, base: Position, stamp: Option<Stamp>) -> bool {
        let here = self.get(base.index).filter(|stamp| stamp.term == base.term);
        match here {
            Some(_) => drop(self.stamps.drain(..base.index.above(self.base.index) as usize)),
            None => self.stamps.clear(),
        }
        self.base = base;
        self.base_chain = here.or(stamp).unwrap_or_default().chain;
        here.is_some()
    }

    /// The snapshot goes up to here, and the log begins anew unless it holds that entry.
    fn install(&mut self, last: Position, stamp: Option<Stamp>) {
        self.snapshot = last.index;
        if self.get(last.index).is_none_or(|stamp| stamp.term != last.term) {
            self.rebase(last, stamp);
        }
    }

    /// Takes a record in. `None` if it fits to nothing here.
    pub fn take(&mut self, record: Record<'_>, stamp: Option<Stamp>) -> Option<()> {
        match record {
            Record::Stage { .. } | Record::Chunk { .. } | Record::Lost(_) => {}
            Record::Identity(identity) => self.ballot.admitted = identity.is_founder(),
            Record::Ballot(ballot) => self.ballot = ballot,
            Record::Base(base) => {
                self.rebase(base, None);
            }
            Record::Snapshot(snapshot) => self.install(snapshot.last, stamp),
            Record::Entries { after, bytes, .. } => {
                let entries = Entries::parse(after.term, bytes)?;
                let mut stamp = self.get(after.index).filter(|stamp| stamp.term == after.term)?;
                self.truncate(after.index);
                for entry in entries.iter() {
                    stamp = stamp.next(entry.term, entry.kind, entry.body);
                    self.push(stamp);
                }
            }
        }
        Some(())
    }
}

/// What was written and may be lost.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Pending {
    Ballot(Ballot),
    Base(Position),
    /// A snapshot up to there, and the stamp of that entry.
    Snapshot(Position, Option<Stamp>),
    /// So many stamps of the queue, after this index.
    Entries(Index, usize),
}

/// The account of a disk: what is flushed, what is written, and the steps between them.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Account {
    /// What a crash that keeps nothing more would leave.
    pub flushed: Ledger,
    /// What a crash that loses nothing would leave.
    pub written: Ledger,
    pending: Vec<Pending>,
    queue: Vec<Stamp>,
    /// How many pending records the flush under way covers.
    begun: usize,
    /// What was written that fits to nothing before it.
    pub misfits: u32,
    /// The last entries of snapshots that are on their way here, and their stamps.
    pub announced: Vec<(Position, Stamp)>,
}

impl Account {
    /// A record was written.
    pub fn write(&mut self, record: Record<'_>) {
        let stamp = match record {
            Record::Snapshot(snapshot) => self.announced(snapshot.last),
            _ => None,
        };
        if self.written.take(record, stamp).is_none() {
            self.misfits += 1;
            return;
        }
        match record {
            Record::Stage { .. } | Record::Chunk { .. } | Record::Lost(_) => {}
            Record::Snapshot(snapshot) => {
                self.pending.push(Pending::Snapshot(snapshot.last, stamp));
            }
            Record::Identity(_) => self.pending.push(Pending::Ballot(self.written.ballot)),
            Record::Ballot(ballot) => self.pending.push(Pending::Ballot(ballot)),
            Record::Base(base) => self.pending.push(Pending::Base(base)),
            Record::Entries { after, .. } => {
                let first = after.index.0 + 1;
                let stamps = (first..=self.written.last().0).map(Index);
                let before = self.queue.len();
                self.queue.extend(stamps.filter_map(|index| self.written.get(index)));
                self.pending.push(Pending::Entries(after.index, self.queue.len() - before));
            }
        }
    }

    /// The whole log was written anew, all of it or nothing.
    pub fn renew(&mut self, base: Position, parts: [&[u8]; 2]) {
        if base != self.written.base {
            self.write(Record::Base(base));
        }
        let bytes = parts.concat();
        let Some(mut entries) = Entries::parse(base.term, &bytes) else {
            self.misfits += 1;
            return;
        };
        // Only what is new, so that a part of it is no loss of what was there.
        let (mut after, mut stamp) = (base, self.written.get(base.index).unwrap_or_default());
        while let Some((entry, _, rest)) = entries.split_first() {
            let index = after.index.next();
            stamp = stamp.next(entry.term, entry.kind, entry.body);
            if self.written.get(index) != Some(stamp) {
                break;
            }
            (after, entries) = (Position { term: entry.term, index }, rest);
        }
        let bytes = entries.bytes();
        self.write(Record::Entries { after, committed: Index::ZERO, bytes });
    }

    fn announced(&self, last: Position) -> Option<Stamp> {
        self.announced.iter().find(|(position, _)| *position == last).map(|pair| pair.1)
    }

    /// A flush of everything written begins.
    pub fn begin(&mut self) {
        self.begun = self.pending.len();
    }

    /// The flush that has begun ends.
    pub fn finish(&mut self) {
        let begun = std::mem::take(&mut self.begun);
        self.settle(begun);
    }

    /// Everything written is flushed.
    pub fn flush(&mut self) {
        self.settle(self.pending.len());
        self.begun = 0;
    }

    /// Whether everything that was written is flushed.
    pub fn is_settled(&self) -> bool {
        self.pending.is_empty()
    }

    /// The power has failed, and of what was flushed there is only a log between these places, and
    /// a snapshot up to there.
    pub fn lose(&mut self, (base, last): (Position, Index), snapshot: Index) {
        self.flushed.rebase(base, None);
        self.flushed.truncate(last);
        self.flushed.snapshot = snapshot;
        self.begun = 0;
        self.pending.clear();
        self.queue.clear();
        self.written.clone_from(&self.flushed);
    }

    /// The power has failed, and this was found: what was flushed, and some first part of what was
    /// written after it. Says whether that is so.
    pub fn found(&mut self, found: &Ledger) -> bool {
        while self.flushed != *found {
            if self.pending.is_empty() {
                return false;
            }
            if self.begins_with_some_of_a_run(found) {
                self.flushed.clone_from(found);
                break;
            }
            self.settle(1);
        }
        (self.begun, self.misfits) = (0, 0);
        self.pending.clear();
        self.queue.clear();
        self.written.clone_from(found);
        true
    }

    /// Whether this is what was flushed and the first entries of the run that was written next.
    fn begins_with_some_of_a_run(&self, found: &Ledger) -> bool {
        let Some(Pending::Entries(after, count)) = self.pending.first() else { return false };
        let kept = found.last().0.saturating_sub(after.0) as usize;
        let mut part = self.flushed.clone();
        part.truncate(*after);
        part.stamps.extend_from_slice(&self.queue[..kept.min(*count)]);
        part == *found
    }

    /// The first pending records can't be lost any more.
    fn settle(&mut self, count: usize) {
        let mut used = 0;
        for pending in self.pending.drain(..count) {
            match pending {
                Pending::Ballot(ballot) => self.flushed.ballot = ballot,
                Pending::Base(base) => drop(self.flushed.rebase(base, None)),
                Pending::Snapshot(last, stamp) => self.flushed.install(last, stamp),
                Pending::Entries(after, stamps) => {
                    self.flushed.truncate(after);
                    self.flushed.stamps.extend_from_slice(&self.queue[used..used + stamps]);
                    used += stamps;
                }
            }
        }
        self.queue.drain(..used);
        self.begun = self.begun.saturating_sub(count);
    }
}
