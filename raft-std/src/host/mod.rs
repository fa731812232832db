//! The consensus thread: it owns the node, so that there is no lock around it.
//!
//! A turn takes everything that came in, hands it to storage, lets leave what need not wait for
//! that, has it made durable, lets promises leave, applies, and answers. Then the thread sleeps,
//! in one place, until there is a datagram, a caller, the end of a sync, or time to do something.

mod changes;
mod proposals;
mod reads;
mod saving;
mod shared;

use self::changes::Changes;
use self::proposals::Proposals;
use self::reads::Reads;
use self::saving::Saving;
pub use self::shared::Read;
pub(crate) use self::shared::{Command, ReadJob, Request, Shared};
use crate::HostMachine;
use crate::backup::Opened;
use crate::clock::{self, Ticks};
use crate::commands::Batches;
use crate::errors::{AdminError, Stopped};
use crate::links::{LinkCounters, Links, addressed};
use crate::settings::SUBMIT_BYTES;
use crate::storage::{HostStorage, StorageCounters};
use raft_core::{
    Configuration, Event, FlushError, FlushToken, Node, NodeId, Reply, RoleName, Sessions, Status,
};
use std::any::Any;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

/// How many nodes can submit at the same time, each in this life and some of before, and how long
/// an answer may be that outlives a snapshot.
const CLIENTS: usize = 16;
const OUTPUT_BYTES: usize = 64;

/// How often transports are looked after.
const TEND: Duration = Duration::from_secs(1);

/// The application's machine as the core drives it.
pub(crate) type Stack<M> = Sessions<Batches<M>, CLIENTS, OUTPUT_BYTES, SUBMIT_BYTES>;
pub(crate) type HostNode<S, M> = Node<Vec<u8>, S, Stack<M>>;

/// A server at one moment.
#[derive(Clone, Debug)]
pub struct HostStatus {
    /// What the core says of itself.
    pub node: Status,
    /// Who the members are, as far as this node knows, committed or not.
    pub configuration: Configuration,
    /// How full its log is, in hundredths.
    pub log_fill_percent: u32,
    /// What its storage has done.
    pub storage: StorageCounters,
    /// The snapshot that it is being sent: how many bytes have come, and how many there are.
    pub incoming_snapshot: Option<(u32, u32)>,
    /// What became of datagrams.
    pub links: LinkCounters,
    /// How many commands and reads wait for their answers.
    pub waiting: usize,
    /// How often the thread woke up and looked at everything.
    pub turns: u64,
    /// How long the longest of these turns took, in which it heard nobody.
    pub longest_turn: Duration,
    /// How many snapshots of its machine came to nothing. What was wrong is in the log of the
    /// process; the node goes on, and tries again.
    pub failed_snapshots: u64,
}

/// Everything that belongs to the consensus thread.
pub(crate) struct Host<S: HostStorage, M: HostMachine> {
    id: NodeId,
    node: HostNode<S, M>,
    shared: Arc<Shared<M>>,
    links: Links,
    ticks: Ticks,
    /// The flush that is on its way.
    flushing: Option<FlushToken>,
    /// Whether the machine can follow, and so answer.
    answers: bool,
    turns: u64,
    longest_turn: Duration,
    proposals: Proposals<M::Output>,
    reads: Reads<M>,
    changes: Changes,
    saving: Saving<S>,
    subscribers: Vec<SyncSender<Event>>,
    /// Whether there may be something to read from sockets.
    readable: bool,
    /// When transports were looked after last.
    tended: Duration,
    /// Memory for requests that are taken over.
    requests: Vec<Request<M>>,
}

impl<S: HostStorage, M: HostMachine> Host<S, M> {
    pub(crate) fn new(
        node: HostNode<S, M>,
        shared: Arc<Shared<M>>,
        links: Links,
        tick: Duration,
        command_bytes_max: usize,
    ) -> Self {
        let (id, now) = (node.status().id, clock::now());
        Self {
            id,
            node,
            shared,
            links,
            ticks: Ticks::new(tick, now),
            flushing: None,
            answers: true,
            turns: 0,
            longest_turn: Duration::ZERO,
            proposals: Proposals::new(id, command_bytes_max),
            reads: Reads::new(),
            changes: Changes::default(),
            saving: Saving::new(id),
            subscribers: Vec::new(),
            readable: true,
            tended: now,
            requests: Vec::new(),
        }
    }

