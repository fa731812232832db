//! The memory storage against plain lists, over histories that nobody thought of: what is read is
//! what was written, and what a power cut leaves is what was flushed and a first part of the rest.

use raft_core::{
    Ballot, ClusterId, Config, Entries, Identity, Index, Kind, Log, Loss, MemoryStorage, NodeId,
    Part, Position, Record, Snapshot, Storage, Term, format,
};
use raft_simulator::random::Random;
use std::collections::VecDeque;

/// The longest snapshot.
const SLOT_BYTES: u32 = 80;
const LOG_BYTES: usize = 2048;

/// What a storage holds.
#[derive(Clone, PartialEq, Debug, Default)]
struct Held {
    ballot: Ballot,
    base: Position,
    /// Terms and bodies of the entries behind the base.
    entries: Vec<(Term, Vec<u8>)>,
    committed: Index,
    snapshot: Snapshot,
    content: Vec<u8>,
    stage: Option<(Snapshot, Vec<u8>)>,
    /// Whether something rotted that no ballot speaks of yet.
    lost: bool,
}

/// A record of its own.
#[derive(Clone, Debug)]
enum Written {
    Ballot(Ballot),
    Base(Position),
    Entries(Position, Index, Vec<(Term, Vec<u8>)>),
    Stage(Snapshot),
    Chunk(Vec<u8>),
    Switch(Snapshot),
}

impl Held {
    fn last(&self) -> Position {
        let index = Index(self.base.index.0 + self.entries.len() as u64);
        Position { term: self.entries.last().map_or(self.base.term, |it| it.0), index }
    }

    fn term(&self, index: Index) -> Option<Term> {
        match index.0.checked_sub(self.base.index.0)? {
            0 => Some(self.base.term),
            step => self.entries.get(step as usize - 1).map(|it| it.0),
        }
    }

    fn take(&mut self, written: Written) {
        match written {
            Written::Ballot(ballot) => {
                self.ballot = ballot;
                self.lost &= !ballot.is_refilling();
            }
            Written::Base(base) => {
                self.entries.drain(..base.index.above(self.base.index) as usize);
                self.base = base;
            }
            Written::Entries(after, committed, entries) => {
                self.entries.truncate(after.index.above(self.base.index) as usize);
                self.entries.extend(entries);
                self.committed = self.committed.max(committed);
            }
            Written::Stage(snapshot) => self.stage = Some((snapshot, Vec::new())),
            Written::Chunk(bytes) => {
                let (_, content) = self.stage.as_mut().expect("a stage");
                content.extend(bytes);
            }
            Written::Switch(snapshot) => {
                (self.snapshot, self.content) = self.stage.take().expect("a stage");
                assert_eq!(self.snapshot, snapshot);
                if self.term(snapshot.last.index) != Some(snapshot.last.term) {
                    (self.base, self.entries) = (snapshot.last, Vec::new());
                }
            }
        }
    }
}

/// A storage, and what it must hold.
#[derive(Clone)]
struct History {
    storage: MemoryStorage<Vec<u8>>,
    flushed: Held,
    written: Held,
    /// What is written and not flushed, with the bytes it takes.
    pending: VecDeque<(usize, Written)>,
    /// How many of them the flush under way covers.
    begun: usize,
    random: Random,
    seed: u64,
}

