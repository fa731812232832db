//! What a node looks like from outside.
//!
//! Nothing here changes anything, so that it may be called at any time.

use super::Node;
use crate::configuration::Configuration;
use crate::log::Log;
use crate::machine::Machine;
use crate::status::Status;
use crate::storage::Storage;
use crate::types::{Index, NodeId, Snapshot};

impl<B, S, M> Node<B, S, M>
where
    B: AsRef<[u8]> + AsMut<[u8]>,
    S: Storage,
    M: Machine,
{
    /// How many ticks may pass before this node has something to do, if no input comes. Zero while
    /// there is something to flush, transmit, apply or [poll](Node::poll_read); `u32::MAX` if time
    /// alone never changes anything.
    pub fn ticks_until_due(&self) -> u32 {
        let raft = &self.raft;
        let owes = raft.owes() || self.owes_forward().is_some() || self.machine.has_outcome();
        if self.wants_flush() || owes || self.can_apply() {
            return 0;
        }
        let applied = if self.apply_fault.is_some() { Index::ZERO } else { self.applied };
        let waits = raft.read_left(applied).min(self.forward_due());
        raft.deadline().unwrap_or(u32::MAX).min(waits)
    }

    /// How many of its medium's longest pauses, as erasing a sector of flash is one, the next call
    /// of [`maintain`](Node::maintain) may take; zero if there is nothing to do. Nobody has to call
    /// it: what is not done ahead is done in a flush, which then takes so much longer.
    pub fn upkeep(&self) -> u32 {
        self.storage.upkeep()
    }

    /// Who leads, if it is known.
    pub fn leader(&self) -> Option<NodeId> {
        self.raft.leader()
    }

    /// The last entry that the machine has seen, commands or not: what [`Node::status`] says of it
    /// too, for whoever asks after each turn.
    pub fn applied(&self) -> Index {
        self.applied
    }

    /// The snapshot that its storage holds, [`Snapshot::NONE`] before there is one.
    pub fn snapshot(&self) -> Snapshot {
        self.raft.snapshot()
    }

    /// The node as it is now.
    pub fn status(&self) -> Status {
        let raft = &self.raft;
        let mut peers = heapless::Vec::new();
        for peer in raft.peers() {
            // Never one too many: a leader keeps its followers in a list of the same size.
            peers.push(peer).ok();
        }
        Status {
            id: raft.id(),
            role: raft.role_name(),
            term: raft.term(),
            leader: raft.leader(),
            last: raft.log().last().index,
            durable: raft.durable(),
            committed: raft.committed(),
            applied: self.applied,
            snapshot: raft.snapshot().last.index,
            configured_at: raft.configured_at(),
            admitted: raft.counts(),
            refilling: raft.is_refilling(),
            unequal_settings: raft.has_unequal_settings(),
            peers,
            transferring: raft.transferring(),
            quiet: raft.is_quiet(),
            counters: raft.counters().clone(),
            fault: raft.fault(),
            apply_fault: self.apply_fault,
        }
    }

    /// The snapshot that comes together in the storage, if one does: how many bytes of it are
    /// there, and how many there will be.
    pub fn incoming_snapshot(&self) -> Option<(u32, u32)> {
        self.raft.stage().map(|stage| (stage.held, stage.snapshot.bytes))
    }

    /// The log.
    pub fn log(&self) -> &Log<B> {
        self.raft.log()
    }

    /// Who the members are: what the last entry says that this node has of that kind, committed or
    /// not.
    pub fn configuration(&self) -> &Configuration {
        self.raft.configuration()
    }

    /// The machine.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    /// The storage.
    pub fn storage(&self) -> &S {
        &self.storage
    }

    /// The storage, for a driver that finishes flushes; what was written is not to be changed.
    pub fn storage_mut(&mut self) -> &mut S {
        &mut self.storage
    }

    /// Ends the node, and gives back what is kept across power cuts.
    pub fn into_storage(self) -> S {
        self.storage
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>, S, M> core::fmt::Debug for Node<B, S, M> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let mut node = f.debug_struct("Node");
        node.field("id", &self.raft.id()).field("role", &self.raft.role_name());
        node.field("term", &self.raft.term()).field("log", self.raft.log());
        node.field("committed", &self.raft.committed()).field("applied", &self.applied);
        node.finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl<B: AsRef<[u8]> + AsMut<[u8]>, S, M> defmt::Format for Node<B, S, M> {
    fn format(&self, f: defmt::Formatter<'_>) {
        let (id, role, term) = (self.raft.id(), self.raft.role_name(), self.raft.term());
        defmt::write!(f, "Node {{ id: {}, role: {}, term: {}, .. }}", id, role, term);
    }
}
