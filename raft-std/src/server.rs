//! A node of a cluster, running in a thread of its own, as its callers see it.
//!
//! Every call may be made from any thread, and every wait has an end: when there is an answer, when
//! the caller's time is over, or when the server has stopped, which is then said.

use crate::HostMachine;
use crate::backup::Opened;
use crate::errors::{AdminError, ProposeError, ReadError, Stopped};
use crate::host::{Command, HostStatus, Read, ReadJob, Request, Shared};
use crate::setup::Setup;
use crate::slot::{Answer, Outcome, slot};
use crate::ticket::{Reading, Ticket};
use raft_core::{
    Change, ClusterId, Event, Identity, LoadError, Loader, Machine, NodeId, Nonce, Saver,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How many events wait for a subscriber before it is given up.
const EVENTS_MAX: usize = 1024;

/// A running node. It ends when this is dropped.
pub struct Server<M: HostMachine> {
    identity: Identity,
    shared: Arc<Shared<M>>,
    /// Held by whoever waits for its end.
    thread: Mutex<Option<JoinHandle<()>>>,
    patience: Duration,
    command_bytes_max: usize,
}

/// Stands for the machine of a server that has none yet.
#[doc(hidden)]
#[derive(Clone)]
pub enum NotStarted {}

impl Server<NotStarted> {
    /// A server to be: this node, and its address, `host:port`, as its peers know it.
    #[expect(clippy::new_ret_no_self, reason = "it is said in steps what it will be")]
    pub fn new(id: NodeId, address: &str) -> Setup {
        Setup::new(id, Some(address))
    }

    /// A server to be that has no address of its own, and reaches its peers by the transports that
    /// it is given.
    pub fn without_address(id: NodeId) -> Setup {
        Setup::new(id, None)
    }
}

impl<M: HostMachine> Server<M> {
    pub(crate) const fn started(
        identity: Identity,
        shared: Arc<Shared<M>>,
        thread: JoinHandle<()>,
        patience: Duration,
        command_bytes_max: usize,
    ) -> Self {
        let thread = Mutex::new(Some(thread));
        Self { identity, shared, thread, patience, command_bytes_max }
    }

    /// Has a command applied, exactly once, whichever node leads. Returns when this node has
    /// applied it, with what its machine answered.
    pub fn propose(&self, command: &M::Command<'_>) -> Result<M::Output, ProposeError> {
        self.begin(command).wait(self.patience)
    }

    /// The same without waiting. Commands that are under way together are applied in any order.
    pub fn begin(&self, command: &M::Command<'_>) -> Ticket<M> {
        let (answer, waiting) = slot();
        let ticket = Ticket::new(waiting, Arc::clone(&self.shared));
        let bytes = match postcard::to_allocvec(command) {
            Ok(bytes) => bytes,
            Err(error) => {
                answer.give(Err(ProposeError::Unwritable(error.to_string())));
                return ticket;
            }
        };
        let most_bytes = self.command_bytes_max;
        if bytes.len() > most_bytes {
            answer.give(Err(ProposeError::TooLarge { bytes: bytes.len(), most_bytes }));
        } else if let Some(place) = self.shared.place(bytes.len()) {
            self.shared.ask(Request::Command(Command { bytes, answer, _place: place }));
        } else {
            answer.give(Err(ProposeError::Busy));
        }
        ticket
    }

    /// Looks at the machine when it has seen everything that was done before this was asked for.
    /// The reader runs on the consensus thread: what takes long belongs elsewhere.
    pub fn read<R: Send + 'static>(
        &self,
        reader: impl FnOnce(&M) -> R + Send + 'static,
    ) -> Result<R, ReadError> {
        self.read_with(Read::Linearizable, reader)
    }

    /// Looks at the machine when it has seen as much as is asked for.
    pub fn read_with<R: Send + 'static>(
        &self,
        how: Read,
        reader: impl FnOnce(&M) -> R + Send + 'static,
    ) -> Result<R, ReadError> {
        self.begin_read(how, reader).wait(self.patience)
    }

    /// The same without waiting.
    pub fn begin_read<R: Send + 'static>(
        &self,
        how: Read,
        reader: impl FnOnce(&M) -> R + Send + 'static,
    ) -> Reading<M, R> {
        let (answer, waiting) = slot();
        let reading = Reading::new(waiting, Arc::clone(&self.shared));
        let Some(place) = self.shared.place(0) else {
            answer.give(Err(ReadError::Busy));
            return reading;
        };
        let until = Instant::now() + self.patience;
        let look = Box::new(move |machine: &M| {
            let seen = catch_unwind(AssertUnwindSafe(|| reader(machine)));
            answer.give(seen.map_err(|_| ReadError::Panicked));
        });
        self.shared.ask(Request::Read(ReadJob { how, look, until, _place: place }));
        reading
    }

    /// Hands leadership to this voter, or to whoever has caught up best; says who leads then. Only
    /// the leader can.
    pub fn transfer(&self, to: Option<NodeId>) -> Result<NodeId, AdminError> {
        self.administer(|answer| Request::Transfer(to, answer))
    }

    /// Takes in a node that votes as soon as it has caught up, and returns then. Only the leader
    /// can. The nonce is what [`Server::nonce`] says there; every other node is to be told the
    /// address by [`Server::learn`], or it could not lead the new one.
    pub fn add(&self, id: NodeId, nonce: Nonce, address: &str) -> Result<(), AdminError> {
        self.learn(id, address)?;
        self.change(Change::AddVoter { id, nonce })
    }

    /// Removes a member, and returns when it is one no more. Only the leader can; it can remove
    /// itself.
    pub fn remove(&self, id: NodeId) -> Result<(), AdminError> {
        self.change(Change::Remove(id))
    }

    /// Changes the members in any other way, and returns when that has come about. Only the leader
    /// can.
    pub fn change(&self, change: Change) -> Result<(), AdminError> {
        self.administer(|answer| Request::Change(change, answer))
    }

    /// Takes a snapshot of this node's machine as it is now, and makes room in its log; says
    /// whether there was anything new. A node does this by itself when its log is full enough. Its
    /// machine is copied, and goes on while the copy is saved: a large one may take longer than the
    /// callers' patience, and is taken all the same.
    pub fn compact(&self) -> Result<bool, AdminError> {
        self.administer(Request::Compact)
    }

    /// Opens the snapshot that this node has now.
    pub(crate) fn open_snapshot(&self) -> Result<Opened, AdminError> {
        self.administer(Request::OpenSnapshot)
    }

    /// Learns the address of a node, or another one. Transports that find their peers by themselves
    /// need none, and the address is empty.
    pub fn learn(&self, id: NodeId, address: &str) -> Result<(), AdminError> {
        if address.is_empty() {
            return Ok(());
        }
        let (answer, waiting) = slot();
        self.shared.ask(Request::Learn(id, address.to_owned(), answer));
        match waiting.wait(Instant::now() + self.patience) {
            Outcome::Given(true) => Ok(()),
            Outcome::Given(false) => Err(AdminError::Address(address.to_owned())),
            outcome => Err(self.unfinished(&outcome)),
        }
    }

    /// How it is at the moment.
    pub fn status(&self) -> Result<HostStatus, Stopped> {
        self.view().status()
    }

    /// Who may look at it from another thread, while it runs and afterwards.
    pub(crate) fn view(&self) -> View<M> {
        View { shared: Arc::clone(&self.shared), patience: self.patience }
    }

    /// What happens from now on. Whoever lets more than a thousand events wait hears no more.
    pub fn subscribe(&self) -> Receiver<Event> {
        let (sender, receiver) = sync_channel(EVENTS_MAX);
        self.shared.ask(Request::Subscribe(sender));
        receiver
    }

    /// Why it answers no more, if so.
    pub fn stopped(&self) -> Option<Stopped> {
        self.shared.stopped()
    }

    /// Which node this is.
    pub const fn id(&self) -> NodeId {
        self.identity.id
    }

    /// The cluster that its storage belongs to.
    pub const fn cluster(&self) -> ClusterId {
        self.identity.cluster
    }

    /// What its storage is known by: see [`Server::add`].
    pub const fn nonce(&self) -> Nonce {
        self.identity.nonce
    }

    /// Ends it: leadership is handed over first, if it leads and somebody can take it, and what it
    /// holds is flushed. Whoever still waits is told.
    pub fn shut_down(&self) {
        // If nobody takes over, the others elect somebody.
        self.transfer(None).ok();
        self.end();
    }

    /// Ends it without handing anything over, as dropping it does.
    pub fn end(&self) {
        self.shared.ask(Request::End);
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            // A panic in there has been logged, and told to everyone.
            thread.join().ok();
        }
    }

    fn administer<T>(
        &self,
        request: impl FnOnce(Answer<Result<T, AdminError>>) -> Request<M>,
    ) -> Result<T, AdminError> {
        let (answer, waiting) = slot();
        self.shared.ask(request(answer));
        match waiting.wait(Instant::now() + self.patience) {
            Outcome::Given(outcome) => outcome,
            outcome => Err(self.unfinished(&outcome)),
        }
    }

    fn unfinished<T>(&self, outcome: &Outcome<T>) -> AdminError {
        match (outcome, self.stopped()) {
            (Outcome::Dropped, Some(why)) => AdminError::Stopped(why),
            _ => AdminError::Unfinished,
        }
    }
}

/// Looks at a server that somebody else has.
pub(crate) struct View<M: HostMachine> {
    shared: Arc<Shared<M>>,
    patience: Duration,
}

impl<M: HostMachine> View<M> {
    pub(crate) fn status(&self) -> Result<HostStatus, Stopped> {
        let (answer, waiting) = slot();
        self.shared.ask(Request::Status(answer));
        match waiting.wait(Instant::now() + self.patience) {
            Outcome::Given(status) => Ok(status),
            _ => Err(self.shared.stopped().unwrap_or(Stopped::Silent)),
        }
    }
}

impl<M: HostMachine> Drop for Server<M> {
    fn drop(&mut self) {
        self.end();
    }
}

impl Machine for NotStarted {
    type Command<'a> = ();
    type Output = ();

    fn apply(&mut self, (): ()) {}

    fn save(&self, _: &mut Saver<'_>) {}

    fn restore(&mut self, _: &mut Loader<'_>, _: u16) -> Result<(), LoadError> {
        Ok(())
    }
}
