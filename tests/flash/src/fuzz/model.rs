//! What a storage holds after calls in any order, as far as that follows from them.
//!
//! Where a call contradicts what was written, as entries that stand on nothing do, nobody can say
//! what is held of that from then on, until it is written anew. Everything else is still known.

use crate::held::{Held, Place};
use crate::steps::{LOG_BYTES, Step};
use raft_core::{Ballot, Entries, Identity, Index, Loss, Part, Position, Snapshot, Storage, Term};
use std::fmt::{self, Debug, Formatter};

/// The longest entries that a storage of these trials is made for.
const BODY_BYTES_MAX: usize = 88;
/// What histories leave in a log at most.
const ENTRIES_MAX: usize = LOG_BYTES * 5 / 4;
/// Positions closer than that to the last ones of all are left alone by those who make histories.
const FAR: u64 = 1 << 20;

/// One call of the trait, with any arguments.
#[derive(Clone, PartialEq)]
pub enum Call {
    /// `write` of an identity.
    Identity(Identity),
    /// Of a ballot.
    Ballot(Ballot),
    /// Of a base.
    Base(Position),
    /// Of entries: after what, what is committed, the bytes.
    Entries(Position, Index, Vec<u8>),
    /// Of a stage, which says that it holds so much.
    Stage(Snapshot, u32),
    /// Of a piece of it, at an offset.
    Chunk(u32, Vec<u8>),
    /// Of the word that makes it count.
    Snapshot(Snapshot),
    /// Of a loss, which nobody writes.
    Lost(Loss),
    /// `renew`.
    Renew(Position, Index, [Vec<u8>; 2]),
    /// `flush`.
    Flush,
    /// `maintain`.
    Maintain,
    /// `read` of so much from an offset on.
    Read(Part, u32, usize),
    /// `recover`, and what else only looks.
    Recover,
}

impl Call {
    /// Whether it hands something over.
    pub const fn is_write(&self) -> bool {
        !matches!(self, Self::Flush | Self::Maintain | Self::Read(..) | Self::Recover)
    }
}

impl Debug for Call {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity(identity) => write!(f, "identity of {:?}", identity.id),
            Self::Ballot(Ballot { term, vote, losses, .. }) => {
                write!(f, "ballot {} for {vote:?} losses {losses}", term.0)
            }
            Self::Base(base) => write!(f, "base {}", Place(*base)),
            Self::Entries(after, committed, bytes) => {
                let (after, length) = (Place(*after), bytes.len());
                write!(f, "entries after {after}, committed {}, {length} bytes", committed.0)
            }
            Self::Stage(Snapshot { last, bytes, .. }, held) => {
                write!(f, "stage {} of {bytes} with {held}", Place(*last))
            }
            Self::Chunk(offset, bytes) => write!(f, "chunk of {} at {offset}", bytes.len()),
            Self::Snapshot(Snapshot { last, .. }) => write!(f, "switch {}", Place(*last)),
            Self::Lost(loss) => write!(f, "lost {loss:?}"),
            Self::Renew(base, committed, parts) => {
                let [one, other] = [0, 1].map(|part| parts[part].len());
                let (base, committed) = (Place(*base), committed.0);
                write!(f, "renew {base}, committed {committed}, {one} and {other} bytes")
            }
            Self::Flush => write!(f, "flush"),
            Self::Maintain => write!(f, "maintain"),
            Self::Read(part, offset, length) => write!(f, "read {length} at {offset} of {part:?}"),
            Self::Recover => write!(f, "recover"),
        }
    }
}

/// What is held, and which parts of that are known.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Model {
    /// As far as it is known.
    pub held: Held,
    /// Whether nobody knows the base and the entries.
    pub log_unknown: bool,
    /// Whether nobody knows the snapshot.
    pub snapshot_unknown: bool,
}

impl Model {
    /// What was found at a start.
    pub fn found(held: Held) -> Self {
        let log_unknown = held.is_torn || !held.lost.is_empty();
        let mut model = Self { held, log_unknown, snapshot_unknown: false };
        model.doubt_contradictions();
        model
    }

