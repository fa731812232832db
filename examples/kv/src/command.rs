//! What clients ask of the store, and what it answers: everything here goes through the log.
//!
//! The order of variants is part of the format of logs on disk: new ones come last.

use crate::bytes::{Bytes, Key};
use serde::{Deserialize, Serialize};

/// One thing to do.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Command {
    /// The leader's clock, in milliseconds since 1970. No other clock counts.
    Tick(u64),
    /// Keeps a value.
    Set(Set),
    /// Keeps several values, all at once.
    SetMany(Vec<(Key, Bytes)>),
    /// Forgets keys; says how many there were.
    Delete(Vec<Key>),
    /// Adds to the number that a value spells; says what it became.
    Add(Key, i64),
    /// Has a key forgotten in so many milliseconds; says whether there is one.
    ExpireIn(Key, u64),
    /// Keeps a key for good; says whether that was news.
    Persist(Key),
    /// Looks at what is there, in its turn among the others.
    Ask(Query),
    /// Where a node is.
    Announce(Member),
}

/// A value to keep, and under which conditions.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Set {
    /// Under which key.
    pub key: Key,
    /// What.
    pub value: Bytes,
    /// For how long.
    pub keep: Keep,
    /// Unless what is there forbids it.
    pub when: When,
    /// Whether what was there before is the answer.
    pub get: bool,
}

/// For how long a value is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Keep {
    /// For good.
    Always,
    /// As long as the one before would have been.
    AsBefore,
    /// For so many milliseconds.
    For(u64),
}

/// What must be there before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum When {
    /// Anything or nothing.
    Always,
    /// Nothing.
    Absent,
    /// Something.
    Present,
}

/// One thing to look at.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Query {
    /// A value.
    Get(Key),
    /// Several values, seen at one moment.
    GetMany(Vec<Key>),
    /// How many of these there are.
    Count(Vec<Key>),
    /// How many milliseconds a key has left: -1 if it is kept for good, -2 if there is none.
    MillisecondsLeft(Key),
    /// The same in seconds.
    SecondsLeft(Key),
    /// Some keys, from a place on: how many to look at, and what they must look like.
    Scan {
        /// The place.
        from: u64,
        /// How many.
        count: u32,
        /// A pattern, if any.
        like: Option<Bytes>,
    },
    /// How many keys there are.
    Size,
}

/// Where a node can be found.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Member {
    /// Which one.
    pub id: u8,
    /// By its peers.
    pub address: String,
    /// By clients.
    pub client: String,
}

/// What came of one thing.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Output {
    /// It was done, and there is nothing to say.
    Done,
    /// There is nothing.
    Nothing,
    /// A number.
    Number(i64),
    /// A value.
    Value(Bytes),
    /// Several values, where there are any.
    Values(Vec<Option<Bytes>>),
    /// Some keys, and where the others begin: nowhere at zero.
    Page(u64, Vec<Bytes>),
    /// It can't be done.
    Refused(Refusal),
}

/// Why something can't be done. It then was not done at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Refusal {
    /// The value spells no number.
    NoNumber,
    /// The number would be too large.
    Overflow,
}

/// What a variant, flags and numbers take in the log at most, and what is added to each string.
const AROUND_BYTES: usize = 16;

impl Command {
    /// No fewer bytes than it takes in the log.
    pub fn bytes_most(&self) -> usize {
        AROUND_BYTES
            + match self {
                Self::Set(set) => key_bytes(&set.key) + AROUND_BYTES + set.value.len(),
                Self::SetMany(pairs) => {
                    let pair =
                        |(key, value): &(_, Bytes)| key_bytes(key) + AROUND_BYTES + value.len();
                    pairs.iter().map(pair).sum()
                }
                Self::Delete(keys) => keys.iter().map(key_bytes).sum(),
                Self::Add(key, _) | Self::ExpireIn(key, _) | Self::Persist(key) => key_bytes(key),
                Self::Ask(query) => query.bytes_most(),
                Self::Announce(member) => {
                    2 * AROUND_BYTES + member.address.len() + member.client.len()
                }
                Self::Tick(_) => 0,
            }
    }
}

impl Query {
    /// No fewer bytes than it takes in the log.
    pub fn bytes_most(&self) -> usize {
        AROUND_BYTES
            + match self {
                Self::Get(key) | Self::MillisecondsLeft(key) | Self::SecondsLeft(key) => {
                    key_bytes(key)
                }
                Self::GetMany(keys) | Self::Count(keys) => keys.iter().map(key_bytes).sum(),
                Self::Scan { like, .. } => {
                    AROUND_BYTES + like.as_ref().map_or(0, |like| like.len())
                }
                Self::Size => 0,
            }
    }
}

fn key_bytes(key: &Key) -> usize {
    AROUND_BYTES + key.bytes().len()
}
