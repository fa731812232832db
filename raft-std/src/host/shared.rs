//! What callers and the consensus thread have in common: an inbox, and why it ended.
//!
//! The lock is held for as long as it takes to add to a list, or to take the list away.

use crate::HostMachine;
use crate::backup::Opened;
use crate::errors::{AdminError, ProposeError, Stopped};
use crate::host::HostStatus;
use crate::slot::Answer;
use crate::waker::Waker;
use raft_core::{Change, Event, NodeId};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// How many commands and reads may wait at one node, and how many bytes of commands.
const WAITING_MAX: usize = 65_536;
const WAITING_BYTES_MAX: usize = 64 << 20;

/// What callers and the consensus thread have in common.
pub(crate) struct Shared<M: HostMachine> {
    inbox: Mutex<Inbox<M>>,
    pub(crate) waker: Waker,
    waiting: Arc<Waiting>,
}

struct Inbox<M: HostMachine> {
    requests: Vec<Request<M>>,
    stopped: Option<Stopped>,
    /// Whether nobody looks into it any more.
    closed: bool,
}

/// How many wait, and their bytes.
#[derive(Default)]
struct Waiting {
    count: AtomicUsize,
    bytes: AtomicUsize,
}

/// One of those that may wait, with so many bytes. It leaves its place when it is dropped.
pub(crate) struct Place(Arc<Waiting>, usize);

/// What callers want.
pub(crate) enum Request<M: HostMachine> {
    Command(Command<M::Output>),
    Read(ReadJob<M>),
    Transfer(Option<NodeId>, Answer<Result<NodeId, AdminError>>),
    Change(Change, Answer<Result<(), AdminError>>),
    Learn(NodeId, String, Answer<bool>),
    Compact(Answer<Result<bool, AdminError>>),
    OpenSnapshot(Answer<Result<Opened, AdminError>>),
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
    /// Looks, and says what was seen.
    pub(crate) look: Box<dyn FnOnce(&M) + Send>,
    pub(crate) until: Instant,
    pub(crate) _place: Place,
}

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

    /// A place for one more that waits, with so many bytes, if there is one.
    pub(crate) fn place(&self, bytes: usize) -> Option<Place> {
        let before = self.waiting.count.fetch_add(1, Ordering::Relaxed);
        let bytes_before = self.waiting.bytes.fetch_add(bytes, Ordering::Relaxed);
        // Made first, so that one too many leaves again.
        let place = Place(Arc::clone(&self.waiting), bytes);
        let fits = before < WAITING_MAX && bytes_before + bytes <= WAITING_BYTES_MAX;
        fits.then_some(place)
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.count.load(Ordering::Relaxed)
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
        self.0.count.fetch_sub(1, Ordering::Relaxed);
        self.0.bytes.fetch_sub(self.1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NotStarted;

    #[test]
    fn no_more_wait_than_may_by_number_and_by_bytes() {
        let shared = Shared::<NotStarted>::new(Waker::new().unwrap());
        let places: Vec<_> = (0..WAITING_MAX).map(|_| shared.place(1).unwrap()).collect();
        assert!(shared.place(1).is_none());
        assert_eq!(shared.waiting(), WAITING_MAX);
        drop(places);
        let large = shared.place(WAITING_BYTES_MAX).unwrap();
        assert!(shared.place(1).is_none() && shared.place(0).is_some());
        drop(large);
        assert!(shared.place(1).is_some());
        assert_eq!(shared.waiting(), 0);
    }
}