    /// Whether this may be found where `self` was written.
    pub fn may_be(&self, found: &Held) -> bool {
        self.known(&self.held).may_be(&self.known(found))
    }

    /// Of what is held what can be known.
    fn known(&self, held: &Held) -> Held {
        let mut known = Held { seen: Vec::new(), ..held.clone() };
        if self.log_unknown {
            (known.base, known.committed, known.is_torn) = (Position::ZERO, Index(0), false);
            known.entries.clear();
            known.lost.retain(|loss| *loss != Loss::Entries);
        }
        if self.snapshot_unknown {
            known.snapshot = Snapshot::NONE;
            known.content.clear();
        }
        known
    }

    /// Whether a node's next steps can follow from it.
    pub fn is_sound(&self) -> bool {
        let lengths = self.held.entries.iter().map(|it| it.1.len());
        let fits = lengths.clone().all(|length| length <= BODY_BYTES_MAX);
        !self.log_unknown && fits && lengths.map(|length| length + 4).sum::<usize>() <= ENTRIES_MAX
    }

    /// What all of the log is written anew with, cut in two where a ring might have ended. Where it
    /// can't be known, or became too long, it begins anew behind the snapshot.
    pub fn renewal(&self, cut: usize) -> Call {
        let mut held = self.held.clone();
        if !self.is_sound() {
            (held.base, held.entries) = (held.snapshot.last, Vec::new());
            held.committed = held.base.index;
        }
        let log = held.log();
        let half = (cut % (held.entries.len() + 1)) as u32;
        let first = held.base.index.next();
        let parts = [log.run(first, half, usize::MAX), {
            let rest = Index(first.0 + u64::from(half));
            log.run(rest, u32::MAX, usize::MAX)
        }];
        let parts = parts.map(|run| run.map_or(Vec::new(), |run| run.bytes().to_vec()));
        Call::Renew(held.base, held.committed, parts)
    }

    /// What is held after this call. `None` if nobody can do what it says.
    pub fn after(&self, call: &Call) -> Option<Self> {
        let mut model = self.clone();
        let held = &mut model.held;
        match call {
            Call::Identity(identity) => held.identity = Some(*identity),
            Call::Lost(_) => return None,
            Call::Flush | Call::Maintain | Call::Recover | Call::Read(..) => {}
            Call::Ballot(ballot) => held.ballot = Some(*ballot),
            // Whose it is stands before all these.
            _ if held.identity.is_none() => return None,
            Call::Base(base) if held.term(base.index) == Some(base.term) => {
                held.take(&Step::Base(*base));
            }
            Call::Base(_) => model.log_unknown = true,
            Call::Entries(after, committed, bytes) => {
                let are_entries = Entries::parse(after.term, bytes).is_some();
                if are_entries && held.term(after.index) == Some(after.term) {
                    held.take(&Step::Entries(*after, *committed, bytes.clone()));
                } else {
                    model.log_unknown = true;
                }
            }
            Call::Stage(snapshot, _) => held.take(&Step::Stage(*snapshot)),
            // Where nothing comes together, nothing can be added.
            Call::Chunk(0, bytes) if bytes.is_empty() && held.stage.is_none() => {}
            Call::Chunk(offset, bytes) => {
                let (snapshot, content) = held.stage.as_mut()?;
                let fits = content.len() + bytes.len() <= snapshot.bytes as usize;
                if content.len() != *offset as usize || !fits {
                    return None;
                }
                content.extend(bytes);
            }
            Call::Snapshot(snapshot) => model.switch(*snapshot)?,
            Call::Renew(base, committed, parts) => {
                let entries = all_entries(base.term, parts);
                // Who hands over what are no entries is told of a loss.
                model.log_unknown = entries.is_none();
                (held.base, held.committed) = (*base, *committed);
                held.entries = entries.unwrap_or_default();
                held.lost.clear();
                held.is_torn = false;
            }
        }
        model.doubt_contradictions();
        Some(model)
    }

