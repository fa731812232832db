//! Commands of this node's callers on their way into the log, and their answers on the way back.
//!
//! # Why each is applied exactly once
//!
//! Where this node **leads**, commands go into its own log, as many at once as there are, and what
//! tells them is their place: if the entry at that index is applied with that term, it was them. If
//! the machine comes past that index otherwise, they never were applied and never will be, and they
//! are asked for anew. So while the machine sees every entry there is no doubt, and a session would
//! only say the same at the cost of one command at a time.
//!
//! Where another node leads, a datagram that was lost and one whose answer is late look the same,
//! and asking again could do it twice. There they go through this node's **session** in the core
//! ([`Node::submit`]): numbered, asked for again until they are seen, applied once. It takes one
//! request at a time, which is as many commands as fit into a frame.
//!
//! There is one hole in what a machine sees: a snapshot that takes the place of entries. The
//! session is in it, so a submitted request is known even then. What this node proposed as a leader
//! of before is not, and is answered with "unknown": neither asked for again nor claimed.
//!
//! [`Node::submit`]: raft_core::Node::submit

use super::HostNode;
use super::shared::Command;
use crate::HostMachine;
use crate::commands::Commands;
use crate::errors::ProposeError;
use crate::storage::HostStorage;
use raft_core::{
    Applied, Index, NodeId, ProposeError as Refusal, Reply, Request, SubmitError, Submitted, Term,
};
use std::collections::{BTreeMap, VecDeque};

/// Commands between their callers and the log.
pub(crate) struct Proposals<O> {
    id: NodeId,
    /// How many bytes of commands go into one entry.
    bytes_max: usize,
    /// Those that are nowhere yet.
    queue: VecDeque<Command<O>>,
    /// Those that this node put into its log, by their places. A place may have been given twice,
    /// in different terms.
    placed: BTreeMap<Index, Vec<Placed<O>>>,
    /// Those that the session was asked for.
    submitted: Vec<Command<O>>,
    /// Memory for the commands of one entry.
    bytes: Vec<u8>,
}

/// The commands of one entry, and the term in which it was put into the log.
type Placed<O> = (Term, Vec<Command<O>>);

impl<O> Proposals<O> {
    pub(crate) fn new(id: NodeId, bytes_max: usize) -> Self {
        let (queue, placed) = (VecDeque::new(), BTreeMap::new());
        Self { id, bytes_max, queue, placed, submitted: Vec::new(), bytes: Vec::new() }
    }

    pub(crate) fn push(&mut self, command: Command<O>) {
        self.queue.push_back(command);
    }

    /// Nothing is applied any more: whoever waits is told so.
    pub(crate) fn clear(&mut self) {
        self.queue.clear();
        self.placed.clear();
        self.submitted.clear();
    }

    /// Moves as much of the queue into the log, or toward the leader, as goes now.
    pub(crate) fn offer<S: HostStorage, M: HostMachine<Output = O>>(
        &mut self,
        node: &mut HostNode<S, M>,
    ) {
        let leader = node.leader();
        if leader == Some(self.id) {
            while self.place(node) {}
        } else if leader.is_some() && self.submitted.is_empty() {
            self.submit(node);
        }
    }

    /// Puts one entry into this leader's log. Says whether there may be another.
    fn place<S: HostStorage, M: HostMachine<Output = O>>(
        &mut self,
        node: &mut HostNode<S, M>,
    ) -> bool {
        let Some(batch) = self.pack() else { return false };
        let commands = Commands::Encoded { count: count(&batch), bytes: &self.bytes };
        let proposed = node.propose(&Request::Bare(commands));
        match proposed {
            Ok(place) => self.placed.entry(place.index).or_default().push((place.term, batch)),
            Err(Refusal::TooLarge) => refuse(batch, self.bytes_max),
            Err(_) => {
                // A full log, or a transfer: the time will come.
                self.put_back(batch);
                return false;
            }
        }
        true
    }

    fn submit<S: HostStorage, M: HostMachine<Output = O>>(&mut self, node: &mut HostNode<S, M>) {
        let Some(batch) = self.pack() else { return };
        let submitted =
            node.submit(&Commands::Encoded { count: count(&batch), bytes: &self.bytes });
        match submitted {
            Ok(()) => self.submitted = batch,
            Err(SubmitError::TooLarge) => refuse(batch, self.bytes_max),
            Err(SubmitError::Busy) => self.put_back(batch),
        }
    }

