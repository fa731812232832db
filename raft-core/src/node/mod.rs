//! The whole of a node: consensus, its storage and its machine behind one set of calls.
//!
//! Nothing here decides anything. A node moves records to storage, commands to the machine and
//! datagrams to and from its part of the consensus, in the order that keeps promises.

mod alone;
mod barrier;
mod draft;
mod looks;
mod reads;
mod recovery;
mod saved;
mod snapshot;
mod submit;

pub use self::alone::{Alone, AloneError, recover_alone};
pub use self::draft::Draft;
pub use self::recovery::RecoverError;
pub use self::saved::{FoundError, Saved};
pub use self::snapshot::CompactError;
use self::submit::Forwarding;
use crate::config::{Config, ConfigError};
use crate::durable::FlushToken;
use crate::log::{Kind, Log};
use crate::machine::{Applied, Machine};
use crate::raft::{Change, ChangeError, Given, Kept, ProposeError, Raft, TransferError};
use crate::status::{ApplyFault, Event, Fault, Reported};
use crate::storage::Storage;
use crate::types::{Index, NodeId, Position};
use crate::wire::{Frame, Packet, Recipient};

/// One member of a cluster. Its methods are of four kinds.
///
/// **Inputs** change what the node knows and send nothing: [`tick`](Node::tick) and
/// [`advance`](Node::advance) (call them before any other input that happened later),
/// [`receive`](Node::receive), [`propose`](Node::propose), [`campaign`](Node::campaign),
/// [`transfer`](Node::transfer), [`abort_transfer`](Node::abort_transfer),
/// [`read`](Node::read), [`read_lease`](Node::read_lease),
/// [`change_membership`](Node::change_membership), [`set_extra_wait`](Node::set_extra_wait),
/// [`announce`](Node::announce).
///
/// **The barrier** makes it durable: [`flush`](Node::flush), or
/// [`begin_flush`](Node::begin_flush) and [`flushed`](Node::flushed) around storage that finishes
/// later. A leader's heartbeats and appends may leave in between; promises wait by themselves.
/// [`maintain`](Node::maintain) does ahead of it what storage would have to do in it.
///
/// **Outputs** are asked for until there are none: [`transmit`](Node::transmit),
/// [`apply`](Node::apply), [`poll_read`](Node::poll_read), [`poll_event`](Node::poll_event).
///
/// **Looks** change nothing: [`status`](Node::status), [`leader`](Node::leader),
/// [`ticks_until_due`](Node::ticks_until_due), [`upkeep`](Node::upkeep),
/// [`machine`](Node::machine).
///
/// Any of them may be called at any time, as often or as rarely as suits; every call does an
/// amount of work that the node's memory bounds.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Node<B: AsRef<[u8]> + AsMut<[u8]>, S, M> {
    raft: Raft<B>,
    storage: S,
    machine: M,
    /// The last entry that the machine has seen.
    applied: Index,
    apply_fault: Option<ApplyFault>,
    /// How large a snapshot was that storage has no room for, and up to where.
    oversize: Option<u32>,
    oversize_at: Index,
    forwarding: Forwarding,
    reported: Reported,
}

/// Why a flush came to nothing. Either is final: the node has stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum FlushError<E> {
    /// The storage said so, just now.
    Storage(E),
    /// The node had stopped before.
    Stopped(Fault),
}

