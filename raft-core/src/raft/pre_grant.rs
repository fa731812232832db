//! The "I would vote" that is owed: to one asker at a time, with the number of its question.
//!
//! A number for each peer would cost more memory than it is worth, and one number for all starves
//! whoever is not the last to ask: a node that is heard and hears nothing asks for ever. So whoever
//! was given one makes way for whoever was not. Those that are not answered ask again soon.

use crate::node_set::NodeSet;
use crate::types::{NodeId, Round};

/// Who is owed a pre-grant, as the answer to which question.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct PreGrant {
    asker: Option<NodeId>,
    number: Round,
    /// Who was given one and makes way for others, until one of them is given another.
    served: NodeSet,
}

impl PreGrant {
    pub(super) const fn new() -> Self {
        Self { asker: None, number: Round(0), served: NodeSet::EMPTY }
    }

    /// A node would have the vote, as to its question of this number.
    pub(super) fn owe(&mut self, asker: NodeId, number: Round) {
        let is_served = |peer| self.served.contains(peer);
        let before = self.asker.filter(|&peer| peer != asker);
        if before.is_none_or(|peer| is_served(peer) && !is_served(asker)) {
            (self.asker, self.number) = (Some(asker), number);
        }
    }

    /// It was written.
    pub(super) fn given(&mut self) {
        if let Some(peer) = self.asker.take() {
            if self.served.contains(peer) {
                self.served = NodeSet::EMPTY;
            }
            self.served.insert(peer);
        }
    }

    /// Nobody would have the vote any more.
    pub(super) fn withdraw(&mut self) {
        self.asker = None;
    }

    /// Whose turn it is.
    pub(super) const fn asker(&self) -> Option<NodeId> {
        self.asker
    }

    /// The number of that one's question.
    pub(super) const fn number(&self) -> Round {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asks_all_the_time_comes_between_nobody() {
        let mut grant = PreGrant::new();
        let mut given = [0; 4];
        for round in 0..30 {
            // Node 3 asks before and after node 1, which asks every other time, and so does 2.
            grant.owe(NodeId(3), Round(2 * round));
            let asker = if round % 2 == 0 { NodeId(1) } else { NodeId(2) };
            grant.owe(asker, Round(100 + round));
            grant.owe(NodeId(3), Round(2 * round + 1));
            let (peer, number) = (grant.asker().unwrap(), grant.number());
            assert_eq!(number.0 >= 100, peer != NodeId(3), "a question of its own");
            given[usize::from(peer.0)] += 1;
            grant.given();
        }
        assert!(given[1] >= 7 && given[2] >= 7 && given[3] >= 7, "{given:?}");
    }
}
