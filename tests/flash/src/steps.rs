//! What some node might do with its storage, step by step, drawn from a seed. Nothing that it
//! writes contradicts itself: what is committed stays, and what goes is in a snapshot.

use crate::held::{Held, Place, roomy_log};
use raft_core::{
    Ballot, ClusterId, Config, Identity, Index, Kind, NodeId, Position, Record, Snapshot, Storage,
    Term,
};
use raft_simulator::random::Random;
use std::fmt::{self, Debug, Formatter};

/// The memory of the log that a storage is made for.
pub const LOG_BYTES: usize = 512;

/// The longest snapshot on a chip with sectors of this length: a few hundred bytes and, of short
/// sectors, two more.
pub const fn snapshot_bytes(sector: usize) -> usize {
    if sector > 2048 { 300 } else { 300 + 2 * sector }
}

/// More entries than that are not written before some are dropped.
const ENTRY_BYTES_MAX: usize = LOG_BYTES * 3 / 4;

/// One call of a storage.
#[derive(Clone, PartialEq)]
pub enum Step {
    /// The identity is written, and flushed.
    Format(Identity),
    /// A ballot.
    Ballot(Ballot),
    /// A base.
    Base(Position),
    /// A run of entries, after a position, with what is committed.
    Entries(Position, Index, Vec<u8>),
    /// The stage is cleared for a snapshot.
    Stage(Snapshot),
    /// The next bytes of the stage.
    Chunk(Vec<u8>),
    /// The stage becomes the snapshot.
    Switch(Snapshot),
    /// All of the log is written anew, asked for or not.
    Renew,
    /// What was written is to stay.
    Flush,
    /// A step of what need not wait.
    Maintain,
}

impl Debug for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(_) => write!(f, "format"),
            Self::Ballot(ballot) => write!(f, "ballot {}", ballot.term.0),
            Self::Base(base) => write!(f, "base {}", Place(*base)),
            Self::Entries(after, committed, bytes) => {
                let (after, length) = (Place(*after), bytes.len());
                write!(f, "entries after {after}, committed {}, {length} bytes", committed.0)
            }
            Self::Stage(Snapshot { last, bytes, .. }) => {
                write!(f, "stage {} of {bytes}", Place(*last))
            }
            Self::Chunk(bytes) => write!(f, "chunk of {}", bytes.len()),
            Self::Switch(Snapshot { last, .. }) => write!(f, "switch {}", Place(*last)),
            Self::Renew => write!(f, "renew"),
            Self::Flush => write!(f, "flush"),
            Self::Maintain => write!(f, "maintain"),
        }
    }
}

/// Whose storage it is.
pub fn identity() -> Identity {
    Identity::founder(ClusterId(1), &Config::new(NodeId(1), 1), &[NodeId(1)])
}

/// What might come next.
pub fn next(random: &mut Random, held: &Held, sector: usize) -> Step {
    if held.identity.is_none() {
        return Step::Format(identity());
    }
    let log = held.log();
    let run = log.run(held.base.index.next(), u32::MAX, usize::MAX);
    if run.map_or(0, |run| run.bytes().len()) > ENTRY_BYTES_MAX {
        return compaction(random, held, sector);
    }
    match random.below(24) {
        0 => ballot(random),
        1..8 => entries(random, held),
        8 => stage(random, held, sector),
        9..13 => transfer(random, held, sector),
        13 => Step::Renew,
        14 => base(random, held),
        15..18 => Step::Maintain,
        _ => Step::Flush,
    }
}

fn ballot(random: &mut Random) -> Step {
    let vote = (random.below(2) == 0).then_some(NodeId(random.below(32) as u8));
    let (term, losses) = (Term(random.below(1 << 20)), 2 * random.below(3) as u8);
    Step::Ballot(Ballot { term, vote, admitted: true, losses })
}

/// What gives room: the base moves up to the snapshot, or a snapshot comes together.
fn compaction(random: &mut Random, held: &Held, sector: usize) -> Step {
    let snapshot = held.snapshot.last;
    if snapshot.index > held.base.index {
        return Step::Base(snapshot);
    }
    match &held.stage {
        Some((of, _)) if of.last.index > snapshot.index => transfer(random, held, sector),
        _ => stage(random, held, sector),
    }
}

fn base(random: &mut Random, held: &Held) -> Step {
    let (base, most) = (held.base.index.0, held.snapshot.last.index.0);
    let index = Index(base + u64::from(random.below(1 + most.saturating_sub(base) as u32)));
    let term = held.term(index).expect("the snapshot ends within the log");
    Step::Base(Position { term, index })
}

/// A snapshot of one's own, of what is committed, or of a leader, beyond the log.
fn stage(random: &mut Random, held: &Held, sector: usize) -> Step {
    let (least, last) = (held.snapshot.last.index.0, held.last());
    let own = held.committed.0.saturating_sub(least);
    let last = if own > 0 && random.below(3) > 0 {
        let index = Index(least + 1 + u64::from(random.below(own as u32)));
        Position { term: held.term(index).expect("committed, and not dropped"), index }
    } else {
        let index = Index(last.index.0 + 1 + u64::from(random.below(8)));
        Position { term: Term(last.term.0 + 1), index }
    };
    let bytes = 1 + random.below(snapshot_bytes(sector) as u32);
    Step::Stage(Snapshot { last, bytes, checksum: checksum(&content_of(last, bytes)) })
}

