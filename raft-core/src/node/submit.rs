//! A node as a client: its command goes to whoever leads, again and again until it is applied here.
//!
//! Nothing is queued. What is asked for lies with the machine, which knows when it was applied;
//! here is only whom it was sent to, and since when.

use super::Node;
use crate::machine::Machine;
use crate::session::{Sessions, SubmitError, Submitted};
use crate::storage::Storage;
use crate::types::{NodeId, Term};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Whom the command was sent to, and when.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Forwarding {
    to: Option<(NodeId, Term)>,
    /// What was asked for: a session, which is zero, or a command in it.
    what: u32,
    /// Ticks since then.
    waited: u32,
    /// How often this command, or a session for it, was asked for again, up to a limit.
    repeats: u32,
}

/// Whoever asks again waits twice as long each time, up to so many times.
const DOUBLINGS_MAX: u32 = 2;

impl Forwarding {
    pub(super) fn advance(&mut self, ticks: u32) {
        self.waited = self.waited.saturating_add(ticks);
    }
}

impl<B, S, M, const CLIENTS: usize, const OUTPUT: usize, const SUBMIT: usize>
    Node<B, S, Sessions<M, CLIENTS, OUTPUT, SUBMIT>>
where
    B: AsRef<[u8]> + AsMut<[u8]>,
    S: Storage,
    M: Machine,
    M::Output: Serialize + DeserializeOwned,
{
    /// Has a command applied exactly once, whoever leads and however often that changes: it is sent
    /// to the leader until this node has applied it. One at a time; what became of it is told by
    /// [`poll_submit`](Node::poll_submit).
    ///
    /// It must fit into a frame together with what a session adds to it: three bytes at first.
    ///
    /// Should the power fail before that, nobody asks any more: it was applied once or never is.
    pub fn submit(&mut self, command: &M::Command<'_>) -> Result<(), SubmitError> {
        self.machine.submit(command, self.raft.client_bytes_max())?;
        self.forwarding = Forwarding::default();
        Ok(())
    }

    /// What became of the command, once it is known.
    pub fn poll_submit(&mut self) -> Option<Submitted<M::Output>> {
        self.machine.poll_submit()
    }
}

impl<B, S, M> Node<B, S, M>
where
    B: AsRef<[u8]> + AsMut<[u8]>,
    S: Storage,
    M: Machine,
{
    /// Whether the command is to be sent now, and to whom.
    pub(super) fn owes_forward(&self) -> Option<NodeId> {
        let what = self.machine.forwards().filter(|_| self.raft.fault().is_none())?;
        let (leader, term) = (self.raft.leader()?, self.raft.term());
        // Whoever lost its session to others lets them go first.
        let is_new = self.forwarding.to != Some((leader, term)) || what > self.forwarding.what;
        (is_new || self.forward_left() == 0).then_some(leader)
    }

    /// Ticks until what was sent is sent again, whoever leads.
    fn forward_left(&self) -> u32 {
        let patience = self.raft.patience_ticks().saturating_mul(1 << self.forwarding.repeats);
        patience.saturating_sub(self.forwarding.waited)
    }

    /// Ticks until it is sent again, if it was.
    pub(super) fn forward_due(&self) -> u32 {
        let sent = self.machine.forwards().is_some() && self.raft.leader().is_some();
        if sent { self.forward_left() } else { u32::MAX }
    }

    /// Sends the command, or takes it into the log if this node leads.
    pub(super) fn forward(&mut self, buffer: &mut [u8]) -> Option<(NodeId, usize)> {
        let leader = self.owes_forward()?;
        let (to, what) = (Some((leader, self.raft.term())), self.machine.forwards()?);
        let repeats = self.forwarding.repeats + u32::from(self.forward_left() == 0);
        let repeats = repeats.min(DOUBLINGS_MAX);
        self.forwarding = Forwarding { to, what, waited: 0, repeats };
        let machine = &self.machine;
        if leader == self.raft.id() {
            // If there is no room now, there may be when it is asked for again.
            self.raft.propose(|room| machine.forward(room)).ok();
            return None;
        }
        let length = self.raft.forward(buffer, |room| machine.forward(room))?;
        Some((leader, length))
    }

    /// A member wants a command applied: it is taken in if the machine knows the command.
    #[cold]
    #[inline(never)]
    pub(super) fn take_command(&mut self, body: &[u8]) {
        if let Ok((_, [])) = postcard::take_from_bytes::<M::Command<'_>>(body) {
            let copy = |room: &mut [u8]| {
                room.get_mut(..body.len())?.copy_from_slice(body);
                Some(body.len())
            };
            // Whoever asked asks again.
            self.raft.propose(copy).ok();
        } else {
            self.raft.drop_unknown_command();
        }
    }
}