impl History {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed, 1);
        // Now and then so little that it is folded while it is written.
        let journal = vec![0; random.pick(&[600, 1500, 8000])];
        let slot = || vec![0xEE; SLOT_BYTES as usize];
        let storage = MemoryStorage::new(vec![0; LOG_BYTES], journal).expect("a fit size");
        let mut storage = storage.with_snapshots(slot(), slot());
        let identity = Identity::founder(ClusterId(1), &Config::new(NodeId(1), 1), &[NodeId(1)]);
        format(&mut storage, identity).expect("blank storage");
        let mut flushed = Held::default();
        flushed.ballot.admitted = true;
        let written = flushed.clone();
        Self { storage, flushed, written, pending: VecDeque::new(), begun: 0, random, seed }
    }

    fn step(&mut self) {
        match self.random.below(21) {
            0 => self.ballot(),
            1..5 => self.entries(),
            5 => self.stage(),
            6..12 => self.chunk(),
            12 | 13 => self.switch(),
            14 => self.base(),
            15 => {
                self.storage.flush().expect("memory does not fail");
                self.settle(self.pending.len());
                self.begun = 0;
            }
            16 | 17 if self.begun == 0 => {
                self.storage.begin_flush().expect("memory does not fail");
                self.begun = self.pending.len();
            }
            16 | 17 => {
                self.storage.finish_flush();
                let begun = std::mem::take(&mut self.begun);
                self.settle(begun);
            }
            18 => self.crash(),
            19 if self.random.below(4) == 0 => self.rot(),
            _ => self.look_without_a_crash(),
        }
        // Whoever reads makes the storage tidy itself up, which must not be what holds it together.
        if self.random.below(4) == 0 {
            self.read(Part::Snapshot);
            self.read(Part::Stage);
        }
        let unflushed: usize = self.pending.iter().map(|it| it.0).sum();
        assert_eq!(self.storage.unflushed_bytes(), unflushed, "seed {}", self.seed);
    }

    fn settle(&mut self, count: usize) {
        for (_, written) in self.pending.drain(..count) {
            self.flushed.take(written);
        }
    }

    /// Writes a record; if the journal has no room for it, flushes first.
    fn write(&mut self, record: Record<'_>, written: Written) {
        let before = self.storage.unflushed_bytes();
        if self.storage.write(record).is_err() {
            assert!(before > 0, "seed {}: no room in an empty journal", self.seed);
            self.storage.flush().expect("memory does not fail");
            self.settle(self.pending.len());
            self.begun = 0;
            return self.write(record, written);
        }
        self.pending.push_back((self.storage.unflushed_bytes() - before, written.clone()));
        self.written.take(written);
    }

    fn ballot(&mut self) {
        let vote = (self.random.below(2) == 0).then_some(NodeId(self.random.below(32) as u8));
        let losses = self.random.below(3) as u8;
        let ballot = Ballot { term: Term(self.random.below(9)), vote, admitted: true, losses };
        self.write(Record::Ballot(ballot), Written::Ballot(ballot));
    }

    /// Entries behind some entry that is there, or behind the last one.
    fn entries(&mut self) {
        let (base, last) = (self.written.base.index.0, self.written.last().index.0);
        let back = if self.random.below(3) == 0 { self.random.below(4) } else { 0 };
        // Nobody drops what is in the snapshot.
        let least = base.max(self.written.snapshot.last.index.0);
        let index = Index(last.saturating_sub(back.into()).max(least));
        let term = self.written.term(index).expect("within the log");
        let mut log = Log::new(vec![0; LOG_BYTES]).expect("a fit size");
        log.restart_after(Position { term, index });
        let mut kept = Vec::new();
        for _ in 0..=self.random.below(3) {
            let next = Term(log.last().term.0.max(1) + self.random.below(2));
            let body = self.bytes(12);
            log.append(next, Kind::COMMAND, &body).expect("room enough");
            kept.push((next, body));
        }
        let committed = Index(self.random.below(1 + index.0 as u32).into());
        let run = log.run(index.next(), u32::MAX, usize::MAX).expect("a run");
        let after = Position { term, index };
        if index.0 + kept.len() as u64 > base + 40 {
            // The image would be full.
            return self.base();
        }
        let record = Record::Entries { after, committed, bytes: run.bytes() };
        self.write(record, Written::Entries(after, committed, kept));
    }

    /// The beginning of a snapshot, for one up to an entry that is there or to one that is not.
    fn stage(&mut self) {
        let (least, last) = (self.written.snapshot.last, self.written.last());
        let index = Index(least.index.0 + 1 + u64::from(self.random.below(8)));
        let here = self.written.term(index);
        let term = here.filter(|_| self.random.below(3) > 0);
        let term = term.unwrap_or(Term(last.term.0.max(least.term.0) + 1));
        let last = Position { term, index };
        let (bytes, checksum) = (1 + self.random.below(SLOT_BYTES), self.random.next() as u32);
        let snapshot = Snapshot { last, bytes, checksum };
        self.write(Record::Stage { snapshot, held: 0 }, Written::Stage(snapshot));
    }

    fn chunk(&mut self) {
        let Some((of, content)) = &self.written.stage else { return self.stage() };
        let (offset, left) = (content.len() as u32, of.bytes - content.len() as u32);
        let mut bytes = self.bytes(30);
        bytes.truncate(left as usize);
        let record = Record::Chunk { offset, bytes: &bytes };
        self.write(record, Written::Chunk(bytes.clone()));
    }

    fn switch(&mut self) {
        let Some((of, content)) = &self.written.stage else { return };
        let (snapshot, whole) = (*of, content.len() as u32 == of.bytes);
        if whole && snapshot.last.index > self.written.snapshot.last.index {
            self.write(Record::Snapshot(snapshot), Written::Switch(snapshot));
        }
    }

    /// What is in the snapshot may go.
    fn base(&mut self) {
        let (base, most) = (self.written.base.index.0, self.written.snapshot.last.index.0);
        let index = Index(base + u64::from(self.random.below(1 + (most - base) as u32)));
        let term = self.written.term(index).expect("the snapshot ends within the log");
        let base = Position { term, index };
        self.write(Record::Base(base), Written::Base(base));
    }

    /// The power fails after any byte.
    fn crash(&mut self) {
        let unflushed: usize = self.pending.iter().map(|it| it.0).sum();
        let kept = self.random.below(unflushed as u32 + 1) as usize;
        self.storage.crash(kept).expect("a crash breaks nothing");
        let mut end = 0;
        let whole = |(bytes, _): &&(usize, Written)| {
            end += bytes;
            end <= kept
        };
        let whole = self.pending.iter().take_while(whole).count();
        self.settle(whole);
        self.pending.clear();
        self.begun = 0;
        self.written = self.flushed.clone();
        self.look();
    }

    /// What was flushed is gone from some entry on, and perhaps the snapshot.
    fn rot(&mut self) {
        let held = &mut self.flushed;
        let first = Index(held.base.index.0 + u64::from(self.random.below(8)));
        let snapshot = self.random.below(3) == 0;
        self.storage.rot(first, snapshot).expect("rot breaks nothing");
        held.entries.truncate(first.previous().above(held.base.index) as usize);
        if snapshot {
            (held.snapshot, held.content, held.committed) = (Snapshot::NONE, vec![], Index::ZERO);
        }
        let last = held.snapshot.last;
        if held.term(last.index) != Some(last.term) {
            (held.base, held.entries) = (last, Vec::new());
        }
        held.committed = held.committed.min(held.last().index);
        held.lost = true;
        self.pending.clear();
        self.begun = 0;
        self.written = self.flushed.clone();
        self.look();
    }

    /// Looks at what a crash that keeps nothing more would leave.
    fn look_without_a_crash(&self) {
        let mut other = self.clone();
        other.storage.crash(0).expect("a crash breaks nothing");
        other.written = other.flushed.clone();
        other.look();
    }

    /// What is found is what must be there, byte for byte.
    fn look(&mut self) {
        let mut found = Held::default();
        let mut stage = None;
        let recovered = self.storage.recover(&mut |record| match record {
            Record::Identity(identity) => assert_eq!(identity.id, NodeId(1)),
            Record::Ballot(ballot) => found.ballot = ballot,
            Record::Lost(loss) => {
                assert_eq!(loss, Loss::Entries);
                found.lost = true;
            }
            Record::Base(base) => (found.base, found.entries) = (base, Vec::new()),
            Record::Snapshot(snapshot) => found.snapshot = snapshot,
            Record::Stage { snapshot, held } => stage = Some((snapshot, held)),
            Record::Chunk { .. } => panic!("a chunk of its own"),
            Record::Entries { after, committed, bytes } => {
                assert_eq!(after, found.last());
                let entries = Entries::parse(after.term, bytes).expect("entries");
                found.entries.extend(entries.iter().map(|it| (it.term, it.body.to_vec())));
                found.committed = committed;
            }
        });
        recovered.expect("memory does not fail");
        if found.entries.is_empty() {
            // Nothing is there to tell it with.
            found.committed = self.flushed.committed;
        }
        found.content = self.content(Part::Snapshot, found.snapshot.bytes);
        found.stage = stage.map(|(of, held)| (of, self.content(Part::Stage, held)));
        assert_eq!(found, self.flushed, "seed {}", self.seed);
    }

    fn content(&mut self, part: Part, bytes: u32) -> Vec<u8> {
        let mut content = vec![0; bytes as usize];
        self.storage.read(part, 0, &mut content).expect("what was written");
        content
    }

    /// Any piece of what was written reads as it was written, flushed or not.
    fn read(&mut self, part: Part) {
        let content = match (part, &self.written.stage) {
            (Part::Snapshot, _) => &self.written.content,
            (Part::Stage, Some((_, content))) => content,
            (Part::Stage, None) => return,
        };
        let start = self.random.below(content.len() as u32 + 1);
        let length = self.random.below(content.len() as u32 - start + 1);
        let mut buffer = vec![0; length as usize];
        self.storage.read(part, start, &mut buffer).expect("what was written");
        let expected = &content[start as usize..(start + length) as usize];
        assert_eq!(buffer, expected, "seed {}: {part:?} from {start} on", self.seed);
    }

    fn bytes(&mut self, most: u32) -> Vec<u8> {
        (0..=self.random.below(most)).map(|_| self.random.next() as u8).collect()
    }
}

#[test]
fn a_storage_holds_what_a_plain_list_holds() {
    let (mut installed, mut restarted) = (0, 0);
    for seed in 0..400 {
        let mut history = History::new(seed);
        for _ in 0..300 {
            let before = history.flushed.snapshot;
            history.step();
            installed += u32::from(before != history.flushed.snapshot);
            let base = history.flushed.base;
            restarted += u32::from(base.index > Index::ZERO && base == history.flushed.last());
        }
    }
    // Histories without snapshots would prove little of them.
    assert!(installed > 1000 && restarted > 1000, "{installed} and {restarted}");
}
