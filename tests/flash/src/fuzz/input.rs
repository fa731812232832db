//! Bytes that decide: whatever they are, they say what is done next, and fewer of them say less.

use super::model::{Call, Model};
use crate::held::roomy_log;
use crate::steps::{Step, next};
use raft_core::{
    Ballot, ClusterId, Identity, Index, Kind, Loss, Membership, NodeId, NodeSet, Nonce, Part,
    Position, Snapshot, Term,
};
use raft_simulator::random::Random;

/// What is left of the bytes; behind their end are zeros.
pub struct Input<'a>(pub &'a [u8]);

/// What is done next.
#[derive(Clone, PartialEq, Debug)]
pub enum Move {
    /// What a node might do, drawn by this number from what is held.
    Honest(u64),
    /// `maintain`, until there is nothing left to do.
    Maintain,
    /// One call of whatever kind.
    Any(Call),
    /// The power fails in the operation that comes after so many others.
    Cut(usize, u8),
    /// The power fails in the start that comes next, after so many operations.
    CutStart(usize, u8),
    /// It fails between two.
    Restart,
    /// A byte rots, and the power fails.
    Rot(u32, u8),
    /// A sector sticks until the next start, or until it stops that.
    Stick(u32),
}

impl Input<'_> {
    /// Whether all were used.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn byte(&mut self) -> u8 {
        let Some((byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *byte
    }

    fn number(&mut self) -> u64 {
        (0..8).fold(0, |number, _| number << 8 | u64::from(self.byte()))
    }

    /// Mostly a small one, at times one at the end of what there is.
    fn odd(&mut self) -> u64 {
        match self.byte() {
            0xFF => u64::MAX - u64::from(self.byte()),
            0xFE => Index::LIMIT.0 - 2 + u64::from(self.byte() % 8),
            0xFD => self.number(),
            0xFC => u64::from(u32::MAX) - 2 + u64::from(self.byte() % 8),
            small => u64::from(small % 64),
        }
    }

    /// What comes next, of a storage that holds this.
    pub fn next(&mut self, model: &Model) -> Move {
        match self.byte() % 64 {
            0 | 1 => Move::Maintain,
            2..40 => Move::Honest(u64::from(self.byte()) << 8 | u64::from(self.byte())),
            40..54 => Move::Any(self.call(model)),
            54..57 => Move::Cut(usize::from(self.byte() % 8), self.byte()),
            57 => Move::CutStart(usize::from(self.byte() % 16), self.byte()),
            58..61 => Move::Restart,
            61 => Move::Rot(self.number() as u32, self.byte()),
            62 => Move::Stick(self.byte().into()),
            _ => Move::Any(Call::Recover),
        }
    }

    fn call(&mut self, model: &Model) -> Call {
        match self.byte() % 16 {
            0 => Call::Ballot(self.ballot()),
            1 => Call::Base(self.position(model)),
            2..5 => {
                let after = self.position(model);
                Call::Entries(after, Index(self.near(model)), self.entries(after))
            }
            5 => Call::Stage(self.snapshot(model), self.odd() as u32),
            6 => Call::Chunk(self.offset(model), self.bytes()),
            7 => Call::Snapshot(self.snapshot(model)),
            8 => {
                Call::Lost(if self.byte().is_multiple_of(2) { Loss::Ballot } else { Loss::Entries })
            }
            9 => Call::Identity(self.identity()),
            10 | 11 => {
                let base = self.position(model);
                let parts = [self.entries(base), self.entries(base)];
                Call::Renew(base, Index(self.near(model)), parts)
            }
            12 => Call::Flush,
            13 => Call::Maintain,
            _ => {
                let part = if self.byte().is_multiple_of(2) { Part::Snapshot } else { Part::Stage };
                Call::Read(part, self.offset(model), self.byte().into())
            }
        }
    }

    fn ballot(&mut self) -> Ballot {
        let (vote, losses) = (self.byte(), self.byte());
        let vote = (vote % 2 == 0).then_some(NodeId(vote / 2 % 32));
        let term = Term(self.odd() as u32);
        Ballot { term, vote, admitted: losses % 2 == 0, losses: losses / 2 }
    }

    fn identity(&mut self) -> Identity {
        let set = |bits: u8| (0..8).filter(move |bit| bits >> bit & 1 == 1).map(NodeId);
        let [incoming, outgoing, learners] =
            [0; 3].map(|_| NodeSet::of(&set(self.byte()).collect::<Vec<_>>()));
        Identity {
            cluster: ClusterId(self.odd()),
            id: NodeId(self.byte()),
            nonce: Nonce(self.odd() as u32),
            membership: Membership { incoming, outgoing, learners },
            settings: self.odd() as u32,
        }
    }

    /// An index, near those that are held or not.
    fn near(&mut self, model: &Model) -> u64 {
        let choice = self.byte();
        match choice % 4 {
            0 => model.held.last().index.0,
            1 => model.held.base.index.0.saturating_add(u64::from(choice / 4 % 16)),
            2 => model.held.committed.0,
            _ => self.odd(),
        }
    }

    /// A position, mostly of an entry that is held.
    fn position(&mut self, model: &Model) -> Position {
        let index = Index(self.near(model));
        let known = model.held.term(index).filter(|_| !self.byte().is_multiple_of(8));
        let term = known.unwrap_or_else(|| Term(self.odd() as u32));
        Position { term, index }
    }

    /// The snapshot or the stage, or, now and then, another one.
    fn snapshot(&mut self, model: &Model) -> Snapshot {
        match (self.byte() % 4, &model.held.stage) {
            (0, _) => model.held.snapshot,
            (1 | 2, Some((snapshot, _))) => *snapshot,
            _ => {
                let mut last = self.position(model);
                // None is of nothing.
                last.index.0 = last.index.0.max(1);
                Snapshot { last, bytes: self.odd() as u32, checksum: self.odd() as u32 }
            }
        }
    }

    fn offset(&mut self, model: &Model) -> u32 {
        let held = model.held.stage.as_ref().map_or(0, |it| it.1.len() as u32);
        if self.byte().is_multiple_of(2) { held } else { self.odd() as u32 }
    }

    fn bytes(&mut self) -> Vec<u8> {
        let (length, content) = (self.byte(), self.byte());
        (0..length).map(|place| content.wrapping_mul(place | 1)).collect()
    }

    /// Encoded entries, or any bytes.
    fn entries(&mut self, after: Position) -> Vec<u8> {
        let choice = self.byte();
        if choice.is_multiple_of(4) || after.index >= Index::LIMIT {
            return (0..choice / 4).map(|_| self.byte()).collect();
        }
        let mut log = roomy_log(after);
        for _ in 0..choice / 4 % 5 {
            let term = Term(after.term.0.max(log.last().term.0).max(1));
            let body = self.bytes();
            let kind = if choice < 192 { Kind::COMMAND } else { Kind::NOOP };
            let _ = log.append(term, kind, &body);
        }
        let run = log.run(after.index.next(), u32::MAX, usize::MAX);
        run.map_or(Vec::new(), |run| run.bytes().to_vec())
    }
}

