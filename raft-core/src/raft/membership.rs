//! How the members change: an entry says who they are, and holds from when it is appended.
//!
//! Whoever leads carries out what the latest configuration plans, a step each round, so that a plan
//! outlives its leader. One voter moves at a time; where more move, both halves must agree until
//! the joint configuration is committed. Nothing changes while a configuration is uncommitted.

use super::role::Leading;
use super::{Raft, Role};
use crate::config::Config;
use crate::configuration::{Configuration, Sets};
use crate::macros::note;
use crate::node_set::NodeSet;
use crate::progress::{Flow, Mark, Progress};
use crate::status::Fault;
use crate::types::{Index, NodeId, Nonce, Position, Round};

/// What is to become of the members.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Change {
    /// A node that is replicated to and does not vote, known by what its storage was formatted
    /// with.
    AddLearner {
        /// The new node.
        id: NodeId,
        /// The nonce of its storage.
        nonce: Nonce,
    },
    /// The same, and it votes by itself as soon as it has caught up.
    AddVoter {
        /// The new node.
        id: NodeId,
        /// The nonce of its storage.
        nonce: Nonce,
    },
    /// A voter goes, dead or not, as soon as a new one has caught up: in one step. Removing the
    /// new one before that takes it all back.
    Replace {
        /// The voter that goes.
        old: NodeId,
        /// The node that comes.
        new: NodeId,
        /// The nonce of its storage.
        nonce: Nonce,
    },
    /// A learner that has caught up votes from now on.
    Promote(NodeId),
    /// A member is one no more: a learner, a voter, or the leader itself, which then hands over.
    Remove(NodeId),
    /// Of the present members these vote, these learn, and the others go; nothing else is planned
    /// any more.
    Set {
        /// Who votes.
        voters: NodeSet,
        /// Who learns.
        learners: NodeSet,
    },
}

/// Why the members stay what they are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ChangeError {
    /// Ask the leader, if one is known.
    NotLeader(Option<NodeId>),
    /// The node hands over to this one; ask that one afterwards.
    Transferring(NodeId),
    /// This leader has not committed anything yet: soon it will have.
    TooEarly,
    /// Another change is being carried out: a configuration is not committed yet, or joint.
    InProgress,
    /// That node is a member: remove it first, if its storage is another now.
    AlreadyMember(NodeId),
    /// That node is no member, no voter where one is needed, or no node at all.
    NotMember(NodeId),
    /// That learner can't vote yet: it is not heard, not admitted, or lacks too much.
    NotCaughtUp(NodeId),
    /// Nobody would vote.
    NoVoter,
    /// There would be more than [`MEMBERS_MAX`](crate::MEMBERS_MAX) members.
    TooMany,
    /// Of those who would vote, too few are heard to decide anything.
    NoQuorum,
    /// The log is full: entries must be applied and dropped first.
    Full,
    /// So many nonces do not fit into a frame of this cluster.
    FrameTooSmall {
        /// What [`Config::frame_bytes`] would do.
        least_bytes: u32,
    },
    /// The node has stopped.
    Stopped(Fault),
}

impl Leading {
    /// About how many ticks have passed since that round.
    fn ticks_since(&self, round: Round, config: &Config) -> u64 {
        // Rounds grow by one, so that no product of these ever wraps.
        self.round.0.wrapping_sub(round.0).wrapping_mul(config.heartbeat_ticks.into())
    }

    /// Whether a follower whose word counts was heard not long ago: what one that lost entries said
    /// before that decides nothing more.
    fn hears(&self, peer: &Progress, config: &Config) -> bool {
        let most = u64::from(config.base_timeout_ticks) * 2;
        let was_heard = peer.echoed > Round(0) && self.ticks_since(peer.echoed, config) <= most;
        was_heard && peer.is(Mark::COUNTED)
    }

