//! Reads without an entry in the log: asked for here, allowed by the leader, looked at here.
//!
//! [`Node::read`] gives a ticket. Once [`Node::poll_read`] says that it is ready, the machine shows
//! everything that was done before the read was asked for, and may be looked at at once.

use super::Node;
use crate::machine::Machine;
use crate::raft::{ReadError, ReadOutcome, ReadTicket};
use crate::storage::Storage;
use crate::types::Index;

impl<B, S, M> Node<B, S, M>
where
    B: AsRef<[u8]> + AsMut<[u8]>,
    S: Storage,
    M: Machine,
{
    /// Asks to read the machine of this node, whatever its role: a quorum is heard first, and reads
    /// that come together share that. It ends with an outcome of [`Node::poll_read`], at the latest
    /// after two base timeouts.
    pub fn read(&mut self) -> Result<ReadTicket, ReadError> {
        self.raft.read()
    }

    /// Asks to read the machine of a leader that holds a lease: nobody is heard first, so it is as
    /// safe as [`Config::lease_ticks`](crate::Config::lease_ticks) is right, and as the caller is
    /// honest about the time that has passed: [`Node::advance`] comes before this.
    pub fn read_lease(&mut self) -> Result<ReadTicket, ReadError> {
        self.raft.read_lease()
    }

    /// What became of a read. Where it says that one is ready, look at [`Node::machine`] before
    /// anything else: it is asked for until there is none.
    pub fn poll_read(&mut self) -> Option<ReadOutcome> {
        // A machine that does not follow shows nothing of what was done.
        let applied = if self.apply_fault.is_some() { Index::ZERO } else { self.applied };
        self.raft.poll_read(applied)
    }
}
