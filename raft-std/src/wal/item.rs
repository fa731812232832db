//! What stands in a batch: records as the node wrote them, and what a log says about itself.

use raft_core::{Ballot, Identity, Index, NodeId, Position, Snapshot, Term};
use serde::{Deserialize, Serialize};

/// One item. Its form is what postcard makes of this, kind first; of entries the bytes follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Item {
    Identity(Identity),
    Ballot(BallotForm),
    Base(Position),
    /// So many bytes of encoded entries follow.
    Entries {
        after: Position,
        committed: Index,
        bytes: u32,
    },
    Stage(Numbered),
    /// So many bytes stand on that stage, and this is their CRC-32.
    Held(Held),
    Snapshot {
        of: Numbered,
        /// Whether all entries are gone with it: who reads it later may not have those any more
        /// that would tell.
        restarts: bool,
    },
    /// What everything before amounts to.
    State(State),
    /// Batches that are lost, as the node knows: a ballot with odd losses came after that.
    Known(Gap),
}

/// A ballot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct BallotForm {
    term: Term,
    vote: Option<NodeId>,
    admitted: bool,
    losses: u8,
}

/// A snapshot and the number of the file that it is in: no two files ever have the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Numbered {
    pub(super) number: u64,
    pub(super) snapshot: Snapshot,
}

/// How much of a stage there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Held {
    pub(super) number: u64,
    pub(super) bytes: u32,
    pub(super) checksum: u32,
}

/// Batches that can't be read, by the first and the last number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Gap {
    pub(super) from: u64,
    pub(super) to: u64,
}

/// What a log amounts to, entries apart. It stands first in every file of the log, so that older
/// files may go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) identity: Option<Identity>,
    pub(super) ballot: BallotForm,
    pub(super) base: Position,
    /// Entries above this one are gone.
    pub(super) last: Index,
    pub(super) snapshot: Option<Numbered>,
    pub(super) stage: Option<(Numbered, Held)>,
}

impl From<Ballot> for BallotForm {
    fn from(Ballot { term, vote, admitted, losses }: Ballot) -> Self {
        Self { term, vote, admitted, losses }
    }
}

impl From<BallotForm> for Ballot {
    fn from(BallotForm { term, vote, admitted, losses }: BallotForm) -> Self {
        Self { term, vote, admitted, losses }
    }
}

impl State {
    /// Takes in what an item says, entries and their ends apart.
    pub(super) fn take(&mut self, item: &Item) {
        match *item {
            Item::Identity(identity) => {
                self.identity = Some(identity);
                let ballot = Ballot { admitted: identity.is_founder(), ..self.ballot.into() };
                self.ballot = ballot.into();
            }
            Item::Ballot(ballot) => self.ballot = ballot,
            Item::Base(base) => self.base = base,
            Item::Stage(of) => self.stage = Some((of, Held::nothing(of.number))),
            Item::Held(held) => {
                if let Some((of, before)) = &mut self.stage
                    && of.number == held.number
                {
                    *before = held;
                }
            }
            Item::Snapshot { of, restarts } => {
                self.snapshot = Some(of);
                self.stage = None;
                if restarts {
                    (self.base, self.last) = (of.snapshot.last, of.snapshot.last.index);
                }
            }
            Item::State(state) => *self = state,
            Item::Entries { .. } | Item::Known(_) => {}
        }
    }
}

impl Held {
    pub(super) const fn nothing(number: u64) -> Self {
        Self { number, bytes: 0, checksum: 0 }
    }
}

impl Gap {
    /// Whether all of another one lies in this.
    pub(super) const fn covers(&self, other: &Self) -> bool {
        self.from <= other.from && other.to <= self.to
    }
}

/// Adds an item behind others; gives nothing if it is longer than any.
pub(super) fn push(items: &mut Vec<u8>, item: &Item, entries: &[u8]) -> Option<()> {
    let mut buffer = [0; 256];
    items.extend_from_slice(postcard::to_slice(item, &mut buffer).ok()?);
    items.extend_from_slice(entries);
    Some(())
}

/// Splits items into a list, each with the entries that follow it. `None` if they are none.
pub(super) fn split(mut rest: &[u8]) -> Option<Vec<(Item, &[u8])>> {
    let mut items = Vec::new();
    while !rest.is_empty() {
        let (item, behind) = postcard::take_from_bytes(rest).ok()?;
        let bytes = if let Item::Entries { bytes, .. } = item { bytes } else { 0 };
        let (entries, behind) = behind.split_at_checked(usize::try_from(bytes).ok()?)?;
        items.push((item, entries));
        rest = behind;
    }
    Some(items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use raft_core::{ClusterId, Config};

    #[test]
    fn items_are_these_bytes() {
        let voters = [NodeId(1), NodeId(2)];
        let config = Config { base_timeout_ticks: 15, ..Config::new(NodeId(1), 0) };
        let identity = Identity::founder(ClusterId(300), &config, &voters);
        let identity = Identity { settings: 5, ..identity };
        let position = Position { term: Term(2), index: Index(300) };
        let of = Numbered {
            number: 7,
            snapshot: Snapshot { last: position, bytes: 1000, checksum: 0x80 },
        };
        let ballot = Ballot { term: Term(2), vote: Some(NodeId(1)), admitted: true, losses: 3 };
        let cases: [(Item, &[u8], &[u8]); 9] = [
            (Item::Identity(identity), &[], &[0, 0xAC, 2, 1, 0, 6, 0, 0, 5]),
            (Item::Ballot(ballot.into()), &[], &[1, 2, 1, 1, 1, 3]),
            (Item::Base(position), &[], &[2, 2, 0xAC, 2]),
            (
                Item::Entries { after: position, committed: Index(1), bytes: 2 },
                &[0x12, 9],
                &[3, 2, 0xAC, 2, 1, 2, 0x12, 9],
            ),
            (Item::Stage(of), &[], &[4, 7, 2, 0xAC, 2, 0xE8, 7, 0x80, 1]),
            (Item::Held(Held { number: 7, bytes: 3, checksum: 128 }), &[], &[5, 7, 3, 0x80, 1]),
            (Item::Snapshot { of, restarts: true }, &[], &[6, 7, 2, 0xAC, 2, 0xE8, 7, 0x80, 1, 1]),
            (
                Item::State(State { last: Index(1), ..State::default() }),
                &[],
                &[7, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0],
            ),
            (Item::Known(Gap { from: 3, to: 300 }), &[], &[8, 3, 0xAC, 2]),
        ];
        let mut all = Vec::new();
        for (item, entries, expected) in &cases {
            let mut bytes = Vec::new();
            push(&mut bytes, item, entries).expect("a short item");
            assert_eq!(bytes, *expected, "{item:?}");
            all.extend(bytes);
        }
        let split = split(&all).expect("what was pushed");
        assert!(split.iter().zip(&cases).all(|(it, case)| *it == (case.0, case.1)));
        assert_eq!(super::split(&all[..all.len() - 1]), None, "cut short");
    }
}