    /// Whether a learner may vote: it is there, its word counts, it holds the configuration that
    /// names it, and it lacks no more of what is committed than may be on its way.
    fn is_ready(
        &self,
        id: NodeId,
        (configured, committed): (Index, Index),
        config: &Config,
    ) -> bool {
        self.followers.iter().any(|peer| {
            let holds = peer.matched.get();
            let near = committed.above(holds) <= config.window_entries.into();
            let follows = peer.flow == Flow::Replicate && near && holds >= configured;
            peer.id == id && follows && self.hears(peer, config)
        })
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Raft<B> {
    /// Begins to change the members. Says where the first configuration of it stands.
    pub(crate) fn change_membership(&mut self, change: Change) -> Result<Position, ChangeError> {
        if let Some(fault) = self.fault {
            return Err(ChangeError::Stopped(fault));
        }
        let Role::Leader(leading) = &self.role else {
            return Err(ChangeError::NotLeader(self.leader()));
        };
        if let Some(transfer) = &leading.transfer {
            return Err(ChangeError::Transferring(transfer.to));
        }
        if self.committed < leading.first {
            return Err(ChangeError::TooEarly);
        }
        let membership = &self.configuration.membership;
        let leaves = !membership.incoming.contains(self.config.id);
        if self.configured_at > self.committed || !membership.outgoing.is_empty() || leaves {
            return Err(ChangeError::InProgress);
        }
        let (sets, added) = self.planned(leading, change)?;
        let changed = self.reconfigure(&sets, added);
        self.close(Ok(()));
        changed
    }

    /// The sets that a change asks for, and whom it adds.
    fn planned(
        &self,
        leading: &Leading,
        change: Change,
    ) -> Result<(Sets, Option<(NodeId, Nonce)>), ChangeError> {
        let members = self.configuration.membership.members();
        let [incoming, outgoing, mut learners, mut arriving, mut leaving] =
            self.configuration.sets();
        let (mut voters, mut added) = (incoming, None);
        match change {
            Change::AddLearner { id, nonce } => added = Some((id, nonce)),
            Change::AddVoter { id, nonce } => {
                added = Some((id, nonce));
                arriving.insert(id);
            }
            Change::Replace { old, new, nonce } => {
                if !voters.contains(old) {
                    return Err(ChangeError::NotMember(old));
                }
                added = Some((new, nonce));
                arriving.insert(new);
                leaving.insert(old);
            }
            Change::Promote(id) | Change::Remove(id) if !members.contains(id) => {
                return Err(ChangeError::NotMember(id));
            }
            Change::Promote(id) => {
                learners.remove(id);
                voters.insert(id);
            }
            Change::Remove(id) => {
                if arriving.contains(id) {
                    leaving = NodeSet::EMPTY;
                }
                learners.remove(id);
                voters.remove(id);
            }
            Change::Set { voters: set, learners: others } => {
                (voters, learners) = (set, others.without(set));
                (arriving, leaving) = (NodeSet::EMPTY, NodeSet::EMPTY);
                if let Some(id) = voters.union(learners).without(members).first() {
                    return Err(ChangeError::NotMember(id));
                }
            }
        }
        if let Some((id, _)) = added {
            if members.contains(id) {
                return Err(ChangeError::AlreadyMember(id));
            }
            if !id.is_valid() {
                return Err(ChangeError::NotMember(id));
            }
            learners.insert(id);
        }
        if voters.is_empty() {
            return Err(ChangeError::NoVoter);
        }
        let at = (self.configured_at, self.committed);
        let ready = |id: &NodeId| leading.is_ready(*id, at, &self.config);
        if let Some(id) = voters.without(incoming).iter().find(|id| !ready(id)) {
            return Err(ChangeError::NotCaughtUp(id));
        }
        (arriving, leaving) = (arriving.intersection(learners), leaving.intersection(voters));
        Ok(([voters, outgoing, learners, arriving, leaving], added))
    }

    /// Appends the configuration of these sets; joint, if more than one voter moves.
    #[inline(never)]
    fn reconfigure(
        &mut self,
        &[voters, _, learners, arriving, leaving]: &Sets,
        added: Option<(NodeId, Nonce)>,
    ) -> Result<Position, ChangeError> {
        let Role::Leader(leading) = &mut self.role else {
            return Err(ChangeError::NotLeader(None));
        };
        let before = self.configuration.membership.incoming;
        let moved = before.without(voters).union(voters.without(before));
        let outgoing = if moved.len() > 1 { before } else { NodeSet::EMPTY };
        let sets = [voters, outgoing, learners, arriving, leaving];
        let next = self.configuration.with(&sets, added).ok_or(ChangeError::TooMany)?;
        let heard = leading.followers.iter().filter(|peer| leading.hears(peer, &self.config));
        let mut heard: NodeSet = heard.map(|peer| peer.id).collect();
        heard.insert(self.config.id);
        if !next.membership.has_quorum(heard) {
            return Err(ChangeError::NoQuorum);
        }
        let mut body = [0; Configuration::BYTES_MAX];
        let length = next.write(&mut body).unwrap_or(usize::MAX);
        let body = body.get(..length).ok_or(ChangeError::TooMany)?;
        let least_bytes = u32::try_from(length + Config::APPEND_BYTES).unwrap_or(u32::MAX);
        if least_bytes > self.config.frame_bytes {
            return Err(ChangeError::FrameTooSmall { least_bytes });
        }
        let at = self.log.configure(self.ballot.term, body);
        let at = at.map_err(|_| ChangeError::Full)?;
        note!("node {} leads from {} on to {}", self.config.id.0, before.word(), voters.word());
        if let Some((id, _)) = added {
            let fresh = Progress::new(id, at.index);
            // Whoever is served only until it knows that it went makes room.
            let held: NodeSet = leading.followers.iter().map(|peer| peer.id).collect();
            let gone = held.without(next.membership.members()).first();
            let gone = gone.filter(|_| leading.followers.is_full());
            let place = if held.contains(id) { Some(id) } else { gone };
            match place.and_then(|id| leading.follower(id)) {
                Some(place) => *place = fresh,
                None => leading.followers.push(fresh).map_err(|_| ChangeError::TooMany)?,
            }
        }
        (self.configured_at, self.configuration) = (at.index, next);
        self.unjudged = true;
        Ok(at)
    }

    /// What is left to do, round by round: nothing, for nearly all of them.
    pub(super) fn tend_members(&mut self) -> Result<(), Fault> {
        let Configuration { membership, arriving, leaving, .. } = &self.configuration;
        let planned = membership.outgoing.union(*arriving).union(*leaving);
        let Role::Leader(leading) = &self.role else { return Ok(()) };
        let members = membership.members();
        let settled = membership.incoming.contains(self.config.id)
            && leading.followers.iter().all(|peer| members.contains(peer.id));
        if planned.is_empty() && settled { Ok(()) } else { self.carry_on() }
    }

    /// A round of a leader: who has gone is served no more, and what is planned goes a step on.
    #[cold]
    fn carry_on(&mut self) -> Result<(), Fault> {
        let Role::Leader(leading) = &mut self.role else { return Ok(()) };
        if self.configured_at > self.committed || self.committed < leading.first {
            leading.changed = leading.round;
            return Ok(());
        }
        let members = self.configuration.membership.members();
        let [incoming, outgoing, learners, mut arriving, mut leaving] = self.configuration.sets();
        let most = u64::from(self.config.base_timeout_ticks) * 4;
        let overdue = leading.ticks_since(leading.changed, &self.config) > most;
        let at = self.configured_at;
        leading
            .followers
            .retain(|peer| members.contains(peer.id) || !(overdue || peer.matched.get() >= at));
        if leading.transfer.is_some() {
            return Ok(());
        }
        if outgoing.is_empty() && !incoming.contains(self.config.id) {
            if overdue || self.transfer(None).is_err() {
                self.follow_nobody();
            }
            return Ok(());
        }
        let mut voters = incoming;
        if outgoing.is_empty() {
            for id in arriving.iter() {
                if leading.is_ready(id, (self.configured_at, self.committed), &self.config) {
                    arriving.remove(id);
                    voters.insert(id);
                }
            }
            if arriving.is_empty() {
                voters = voters.without(leaving);
                leaving = NodeSet::EMPTY;
            }
            if voters == incoming {
                return Ok(());
            }
        }
        let learners = learners.without(voters);
        match self.reconfigure(&[voters, outgoing, learners, arriving, leaving], None) {
            Err(ChangeError::Stopped(fault)) => Err(fault),
            // What could not be done now is tried again in the next round.
            Ok(_) | Err(_) => Ok(()),
        }
    }
}
