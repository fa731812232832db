//! What a node owes its peers, written when there is room to send it.
//!
//! Nothing is queued: a debt is a bit, and what is sent is read from the state at that moment. So
//! a slow link carries today's truth, never yesterday's, and whatever was lost is simply owed
//! still. Kinds of debt take turns, and peers within a kind; a promise that is not durable yet is
//! passed over and kept.

use super::{Raft, Role};
use crate::status::Fault;
use crate::types::{NodeId, Position, Round};
use crate::wire::{self, Answer, Datagram, Message, Packet, Recipient, Standing};

/// Whose turn it is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Turn {
    /// Whether answers to strangers' questions come next, before what the role calls for.
    answers: bool,
    /// The peer that was served last.
    peer: NodeId,
}

impl Default for Turn {
    fn default() -> Self {
        Self { answers: true, peer: NodeId(NodeId::LIMIT - 1) }
    }
}

/// What is owed, and to whom.
type Owed = Option<(NodeId, Message<'static>)>;

/// A datagram was written: for whom, and its length.
pub(super) type Sent = Option<(NodeId, usize)>;

impl<B: AsRef<[u8]> + AsMut<[u8]>> Raft<B> {
    /// Writes the next datagram that is owed, no longer than the buffer. `None` if there is none.
    #[inline(never)]
    pub(crate) fn transmit<'b>(&mut self, buffer: &'b mut [u8]) -> Option<Packet<'b>> {
        if self.fault.is_some() {
            return None;
        }
        let (peer, length) = self.serve(buffer).unwrap_or_else(|fault| {
            self.fail(fault);
            None
        })?;
        self.turn.peer = peer;
        self.counters.sent = self.counters.sent.saturating_add(1);
        Some(Packet { to: Recipient::Peer(peer), bytes: buffer.get(..length)? })
    }

    /// Whether there is something to transmit.
    pub(crate) fn owes(&self) -> bool {
        self.fault.is_none()
            && (self.owed_answer().is_some()
                || self.owed_report() != Ok(None)
                || self.owed_request() != Ok(None)
                || self.owes_supply())
    }

    /// Answers, and what the role calls for, by turns.
    fn serve(&mut self, buffer: &mut [u8]) -> Result<Sent, Fault> {
        let asked = !self.answers.is_empty() || !self.pre_grants.is_empty();
        if asked
            && self.turn.answers
            && let Some(sent) = self.answer(buffer)
        {
            self.turn.answers = false;
            return Ok(Some(sent));
        }
        let sent = match &self.role {
            Role::Follower(_) => self.report(buffer)?,
            Role::PreCandidate(_) | Role::Candidate(_) => self.request(buffer)?,
            Role::Leader(_) => self.supply(buffer)?,
        };
        if sent.is_some() {
            self.turn.answers = true;
            return Ok(sent);
        }
        Ok(if asked { self.answer(buffer) } else { None })
    }

    fn answer(&mut self, buffer: &mut [u8]) -> Sent {
        let (peer, answer) = self.owed_answer()?;
        // The question's number where there was one that counts, else one that is new each time.
        let number = match answer {
            Answer::PreGranted => self.pre_asked,
            Answer::Refused | Answer::Granted(_) => Round(u64::from(self.counters.sent)),
        };
        let length = self.write(Message::VoteAnswer { number, answer }, buffer)?;
        match answer {
            Answer::PreGranted => self.pre_grants.remove(peer),
            Answer::Refused | Answer::Granted(_) => self.answers.remove(peer),
        }
        Some((peer, length))
    }

    fn report(&mut self, buffer: &mut [u8]) -> Result<Sent, Fault> {
        let Some((leader, report)) = self.owed_report()? else { return Ok(None) };
        let Some(length) = self.write(report, buffer) else { return Ok(None) };
        self.reported(report);
        Ok(Some((leader, length)))
    }

    #[cold]
    fn request(&mut self, buffer: &mut [u8]) -> Result<Sent, Fault> {
        let Some((peer, request)) = self.owed_request()? else { return Ok(None) };
        let Some(length) = self.write(request, buffer) else { return Ok(None) };
        if let Role::PreCandidate(asking) | Role::Candidate(asking) = &mut self.role {
            asking.asked(peer);
        }
        Ok(Some((peer, length)))
    }

    /// Who is owed the answer to a vote request, if it may be given.
    fn owed_answer(&self) -> Option<(NodeId, Answer)> {
        let mut waiting = self.answers.union(self.pre_grants);
        while let Some(peer) = waiting.next_after(self.turn.peer) {
            if !self.answers.contains(peer) {
                // A leader may have been heard since.
                if !self.hears_leader() {
                    return Some((peer, Answer::PreGranted));
                }
            } else if self.ballot.vote != Some(peer) {
                return Some((peer, Answer::Refused));
            } else if let Some(ballot) = self.watermark.ballot(self.ballot) {
                return Some((peer, Answer::Granted(ballot.term())));
            }
            waiting.remove(peer);
        }
        None
    }

    /// What the leader is owed: that its append does not fit, or how far it does.
    fn owed_report(&self) -> Result<Owed, Fault> {
        let Role::Follower(following) = &self.role else { return Ok(None) };
        let Some(leader) = following.leader else { return Ok(None) };
        if self.watermark.term(self.ballot.term).is_none() {
            return Ok(None);
        }
        let (round, standing) = (following.seen, self.counted());
        if let Some(previous) = following.refused {
            let limit = previous.index.previous();
            let index = self.log.last_at_most(previous.term, limit).ok_or(Fault::Log)?;
            let hint = Position { term: self.log.term(index).ok_or(Fault::Log)?, index };
            let previous = previous.index;
            return Ok(Some((leader, Message::Reject { round, previous, hint, standing })));
        }
        if !following.owes {
            return Ok(None);
        }
        let index = self.watermark.up_to(following.verified);
        let settled = index.get() == following.verified;
        // While the rest is not durable, the same words again would say nothing.
        let news = following.echoed != round || following.reported < index.get();
        let message = Message::Acknowledge { round, index, settled, standing };
        Ok((settled || news).then_some((leader, message)))
    }

    fn reported(&mut self, report: Message<'_>) {
        let Role::Follower(following) = &mut self.role else { return };
        following.echoed = following.seen;
        match report {
            Message::Acknowledge { index, settled, .. } => {
                following.reported = index.get();
                following.owes = !settled;
            }
            _ => {
                // The rejection echoed the round; what matched before and was not reported is owed.
                following.refused = None;
                following.owes = following.reported < following.verified;
            }
        }
    }

    /// Who is owed a vote request, if it may be made.
    fn owed_request(&self) -> Result<Owed, Fault> {
        let (asking, standing) = match &self.role {
            Role::PreCandidate(asking) => (asking, Standing::Pre),
            Role::Candidate(asking) => match self.watermark.ballot(self.ballot) {
                Some(ballot) => (asking, Standing::Real(ballot.term())),
                None => return Ok(None),
            },
            Role::Follower(_) | Role::Leader(_) => return Ok(None),
        };
        let Some(peer) = asking.owed.next_after(self.turn.peer) else { return Ok(None) };
        let last = self.watermark.position(|index| self.log.term(index)).ok_or(Fault::Log)?;
        let request = Message::VoteRequest { standing, attempt: asking.attempt, last };
        Ok(Some((peer, request)))
    }

    fn write(&self, message: Message<'_>, buffer: &mut [u8]) -> Option<usize> {
        wire::encode(&Datagram { term: self.ballot.term, message }, buffer)
    }
}