/// What is in a snapshot: as by a machine, its place says it all.
fn content_of(last: Position, bytes: u32) -> Vec<u8> {
    let mut random = Random::new(last.index.0 << 32 | u64::from(last.term.0), bytes.into());
    (0..bytes).map(|_| random.next() as u8).collect()
}

/// The one that the core names snapshots by: CRC-32, bit by bit.
fn checksum(bytes: &[u8]) -> u32 {
    let bit = |sum: u32, _| if sum & 1 == 1 { sum >> 1 ^ 0xEDB8_8320 } else { sum >> 1 };
    !bytes.iter().fold(u32::MAX, |sum, &byte| (0..8).fold(sum ^ u32::from(byte), bit))
}

fn transfer(random: &mut Random, held: &Held, sector: usize) -> Step {
    match &held.stage {
        None => stage(random, held, sector),
        Some((of, _)) if of.last.index <= held.snapshot.last.index => stage(random, held, sector),
        // Its entry was replaced, or has come since: it is of no use.
        Some((of, _))
            if held.committed >= of.last.index
                && held.term(of.last.index) != Some(of.last.term) =>
        {
            stage(random, held, sector)
        }
        Some((of, content)) if content.len() == of.bytes as usize => Step::Switch(*of),
        Some((of, content)) => {
            let left = of.bytes as usize - content.len();
            let most = 90.max(of.bytes / 5);
            let length = (1 + random.below(most) as usize).min(left);
            let whole = content_of(of.last, of.bytes);
            Step::Chunk(whole[content.len()..content.len() + length].to_vec())
        }
    }
}

/// Entries at the end, or, now and then, in place of some that are not committed.
fn entries(random: &mut Random, held: &Held) -> Step {
    let last = held.last().index.0;
    let least = held.base.index.max(held.snapshot.last.index).max(held.committed).0;
    let back = if random.below(4) == 0 { random.below(5) } else { 0 };
    let index = Index(last.saturating_sub(back.into()).max(least.min(last)));
    let term = held.term(index).expect("within the log");
    let after = Position { term, index };
    let mut log = roomy_log(after);
    let count = if random.below(12) == 0 { 8 } else { 1 + random.below(3) };
    for _ in 0..count {
        let next = Term(log.last().term.0.max(1) + u32::from(random.below(4) == 0));
        let body: Vec<u8> = (0..random.below(28)).map(|_| random.next() as u8).collect();
        log.append(next, Kind::COMMAND, &body).expect("room enough");
    }
    let run = log.run(index.next(), u32::MAX, usize::MAX).expect("a run");
    let most = log.last().index.0;
    let committed = held.committed.0.max(held.snapshot.last.index.0);
    let committed = committed + u64::from(random.below(1 + most.saturating_sub(committed) as u32));
    Step::Entries(after, Index(committed), run.bytes().to_vec())
}

/// Does to a storage what a node would do. Says whether it had all of the log written anew.
pub fn carry_out<S: Storage>(storage: &mut S, held: &Held, step: &Step) -> Result<bool, S::Error> {
    match step {
        Step::Format(identity) => {
            storage.write(Record::Identity(*identity))?;
            storage.flush()?;
        }
        Step::Ballot(ballot) => storage.write(Record::Ballot(*ballot))?,
        Step::Base(base) => storage.write(Record::Base(*base))?,
        Step::Entries(after, committed, bytes) => {
            if storage.wants_renewal(bytes.len()) {
                let mut after_it = held.clone();
                after_it.take(step);
                return renew(storage, &after_it).map(|()| true);
            }
            let (after, committed) = (*after, *committed);
            storage.write(Record::Entries { after, committed, bytes })?;
        }
        Step::Stage(snapshot) => storage.write(Record::Stage { snapshot: *snapshot, held: 0 })?,
        Step::Chunk(bytes) => {
            let offset = held.stage.as_ref().map_or(0, |it| it.1.len() as u32);
            storage.write(Record::Chunk { offset, bytes })?;
        }
        Step::Switch(snapshot) => storage.write(Record::Snapshot(*snapshot))?,
        Step::Renew => return renew(storage, held).map(|()| true),
        Step::Flush => {
            // A node asks in each flush, whether there are entries or not.
            if storage.wants_renewal(0) {
                renew(storage, held)?;
                storage.flush()?;
                return Ok(true);
            }
            storage.flush()?;
        }
        Step::Maintain => storage.maintain()?,
    }
    Ok(false)
}

/// Hands over the whole log, cut in two where a ring might have ended.
pub fn renew<S: Storage>(storage: &mut S, held: &Held) -> Result<(), S::Error> {
    let log = held.log();
    let first = held.base.index.next();
    let half = 1 + held.entries.len() as u32 / 2;
    let one = log.run(first, half, usize::MAX);
    let rest = Index(held.base.index.0 + u64::from(half)).next();
    let other = log.run(rest, u32::MAX, usize::MAX);
    let [one, other] = [one, other].map(|run| run.map_or(&[][..], |run| run.bytes()));
    storage.renew(held.base, held.committed, [one, other])
}
