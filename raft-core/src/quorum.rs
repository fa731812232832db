//! Who votes, and what a majority of them is, counted on sets.
//!
//! In a joint membership both halves must agree, so everything here asks both. An empty half agrees
//! with anything, and a membership without voters agrees with nothing.

use crate::node_set::NodeSet;
use serde::{Deserialize, Serialize};

/// How many members a cluster can have, learners and both halves of a joint membership counted:
/// seven voters of whom two are being replaced. A leader keeps 40 bytes for each.
pub const MEMBERS_MAX: usize = 9;

/// The members of a cluster: in a joint membership, `outgoing` are the voters being replaced.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Membership {
    /// The voters.
    pub incoming: NodeSet,
    /// The voters of before, while a joint membership lasts.
    pub outgoing: NodeSet,
    /// Members that are replicated to and not counted.
    pub learners: NodeSet,
}

impl Membership {
    /// A membership of voters alone.
    pub fn of_voters(voters: NodeSet) -> Self {
        Self { incoming: voters, ..Self::default() }
    }

    /// Everyone whose vote may count.
    pub fn voters(&self) -> NodeSet {
        self.incoming.union(self.outgoing)
    }

    /// Everyone.
    pub fn members(&self) -> NodeSet {
        self.voters().union(self.learners)
    }

    /// Whether these nodes are a quorum.
    pub fn has_quorum(&self, nodes: NodeSet) -> bool {
        let majority = |half: NodeSet| nodes.intersection(half).outnumbers(half.without(nodes));
        majority(self.incoming) && (self.outgoing.is_empty() || majority(self.outgoing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::NodeId;

    fn set(nodes: &[u8]) -> NodeSet {
        nodes.iter().map(|&node| NodeId(node)).collect()
    }

    #[test]
    fn a_majority_is_more_than_half_of_each_half() {
        let three = Membership::of_voters(set(&[1, 2, 3]));
        assert!(three.has_quorum(set(&[1, 3])) && !three.has_quorum(set(&[2])));
        assert!(!three.has_quorum(set(&[1, 7, 8, 9])), "strangers do not count");
        let four = Membership::of_voters(set(&[1, 2, 3, 4]));
        assert!(!four.has_quorum(set(&[1, 2])) && four.has_quorum(set(&[1, 2, 4])));
        let joint = Membership { outgoing: set(&[3, 4, 5]), ..three };
        assert!(joint.has_quorum(set(&[1, 3, 4])) && !joint.has_quorum(set(&[1, 2, 3])));
        assert!(!Membership::default().has_quorum(set(&[1, 2, 3])), "nobody votes");
    }
}