    fn switch(&mut self, snapshot: Snapshot) -> Option<()> {
        // Before the first one there is one of nothing, and as good a stage.
        let (staged, content) = self.held.stage.get_or_insert((Snapshot::NONE, Vec::new()));
        if *staged != snapshot || content.len() != snapshot.bytes as usize {
            return None;
        }
        // What does not add up is refused by a node, and found at the next start if it is not.
        let is_sound = checksum(content) == snapshot.checksum;
        self.held.take(&Step::Switch(snapshot));
        self.snapshot_unknown = !is_sound;
        Some(())
    }

    /// Nobody can say in which order a storage hands out what contradicts itself.
    fn doubt_contradictions(&mut self) {
        let Held { base, committed, ref snapshot, .. } = self.held;
        let last = self.held.last();
        let holds_snapshot = base.index <= snapshot.last.index
            && self.held.term(snapshot.last.index) == Some(snapshot.last.term);
        let is_usual = last.index.0 < Index::LIMIT.0 - FAR
            && u64::from(last.term.0) < u64::from(u32::MAX) - FAR
            && committed <= last.index;
        self.log_unknown |= !holds_snapshot || !is_usual || self.snapshot_unknown;
    }

    /// What may be found if the power fails in a call, beside what is held before it and after it:
    /// a run of entries without the last ones.
    pub fn parts_of(&self, call: &Call) -> Vec<Self> {
        let Call::Entries(after, committed, bytes) = call else { return Vec::new() };
        let Some(whole) = self.after(call).filter(|whole| !whole.log_unknown) else {
            return Vec::new();
        };
        let step = Step::Entries(*after, *committed, bytes.clone());
        let count = whole.held.last().index.above(after.index) as usize;
        let part = |count| Self { held: self.held.with_first(&step, count), ..self.clone() };
        (0..count).map(part).collect()
    }

    /// What must be read of a part, if that is known.
    pub fn content(&self, part: Part) -> Option<&[u8]> {
        match part {
            Part::Snapshot => (!self.snapshot_unknown).then_some(&self.held.content),
            Part::Stage => self.held.stage.as_ref().map(|it| &it.1[..]),
        }
    }
}

/// Carries out what is no look.
pub fn carry_out<S: Storage>(storage: &mut S, call: &Call) -> Result<(), S::Error> {
    use raft_core::Record;
    match call {
        Call::Identity(identity) => storage.write(Record::Identity(*identity)),
        Call::Ballot(ballot) => storage.write(Record::Ballot(*ballot)),
        Call::Base(base) => storage.write(Record::Base(*base)),
        Call::Entries(after, committed, bytes) => {
            let (after, committed) = (*after, *committed);
            storage.write(Record::Entries { after, committed, bytes })
        }
        Call::Stage(snapshot, held) => {
            storage.write(Record::Stage { snapshot: *snapshot, held: *held })
        }
        Call::Chunk(offset, bytes) => storage.write(Record::Chunk { offset: *offset, bytes }),
        Call::Snapshot(snapshot) => storage.write(Record::Snapshot(*snapshot)),
        Call::Lost(loss) => storage.write(Record::Lost(*loss)),
        Call::Renew(base, committed, [one, other]) => {
            storage.renew(*base, *committed, [one, other])
        }
        Call::Flush => storage.flush(),
        Call::Maintain => storage.maintain(),
        Call::Read(..) | Call::Recover => Ok(()),
    }
}

/// The entries of a log in two parts. `None` if they are none.
pub fn all_entries(before: Term, parts: &[Vec<u8>; 2]) -> Option<Vec<(Term, Vec<u8>)>> {
    let (mut term, mut entries) = (before, Vec::new());
    for part in parts {
        let parsed = Entries::parse(term, part)?;
        entries.extend(parsed.iter().map(|it| (it.term, it.body.to_vec())));
        term = parsed.last_term();
    }
    Some(entries)
}

/// CRC-32, bit by bit.
pub fn checksum(bytes: &[u8]) -> u32 {
    let bit = |sum: u32, _| if sum & 1 == 1 { sum >> 1 ^ 0xEDB8_8320 } else { sum >> 1 };
    !bytes.iter().fold(u32::MAX, |sum, &byte| (0..8).fold(sum ^ u32::from(byte), bit))
}