    /// The machine has seen an entry, and this is what it said to it.
    pub(crate) fn applied<S: HostStorage, M: HostMachine<Output = O>>(
        &mut self,
        node: &mut HostNode<S, M>,
        applied: Applied<Reply<Vec<O>>>,
    ) {
        let Applied { position, output } = applied;
        let seen = match output {
            Reply::Bare(outputs) => {
                if let Some(batch) = self.at(position.index, position.term) {
                    answer(batch, outputs);
                }
                None
            }
            Reply::Done { output, .. } => Some(output),
            _ => None,
        };
        self.look_at_session(node, seen);
    }

    /// Asks what became of the submitted commands. If the entry that was applied just now is what
    /// settled it, its own answer is whole; the session keeps short ones only.
    pub(crate) fn look_at_session<S: HostStorage, M: HostMachine<Output = O>>(
        &mut self,
        node: &mut HostNode<S, M>,
        seen: Option<Vec<O>>,
    ) {
        // Even if nobody waits any more: the node does not sleep before it was asked.
        let Some(submitted) = node.poll_submit() else { return };
        let batch = std::mem::take(&mut self.submitted);
        match submitted {
            Submitted::Applied(kept) => match seen.or(kept) {
                Some(outputs) => answer(batch, outputs),
                None => fail(batch, &ProposeError::AnswerLost),
            },
            Submitted::Unknown => fail(batch, &ProposeError::Unknown),
        }
    }

    /// The machine has seen every entry up to this one: what stood there and was not it comes
    /// again.
    pub(crate) fn settle(&mut self, applied: Index) {
        if self.placed.first_key_value().is_some_and(|(first, _)| *first <= applied) {
            let later = self.placed.split_off(&applied.next());
            let lost = std::mem::replace(&mut self.placed, later);
            for (_, batch) in lost.into_values().rev().flatten() {
                self.put_back(batch);
            }
        }
    }

    /// The machine became that of a snapshot up to this entry: nobody saw what stood before.
    pub(crate) fn jump(&mut self, applied: Index) {
        let later = self.placed.split_off(&applied.next());
        let unseen = std::mem::replace(&mut self.placed, later);
        for (_, batch) in unseen.into_values().flatten() {
            fail(batch, &ProposeError::Unknown);
        }
    }

    /// Commands at the front of the queue, encoded one after the other: as many as fit.
    fn pack(&mut self) -> Option<Vec<Command<O>>> {
        self.bytes.clear();
        let mut batch = Vec::new();
        while let Some(command) = self.queue.front() {
            if !batch.is_empty() && self.bytes.len() + command.bytes.len() > self.bytes_max {
                break;
            }
            let Some(command) = self.queue.pop_front() else { break };
            // From here on it can't be withdrawn.
            if command.answer.begin() {
                self.bytes.extend_from_slice(&command.bytes);
                batch.push(command);
            }
        }
        (!batch.is_empty()).then_some(batch)
    }

    fn put_back(&mut self, batch: Vec<Command<O>>) {
        for command in batch.into_iter().rev() {
            if command.answer.recall() {
                self.queue.push_front(command);
            }
        }
    }

    /// The commands that were put at this place in this term.
    fn at(&mut self, index: Index, term: Term) -> Option<Vec<Command<O>>> {
        let here = self.placed.get_mut(&index)?;
        let place = here.iter().position(|(of, _)| *of == term)?;
        Some(here.swap_remove(place).1)
    }
}

fn count<O>(batch: &[Command<O>]) -> u32 {
    u32::try_from(batch.len()).unwrap_or(u32::MAX)
}

fn answer<O>(batch: Vec<Command<O>>, outputs: Vec<O>) {
    for (command, output) in batch.into_iter().zip(outputs) {
        command.answer.give(Ok(output));
    }
}

fn fail<O>(batch: Vec<Command<O>>, error: &ProposeError) {
    for command in batch {
        command.answer.give(Err(error.clone()));
    }
}

fn refuse<O>(batch: Vec<Command<O>>, most_bytes: usize) {
    for Command { bytes, answer, .. } in batch {
        answer.give(Err(ProposeError::TooLarge { bytes: bytes.len(), most_bytes }));
    }
}