    /// What the thread does, from its beginning to its end.
    pub(crate) fn run(&mut self) {
        let worked = catch_unwind(AssertUnwindSafe(|| self.work()));
        let why = worked.unwrap_or_else(|panic| Stopped::Panicked(words_of(panic.as_ref())));
        match &why {
            Stopped::ShutDown => log::info!("node {} ends", self.id.0),
            why => log::error!("node {} ends: {why}", self.id.0),
        }
        // The reason first: whoever still waits is told when this host is dropped.
        self.shared.close(why);
    }

    fn work(&mut self) -> Stopped {
        loop {
            let begun = Instant::now();
            if let Err(why) = self.turn() {
                return why;
            }
            self.longest_turn = self.longest_turn.max(begun.elapsed());
            self.sleep();
        }
    }

    fn turn(&mut self) -> Result<(), Stopped> {
        self.turns += 1;
        // Before anything else: whoever was asleep must know it.
        let now = clock::now();
        let over = self.ticks.take(now);
        self.node.advance(over);
        if now.saturating_sub(self.tended) >= TEND {
            self.tended = now;
            self.links.tend();
        }
        // What was seen before a tick was over may be old by now.
        let readable = std::mem::replace(&mut self.readable, true) || over > 0;
        let Self { links, node, ticks, .. } = self;
        links.receive(readable, |frame| {
            // A leader that is heard is promised the time from now on, and not from when this turn
            // began: the thread may have stood still, and datagrams have come, since then.
            match ticks.take(clock::now()) {
                0 => {}
                over => node.advance(over),
            }
            node.receive(frame);
        });
        self.take_requests()?;
        // Commands that found no room find some behind a snapshot.
        self.saving.go_on(&mut self.node, &self.shared.waker)?;
        self.changes.begin(&mut self.node);
        self.proposals.offer(&mut self.node);
        self.reads.ask(&mut self.node, &self.ticks);
        self.begin_flush()?;
        // Appends and heartbeats, while storage works.
        self.transmit();
        if self.end_flush()? {
            self.transmit();
        }
        if self.apply() {
            // A follower waits for that, and would learn of it with the next heartbeat.
            self.node.announce();
            self.transmit();
        }
        self.reads.settle(&mut self.node);
        self.changes.settle(&self.node);
        self.tell_events()?;
        self.maintain()
    }

    fn sleep(&mut self) {
        let ticks = self.node.ticks_until_due();
        if ticks == 0 || self.reads.is_due() {
            return;
        }
        let most = (ticks != u32::MAX).then(|| self.ticks.until(ticks, clock::now()));
        let most = most.into_iter().chain(self.saving.wait(&self.node)).min();
        self.readable = self.shared.waker.sleep(&self.links.sockets(), most);
    }

    fn take_requests(&mut self) -> Result<(), Stopped> {
        let mut requests = std::mem::take(&mut self.requests);
        self.shared.take(&mut requests);
        let mut outcome = Ok(());
        for request in requests.drain(..) {
            if let Err(why) = self.take_request(request) {
                outcome = Err(why);
            }
        }
        self.requests = requests;
        outcome
    }

    fn take_request(&mut self, request: Request<M>) -> Result<(), Stopped> {
        match request {
            Request::Command(command) if self.answers => self.proposals.push(command),
            Request::Read(job) if self.answers => self.reads.push(job),
            // The machine answers nothing more, and whoever asked is told so.
            Request::Command(_) | Request::Read(_) => {}
            Request::Transfer(to, answer) => self.changes.transfer(to, answer, &mut self.node),
            Request::Change(change, answer) => self.changes.change(change, answer),
            Request::Learn(peer, address, answer) => {
                answer.give(self.links.learn(peer, &address));
            }
            Request::Compact(answer) => self.saving.ask(answer),
            Request::OpenSnapshot(answer) => answer.give(open_snapshot(&mut self.node)),
            Request::Status(answer) => answer.give(self.status()),
            Request::Subscribe(subscriber) => self.subscribers.push(subscriber),
            Request::End => {
                // What was promised is durable already; this spares some work at the next start.
                self.node.flush().ok();
                return Err(Stopped::ShutDown);
            }
        }
        Ok(())
    }

    fn status(&self) -> HostStatus {
        HostStatus {
            node: self.node.status(),
            configuration: self.node.configuration().clone(),
            log_fill_percent: self.node.log().fill_percent(),
            storage: self.node.storage().counters(),
            incoming_snapshot: self.node.incoming_snapshot(),
            links: self.links.counters(),
            waiting: self.shared.waiting(),
            turns: self.turns,
            longest_turn: self.longest_turn,
            failed_snapshots: self.saving.failures(),
        }
    }

