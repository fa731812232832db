//! What callers and the consensus thread have in common: an inbox, and why it ended.
//!
//! The lock is held for as long as it takes to add to a list, or to take the list away.

use crate::HostMachine;
use crate::errors::{AdminError, ProposeError, Stopped};
use crate::host::HostStatus;
use crate::slot::Answer;
use crate::waker::Waker;
use raft_core::{Change, Event, NodeId};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// How many commands and reads may wait at one node.
const WAITING_MAX: usize = 65_536;

/// What callers and the consensus thread have in common.
pub(crate) struct Shared<M: HostMachine> {
    inbox: Mutex<Inbox<M>>,
    pub(crate) waker: Waker,
    waiting: Arc<AtomicUsize>,
}

struct Inbox<M: HostMachine> {
    requests: Vec<Request<M>>,
    stopped: Option<Stopped>,
    /// Whether nobody looks into it any more.
    closed: bool,
}

/// One of those that may wait. It leaves its place when it is dropped.
pub(crate) struct Place(Arc<AtomicUsize>);

/// What callers want.
pub(crate) enum Request<M: HostMachine> {
    Command(Command<M::Output>),
    Read(ReadJob<M>),
    Transfer(Option<NodeId>, Answer<Result<NodeId, AdminError>>),
    Change(Change, Answer<Result<(), AdminError>>),
    Learn(NodeId, String, Answer<bool>),
    Compact(Answer<Result<bool, AdminError>>),
    Status(Answer<HostStatus>),
    Subscribe(SyncSender<Event>),
    End,
}

/// A command on its way.
pub(crate) struct Command<O> {
    pub(crate) bytes: Vec<u8>,
    pub(crate) answer: Answer<Result<O, ProposeError>>,
    pub(crate) _place: Place,
}

/// Somebody who wants to look at the machine.
pub(crate) struct ReadJob<M> {
    pub(crate) how: Read,
    /// Looks, and gives what then says what was seen, unless that was in vain.
    pub(crate) look: Box<dyn FnOnce(&M) -> Seen + Send>,
    pub(crate) until: Instant,
    pub(crate) _place: Place,
}

/// Passes on what was seen, if it is told that it counts.
pub(crate) type Seen = Box<dyn FnOnce(bool)>;

/// What a read may rely on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Read {
    /// It sees everything that was done before it was asked for: a quorum is heard first.
    #[default]
    Linearizable,
    /// The same without hearing anybody, where this node leads and holds a lease, and as true as
    /// [`Settings::lease_drift`](crate::Settings::lease_drift) is. Elsewhere it is an ordinary one.
    Lease,
    /// It sees what this node has applied, however old that is.
    Stale,
}

impl<M: HostMachine> Shared<M> {
    pub(crate) fn new(waker: Waker) -> Self {
        let inbox = Inbox { requests: Vec::new(), stopped: None, closed: false };
        Self { inbox: Mutex::new(inbox), waker, waiting: Arc::default() }
    }

    /// Leaves a request for the thread. If nobody will see it, the answer in it is dropped.
    pub(crate) fn ask(&self, request: Request<M>) {
        let mut inbox = self.lock();
        if inbox.closed {
            // Dropped without the lock: somebody else's code may hang on it.
            drop(inbox);
            return;
        }
        inbox.requests.push(request);
        drop(inbox);
        self.waker.wake();
    }

    /// Takes all requests away, and gives an empty list for the next ones.
    pub(crate) fn take(&self, empty: &mut Vec<Request<M>>) {
        std::mem::swap(&mut self.lock().requests, empty);
    }

    /// A place for one more that waits, if there is one.
    pub(crate) fn place(&self) -> Option<Place> {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        // Made first, so that one too many leaves again.
        let place = Place(Arc::clone(&self.waiting));
        (before < WAITING_MAX).then_some(place)
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Why nothing is answered any more, or nothing about the machine.
    pub(crate) fn stopped(&self) -> Option<Stopped> {
        self.lock().stopped.clone()
    }

    /// The machine answers nothing more, while the thread goes on.
    pub(crate) fn mark(&self, why: Stopped) {
        self.lock().stopped.get_or_insert(why);
    }

    /// The thread ends. What lies in the inbox is dropped.
    pub(crate) fn close(&self, why: Stopped) {
        let mut inbox = self.lock();
        inbox.closed = true;
        inbox.stopped.get_or_insert(why);
        let requests = std::mem::take(&mut inbox.requests);
        drop(inbox);
        drop(requests);
    }

    fn lock(&self) -> MutexGuard<'_, Inbox<M>> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
