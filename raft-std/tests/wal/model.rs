//! What a storage must hold, as plain lists, and the records that make it so.

use raft_core::{
    Ballot, Entries, Index, Kind, Log, Loss, Part, Position, Record, Snapshot, Storage, Term,
};
use raft_std::wal::{Wal, WalError};
use std::fmt;

/// What a storage holds.
#[derive(Clone, PartialEq, Default)]
pub struct Held {
    pub formatted: bool,
    pub ballot: Ballot,
    pub base: Position,
    /// Terms and bodies of the entries behind the base.
    pub entries: Vec<(Term, Vec<u8>)>,
    pub snapshot: Snapshot,
    pub content: Vec<u8>,
    pub stage: Option<(Snapshot, Vec<u8>)>,
    pub loss: Option<Loss>,
}

impl fmt::Debug for Held {
    /// Lengths say enough of long bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { formatted, ballot, base, snapshot, loss, .. } = self;
        let entries: Vec<_> = self.entries.iter().map(|(term, it)| (term.0, it.len())).collect();
        let stage = self.stage.as_ref().map(|(of, content)| (of, content.len()));
        write!(f, "formatted {formatted} {ballot:?} base {base:?} {entries:?} {snapshot:?} ")?;
        write!(f, "{} stage {stage:?} {loss:?}", self.content.len())
    }
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ballot(ballot) => write!(f, "{ballot:?}"),
            Self::Base(base) => write!(f, "Base {base:?}"),
            Self::Entries(after, _, entries) => {
                let entries: Vec<_> = entries.iter().map(|(term, it)| (term.0, it.len())).collect();
                write!(f, "Entries after {after:?}: {entries:?}")
            }
            Self::Stage(of) => write!(f, "Stage {of:?}"),
            Self::Chunk(bytes) => write!(f, "Chunk of {}", bytes.len()),
            Self::Switch(of) => write!(f, "Switch {of:?}"),
            Self::Adopt(of, _) => write!(f, "Adopt {of:?}"),
        }
    }
}

/// A record of its own.
#[derive(Clone)]
pub enum Written {
    Ballot(Ballot),
    Base(Position),
    Entries(Position, Index, Vec<(Term, Vec<u8>)>),
    Stage(Snapshot),
    Chunk(Vec<u8>),
    Switch(Snapshot),
    /// A snapshot that was written on a sheet, and its content.
    Adopt(Snapshot, Vec<u8>),
}

impl Held {
    pub fn last(&self) -> Position {
        let index = Index(self.base.index.0 + self.entries.len() as u64);
        Position { term: self.entries.last().map_or(self.base.term, |it| it.0), index }
    }

    pub fn term(&self, index: Index) -> Option<Term> {
        match index.0.checked_sub(self.base.index.0)? {
            0 => Some(self.base.term),
            step => self.entries.get(step as usize - 1).map(|it| it.0),
        }
    }

    pub fn take(&mut self, written: &Written) {
        match written {
            Written::Ballot(ballot) => self.ballot = *ballot,
            Written::Base(base) => {
                self.entries.drain(..base.index.above(self.base.index) as usize);
                self.base = *base;
            }
            Written::Entries(after, _, entries) => {
                self.entries.truncate(after.index.above(self.base.index) as usize);
                self.entries.extend(entries.iter().cloned());
            }
            Written::Stage(snapshot) => self.stage = Some((*snapshot, Vec::new())),
            Written::Chunk(bytes) => {
                let (_, content) = self.stage.as_mut().expect("a stage");
                content.extend(bytes);
            }
            Written::Adopt(snapshot, content) => {
                (self.snapshot, self.content) = (*snapshot, content.clone());
                self.stage = None;
            }
            Written::Switch(snapshot) => {
                (self.snapshot, self.content) = self.stage.take().expect("a stage");
                assert_eq!(self.snapshot, *snapshot);
                if self.term(snapshot.last.index) != Some(snapshot.last.term) {
                    (self.base, self.entries) = (snapshot.last, Vec::new());
                }
            }
        }
    }

    /// Whether this is what must be there, but for the end of the stage.
    pub fn is(&self, other: &Self) -> bool {
        let cut = |held: &Self| Self { stage: None, ..held.clone() };
        let stages = match (&self.stage, &other.stage) {
            (Some((this, content)), Some((other, all))) => {
                this == other && all.starts_with(content)
            }
            (this, other) => this == other,
        };
        stages && cut(self) == cut(other)
    }

    /// What a storage says that it holds.
    pub fn found(wal: &mut Wal) -> Result<Self, WalError> {
        let mut found = Self::default();
        let (mut stage, mut misfit) = (None, None);
        wal.recover(&mut |record| match record {
            Record::Identity(_) => found.formatted = true,
            Record::Ballot(ballot) => found.ballot = ballot,
            Record::Base(base) => (found.base, found.entries) = (base, Vec::new()),
            Record::Snapshot(snapshot) => found.snapshot = snapshot,
            Record::Stage { snapshot, held } => stage = Some((snapshot, held)),
            Record::Chunk { .. } => misfit = Some("a chunk of its own"),
            Record::Lost(loss) => found.loss = Some(loss),
            Record::Entries { after, bytes, .. } => {
                if after != found.last() {
                    misfit = Some("entries that do not follow");
                }
                let entries = Entries::parse(after.term, bytes).expect("entries");
                found.entries.extend(entries.iter().map(|it| (it.term, it.body.to_vec())));
            }
        })?;
        assert_eq!(misfit, None);
        found.content = content(wal, Part::Snapshot, found.snapshot.bytes)?;
        if let Some((of, held)) = stage {
            found.stage = Some((of, content(wal, Part::Stage, held)?));
        }
        Ok(found)
    }
}

fn content(wal: &mut Wal, part: Part, bytes: u32) -> Result<Vec<u8>, WalError> {
    let mut content = vec![0; bytes as usize];
    if bytes > 0 {
        wal.read(part, 0, &mut content)?;
    }
    Ok(content)
}

/// Gives a storage a record.
pub fn write(wal: &mut Wal, held: &Held, written: &Written) -> Result<(), WalError> {
    match written {
        Written::Ballot(ballot) => wal.write(Record::Ballot(*ballot)),
        Written::Base(base) => wal.write(Record::Base(*base)),
        Written::Entries(after, committed, entries) => {
            let bytes = encode(*after, entries);
            wal.write(Record::Entries { after: *after, committed: *committed, bytes: &bytes })
        }
        Written::Stage(snapshot) => wal.write(Record::Stage { snapshot: *snapshot, held: 0 }),
        Written::Chunk(bytes) => {
            let offset = held.stage.as_ref().expect("a stage").1.len() as u32;
            wal.write(Record::Chunk { offset, bytes })
        }
        Written::Switch(snapshot) | Written::Adopt(snapshot, _) => {
            wal.write(Record::Snapshot(*snapshot))
        }
    }
}

/// Entries as a log has them.
pub fn encode(after: Position, entries: &[(Term, Vec<u8>)]) -> Vec<u8> {
    let mut log = Log::new(vec![0; 1 << 16]).expect("a fit size");
    log.restart_after(after);
    for (term, body) in entries {
        log.append(*term, Kind::COMMAND, body).expect("room enough");
    }
    let run = log.run(after.index.next(), u32::MAX, usize::MAX).expect("a run");
    run.bytes().to_vec()
}