impl<B, S, M> Node<B, S, M>
where
    B: AsRef<[u8]> + AsMut<[u8]>,
    S: Storage,
    M: Machine,
{
    /// Makes a node from what its storage holds, with a machine in its first state.
    ///
    /// `log_memory` is the log's memory: its length is the one capacity there is to choose, and
    /// what is in it does not matter. Blank storage is refused, whatever the configuration says.
    pub fn recover(
        config: Config,
        log_memory: B,
        mut storage: S,
        mut machine: M,
    ) -> Result<Self, RecoverError<S::Error>> {
        config.check().map_err(RecoverError::Config)?;
        if config.machine_shape != M::SHAPE {
            let shape = M::SHAPE;
            return Err(RecoverError::Config(ConfigError::MachineShape { shape }));
        }
        let mut log = Log::new(log_memory).map_err(RecoverError::Memory)?;
        if config.least_log_bytes > log.bytes() {
            return Err(RecoverError::LogBelowLeast { least_bytes: config.least_log_bytes });
        }
        let most_bytes = log.client_bytes_max() + Config::APPEND_BYTES;
        if config.frame_bytes as usize > most_bytes {
            let most_bytes = u32::try_from(most_bytes).unwrap_or(u32::MAX);
            return Err(RecoverError::FrameExceedsLog { most_bytes });
        }
        recovery::suits(&config, &storage)?;
        let mut kept = Kept::default();
        recovery::load(&config, &mut log, &mut storage, &mut machine, &mut kept)?;
        let mut made = Self::made_of(config, log, &kept, storage, machine);
        if let Ok(node) = &mut made {
            node.settle()?;
        }
        made
    }

    /// A node is large, and made where the caller wants it. Were this merged with what reads the
    /// storage, each of its many fields would lie on the stack meanwhile.
    #[inline(never)]
    fn made_of(
        config: Config,
        log: Log<B>,
        kept: &Kept,
        storage: S,
        machine: M,
    ) -> Result<Self, RecoverError<S::Error>> {
        let (apply_fault, applied) = (kept.apply_fault, kept.snapshot.last.index);
        let reported = Reported::new(kept.ballot.term.max(log.last().term));
        let raft = Raft::new(config, log, kept);
        let (oversize, oversize_at, forwarding) = (None, Index::ZERO, Forwarding::default());
        Ok(Self {
            raft,
            storage,
            machine,
            applied,
            apply_fault,
            oversize,
            oversize_at,
            forwarding,
            reported,
        })
    }

    // Inputs.

    /// One tick has passed.
    pub fn tick(&mut self) {
        self.advance(1);
    }

    /// This many ticks have passed, as after a sleep. At most one election or heartbeat comes of
    /// it, however long the sleep was.
    pub fn advance(&mut self, ticks: u32) {
        self.forwarding.advance(ticks);
        self.raft.advance(ticks);
    }

    /// A frame came in. Whatever it holds, it does no harm; what is dropped is counted.
    pub fn receive(&mut self, frame: Frame<'_>) {
        match self.raft.receive(frame) {
            Given::Nothing => {}
            Given::Piece(staging) => self.stage(&staging),
            Given::Command(body) => self.take_command(body),
        }
    }

    /// Proposes a command. If the entry at the returned position is applied with the same term,
    /// it was this command; if another entry is applied there, it was not and never will be.
    pub fn propose(&mut self, command: &M::Command<'_>) -> Result<Position, ProposeError> {
        self.raft.propose(|room| Some(postcard::to_slice(command, room).ok()?.len()))
    }

    /// Stands for election without waiting any longer, unless a leader is heard: for a node that
    /// was chosen to lead first. The others decide as always.
    pub fn campaign(&mut self) {
        self.raft.campaign();
    }

    /// Hands leadership to a voter: this one, or whoever has caught up best. Says to whom.
    ///
    /// Proposals are refused until another node leads, or until one base timeout has passed: then
    /// this node leads on, and [`Event::TransferFailed`] tells it. A leader that is about to be
    /// switched off does this first, and goes when it does not lead any more.
    pub fn transfer(&mut self, to: Option<NodeId>) -> Result<NodeId, TransferError> {
        self.raft.transfer(to)
    }

    /// Gives a transfer up, and leads on. If the other node was told already, it stands all the
    /// same.
    pub fn abort_transfer(&mut self) {
        self.raft.abort_transfer();
    }

    /// Tells the followers of what is committed without waiting for the next append or heartbeat,
    /// if this node leads. It costs a heartbeat for each, and spares whoever waits there for what
    /// it submitted up to a heartbeat's time.
    pub fn announce(&mut self) {
        self.raft.announce();
    }

    /// Begins to change who the members are, if this node leads. Says where the first entry of it
    /// stands; whether it came to be, [`Node::configuration`] tells once that is committed.
    ///
    /// Each step holds from when it is appended, and whoever leads goes on to the next: what was
    /// begun is carried out though its leader fails. A voter that was removed may be switched off
    /// when the leader does not list it among its peers any more.
    pub fn change_membership(&mut self, change: Change) -> Result<Position, ChangeError> {
        self.raft.change_membership(change)
    }

    /// Waits this much longer than its peers from now on before it stands for election, so that
    /// one that is on mains leads before one on batteries.
    pub fn set_extra_wait(&mut self, ticks: u32) {
        self.raft.set_extra_wait(ticks);
    }

    // The barrier.

    /// Makes everything durable, and returns when it is. Then promises may leave.
    pub fn flush(&mut self) -> Result<(), FlushError<S::Error>> {
        self.check_running()?;
        if self.wants_compaction() {
            self.compact_in_time()?;
        }
        if self.raft.has_unflushed() {
            self.flush_all()?;
            self.install()?;
        }
        Ok(())
    }

    /// Hands everything to storage and starts making it durable. `None` if there is nothing new,
    /// or while an earlier flush is on its way: one covers all that came in since the last.
    pub fn begin_flush(&mut self) -> Result<Option<FlushToken>, FlushError<S::Error>> {
        self.check_running()?;
        if !self.wants_flush() {
            return Ok(None);
        }
        if self.wants_compaction() {
            self.compact_in_time()?;
        }
        if self.raft.staged().is_some() {
            // What is installed must not be seen by halves.
            self.flush_all()?;
            self.install()?;
        }
        self.write_all()?;
        let begun = self.storage.begin_flush();
        self.storage_outcome(begun)?;
        Ok(self.raft.begin_flush())
    }

    /// The flush of that name has ended: everything handed over before it began is durable.
    /// Says whether that flush was on its way; any other is ignored. A token belongs to the node
    /// that gave it: what a node of before a restart was waiting for must not reach this one.
    pub fn flushed(&mut self, token: FlushToken) -> bool {
        self.raft.flushed(token)
    }

    /// A flush that was on its way has failed: the node stops.
    pub fn flush_failed(&mut self) {
        self.raft.fail(Fault::Storage);
    }

    /// Lets storage do one step of what need not wait until a flush waits for it: on a board with
    /// flash, erasing what is free. [`Node::upkeep`] says how long that may take. Gives false while
    /// it has to wait: for the end of a flush, and at a leader until every follower was sent a sign
    /// of life, which it owes from the first call on. Call it again after [`Node::transmit`], and
    /// let others be heard between two steps.
    pub fn maintain(&mut self) -> Result<bool, FlushError<S::Error>> {
        self.check_running()?;
        if self.storage.upkeep() == 0 {
            return Ok(true);
        }
        if self.raft.is_flushing() || !self.raft.may_stand_still() {
            return Ok(false);
        }
        let maintained = self.storage.maintain();
        self.storage_outcome(maintained).map(|()| true)
    }

    // Outputs.

    /// Writes the next datagram that this node owes someone, no longer than the buffer: its length
    /// is the MTU, and at least [`Config::frame_bytes`]. `None` if nothing is owed now, or may be
    /// promised yet.
    pub fn transmit<'b>(&mut self, buffer: &'b mut [u8]) -> Option<Packet<'b>> {
        let (to, length) = match self.forward(buffer) {
            // Before all else, for it is seldom owed, and there may always be something else.
            Some(sent) => sent,
            None if self.raft.lags() => self.transmit_lagging(buffer)?,
            None => self.raft.transmit(buffer)?,
        };
        Some(Packet { to: Recipient::Peer(to), bytes: buffer.get(..length)? })
    }

    /// Applies the next committed command. `None` if there is none.
    pub fn apply(&mut self) -> Option<Applied<M::Output>> {
        while self.can_apply() {
            let index = self.applied.next();
            let Some(entry) = self.raft.log().get(index) else {
                self.raft.fail(Fault::Log);
                return None;
            };
            let position = Position { term: entry.term, index };
            let outcome = match entry.kind {
                Kind::NOOP | Kind::CONFIGURATION => Ok(None),
                Kind::COMMAND => match postcard::take_from_bytes(entry.body) {
                    Ok((command, [])) => Ok(Some(self.machine.apply(command))),
                    _ => Err(ApplyFault::UndecodableCommand(index)),
                },
                _ => Err(ApplyFault::UnknownKind(index)),
            };
            match outcome {
                Ok(output) => {
                    self.applied = index;
                    if let Some(output) = output {
                        return Some(Applied { position, output });
                    }
                }
                Err(fault) => self.stop_applying(fault),
            }
        }
        None
    }

    /// What has happened since the last call, one thing at a time. `None` if nothing has.
    pub fn poll_event(&mut self) -> Option<Event> {
        let raft = &self.raft;
        self.reported.next(&Reported {
            role: raft.role_name(),
            term: raft.term(),
            leader: raft.leader(),
            transferring: raft.transferring(),
            oversize: self.oversize.or(raft.refused()),
            unequal_settings: raft.has_unequal_settings(),
            refilling: raft.is_refilling(),
            fault: raft.fault(),
            apply_fault: self.apply_fault,
        })
    }

    #[cold]
    fn stop_applying(&mut self, fault: ApplyFault) {
        self.apply_fault = Some(fault);
        self.raft.retire();
    }

    fn wants_flush(&self) -> bool {
        self.raft.wants_flush() || self.wants_compaction() && !self.raft.is_flushing()
    }

    fn can_apply(&self) -> bool {
        let running = self.apply_fault.is_none() && self.raft.fault().is_none();
        running && self.applied < self.raft.applicable()
    }

    fn check_running(&self) -> Result<(), FlushError<S::Error>> {
        match self.raft.fault() {
            Some(fault) => Err(FlushError::Stopped(fault)),
            None => Ok(()),
        }
    }
}