    fn begin_flush(&mut self) -> Result<(), Stopped> {
        let before = self.node.applied();
        match self.node.begin_flush() {
            Ok(None) => {}
            Ok(token) => self.flushing = token,
            Err(error) => return Err(stopped(error)),
        }
        if self.node.applied() != before {
            log::info!("node {} was sent a snapshot up to {}", self.id.0, self.node.applied().0);
            self.proposals.jump(self.node.applied());
            self.proposals.look_at_session(&mut self.node, None);
        }
        Ok(())
    }

    /// Says whether a flush has ended.
    fn end_flush(&mut self) -> Result<bool, Stopped> {
        let ended = match self.node.storage_mut().poll_flushed() {
            None => false,
            Some(Ok(())) => self.flushing.take().is_some_and(|token| self.node.flushed(token)),
            Some(Err(error)) => {
                self.node.flush_failed();
                return Err(Stopped::Storage(format!("{error:?}")));
            }
        };
        Ok(ended)
    }

    /// Gives storage time for what it would do in a flush, after all else.
    fn maintain(&mut self) -> Result<(), Stopped> {
        if self.node.upkeep() > 0 {
            // Where it must wait the node is due, and the next turn comes at once.
            self.node.maintain().map_err(stopped)?;
        }
        Ok(())
    }

    fn transmit(&mut self) {
        self.links.transmit(|buffer| self.node.transmit(buffer).map(addressed));
    }

    /// Says whether something was applied that came through a session, and so perhaps from another
    /// node.
    fn apply(&mut self) -> bool {
        let mut submitted = false;
        while let Some(applied) = self.node.apply() {
            submitted |= !matches!(applied.output, Reply::Bare(_));
            self.proposals.applied(&mut self.node, applied);
        }
        self.proposals.settle(self.node.applied());
        submitted
    }

    fn tell_events(&mut self) -> Result<(), Stopped> {
        while let Some(event) = self.node.poll_event() {
            self.log(event);
            self.changes.heed(event);
            // Whoever is so far behind that there is no room any more hears no more.
            self.subscribers.retain(|subscriber| subscriber.try_send(event).is_ok());
            match event {
                Event::Stopped(fault) => return Err(Stopped::Fault(fault)),
                Event::ApplyStopped(fault) => {
                    self.answers = false;
                    self.shared.mark(Stopped::Apply(fault));
                    self.proposals.clear();
                    self.reads.clear();
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn log(&self, event: Event) {
        let id = self.id.0;
        match event {
            Event::Role { role: RoleName::Leader, term } => {
                log::info!("node {id} leads in term {}", term.0);
            }
            Event::Role { role, term } => log::debug!("node {id} is {role:?} in term {}", term.0),
            Event::Leader(Some(leader)) if leader == self.id => {}
            Event::Leader(Some(leader)) => log::info!("node {id} follows node {}", leader.0),
            Event::Leader(None) => log::info!("node {id} knows no leader"),
            Event::TransferFailed(to) => {
                log::warn!("node {id} leads on: node {} did not take over", to.0);
            }
            Event::SnapshotTooLarge(bytes) => {
                log::error!("node {id}: a snapshot of {bytes} bytes does not fit its storage");
            }
            Event::UnequalSettings => {
                log::error!("node {id} has other settings than its cluster, and can't take part");
            }
            Event::EntriesLost => {
                log::error!(
                    "node {id}: its storage lost entries; it counts again when they are back"
                );
            }
            Event::Refilled => log::info!("node {id} has back what its storage had lost"),
            Event::Stopped(_) => {}
            Event::ApplyStopped(fault) => {
                log::error!("node {id} applies nothing more: {fault:?}");
            }
        }
    }
}

/// Opens the snapshot that the node has now, for whoever takes a backup.
fn open_snapshot<S: HostStorage, M: HostMachine>(
    node: &mut HostNode<S, M>,
) -> Result<Opened, AdminError> {
    let snapshot = node.snapshot();
    let source = node.storage_mut().open_snapshot(snapshot.bytes);
    let failed = |error| AdminError::Stopped(Stopped::Storage(format!("{error:?}")));
    Ok(Opened { snapshot, source: source.map_err(failed)? })
}

fn stopped<E: Debug>(error: FlushError<E>) -> Stopped {
    match error {
        FlushError::Storage(error) => Stopped::Storage(format!("{error:?}")),
        FlushError::Stopped(fault) => Stopped::Fault(fault),
    }
}

/// What a panic said.
pub(crate) fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "nothing that can be read".to_owned())
}

#[cfg(test)]
mod tests;
