//! How a leader comes to be: pre-vote, vote, and the first entry.
//!
//! A node first asks whether it would be elected. That changes nobody's term, so that one which
//! comes back from a partition disturbs no working leader. Its own vote, like anyone's, counts only
//! when it is durable.

use super::role::{Asking, Leading};
use super::{Raft, Role, Stop};
use crate::log::Kind;
use crate::macros::note;
use crate::node_set::NodeSet;
use crate::progress::Progress;
use crate::status::{DropReason, Fault};
use crate::types::{Ballot, NodeId, Round, Term};
use crate::wire::{Answer, Standing, VoteAnswer, VoteRequest};

impl<B: AsRef<[u8]> + AsMut<[u8]>> Raft<B> {
    pub(super) fn advance_follower(&mut self) -> Result<(), Fault> {
        if self.clock.left() == 0 {
            if self.may_campaign() {
                return self.ask();
            }
            // Whoever may not stand still has no leader any more.
            self.follow_nobody();
        }
        Ok(())
    }

    pub(super) fn advance_candidate(&mut self, ticks: u32) -> Result<(), Fault> {
        if self.clock.left() == 0 {
            if self.may_campaign() {
                return self.ask();
            }
            self.follow_nobody();
        }
        if let Role::PreCandidate(asking) | Role::Candidate(asking) = &mut self.role {
            asking.advance(ticks, self.config.heartbeat_ticks, &mut self.attempts);
        }
        Ok(())
    }

    /// Whether this node could lead if it were elected.
    pub(super) fn may_campaign(&self) -> bool {
        self.ballot.counts()
            && !self.retired
            && self.votes()
            && self.ballot.term.next() < Term::LIMIT
            && self.log.has_room_for_noop()
    }

    /// Asks whether there would be votes.
    pub(super) fn ask(&mut self) -> Result<(), Fault> {
        note!("node {} would stand in term {}", self.config.id.0, self.ballot.term.next().0);
        let attempt = self.next_attempt();
        self.role = Role::PreCandidate(Asking::new(self.other_voters(), attempt));
        self.wait();
        self.count_votes()
    }

    /// Stands in the next term, of its own accord or because the leader wants it.
    pub(super) fn stand(&mut self, handed_over: bool) {
        let id = self.config.id;
        note!("node {} stands in term {}", id.0, self.ballot.term.next().0);
        self.enter(Ballot { term: self.ballot.term.next(), vote: Some(id), ..self.ballot });
        let attempt = self.next_attempt();
        let mut asking = Asking::new(self.other_voters(), attempt);
        asking.handed_over = handed_over;
        self.role = Role::Candidate(asking);
        self.wait();
    }

    /// Moves on if there are votes enough.
    pub(super) fn count_votes(&mut self) -> Result<(), Fault> {
        let (real, mut granted) = match &self.role {
            Role::PreCandidate(asking) => (false, asking.granted),
            Role::Candidate(asking) => (true, asking.granted),
            Role::Follower(_) | Role::Leader(_) => return Ok(()),
        };
        // Its own vote is durable like every other, or does not count.
        if !real || self.watermark.ballot(self.ballot).is_some() {
            granted.insert(self.config.id);
        }
        if !self.configuration.membership.has_quorum(granted) {
            return Ok(());
        }
        if real {
            return self.lead();
        }
        self.stand(false);
        Ok(())
    }

    fn lead(&mut self) -> Result<(), Fault> {
        note!("node {} leads in term {}", self.config.id.0, self.ballot.term.0);
        let first = self.log.append(self.ballot.term, Kind::NOOP, &[]);
        let first = first.map_err(|_| Fault::NoRoomForNoop)?.index;
        let mut peers = self.configuration.membership.members();
        peers.remove(self.config.id);
        self.pre_grant.withdraw();
        self.role = Role::Leader(Leading::new(first));
        // A leader is large: its followers are put where they stay.
        let Role::Leader(leading) = &mut self.role else { return Err(Fault::Invariant) };
        for id in peers.iter() {
            leading.followers.push(Progress::new(id, first)).map_err(|_| Fault::Invariant)?;
        }
        self.count_commits(self.watermark.index());
        Ok(())
    }

    /// A node asks for a vote in this term, or in the next; no leader is heard.
    #[cold]
    pub(super) fn vote_asked(&mut self, from: NodeId, request: &VoteRequest) {
        let VoteRequest { standing, attempt, last } = *request;
        let worthy = self.ballot.counts() && last.get() >= self.log.last();
        if standing == Standing::Pre {
            if worthy {
                self.pre_grant.owe(from, attempt);
            } else {
                self.answers.insert(from);
            }
            return;
        }
        let free = self.ballot.vote.is_none() && !matches!(self.role, Role::Leader(_));
        if free && worthy {
            self.ballot.vote = Some(from);
            self.become_follower(None);
            self.wait();
        }
        // Whom the vote is for it may not tell: another board of that id may ask.
        if worthy && self.ballot.vote == Some(from) {
            self.granted = attempt;
        }
        self.answers.insert(from);
    }

    #[cold]
    pub(super) fn vote_answered(&mut self, from: NodeId, given: &VoteAnswer) -> Result<(), Stop> {
        let VoteAnswer { number, answer } = *given;
        let asking = match (&mut self.role, answer) {
            (Role::PreCandidate(asking), Answer::PreGranted)
            | (Role::Candidate(asking), Answer::Granted(_)) => {
                if !asking.has_asked(number) {
                    return Err(DropReason::Stale.into());
                }
                asking
            }
            (Role::PreCandidate(asking) | Role::Candidate(asking), Answer::Refused) => asking,
            _ => return Err(DropReason::Unexpected.into()),
        };
        asking.answered(from, answer != Answer::Refused);
        Ok(self.count_votes()?)
    }

    /// A number that no question of this node had before.
    fn next_attempt(&mut self) -> Round {
        self.attempts = Round(self.attempts.0 + 1);
        self.attempts
    }

    fn other_voters(&self) -> NodeSet {
        let mut voters = self.configuration.membership.voters();
        voters.remove(self.config.id);
        voters
    }
}
