//! What must be true of a cluster after every step, whatever the steps were.
//!
//! Each check is one of Raft's properties and remembers what it has seen, across crashes.

use crate::Cluster;
use crate::cluster::Letter;
use crate::words::{self, Words};
use raft_core::wire::{
    self, Acknowledge, Answer, Counted, Message, Standing, VoteAnswer, VoteRequest,
};
use raft_core::{Index, NodeId, Position, RoleName};
use std::collections::{BTreeMap, BTreeSet};

/// What has been seen so far.
#[derive(Clone, Debug, Default)]
pub struct Promises {
    leaders: BTreeMap<u32, u8>,
    /// Whom each node has voted for in each term, by what it sent.
    votes: BTreeMap<(u8, u32), NodeId>,
    committed: BTreeMap<u64, String>,
    applied: BTreeMap<usize, String>,
    /// The highest commit that was found on the disks of a quorum.
    durable: u64,
    /// Nodes that a story stops on purpose.
    pub may_stop: BTreeSet<u8>,
}

impl Promises {
    /// Looks at every node; says what is broken.
    pub fn check(&mut self, cluster: &Cluster) -> Result<(), String> {
        self.election_safety(cluster)?;
        self.committed_entries_stay(cluster)?;
        self.committed_entries_are_durable(cluster)?;
        self.machines_agree(cluster)?;
        self.nobody_stopped(cluster)
    }

    /// Looks at what a node has just sent: whatever it promises is on its disk at this moment.
    pub fn check_sent(&mut self, cluster: &mut Cluster, letter: &Letter) -> Result<(), String> {
        let Ok(datagram) = wire::decode(letter.datagram()) else {
            return Err(format!("undecodable: {}", Cluster::read(letter)));
        };
        let term = datagram.term;
        let node = cluster.node_mut(letter.from)?;
        let id = node.status().id;
        let known = |index| node.log().term(index);
        let promised = match datagram.message {
            Message::VoteRequest(VoteRequest { last, .. }) => Some(last.get()),
            Message::Acknowledge(Acknowledge { index, standing: Counted::Yes, .. }) => {
                let index = index.get();
                known(index).map(|term| Position { term, index })
            }
            _ => None,
        };
        let vote = match datagram.message {
            Message::VoteAnswer(VoteAnswer { answer: Answer::Granted(_), .. }) => {
                Some(NodeId(letter.to))
            }
            Message::VoteRequest(VoteRequest {
                standing: Standing::Real(_) | Standing::HandedOver(_),
                ..
            }) => Some(id),
            _ => None,
        };
        let memory = &mut node.storage_mut().memory;
        let error = |error| format!("{error:?}");
        if let Some(Position { term, index }) = promised
            && memory.flushed().map_err(error)?.term(index) != Some(term)
        {
            return Err(format!("not on the disk: {}", Cluster::read(letter)));
        }
        if let Some(vote) = vote {
            let ballot = memory.flushed_ballot().map_err(error)?;
            let first = *self.votes.entry((id.0, term.0)).or_insert(vote);
            let given = (ballot.term, ballot.vote) == (term, Some(vote)) && ballot.counts();
            if !given || first != vote {
                return Err(format!("not its vote: {}, {ballot:?}", Cluster::read(letter)));
            }
        }
        Ok(())
    }

    /// At most one leader in each term.
    fn election_safety(&mut self, cluster: &Cluster) -> Result<(), String> {
        for (id, node) in cluster.running() {
            let status = node.status();
            if status.role == RoleName::Leader {
                let leader = *self.leaders.entry(status.term.0).or_insert(id);
                if leader != id {
                    return Err(format!("{leader} and {id} both lead in term {}", status.term.0));
                }
            }
        }
        Ok(())
    }

    /// What one node knows to be committed is the same everywhere and for ever.
    fn committed_entries_stay(&mut self, cluster: &Cluster) -> Result<(), String> {
        for (id, node) in cluster.running() {
            for index in node.log().base().index.0 + 1..=node.status().committed.0 {
                let Some(entry) = node.log().get(Index(index)) else { continue };
                let here = words::entry::<Words>(entry.term, entry.kind, entry.body);
                let first = self.committed.entry(index).or_insert_with(|| here.clone());
                if *first != here {
                    return Err(format!("{index} was committed as {first}; at {id} it is {here}"));
                }
            }
        }
        Ok(())
    }

    /// What a node calls committed lies on the disks of a quorum, flushed, and survives a power cut
    /// at every node at once.
    fn committed_entries_are_durable(&mut self, cluster: &Cluster) -> Result<(), String> {
        let first = cluster.running().max_by_key(|(_, node)| node.status().committed);
        let Some((_, node)) = first else { return Ok(()) };
        let (index, configuration) = (node.status().committed.0, node.configuration());
        if index <= self.durable {
            return Ok(());
        }
        let expected = self.committed.get(&index);
        let ids = cluster.ids();
        let holds = |id: &&u8| cluster.flushed_entry(**id, Index(index)).as_ref() == expected;
        let holders = ids.iter().filter(holds).map(|&id| NodeId(id)).collect();
        if expected.is_some() && !configuration.membership.has_quorum(holders) {
            let members = configuration.membership;
            return Err(format!("{index} is committed and durable at {holders:?} of {members:?}"));
        }
        self.durable = index;
        Ok(())
    }

    /// Every machine has seen the same words in the same order.
    fn machines_agree(&mut self, cluster: &Cluster) -> Result<(), String> {
        for (id, node) in cluster.running() {
            for (place, word) in node.machine().0.iter().enumerate() {
                let first = self.applied.entry(place).or_insert_with(|| word.clone());
                if first != word {
                    return Err(format!("word {place} is {first}; at {id} it is {word}"));
                }
            }
        }
        Ok(())
    }

    /// Nothing that the stories do may stop a node, but a broken disk.
    fn nobody_stopped(&self, cluster: &Cluster) -> Result<(), String> {
        for (id, node) in cluster.running() {
            match node.status().fault {
                Some(raft_core::Fault::Storage) if node.storage().broken => {}
                Some(fault) if !self.may_stop.contains(&id) => {
                    return Err(format!("{id} stopped: {fault:?}"));
                }
                _ => {}
            }
        }
        Ok(())
    }
}
