//! What a node owes its peers, written when there is room to send it.
//!
//! Nothing is queued: a debt is a bit, and what is sent is read from the state at that moment. So
//! a slow link carries today's truth, never yesterday's, and whatever was lost is simply owed
//! still. Kinds of debt take turns, and peers within a kind; a promise that is not durable yet is
//! passed over and kept.

use super::{Raft, Role};
use crate::progress::{Flow, Progress};
use crate::status::Fault;
use crate::types::{Index, NodeId, Position, Round};
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

/// What one follower is owed by its leader.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Supply {
    Append,
    Heartbeat,
}

type Sent = Option<(NodeId, usize)>;

impl<B: AsRef<[u8]> + AsMut<[u8]>> Raft<B> {
    /// Writes the next datagram that is owed, no longer than the buffer. `None` if there is none.
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
                || self.owed_report().is_some()
                || self.owed_request().is_some()
                || self.owed_supply().is_some())
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
            Role::Follower(_) => self.report(buffer),
            Role::PreCandidate(_) | Role::Candidate(_) => self.request(buffer),
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
        let length = self.write(Message::VoteAnswer(answer), buffer)?;
        match answer {
            Answer::PreGranted => self.pre_grants.remove(peer),
            Answer::Refused | Answer::Granted(_) => self.answers.remove(peer),
        }
        Some((peer, length))
    }

    fn report(&mut self, buffer: &mut [u8]) -> Sent {
        let (leader, report) = self.owed_report()?;
        let length = self.write(report, buffer)?;
        self.reported(report);
        Some((leader, length))
    }

    fn request(&mut self, buffer: &mut [u8]) -> Sent {
        let (peer, request) = self.owed_request()?;
        let length = self.write(request, buffer)?;
        if let Role::PreCandidate(asking) | Role::Candidate(asking) = &mut self.role {
            asking.owed.remove(peer);
        }
        Some((peer, length))
    }

    fn supply(&mut self, buffer: &mut [u8]) -> Result<Sent, Fault> {
        match self.owed_supply() {
            Some((at, Supply::Append)) => self.write_append(at, buffer),
            Some((at, Supply::Heartbeat)) => Ok(self.write_heartbeat(at, buffer)),
            None => Ok(None),
        }
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
    fn owed_report(&self) -> Option<(NodeId, Message<'static>)> {
        let Role::Follower(following) = &self.role else { return None };
        let leader = following.leader?;
        self.watermark.term(self.ballot.term)?;
        let (round, standing) = (following.seen, self.counted());
        if let Some(previous) = following.refused {
            let limit = previous.index.previous();
            let index = self.log.last_at_most(previous.term, limit)?;
            let hint = Position { term: self.log.term(index)?, index };
            let previous = previous.index;
            return Some((leader, Message::Reject { round, previous, hint, standing }));
        }
        if !following.owes {
            return None;
        }
        let index = self.watermark.up_to(following.verified);
        let settled = index.get() == following.verified;
        // While the rest is not durable, the same words again would say nothing.
        let news = following.echoed < round || following.reported < index.get();
        let message = Message::Acknowledge { round, index, settled, standing };
        (settled || news).then_some((leader, message))
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
    fn owed_request(&self) -> Option<(NodeId, Message<'static>)> {
        let (asking, standing) = match &self.role {
            Role::PreCandidate(asking) => (asking, Standing::Pre),
            Role::Candidate(asking) => {
                (asking, Standing::Real(self.watermark.ballot(self.ballot)?.term()))
            }
            Role::Follower(_) | Role::Leader(_) => return None,
        };
        let peer = asking.owed.next_after(self.turn.peer)?;
        let last = self.watermark.position(|index| self.log.term(index))?;
        Some((peer, Message::VoteRequest { standing, attempt: asking.attempt, last }))
    }

    /// Which follower is owed something, by its place among the followers.
    fn owed_supply(&self) -> Option<(usize, Supply)> {
        let Role::Leader(leading) = &self.role else { return None };
        let (before, after) = leading.followers.split_at_checked(leading.served)?;
        let owed = |followers: &[Progress]| {
            followers.iter().enumerate().find_map(|(at, peer)| Some((at, self.owed_to(peer)?)))
        };
        owed(after).map(|(at, supply)| (at + before.len(), supply)).or_else(|| owed(before))
    }

    fn owed_to(&self, peer: &Progress) -> Option<Supply> {
        let append = match peer.flow {
            _ if peer.paused => false,
            Flow::Probe => true,
            Flow::Replicate => {
                // A member whose word does not count has no window: it is paused after each append.
                peer.next <= self.log.last().index && (!peer.counted || self.window(peer) > 0)
            }
            Flow::Snapshot => false,
        };
        match append {
            true => Some(Supply::Append),
            false => peer.owed_heartbeat.then_some(Supply::Heartbeat),
        }
    }

    /// How many more entries may be on their way to this follower.
    fn window(&self, peer: &Progress) -> u32 {
        if peer.in_flight() == 0 {
            return self.config.window_entries;
        }
        let entries = u64::from(self.config.window_entries).saturating_sub(peer.in_flight());
        let first = peer.matched.get().max(self.log.base().index).next();
        let behind = self.log.bytes_from(first).zip(self.log.bytes_from(peer.next));
        let bytes = behind.map_or(0, |(all, unsent)| all.saturating_sub(unsent));
        let open = bytes < self.config.window_bytes;
        if open { u32::try_from(entries).unwrap_or(u32::MAX) } else { 0 }
    }

    fn write_append(&mut self, at: usize, buffer: &mut [u8]) -> Result<Sent, Fault> {
        let Role::Leader(leading) = &self.role else { return Err(Fault::Invariant) };
        let peer = leading.followers.get(at).ok_or(Fault::Invariant)?;
        let (id, flow, first, round) = (peer.id, peer.flow, peer.next, leading.round);
        let index = first.previous();
        let most = if peer.counted { self.window(peer).max(1) } else { self.config.window_entries };
        let Some(term) = self.log.term(index) else {
            self.follower_mut(at)?.lacks_dropped();
            return Ok(None);
        };
        let previous = Position { term, index };
        let Some(head) = self.write(self.append_head(round, previous), buffer) else {
            return Ok(None);
        };
        let (next, length) = self.copy_entries(first, most, head, buffer)?;
        if next == first && flow == Flow::Replicate {
            // Not even one entry fits: a smaller buffer than the cluster agreed on.
            self.counters.unsendable = self.counters.unsendable.saturating_add(1);
            self.follower_mut(at)?.sent_nothing();
            return Ok(None);
        }
        self.left_now(at)?.sent(next, round);
        Ok(Some((id, length)))
    }

    fn append_head(&self, round: Round, previous: Position) -> Message<'static> {
        let entries = crate::log::Entries::NONE;
        Message::Append { round, previous, committed: self.committed, entries }
    }

    /// Copies entries behind the first `used` bytes; gives the first one left out, and the length.
    fn copy_entries(
        &self,
        first: Index,
        most: u32,
        used: usize,
        buffer: &mut [u8],
    ) -> Result<(Index, usize), Fault> {
        let (mut next, mut used, mut most) = (first, used, most);
        while most > 0 && next <= self.log.last().index {
            let room = buffer.get_mut(used..).ok_or(Fault::Log)?;
            let (bytes, count) = self.log.piece(next, most, room.len()).ok_or(Fault::Log)?;
            if count == 0 {
                break;
            }
            room.get_mut(..bytes.len()).ok_or(Fault::Log)?.copy_from_slice(bytes);
            used += bytes.len();
            most -= count;
            next = Index(next.0 + u64::from(count));
        }
        Ok((next, used))
    }

    fn write_heartbeat(&mut self, at: usize, buffer: &mut [u8]) -> Sent {
        let Role::Leader(leading) = &self.role else { return None };
        let (round, committed) = (leading.round, self.committed);
        let length = self.write(Message::Heartbeat { round, committed }, buffer)?;
        let peer = self.left_now(at).ok()?;
        peer.owed_heartbeat = false;
        Some((peer.id, length))
    }

    /// A datagram of this round leaves for the follower at this place, which had its turn.
    fn left_now(&mut self, at: usize) -> Result<&mut Progress, Fault> {
        let Role::Leader(leading) = &mut self.role else { return Err(Fault::Invariant) };
        leading.left_now();
        leading.served = at + 1;
        self.follower_mut(at)
    }

    fn follower_mut(&mut self, at: usize) -> Result<&mut Progress, Fault> {
        match &mut self.role {
            Role::Leader(leading) => leading.followers.get_mut(at).ok_or(Fault::Invariant),
            _ => Err(Fault::Invariant),
        }
    }

    fn write(&self, message: Message<'_>, buffer: &mut [u8]) -> Option<usize> {
        wire::encode(&Datagram { term: self.ballot.term, message }, buffer)
    }
}
