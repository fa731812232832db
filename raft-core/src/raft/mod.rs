//! Consensus: one node's part of it, from datagrams, ticks and proposals to datagrams and a commit.
//!
//! [`Raft`] knows its log and what of it is durable; it knows no medium, no machine and no socket.
//! Inputs change the state and write nothing; what the state owes to peers is written when
//! [`Raft::transmit`] is called, from what is true at that moment.

mod barrier;
mod configured;
mod confirm;
mod election;
mod follower;
mod forward;
#[cfg(debug_assertions)]
mod invariants;
mod leader;
mod lease;
mod looks;
mod membership;
mod pre_grant;
mod quiet;
mod read;
mod receive;
mod refill;
mod role;
mod snapshot;
mod still;
mod stream;
mod supply;
mod term_guard;
mod transfer;
mod transmit;

pub(crate) use self::barrier::{Unwritten, Whole};
pub(crate) use self::configured::latest;
pub use self::membership::{Change, ChangeError};
use self::pre_grant::PreGrant;
use self::read::Reads;
pub use self::read::{READS_MAX, ReadError, ReadOutcome, ReadTicket};
pub(crate) use self::receive::Given;
use self::role::Following;
pub(crate) use self::role::Role;
use self::snapshot::Snapshots;
pub(crate) use self::snapshot::{Stage, Staging};
use self::term_guard::TermGuard;
pub use self::transfer::TransferError;
use self::transmit::Turn;
use crate::clock::Clock;
use crate::config::Config;
use crate::configuration::Configuration;
use crate::durable::Watermark;
use crate::log::{self, AppendError, Log};
use crate::macros::note;
use crate::node_set::NodeSet;
use crate::random::Random;
use crate::status::{ApplyFault, Counters, DropReason, Fault};
use crate::types::{Ballot, Index, NodeId, Nonce, Position, Round, Snapshot, Term};
use crate::wire::{self, Counted, Frame};

/// One node's state of consensus.
///
/// The fields stay in this order: a small processor reaches what lies in the first 128 bytes by one
/// instruction, and so what is looked at all the time stands before what is large or rare.
#[derive(Clone, PartialEq, Eq, Hash)]
#[cfg_attr(not(target_pointer_width = "64"), repr(C))]
pub(crate) struct Raft<B: AsRef<[u8]> + AsMut<[u8]>> {
    fault: Option<Fault>,
    /// Whether this node may never lead: what it can't apply it must not take proposals for.
    retired: bool,
    /// Whether it was not looked up yet what it says of this node: it must be committed first.
    unjudged: bool,
    turn: Turn,
    /// The term, never below the last entry's, the vote in it, and whether promises count.
    ballot: Ballot,
    /// Nodes owed an answer: the vote if they have it, else a refusal that tells the term.
    answers: NodeSet,
    /// Never falls, and never above what is known to match the leader's log.
    committed: Index,
    log: Log<B>,
    role: Role,
    watermark: Watermark,
    config: Config,
    /// The latest one in the log.
    configuration: Configuration,
    /// Where it stands; at the log's base if no entry says.
    configured_at: Index,
    counters: Counters,
    clock: Clock,
    snapshots: Snapshots,
    reads: Reads,
    pre_grant: PreGrant,
    term_guard: TermGuard,
    /// The number of this node's last question for votes. Boards that share an id begin far apart,
    /// and so know their own answers.
    attempts: Round,
    /// The number of the question that was last answered with the vote.
    granted: Round,
    random: Random,
    /// How many entries of clients, and bytes of them, every log can hold.
    client_room: (u32, u32),
    /// Which formatting of its storage this node is known by.
    nonce: Nonce,
    /// The one at the log's base.
    base_configuration: Configuration,
}

/// What a node is made of beside its log, as its storage tells it.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) nonce: Nonce,
    /// What was in force when the snapshot was taken, or when the cluster was founded.
    pub(crate) base_configuration: Configuration,
    /// The latest one in the log, and where it stands.
    pub(crate) configuration: Configuration,
    pub(crate) configured_at: Index,
    pub(crate) ballot: Ballot,
    pub(crate) snapshot: Snapshot,
    /// How long one may be that there is room for.
    pub(crate) snapshot_bytes_max: u32,
    pub(crate) stage: Option<Stage>,
    pub(crate) committed: Index,
    /// Whether flushed entries were found to be lost, and no ballot says so yet.
    pub(crate) lost: bool,
    /// Why the machine can't follow, if it can't.
    pub(crate) apply_fault: Option<ApplyFault>,
}

/// Why an input went no further.
enum Stop {
    /// The datagram is dropped and counted; nothing has changed.
    Drop(DropReason),
    /// The node stops for good.
    Fault(Fault),
}

