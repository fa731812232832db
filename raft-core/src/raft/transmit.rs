//! What a node owes its peers, written when there is room to send it.
//!
//! Nothing is queued: a debt is a bit, and what is sent is read from the state at that moment. So
//! a slow link carries today's truth, never yesterday's, and whatever was lost is simply owed
//! still. Kinds of debt take turns, and peers within a kind; a promise that is not durable yet is
//! passed over and kept.

use super::{Following, Raft, Role};
use crate::status::Fault;
use crate::types::{NodeId, Position, Round};
use crate::wire::{self, Acknowledge, Answer, Reject, Standing, VoteAnswer, VoteRequest};

/// Whose turn it is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Turn {
    /// Whether answers to strangers' questions come next, before what the role calls for.
    answers: bool,
    /// The peer that was answered last.
    peer: NodeId,
}

impl Default for Turn {
    fn default() -> Self {
        Self { answers: true, peer: NodeId(NodeId::LIMIT - 1) }
    }
}

/// What is owed, and to whom.
type Owed = Option<(NodeId, VoteRequest)>;

/// A datagram was written: for whom, and its length.
pub(crate) type Sent = Option<(NodeId, usize)>;

impl<B: AsRef<[u8]> + AsMut<[u8]>> Raft<B> {
    /// Writes the next datagram that is owed, no longer than the buffer. `None` if there is none.
    #[inline(never)]
    pub(crate) fn transmit(&mut self, buffer: &mut [u8]) -> Sent {
        if self.fault.is_some() {
            return None;
        }
        let nonce = self.nonce;
        match self.serve(wire::behind_nonce(nonce, buffer)) {
            Ok(None) => None,
            Ok(Some((peer, length))) => {
                let length = wire::put_nonce(nonce, buffer, length)?;
                self.counters.sent = self.counters.sent.saturating_add(1);
                Some((peer, length))
            }
            Err(fault) => {
                self.fail(fault);
                None
            }
        }
    }

    /// Whether there is something to transmit.
    pub(crate) fn owes(&self) -> bool {
        self.fault.is_none()
            && (self.owed_answer().is_some()
                || self.owes_report()
                || self.owed_request() != Ok(None)
                || self.owes_hand_over()
                || self.owes_question()
                || self.owes_refill_request()
                || self.owes_refill_answer()
                || self.owes_read_answer()
                || self.owes_supply()
                || self.lags() && self.owes_chunk())
    }

    fn owes_report(&self) -> bool {
        let owed = || self.has_refused() || self.owed_acknowledgement().is_some();
        self.reports_to().is_some() && (owed() || self.owed_staged().is_some())
    }

    /// Answers, and what the role calls for, by turns.
    fn serve(&mut self, buffer: &mut [u8]) -> Result<Sent, Fault> {
        let asked = !self.answers.is_empty() || self.pre_grant.asker().is_some();
        if asked
            && self.turn.answers
            && let Some(sent) = self.answer(buffer)
        {
            self.turn.answers = false;
            return Ok(Some(sent));
        }
        let sent = match &self.role {
            // Every question, and every answer to one, costs a round: they starve nobody.
            Role::Follower(_) if self.owes_question() => self.speak_of_reads(buffer),
            Role::Follower(_) if self.owes_refill_request() => self.ask_for_refill(buffer),
            Role::Follower(_) => self.report(buffer)?,
            Role::PreCandidate(_) | Role::Candidate(_) => self.request(buffer)?,
            Role::Leader(leading) if leading.questions.are_confirmed() => {
                self.speak_of_reads(buffer)
            }
            Role::Leader(leading) if leading.refills.are_owed() => self.answer_refill(buffer),
            Role::Leader(leading) => {
                let told = match &leading.transfer {
                    Some(_) => self.hand_over(buffer),
                    None => None,
                };
                if told.is_some() { told } else { self.supply(buffer)? }
            }
        };
        if sent.is_some() {
            self.turn.answers = true;
            return Ok(sent);
        }
        Ok(if asked { self.answer(buffer) } else { None })
    }

    fn answer(&mut self, buffer: &mut [u8]) -> Sent {
        let (peer, answer) = self.owed_answer()?;
        // The question's number where it counts, else one that is new each time.
        let number = match answer {
            Answer::PreGranted => self.pre_grant.number(),
            Answer::Granted(_) => self.granted,
            Answer::Refused => Round(u64::from(self.counters.sent)),
        };
        let length = VoteAnswer { number, answer }.write(self.ballot.term, buffer)?;
        match answer {
            Answer::PreGranted => self.pre_grant.given(),
            Answer::Refused | Answer::Granted(_) => self.answers.remove(peer),
        }
        self.turn.peer = peer;
        Some((peer, length))
    }

