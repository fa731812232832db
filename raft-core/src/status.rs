//! How a node looks from outside: its status, what has happened, what it counted, why it stopped.
//!
//! Events are not queued: what was last reported is compared with what is, so that a caller who
//! looks rarely misses steps in between and never the outcome, and nothing can overflow.

use crate::progress::{Flow, PEERS_MAX};
use crate::snapshot::LoadError;
use crate::types::{Index, NodeId, Term};
use crate::wire::DecodeError;

/// What a node is to its cluster.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum RoleName {
    /// It follows a leader, or waits for one.
    Follower,
    /// It asks whether it would be elected, without disturbing anyone.
    PreCandidate,
    /// It stands for election.
    Candidate,
    /// It leads.
    Leader,
}

/// Why a node stopped for good. It then neither sends nor promises; making it anew, from what its
/// storage holds, is the only way on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Fault {
    /// Storage failed: what it holds is not known any more.
    Storage,
    /// A leader's log contradicts an entry that is committed here.
    CommittedConflict,
    /// The log's own bookkeeping does not hold together.
    Log,
    /// An elected leader found no room for its first entry.
    NoRoomForNoop,
    /// The machine saved itself in two ways without having changed in between.
    UnstableSave,
    /// What must always hold between the parts of the state does not.
    Invariant,
}

/// Why a node applies nothing more. It still stores, acknowledges and votes, and never leads.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ApplyFault {
    /// The entry at this index is of a kind that this version does not know.
    UnknownKind(Index),
    /// The command at this index is none that the machine knows.
    UndecodableCommand(Index),
    /// The machine can't be restored from the snapshot up to this index.
    Snapshot(Index, LoadError),
}

/// Why a datagram was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum DropReason {
    /// Of a wire version that this node does not speak.
    Version,
    /// Of a kind that this node does not know.
    Kind,
    /// Not what any node sends.
    Malformed,
    /// From this node itself, or from an id that no node has.
    Sender,
    /// From storage of another nonce than the member's: a board of before, or one that was wiped.
    Nonce,
    /// From a term beyond the last.
    TermLimit,
    /// From a term so far ahead that another datagram must agree first.
    TermJump,
    /// From a term that is over.
    Stale,
    /// A vote request, while there is a leader to be heard.
    LeaderHeard,
    /// From a second leader of one term.
    SecondLeader,
    /// Of a kind that this node's role has no use for.
    Unexpected,
    /// Claims more than its sender can know.
    Impossible,
    /// Came after the node had stopped.
    Stopped,
}

impl DropReason {
    /// Every reason, in the order of their counters.
    pub const ALL: [Self; 13] = [
        Self::Version,
        Self::Kind,
        Self::Malformed,
        Self::Sender,
        Self::Nonce,
        Self::TermLimit,
        Self::TermJump,
        Self::Stale,
        Self::LeaderHeard,
        Self::SecondLeader,
        Self::Unexpected,
        Self::Impossible,
        Self::Stopped,
    ];
}

impl From<DecodeError> for DropReason {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Version => Self::Version,
            DecodeError::Kind => Self::Kind,
            DecodeError::Malformed => Self::Malformed,
        }
    }
}

/// What a node has sent, received and dropped since it was made. Counters stand still at the top.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Counters {
    /// Datagrams written for peers.
    pub sent: u32,
    /// Datagrams handed in.
    pub received: u32,
    /// Entries that did not fit into the transmit buffer at all.
    pub unsendable: u32,
    dropped: [u32; DropReason::ALL.len()],
}

impl Counters {
    /// How many datagrams were dropped for this reason.
    pub fn dropped(&self, reason: DropReason) -> u32 {
        self.dropped.get(reason as usize).copied().unwrap_or_default()
    }

    #[cold]
    pub(crate) fn drop_one(&mut self, reason: DropReason) {
        if let Some(count) = self.dropped.get_mut(reason as usize) {
            *count = count.saturating_add(1);
        }
    }
}

/// How far one follower has come, as its leader sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PeerStatus {
    /// Which one.
    pub id: NodeId,
    /// How entries go to it.
    pub flow: Flow,
    /// The last entry that it holds for certain.
    pub matched: Index,
    /// The next entry that it will be sent.
    pub next: Index,
}