impl From<wire::DecodeError> for Stop {
    fn from(error: wire::DecodeError) -> Self {
        Self::Drop(error.into())
    }
}

impl From<DropReason> for Stop {
    fn from(reason: DropReason) -> Self {
        Self::Drop(reason)
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Why a proposal was refused. None of them changes anything.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ProposeError {
    /// Ask the leader, if one is known.
    NotLeader(Option<NodeId>),
    /// The node hands over to this one, and takes nothing meanwhile.
    Transferring(NodeId),
    /// The log is full: entries must be applied and dropped first.
    Full,
    /// The command does not fit into a frame of this cluster, or into this log.
    TooLarge,
    /// The node has stopped.
    Stopped(Fault),
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Raft<B> {
    /// A node as it comes back from storage: everything in `log` and `kept` is durable.
    pub(crate) fn new(config: Config, log: Log<B>, kept: &Kept) -> Self {
        let Kept { nonce, mut ballot, snapshot, committed, configured_at, .. } = *kept;
        let last = log.last();
        let watermark = Watermark::recovered(log.base().index, last.index, ballot);
        // Whoever has a term may have followed a leader until a moment ago.
        let heard = ballot.term > Term::ZERO || last != Position::ZERO;
        if kept.lost {
            ballot = ballot.lost_again();
        }
        if last.term > ballot.term {
            // Whom it voted for in that term is not known, so it has no vote left to give in it.
            (ballot.term, ballot.vote) = (last.term, Some(config.id));
        }
        let mut random = Random::new(config.seed, config.id);
        let timeout = Self::draw_timeout(&config, &mut random);
        let unjudged = configured_at > committed;
        if !unjudged {
            ballot.admitted = kept.configuration.admits(nonce, &config);
        }
        Self {
            nonce,
            configuration: kept.configuration.clone(),
            configured_at,
            unjudged,
            base_configuration: kept.base_configuration.clone(),
            committed,
            snapshots: Snapshots::new(snapshot, kept.stage.clone(), kept.snapshot_bytes_max),
            ballot,
            watermark,
            role: Role::Follower(Following::of(None)),
            clock: Clock::new(timeout, heard),
            random,
            client_room: log.client_room(config.least_log_bytes),
            term_guard: TermGuard::new(),
            answers: NodeSet::EMPTY,
            pre_grant: PreGrant::new(),
            attempts: Round(u64::from(nonce.0) << 16),
            granted: Round(0),
            turn: Turn::default(),
            retired: kept.apply_fault.is_some(),
            reads: Reads::new(config.seed),
            fault: None,
            counters: Counters::default(),
            log,
            config,
        }
    }

    // Inputs. The large ones are not merged into their caller: on a small processor, fields are
    // reached in fewer steps from a pointer to this struct than from the frame of a large function.

    /// Time passes. At most one thing happens, however long it was.
    #[inline(never)]
    pub(crate) fn advance(&mut self, ticks: u32) {
        if self.fault.is_some() {
            return;
        }
        self.clock.advance(ticks);
        self.reads.advance(ticks);
        let outcome = match &mut self.role {
            Role::Leader(_) => self.advance_leader(ticks),
            Role::Follower(_) => self.advance_follower(),
            Role::PreCandidate(_) | Role::Candidate(_) => self.advance_candidate(ticks),
        };
        self.close(outcome.map_err(Stop::Fault));
    }

    /// A frame came in, from wherever.
    #[inline(never)]
    pub(crate) fn receive<'a>(&mut self, frame: Frame<'a>) -> Given<'a> {
        self.counters.received = self.counters.received.saturating_add(1);
        let mut given = Given::Nothing;
        let outcome = self.take(frame, &mut given);
        self.close(outcome);
        given
    }

    /// A client's command, encoded straight into the log.
    pub(crate) fn propose(
        &mut self,
        encode: impl Fn(&mut [u8]) -> Option<usize>,
    ) -> Result<Position, ProposeError> {
        if let Some(fault) = self.fault {
            return Err(ProposeError::Stopped(fault));
        }
        if !matches!(self.role, Role::Leader(_)) {
            return Err(ProposeError::NotLeader(self.leader()));
        }
        if let Some(to) = self.transferring() {
            return Err(ProposeError::Transferring(to));
        }
        let limit = self.client_bytes_max();
        let appended = self.log.propose(self.ballot.term, log::Kind::COMMAND, limit, encode);
        let outcome = match appended {
            Ok(_) if !self.fits_everywhere() => {
                let before = self.log.last().index.previous();
                self.log.truncate(before).ok_or(Fault::Log).map(|()| Err(ProposeError::Full))
            }
            Ok(position) => Ok(Ok(position)),
            Err(AppendError::Full) => self.make_room().map(|()| Err(ProposeError::Full)),
            Err(AppendError::TooLarge) => Ok(Err(ProposeError::TooLarge)),
        };
        let proposed = outcome.unwrap_or_else(|fault| Err(ProposeError::Stopped(fault)));
        self.close(outcome.map(|_| ()).map_err(Stop::Fault));
        proposed
    }

    /// Whether every member's log could hold what is not committed, wherever its ring ends: an
    /// entry that does not fit before that end leaves as much unused as it is long. One alone
    /// always fits.
    fn fits_everywhere(&self) -> bool {
        let (entries_max, bytes_max) = self.client_room;
        let entries = self.log.last().index.above(self.committed);
        let bytes = self.log.bytes_from(self.committed.next()).unwrap_or(u32::MAX);
        let unused = bytes.min(self.config.frame_bytes);
        entries <= 1
            || entries <= u64::from(entries_max) && bytes.saturating_add(unused) <= bytes_max
    }

    /// Stands for election now, unless a leader is heard; peers refuse as they always would.
    pub(crate) fn campaign(&mut self) {
        let waits = self.fault.is_none() && matches!(self.role, Role::Follower(_));
        if waits && !self.hears_leader() && self.may_campaign() {
            let outcome = self.ask();
            self.close(outcome.map_err(Stop::Fault));
        }
    }

    /// Changes how much longer than its peers this node waits before it stands.
    pub(crate) fn set_extra_wait(&mut self, ticks: u32) {
        let ticks = ticks.min(Config::TICKS_MAX);
        let before = core::mem::replace(&mut self.config.extra_wait_ticks, ticks);
        if matches!(self.role, Role::Follower(_)) {
            self.clock.change_wait(before, ticks);
        }
    }

    /// The machine can't follow any more: another node must lead.
    pub(crate) fn retire(&mut self) {
        self.retired = true;
        if !matches!(self.role, Role::Follower(_)) {
            self.follow_nobody();
        }
    }

    /// Stops for good.
    #[cold]
    pub(crate) fn fail(&mut self, fault: Fault) {
        if self.fault.is_none() {
            note!("stopped for good: {:?}", fault);
            self.fault = Some(fault);
            self.follow_nobody();
        }
    }

    // Between inputs and their parts.

    /// What every input ends with.
    #[inline(always)] // Nearly nothing, and every input ends with it.
    fn close(&mut self, outcome: Result<(), Stop>) {
        match outcome {
            Ok(()) => {}
            Err(Stop::Drop(reason)) => self.counters.drop_one(reason),
            Err(Stop::Fault(fault)) => self.fail(fault),
        }
        #[cfg(debug_assertions)]
        if self.fault.is_none() && !self.invariants() {
            self.fail(Fault::Invariant);
        }
    }

    /// A new ballot in a later term: what was owed in the earlier one is owed no more.
    fn enter(&mut self, ballot: Ballot) {
        self.ballot = ballot;
        self.answers = NodeSet::EMPTY;
        self.pre_grant.withdraw();
        self.clock.stretch(0);
    }

    /// Becomes a follower without a leader. The vote stays what it is.
    #[cold]
    fn follow_nobody(&mut self) {
        match &self.role {
            Role::Follower(_) => {}
            Role::PreCandidate(_) | Role::Candidate(_) => self.wait(),
            Role::Leader(_) => {
                note!("node {} leads no more", self.config.id.0);
                self.clock.forget_leader();
                self.wait();
            }
        }
        self.become_follower(None);
    }

    /// Forgets what it was.
    #[cold]
    #[inline(never)]
    fn become_follower(&mut self, leader: Option<NodeId>) {
        self.role = Role::Follower(Following::of(leader));
    }

    /// Waits a newly drawn time before standing for election.
    fn wait(&mut self) {
        let timeout = Self::draw_timeout(&self.config, &mut self.random);
        self.clock.wait(timeout);
    }

    fn draw_timeout(config: &Config, random: &mut Random) -> u32 {
        let base = config.base_timeout_ticks;
        base + random.below(base) + config.extra_wait_ticks
    }

    /// Whether there is, or just was, a leader that a vote would disturb.
    fn hears_leader(&self) -> bool {
        let leads = matches!(self.role, Role::Leader(_));
        leads || self.clock.hears_leader(self.config.base_timeout_ticks)
    }

    fn counted(&self) -> Counted {
        if self.counts() { Counted::Yes } else { Counted::No }
    }
}
