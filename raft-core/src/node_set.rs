//! A set of nodes is one word: counting members is one instruction or a few, and copying is free.
//!
//! Ids that no node may have are never in a set; inserting one changes nothing.

use crate::types::NodeId;
use serde::{Deserialize, Serialize};

/// A set of [`NodeId`]s.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct NodeSet(u32);

impl NodeSet {
    /// The set without members.
    pub const EMPTY: Self = Self(0);

    /// One bit for each node, the lowest for the lowest.
    pub(crate) const fn bits(self) -> u32 {
        self.0
    }

    pub(crate) const fn of_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The set of the given nodes.
    pub fn of(nodes: &[NodeId]) -> Self {
        nodes.iter().copied().collect()
    }

    /// Adds a node.
    pub fn insert(&mut self, node: NodeId) {
        self.0 |= Self::bit(node);
    }

    /// Takes a node out.
    pub fn remove(&mut self, node: NodeId) {
        self.0 &= !Self::bit(node);
    }

    /// Whether the node is a member.
    pub fn contains(self, node: NodeId) -> bool {
        self.0 & Self::bit(node) != 0
    }

    /// The set as one word, a bit for each id.
    pub(crate) const fn word(self) -> u32 {
        self.0
    }

    /// The set that [`NodeSet::word`] gave.
    pub(crate) const fn of_word(word: u32) -> Self {
        Self(word)
    }

    /// How many members there are.
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The members of either.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The members of both.
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The members of this one that are not in the other.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether this set has more members than the other: what is left when they leave in pairs.
    pub(crate) const fn outnumbers(self, other: Self) -> bool {
        let (mut here, mut there) = (self.0, other.0);
        while here != 0 && there != 0 {
            // Each time the lowest one.
            here &= here - 1;
            there &= there - 1;
        }
        here != 0
    }

    /// The first member after `node`, going round: whoever was served last comes last.
    pub fn next_after(self, node: NodeId) -> Option<NodeId> {
        if self.is_empty() {
            return None;
        }
        let above = u32::MAX.checked_shl(u32::from(node.0) + 1).unwrap_or(0);
        let rest = Self(self.0 & above);
        if rest.is_empty() { self.first() } else { rest.first() }
    }

    /// The member with the lowest id.
    pub fn first(self) -> Option<NodeId> {
        // Below 32 because the word is not zero.
        u8::try_from(self.0.trailing_zeros()).ok().map(NodeId).filter(|_| !self.is_empty())
    }

    /// The members in ascending order.
    pub fn iter(self) -> impl Iterator<Item = NodeId> {
        let mut rest = self;
        core::iter::from_fn(move || {
            let node = rest.first()?;
            rest.remove(node);
            Some(node)
        })
    }

    /// Zero for an id that no node may have.
    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    fn bit(node: NodeId) -> u32 {
        1_u32.checked_shl(u32::from(node.0)).unwrap_or(0)
    }
}

impl core::fmt::Debug for NodeSet {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_set().entries(self.iter().map(|node| node.0)).finish()
    }
}

impl FromIterator<NodeId> for NodeSet {
    fn from_iter<I: IntoIterator<Item = NodeId>>(nodes: I) -> Self {
        let mut set = Self::EMPTY;
        nodes.into_iter().for_each(|node| set.insert(node));
        set
    }
}
