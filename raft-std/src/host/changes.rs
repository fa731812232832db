//! Changes of the members and transfers of leadership, until they have come about.
//!
//! The core says when something has begun. Whoever asked for it wants to know when it is done, and
//! need not know that a new leader, or the change before, makes everybody wait a little.

use super::HostNode;
use crate::HostMachine;
use crate::errors::AdminError;
use crate::slot::Answer;
use crate::storage::HostStorage;
use raft_core::{Change, ChangeError, Configuration, Event, NodeId, TransferError};

type Changing = Answer<Result<(), AdminError>>;
type Transferring = Answer<Result<NodeId, AdminError>>;

/// What was asked for and has not come about.
#[derive(Default)]
pub(crate) struct Changes {
    /// Those that no leader could begin yet.
    waiting: Vec<(Change, Changing)>,
    begun: Vec<(Change, Changing)>,
    transfers: Vec<Transferring>,
}

impl Changes {
    pub(crate) fn change(&mut self, change: Change, answer: Changing) {
        self.waiting.push((change, answer));
    }

    pub(crate) fn transfer<S: HostStorage, M: HostMachine>(
        &mut self,
        to: Option<NodeId>,
        answer: Transferring,
        node: &mut HostNode<S, M>,
    ) {
        match node.transfer(to) {
            Ok(_) => self.transfers.push(answer),
            Err(TransferError::NotLeader(leader)) => {
                answer.give(Err(AdminError::NotLeader(leader)));
            }
            Err(error) => answer.give(Err(AdminError::Transfer(error))),
        }
    }

    /// Begins what can begin.
    pub(crate) fn begin<S: HostStorage, M: HostMachine>(&mut self, node: &mut HostNode<S, M>) {
        for (change, answer) in std::mem::take(&mut self.waiting) {
            if answer.is_unwanted() {
                continue;
            }
            match node.change_membership(change) {
                Ok(_) => self.begun.push((change, answer)),
                Err(
                    ChangeError::TooEarly | ChangeError::InProgress | ChangeError::Transferring(_),
                ) => self.waiting.push((change, answer)),
                Err(ChangeError::NotLeader(leader)) => {
                    answer.give(Err(AdminError::NotLeader(leader)));
                }
                Err(error) => answer.give(Err(AdminError::Change(error))),
            }
        }
    }

    /// Answers where something has come about.
    pub(crate) fn settle<S: HostStorage, M: HostMachine>(&mut self, node: &HostNode<S, M>) {
        if self.begun.is_empty() && self.transfers.is_empty() {
            return;
        }
        let status = node.status();
        if status.configured_at <= status.committed {
            let configuration = node.configuration();
            for (change, answer) in std::mem::take(&mut self.begun) {
                if has_come_about(change, configuration) {
                    answer.give(Ok(()));
                } else if !answer.is_unwanted() {
                    self.begun.push((change, answer));
                }
            }
        }
        if let Some(leader) = status.leader.filter(|leader| *leader != status.id) {
            self.transfers.drain(..).for_each(|answer| answer.give(Ok(leader)));
        }
    }

    /// Looks whether an event is about any of them.
    pub(crate) fn heed(&mut self, event: Event) {
        if let Event::TransferFailed(_) = event {
            let answers = self.transfers.drain(..);
            answers.for_each(|answer| answer.give(Err(AdminError::NotTaken)));
        }
    }
}

/// Whether the members are what the change was to make of them.
fn has_come_about(change: Change, configuration: &Configuration) -> bool {
    let members = configuration.membership.members();
    let (incoming, outgoing) =
        (configuration.membership.incoming, configuration.membership.outgoing);
    let learners = configuration.membership.learners;
    let at_rest = outgoing.is_empty();
    match change {
        Change::AddLearner { id, nonce } => configuration.nonce(id) == Some(nonce),
        Change::AddVoter { id, .. } | Change::Promote(id) => at_rest && incoming.contains(id),
        Change::Replace { old, new, .. } => {
            at_rest && incoming.contains(new) && !members.contains(old)
        }
        Change::Remove(id) => at_rest && !members.contains(id),
        Change::Set { voters, learners: wanted } => {
            at_rest && incoming == voters && learners == wanted
        }
    }
}
