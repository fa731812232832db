//! A command that is under way, in the hands of whoever asked for it.

use crate::HostMachine;
use crate::errors::{ProposeError, Stopped};
use crate::host::Shared;
use crate::slot::{Outcome, Waiting};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A command that is under way. Dropping it changes nothing: the command goes on.
pub struct Ticket<M: HostMachine> {
    waiting: Waiting<Result<M::Output, ProposeError>>,
    shared: Arc<Shared<M>>,
}

impl<M: HostMachine> Ticket<M> {
    pub(crate) const fn new(
        waiting: Waiting<Result<M::Output, ProposeError>>,
        shared: Arc<Shared<M>>,
    ) -> Self {
        Self { waiting, shared }
    }

    /// What came of it, if that is known, once: afterwards it is [`ProposeError::Unknown`].
    pub fn poll(&self) -> Option<Result<M::Output, ProposeError>> {
        self.waiting.poll().map(|outcome| Self::told(outcome, &self.shared))
    }

    /// Waits until it is known what came of it. A command that was not even sent when the time is
    /// over never will be.
    pub fn wait(self, patience: Duration) -> Result<M::Output, ProposeError> {
        Self::told(self.waiting.wait(Instant::now() + patience), &self.shared)
    }

    fn told(
        outcome: Outcome<Result<M::Output, ProposeError>>,
        shared: &Shared<M>,
    ) -> Result<M::Output, ProposeError> {
        match outcome {
            Outcome::Given(answer) => answer,
            Outcome::Withdrawn => Err(ProposeError::Withdrawn),
            Outcome::Late => Err(ProposeError::Unknown),
            Outcome::Dropped => {
                let why: Option<Stopped> = shared.stopped();
                Err(why.map_or(ProposeError::Unknown, ProposeError::Stopped))
            }
        }
    }
}
