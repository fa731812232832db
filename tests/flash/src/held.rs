//! What a storage must hold, as plain lists, and what one is found to hold.

use crate::steps::Step;
use raft_core::{
    Ballot, Entries, Identity, Index, Kind, Log, Loss, Part, Position, Record, Snapshot, Storage,
    Term,
};
use std::fmt::{self, Debug, Formatter};

/// What a storage holds.
#[derive(Clone, PartialEq, Default)]
pub struct Held {
    /// None, if it is blank.
    pub identity: Option<Identity>,
    /// The newest ballot.
    pub ballot: Option<Ballot>,
    /// What the entries stand on.
    pub base: Position,
    /// Terms and bodies of the entries behind the base.
    pub entries: Vec<(Term, Vec<u8>)>,
    /// What was known to be committed when entries were written last.
    pub committed: Index,
    /// The snapshot that counts.
    pub snapshot: Snapshot,
    /// What is in it.
    pub content: Vec<u8>,
    /// What the stage is for, and how much of it there is.
    pub stage: Option<(Snapshot, Vec<u8>)>,
    /// What is told to be lost.
    pub lost: Vec<Loss>,
    /// Whether entries stand on nothing, though nothing is told to be lost.
    pub is_torn: bool,
    /// Every entry that was handed out, also those that others replaced later.
    pub seen: Vec<(Position, Vec<u8>)>,
}

/// A log with room for whatever a trial writes.
pub fn roomy_log(base: Position) -> Log<Vec<u8>> {
    let mut log = Log::new(vec![0; 32 * 1024]).expect("a fit size");
    log.restart_after(base);
    log
}

impl Held {
    /// The position of the last entry.
    pub fn last(&self) -> Position {
        let index = Index(self.base.index.0 + self.entries.len() as u64);
        Position { term: self.entries.last().map_or(self.base.term, |it| it.0), index }
    }

    /// The term at an index, within the log.
    pub fn term(&self, index: Index) -> Option<Term> {
        match index.0.checked_sub(self.base.index.0)? {
            0 => Some(self.base.term),
            step => self.entries.get(step as usize - 1).map(|it| it.0),
        }
    }

    /// All entries, as a log has them.
    pub fn log(&self) -> Log<Vec<u8>> {
        let mut log = roomy_log(self.base);
        for (term, body) in &self.entries {
            log.append(*term, Kind::COMMAND, body).expect("room enough");
        }
        log
    }

    fn extend(&mut self, after: Position, bytes: &[u8]) {
        assert_eq!(self.term(after.index), Some(after.term), "entries after {after:?}");
        self.entries.truncate(after.index.above(self.base.index) as usize);
        let entries = Entries::parse(after.term, bytes).expect("entries");
        self.entries.extend(entries.iter().map(|it| (it.term, it.body.to_vec())));
    }

    fn rebase(&mut self, base: Position) {
        if self.term(base.index) == Some(base.term) {
            self.entries.drain(..base.index.above(self.base.index) as usize);
        } else {
            self.entries.clear();
        }
        self.base = base;
    }

    fn switch(&mut self, snapshot: Snapshot) {
        self.snapshot = snapshot;
        if self.term(snapshot.last.index) != Some(snapshot.last.term) {
            (self.base, self.entries) = (snapshot.last, Vec::new());
        }
    }

    /// What is held after this step.
    pub fn take(&mut self, step: &Step) {
        match step {
            Step::Format(identity) => self.identity = Some(*identity),
            Step::Ballot(ballot) => self.ballot = Some(*ballot),
            Step::Base(base) => self.rebase(*base),
            Step::Entries(after, committed, bytes) => {
                self.extend(*after, bytes);
                self.committed = *committed;
            }
            Step::Stage(snapshot) => self.stage = Some((*snapshot, Vec::new())),
            Step::Chunk(bytes) => self.stage.as_mut().expect("a stage").1.extend(bytes),
            Step::Switch(snapshot) => {
                self.content = self.stage.take().expect("a stage").1;
                self.switch(*snapshot);
            }
            Step::Renew | Step::Flush | Step::Maintain => {}
        }
    }

    /// The same after a run of entries of which only the first came so far.
    pub fn with_first(&self, step: &Step, count: usize) -> Self {
        let mut held = self.clone();
        held.take(step);
        if let Step::Entries(after, ..) = step {
            held.entries.truncate(after.index.above(self.base.index) as usize + count);
        }
        held
    }