/// What a node might do, as calls.
pub fn honest(
    number: u64,
    model: &Model,
    sector: usize,
    renews: impl Fn(usize) -> bool,
) -> Vec<Call> {
    let step = next(&mut Random::new(number, 3), &model.held, sector);
    let renewal = |model: &Model| model.renewal(number as usize);
    match step {
        Step::Format(identity) => vec![Call::Identity(identity), Call::Flush],
        Step::Ballot(ballot) => vec![Call::Ballot(ballot)],
        Step::Base(base) => vec![Call::Base(base)],
        Step::Entries(after, committed, bytes) => {
            let length = bytes.len();
            let call = Call::Entries(after, committed, bytes);
            match model.after(&call) {
                Some(after) if renews(length) => vec![renewal(&after)],
                _ => vec![call],
            }
        }
        Step::Stage(snapshot) => vec![Call::Stage(snapshot, 0)],
        Step::Chunk(bytes) => {
            let offset = model.held.stage.as_ref().map_or(0, |it| it.1.len() as u32);
            vec![Call::Chunk(offset, bytes)]
        }
        Step::Switch(snapshot) => vec![Call::Snapshot(snapshot)],
        Step::Renew => vec![renewal(model)],
        Step::Flush if renews(0) => vec![renewal(model), Call::Flush],
        Step::Flush => vec![Call::Flush],
        Step::Maintain => vec![Call::Maintain],
    }
}
