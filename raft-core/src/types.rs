//! The words of the protocol: who, in which term, at which place of the log.
//!
//! All of them are plain numbers with a name, so that a term can't be added to an index. Limits are
//! checked once, where bytes become values: inside the core every index is below [`Index::LIMIT`]
//! and every term below [`Term::LIMIT`], so that adding one never overflows.

use serde::{Deserialize, Serialize};

/// A member of the cluster, 0 to 31. Addresses are the link's business.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct NodeId(pub u8);

impl NodeId {
    /// Ids start at zero and end before this, because a set of nodes is one `u32`.
    pub const LIMIT: u8 = 32;

    /// Whether the number is one that a node may have.
    pub const fn is_valid(self) -> bool {
        self.0 < Self::LIMIT
    }
}

/// A term of office: at most one leader is elected in each.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Term(pub u32);

impl Term {
    /// Before the first election.
    pub const ZERO: Self = Self(0);
    /// Terms from here on are dropped, and nobody campaigns into them: terms never wrap.
    pub const LIMIT: Self = Self(u32::MAX - 0xFFFF);
    /// A datagram whose term is further ahead than this is believed only when a second one agrees.
    pub const BELIEVABLE_JUMP: u32 = 1 << 16;

    /// The term after this one.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A place in the log. The first entry is at 1; 0 is the place before it.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Index(pub u64);

impl Index {
    /// Before the first entry.
    pub const ZERO: Self = Self(0);
    /// Indices from here on are refused wherever bytes are read, and never appended.
    pub const LIMIT: Self = Self(1 << 62);

    /// The place after this one.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The place before this one; there is nothing before [`Index::ZERO`] but itself.
    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// How many places this one is above `other`; zero if it is not.
    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    pub const fn above(self, other: Self) -> u64 {
        self.0.saturating_sub(other.0)
    }
}

/// A place in the log and the term of the entry there.
///
/// The order is the one that voters compare logs by: the term first, then the index.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Position {
    /// The term in which the entry was proposed.
    pub term: Term,
    /// Where it stands.
    pub index: Index,
}

impl Position {
    /// Before the first entry.
    pub const ZERO: Self = Self { term: Term::ZERO, index: Index::ZERO };
}

/// One snapshot, by what tells it from any other: two nodes with the same one hold the same bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Snapshot {
    /// The last entry whose effect is in it.
    pub last: Position,
    /// How long it is.
    pub bytes: u32,
    /// The CRC-32 of all of it.
    pub checksum: u32,
}

impl Snapshot {
    /// Before the first one: a machine in its first state, and no bytes at all.
    pub const NONE: Self = Self { last: Position::ZERO, bytes: 0, checksum: 0 };
}

/// A leader's heartbeat number: an answer that echoes it was sent after the question.
///
/// Rounds belong to a term and its leader, grow by one and are never used again, so they are never
/// cut short on the wire.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Round(pub u64);

/// What a node must never forget about elections: its term, whom it voted for in it, and whether
/// its word counts at all.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Ballot {
    /// The highest term this node has believed in.
    pub term: Term,
    /// The one candidate that has its vote in that term.
    pub vote: Option<NodeId>,
    /// Whether the last configuration that it knew to be committed names this storage.
    pub admitted: bool,
    /// How often flushed entries were lost, twice, and one less until a leader has put all that
    /// matters back in place. It goes round.
    pub losses: u8,
}

impl Ballot {
    /// Whether flushed entries were lost, and are not back yet.
    pub const fn is_refilling(self) -> bool {
        self.losses % 2 == 1
    }

    /// Whether the node's votes and acknowledgements count.
    pub const fn counts(self) -> bool {
        self.admitted && !self.is_refilling()
    }

    /// The same after flushed entries were lost, be it in the middle of being refilled.
    pub(crate) const fn lost_again(self) -> Self {
        let more = if self.is_refilling() { 2 } else { 1 };
        Self { losses: self.losses.wrapping_add(more), ..self }
    }

    /// The same when all that matters is back in place.
    pub(crate) const fn refilled(self) -> Self {
        let more = if self.is_refilling() { 1 } else { 0 };
        Self { losses: self.losses.wrapping_add(more), ..self }
    }
}

/// Names one cluster among all that may share a medium; drawn at random when it is founded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ClusterId(pub u64);

/// Names one formatting of a node's storage: a wiped board comes back as somebody else.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Nonce(pub u32);

impl Nonce {
    /// The storage of an initial voter, written by [`Identity::founder`](crate::Identity::founder).
    pub const FOUNDER: Self = Self(0);
}