/// A node at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Status {
    /// Which node.
    pub id: NodeId,
    /// What it is.
    pub role: RoleName,
    /// In which term.
    pub term: Term,
    /// Who leads in that term, if it is known.
    pub leader: Option<NodeId>,
    /// The last entry of its log.
    pub last: Index,
    /// The last entry that survives a power cut.
    pub durable: Index,
    /// The last entry known to be committed.
    pub committed: Index,
    /// The last entry that the machine has seen.
    pub applied: Index,
    /// The last entry whose effect is in the snapshot.
    pub snapshot: Index,
    /// Where the latest configuration stands that this node has, committed or not.
    pub configured_at: Index,
    /// Whether its votes and acknowledgements count.
    pub admitted: bool,
    /// Whether storage lost entries that it had flushed, and not all that matters is back yet:
    /// until then its votes and acknowledgements do not count.
    pub refilling: bool,
    /// Whether the cluster has other settings than this node, which then is never admitted.
    pub unequal_settings: bool,
    /// To whom it hands over, if it leads and does.
    pub transferring: Option<NodeId>,
    /// Whether heartbeats are as rare as [`Config::quiet_ticks`](crate::Config::quiet_ticks) says,
    /// as far as it knows.
    pub quiet: bool,
    /// The followers, if it leads.
    pub peers: heapless::Vec<PeerStatus, PEERS_MAX>,
    /// What it counted.
    pub counters: Counters,
    /// Why it stopped, if it did.
    pub fault: Option<Fault>,
    /// Why it applies nothing more, if so.
    pub apply_fault: Option<ApplyFault>,
}

/// Something that an application may want to act on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Event {
    /// This node has another role, or the same one in another term.
    Role {
        /// What it is now.
        role: RoleName,
        /// In which term.
        term: Term,
    },
    /// Another node leads, or none that is known.
    Leader(Option<NodeId>),
    /// This node did not hand over to that one, in time or because it was told to stop, and leads
    /// on.
    TransferFailed(NodeId),
    /// The machine's snapshot would have so many bytes, which is more than storage has room for.
    /// The log is not compacted, and will be full.
    SnapshotTooLarge(u32),
    /// The cluster has other settings than this node, which can't take part with its own:
    /// [`Config::shared_digest`](crate::Config::shared_digest) says which these are.
    UnequalSettings,
    /// Storage lost entries that it had flushed. A leader sends this node what matters of them, and
    /// until then it is like one that is away: if so many are that no quorum is left, only
    /// [`recover_alone`](crate::recover_alone) helps.
    EntriesLost,
    /// All that matters of what storage had lost is back: the node counts again.
    Refilled,
    /// This node stopped for good.
    Stopped(Fault),
    /// This node applies nothing more.
    ApplyStopped(ApplyFault),
}

/// What was last reported, to be compared with what is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Reported {
    pub(crate) role: RoleName,
    pub(crate) term: Term,
    pub(crate) leader: Option<NodeId>,
    pub(crate) transferring: Option<NodeId>,
    pub(crate) oversize: Option<u32>,
    pub(crate) unequal_settings: bool,
    pub(crate) refilling: bool,
    pub(crate) fault: Option<Fault>,
    pub(crate) apply_fault: Option<ApplyFault>,
}

impl Reported {
    /// A node that nobody has looked at since it was made in this term.
    pub(crate) const fn new(term: Term) -> Self {
        let (role, leader, transferring) = (RoleName::Follower, None, None);
        let (unequal_settings, refilling, oversize) = (false, false, None);
        let (fault, apply_fault) = (None, None);
        Self {
            role,
            term,
            leader,
            transferring,
            unequal_settings,
            refilling,
            oversize,
            fault,
            apply_fault,
        }
    }

    /// The next difference to what is now, which then is reported.
    pub(crate) fn next(&mut self, now: &Self) -> Option<Event> {
        let Self { role, term, .. } = *now;
        if (self.role, self.term) != (role, term) {
            (self.role, self.term) = (role, term);
            // However a transfer ended, this is what came of it.
            self.transferring = None;
            return Some(Event::Role { role, term });
        }
        if self.leader != now.leader {
            self.leader = now.leader;
            return Some(Event::Leader(now.leader));
        }
        let transferring = core::mem::replace(&mut self.transferring, now.transferring);
        if let (Some(to), None) = (transferring, now.transferring) {
            return Some(Event::TransferFailed(to));
        }
        let oversize = core::mem::replace(&mut self.oversize, now.oversize);
        if now.oversize.is_some() && oversize != now.oversize {
            return now.oversize.map(Event::SnapshotTooLarge);
        }
        if self.unequal_settings != now.unequal_settings {
            self.unequal_settings = now.unequal_settings;
            if now.unequal_settings {
                return Some(Event::UnequalSettings);
            }
        }
        if self.refilling != now.refilling {
            self.refilling = now.refilling;
            return Some(if now.refilling { Event::EntriesLost } else { Event::Refilled });
        }
        if self.apply_fault != now.apply_fault {
            self.apply_fault = now.apply_fault;
            return now.apply_fault.map(Event::ApplyStopped);
        }
        if self.fault != now.fault {
            self.fault = now.fault;
            return now.fault.map(Event::Stopped);
        }
        None
    }
}