    /// What a storage says that it holds. What does not fit is left out once something is lost.
    pub fn of<S: Storage>(storage: &mut S) -> Result<Self, S::Error> {
        let mut held = Self::default();
        let mut staged = None;
        storage.recover(&mut |record| {
            let lossy = !held.lost.is_empty();
            match record {
                Record::Identity(identity) => held.identity = Some(identity),
                Record::Ballot(ballot) => held.ballot = Some(ballot),
                Record::Lost(loss) => held.lost.push(loss),
                Record::Base(base) => held.rebase(base),
                Record::Snapshot(snapshot) => held.switch(snapshot),
                Record::Stage { snapshot, held } => staged = Some((snapshot, held)),
                Record::Chunk { .. } => panic!("a chunk of its own"),
                Record::Entries { after, committed, bytes } => {
                    held.see(after, bytes);
                    held.committed = committed;
                    if held.term(after.index) == Some(after.term) {
                        held.extend(after, bytes);
                    } else if !lossy {
                        held.is_torn = true;
                    }
                }
            }
        })?;
        held.content = vec![0; held.snapshot.bytes as usize];
        storage.read(Part::Snapshot, 0, &mut held.content)?;
        if let Some((snapshot, bytes)) = staged {
            let mut content = vec![0; bytes as usize];
            storage.read(Part::Stage, 0, &mut content)?;
            held.stage = Some((snapshot, content));
        }
        Ok(held)
    }

    fn see(&mut self, after: Position, bytes: &[u8]) {
        let entries = Entries::parse(after.term, bytes).expect("entries");
        let mut index = after.index;
        for entry in entries.iter() {
            index = index.next();
            self.seen.push((Position { term: entry.term, index }, entry.body.to_vec()));
        }
    }

    /// Whether this may be found where `self` was written: all but the end of the stage, or all of
    /// it, and what was committed where there is no entry to tell it with.
    pub fn may_be(&self, found: &Self) -> bool {
        let told = found.committed == self.committed;
        let untold = self.entries.is_empty() && found.committed <= self.committed;
        let stage = found.has_nothing_staged() || self.stage_may_be(found);
        (told || untold) && stage && self.is_but_for_ends(found)
    }

    /// Whether another start finds the same: of the stage there may be less or more, or nothing.
    /// What was not formatted to the end may be blank now and have its identity then.
    pub fn agrees_with(&self, other: &Self) -> bool {
        if self.identity.is_none() && self.lost.is_empty() {
            return Self { identity: None, ..other.clone() } == *self;
        }
        let stage = self.has_nothing_staged() || other.has_nothing_staged();
        let stage = stage || self.stage_may_be(other) || other.stage_may_be(self);
        let untold = self.entries.is_empty() && other.committed <= self.committed;
        let told = untold || self.committed == other.committed;
        stage && told && self.is_but_for_ends(other)
    }

    /// A stage with nothing on it is as good as none, whatever it is for.
    fn has_nothing_staged(&self) -> bool {
        self.stage.as_ref().is_none_or(|(_, content)| content.is_empty())
    }

    fn stage_may_be(&self, found: &Self) -> bool {
        match (&self.stage, &found.stage) {
            (Some((snapshot, content)), Some((other, part))) => {
                snapshot == other && content.starts_with(part)
            }
            (one, other) => one.is_none() && other.is_none(),
        }
    }

    fn is_but_for_ends(&self, other: &Self) -> bool {
        self.identity == other.identity
            && self.ballot == other.ballot
            && self.base == other.base
            && self.entries == other.entries
            && self.snapshot == other.snapshot
            && self.content == other.content
            && self.lost == other.lost
            && self.is_torn == other.is_torn
    }
}

/// Short enough to be compared by eye: of bytes it says how many there are, and a sum.
impl Debug for Held {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let sum = |bytes: &[u8]| bytes.iter().fold(0, |sum: u8, byte| sum.rotate_left(1) ^ byte);
        if self.identity.is_none() {
            write!(f, "nobody, ")?;
        }
        if let Some(Ballot { term, vote, losses, .. }) = self.ballot {
            write!(f, "ballot {} for {:?} losses {losses}, ", term.0, vote.map(|it| it.0))?;
        }
        write!(f, "base {}", Place(self.base))?;
        for (term, body) in &self.entries {
            write!(f, " {}:{}#{:02x}", term.0, body.len(), sum(body))?;
        }
        write!(f, ", committed {}", self.committed.0)?;
        if self.snapshot != Snapshot::NONE {
            let Snapshot { last, bytes, .. } = self.snapshot;
            write!(f, ", snapshot {} {bytes}#{:02x}", Place(last), sum(&self.content))?;
        }
        if let Some((Snapshot { last, bytes, .. }, content)) = &self.stage {
            write!(f, ", stage {} {}/{bytes}#{:02x}", Place(*last), content.len(), sum(content))?;
        }
        if self.is_torn {
            write!(f, ", torn")?;
        }
        if self.lost.is_empty() { Ok(()) } else { write!(f, ", lost {:?}", self.lost) }
    }
}

/// A position, short.
pub struct Place(pub Position);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.0.index.0, self.0.term.0)
    }
}
