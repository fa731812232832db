//! A command or a read that is under way, in the hands of whoever asked for it.

use crate::HostMachine;
use crate::errors::{ProposeError, ReadError, Stopped};
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

    /// Has this called when there is something to [poll](Ticket::poll): at once if there is by now,
    /// else by the consensus thread, which goes on when it returns. It is to be short, must not
    /// wait for this server, and must not panic.
    pub fn on_known(&self, call: impl FnOnce() + Send + 'static) {
        self.waiting.call(Box::new(call));
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

/// A read that is under way. Dropping it changes nothing.
pub struct Reading<M: HostMachine, R> {
    waiting: Waiting<Result<R, ReadError>>,
    shared: Arc<Shared<M>>,
}

impl<M: HostMachine, R> Reading<M, R> {
    pub(crate) const fn new(
        waiting: Waiting<Result<R, ReadError>>,
        shared: Arc<Shared<M>>,
    ) -> Self {
        Self { waiting, shared }
    }

    /// What was seen, if it was, once: afterwards it is [`ReadError::Unanswered`].
    pub fn poll(&self) -> Option<Result<R, ReadError>> {
        self.waiting.poll().map(|outcome| Self::told(outcome, &self.shared))
    }

    /// As [`Ticket::on_known`] does.
    pub fn on_known(&self, call: impl FnOnce() + Send + 'static) {
        self.waiting.call(Box::new(call));
    }

    /// Waits until it is known what there is to see.
    pub fn wait(self, patience: Duration) -> Result<R, ReadError> {
        Self::told(self.waiting.wait(Instant::now() + patience), &self.shared)
    }

    fn told(outcome: Outcome<Result<R, ReadError>>, shared: &Shared<M>) -> Result<R, ReadError> {
        match outcome {
            Outcome::Given(seen) => seen,
            Outcome::Withdrawn | Outcome::Late => Err(ReadError::Unanswered),
            Outcome::Dropped => {
                Err(shared.stopped().map_or(ReadError::Unanswered, ReadError::Stopped))
            }
        }
    }
}
