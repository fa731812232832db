//! The "I would vote" that is owed: to one asker at a time, with the number of its question.
//!
//! A number for each peer would cost more memory than it is worth, and one number for all starves
//! whoever is not the last to ask: a node that is heard and hears nothing asks for ever. So whoever
//! was given one makes way for whoever was given none for longer: who asks is passed over at most
//! once for each other peer. Those that are not answered ask again soon.

use crate::progress::PEERS_MAX;
use crate::types::{NodeId, Round};
use core::mem;

/// Who is owed a pre-grant, as the answer to which question.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct PreGrant {
    asker: Option<NodeId>,
    number: Round,
    /// Who was given one, the last one first; ids that no node may have until there are so many.
    served: [NodeId; PEERS_MAX],
}

impl PreGrant {
    pub(super) const fn new() -> Self {
        Self { asker: None, number: Round(0), served: [NodeId(NodeId::LIMIT); PEERS_MAX] }
    }

    /// A node would have the vote, as to its question of this number.
    pub(super) fn owe(&mut self, asker: NodeId, number: Round) {
        let others_since = |peer| {
            let place = self.served.iter().position(|&served| served == peer);
            place.unwrap_or(PEERS_MAX)
        };
        let before = self.asker.filter(|&peer| peer != asker);
        if before.is_none_or(|peer| others_since(peer) < others_since(asker)) {
            (self.asker, self.number) = (Some(asker), number);
        }
    }

    /// It was written.
    pub(super) fn given(&mut self) {
        let Some(peer) = self.asker.take() else { return };
        let mut moved = peer;
        for place in &mut self.served {
            moved = mem::replace(place, moved);
            if moved == peer {
                break;
            }
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

    /// Two nodes that hear nothing, one that asks when 1 asks and one that asks in between.
    #[test]
    fn two_that_ask_all_the_time_come_between_nobody_either() {
        let mut grant = PreGrant::new();
        let mut given = [0; 4];
        for _ in 0..100 {
            for askers in [&[3, 1][..], &[2]] {
                askers.iter().for_each(|&asker| grant.owe(NodeId(asker), Round(0)));
                given[usize::from(grant.asker().unwrap().0)] += 1;
                grant.given();
            }
        }
        assert!(given[1] >= 20, "{given:?}");
    }
}