    /// What the leader is owed: that its append does not fit, or how far it does.
    fn report(&mut self, buffer: &mut [u8]) -> Result<Sent, Fault> {
        let Some(leader) = self.reports_to() else { return Ok(None) };
        if self.has_refused() {
            return Ok(self.reject(buffer)?.map(|length| (leader, length)));
        }
        let Some(acknowledge) = self.owed_acknowledgement() else {
            return Ok(self.report_staged(buffer).map(|length| (leader, length)));
        };
        let length = acknowledge.write(self.ballot.term, buffer);
        if let Role::Follower(following) = &mut self.role
            && length.is_some()
        {
            following.echoed = acknowledge.round;
            following.reported = acknowledge.index.get();
            following.owes = !acknowledge.settled;
        }
        Ok(length.map(|length| (leader, length)))
    }

    #[cold]
    fn report_staged(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let length = self.owed_staged()?.write(self.ballot.term, buffer)?;
        if let Role::Follower(following) = &mut self.role {
            following.owes_stage = false;
        }
        Some(length)
    }

    #[cold]
    fn reject(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, Fault> {
        let Role::Follower(Following { refused: Some(previous), seen: round, .. }) = self.role
        else {
            return Err(Fault::Invariant);
        };
        let limit = previous.index.previous();
        let index = self.log.last_at_most(previous.term, limit).ok_or(Fault::Log)?;
        let hint = Position { term: self.log.term(index).ok_or(Fault::Log)?, index };
        let rejection = Reject { round, previous: previous.index, hint, standing: self.counted() };
        let length = rejection.write(self.ballot.term, buffer);
        if let Role::Follower(following) = &mut self.role
            && length.is_some()
        {
            // The rejection echoed the round; what matched before and was not reported is owed.
            following.echoed = round;
            following.refused = None;
            following.owes = following.reported < following.verified;
        }
        Ok(length)
    }

    #[cold]
    fn request(&mut self, buffer: &mut [u8]) -> Result<Sent, Fault> {
        let Some((peer, request)) = self.owed_request()? else { return Ok(None) };
        let Some(length) = request.write(self.ballot.term, buffer) else { return Ok(None) };
        if let Role::PreCandidate(asking) | Role::Candidate(asking) = &mut self.role {
            asking.asked(peer);
        }
        Ok(Some((peer, length)))
    }

    /// Who is owed the answer to a vote request, if it may be given.
    fn owed_answer(&self) -> Option<(NodeId, Answer)> {
        let mut waiting = self.answers;
        if let Some(peer) = self.pre_grant.asker() {
            waiting.insert(peer);
        }
        while let Some(peer) = waiting.next_after(self.turn.peer) {
            if !self.answers.contains(peer) {
                // A leader may have been heard since.
                if !self.hears_leader() {
                    return Some((peer, Answer::PreGranted));
                }
            } else if self.ballot.vote != Some(peer) || !self.ballot.counts() {
                return Some((peer, Answer::Refused));
            } else if let Some(ballot) = self.watermark.ballot(self.ballot) {
                return Some((peer, Answer::Granted(ballot.term())));
            }
            waiting.remove(peer);
        }
        None
    }

    /// The leader that a follower owes something, if the term may be promised.
    fn reports_to(&self) -> Option<NodeId> {
        match &self.role {
            Role::Follower(following)
                if following.owes || following.refused.is_some() || following.owes_stage =>
            {
                following.leader.filter(|_| self.watermark.term(self.ballot.term).is_some())
            }
            _ => None,
        }
    }

    fn has_refused(&self) -> bool {
        matches!(self.role, Role::Follower(Following { refused: Some(_), .. }))
    }

    fn owed_acknowledgement(&self) -> Option<Acknowledge> {
        let Role::Follower(following) = &self.role else { return None };
        let index = self.watermark.up_to(following.verified);
        let settled = index.get() == following.verified;
        let round = following.seen;
        // While the rest is not durable, the same words again would say nothing.
        let news = following.echoed != round || following.reported < index.get();
        let owed = following.owes && (settled || news);
        // Whoever can take no snapshot of its own has no other way to room.
        let short = self.is_short_for_good();
        owed.then(|| Acknowledge { round, index, settled, short, standing: self.counted() })
    }

    /// Who is owed a vote request, if it may be made.
    fn owed_request(&self) -> Result<Owed, Fault> {
        let (asking, standing) = match &self.role {
            Role::PreCandidate(asking) => (asking, Standing::Pre),
            Role::Candidate(asking) => match self.watermark.ballot(self.ballot) {
                Some(ballot) if asking.handed_over => (asking, Standing::HandedOver(ballot.term())),
                Some(ballot) => (asking, Standing::Real(ballot.term())),
                None => return Ok(None),
            },
            Role::Follower(_) | Role::Leader(_) => return Ok(None),
        };
        let Some(peer) = asking.next() else { return Ok(None) };
        let last = self.watermark.position(|index| self.log.term(index)).ok_or(Fault::Log)?;
        let request = VoteRequest { standing, attempt: asking.attempt, last };
        Ok(Some((peer, request)))
    }
}
