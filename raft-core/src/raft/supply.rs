//! What a leader owes its followers: the entries they lack, as many as frame and window take, or a
//! sign of life.
//!
//! Followers take turns. What was sent is remembered only as where to go on; what came of it the
//! follower's answers say.

use super::Role;
use super::role::Leading;
use super::{Raft, transmit::Sent};
use crate::config::Config;
use crate::log::{Entries, Log};
use crate::progress::{Flow, Mark, Progress};
use crate::quorum::Membership;
use crate::status::Fault;
use crate::types::{Index, Position, Round, Term};
use crate::wire::{Append, Heartbeat};

/// What one follower is owed.
enum Supply {
    /// An append with at most this many entries.
    Append(u32),
    Heartbeat,
}

/// What the leader's datagrams are made of.
struct Stock<'a, B> {
    log: &'a Log<B>,
    config: &'a Config,
    /// Only voters are sent what is not committed yet. The others could only stand in the way:
    /// a voter of before would refuse its vote to whoever lacks the entry that took its own away.
    membership: &'a Membership,
    term: Term,
    round: Round,
    committed: Index,
    quiet_ticks: u32,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Raft<B> {
    /// Writes what the next follower is owed. `None` if none of them is owed anything.
    pub(super) fn supply(&mut self, buffer: &mut [u8]) -> Result<Sent, Fault> {
        let Role::Leader(leading) = &mut self.role else { return Ok(None) };
        let (log, config, term) = (&self.log, &self.config, self.ballot.term);
        if leading.calm > 0 && !leading.all_have_all(Round(0), log.last().index) {
            leading.wake();
        }
        let membership = &self.configuration.membership;
        let stock = Stock::of(log, config, membership, term, leading, self.committed);
        let mut at = leading.served;
        for _ in 0..leading.followers.len() {
            if at >= leading.followers.len() {
                at = 0;
            }
            let follower = leading.followers.get_mut(at).ok_or(Fault::Invariant)?;
            at += 1;
            let id = follower.id;
            let length = match stock.owed_to(follower) {
                None => continue,
                Some(Supply::Heartbeat) => stock.heartbeat(follower, buffer),
                Some(Supply::Append(most)) => match stock.append(follower, most, buffer)? {
                    None if follower.flow == Flow::Snapshot => {
                        leading.lags = true;
                        continue;
                    }
                    None if follower.is(Mark::OWED_HEARTBEAT) => {
                        // Not even one entry fits: a smaller buffer than the cluster agreed on.
                        self.counters.unsendable = self.counters.unsendable.saturating_add(1);
                        stock.heartbeat(follower, buffer)
                    }
                    length => length,
                },
            };
            let Some(length) = length else { continue };
            leading.left_now();
            leading.served = at;
            return Ok(Some((id, length)));
        }
        Ok(None)
    }

    /// Every follower is owed a sign of life, which says what is committed, unless an append that
    /// says so too comes first.
    pub(crate) fn announce(&mut self) {
        if let Role::Leader(leading) = &mut self.role {
            for follower in &mut leading.followers {
                follower.set(Mark::OWED_HEARTBEAT, true);
            }
        }
    }

    /// Whether a follower is owed anything.
    pub(super) fn owes_supply(&self) -> bool {
        let Role::Leader(leading) = &self.role else { return false };
        let (log, config, term) = (&self.log, &self.config, self.ballot.term);
        let membership = &self.configuration.membership;
        let stock = Stock::of(log, config, membership, term, leading, self.committed);
        leading.followers.iter().any(|follower| stock.owed_to(follower).is_some())
    }
}

impl<'a, B: AsRef<[u8]> + AsMut<[u8]>> Stock<'a, B> {
    fn of(
        log: &'a Log<B>,
        config: &'a Config,
        membership: &'a Membership,
        term: Term,
        leading: &Leading,
        committed: Index,
    ) -> Self {
        let quiet_ticks = leading.announced(config);
        Self { log, config, membership, term, round: leading.round, committed, quiet_ticks }
    }

    fn owed_to(&self, follower: &Progress) -> Option<Supply> {
        let most = match follower.flow {
            _ if follower.is(Mark::PAUSED) => 0,
            Flow::Probe => self.config.window_entries,
            Flow::Replicate if follower.next > self.log.last().index => 0,
            Flow::Replicate if self.membership.voters().contains(follower.id) => {
                self.window(follower)
            }
            Flow::Replicate => self.committed_of(follower, self.window(follower)),
            Flow::Snapshot => 0,
        };
        match most {
            0 => follower.is(Mark::OWED_HEARTBEAT).then_some(Supply::Heartbeat),
            most => Some(Supply::Append(most)),
        }
    }

    /// Of so many entries those that a follower without a vote may be sent.
    #[cold]
    fn committed_of(&self, follower: &Progress, most: u32) -> u32 {
        let left = self.committed.next().above(follower.next);
        u32::try_from(left).map_or(most, |left| left.min(most))
    }

    /// How many more entries may be on their way. The bytes of the last frame may exceed theirs.
    fn window(&self, follower: &Progress) -> u32 {
        let flying = follower.in_flight();
        // A member whose word does not count has no window: it is paused after each append.
        if flying == 0 || !follower.is(Mark::COUNTED) {
            return self.config.window_entries;
        }
        let first = follower.matched.get().max(self.log.base().index).next();
        let behind = self.log.bytes_from(first).zip(self.log.bytes_from(follower.next));
        if behind.is_some_and(|(all, rest)| all.saturating_sub(rest) >= self.config.window_bytes) {
            return 0;
        }
        let flying = u32::try_from(flying).unwrap_or(u32::MAX);
        self.config.window_entries.saturating_sub(flying)
    }

    fn heartbeat(&self, follower: &mut Progress, buffer: &mut [u8]) -> Option<usize> {
        let (round, committed) = (self.round, self.committed);
        follower.set(Mark::SILENCE, false);
        let quiet_ticks = self.quiet_ticks;
        Heartbeat { round, committed, quiet_ticks }.write(self.term, buffer)
    }

    fn append(
        &self,
        follower: &mut Progress,
        most: u32,
        buffer: &mut [u8],
    ) -> Result<Option<usize>, Fault> {
        let index = follower.next.previous();
        if index < self.log.base().index {
            follower.lacks_dropped(self.log.base().index);
            return Ok(None);
        }
        let term = self.log.term(index).ok_or(Fault::Log)?;
        let (round, committed) = (self.round, self.committed);
        let (previous, entries) = (Position { term, index }, Entries::NONE);
        let head = Append { round, previous, committed, entries };
        let Some(head) = head.write(self.term, buffer) else {
            follower.sent_nothing();
            return Ok(None);
        };
        let votes = self.membership.voters().contains(follower.id);
        let most = if votes { most } else { self.committed_of(follower, most) };
        let (next, length) = self.copy_entries(follower.next, most, head, buffer)?;
        if next == follower.next && follower.flow == Flow::Replicate {
            follower.sent_nothing();
            return Ok(None);
        }
        follower.sent(next, round);
        Ok(Some(length))
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
}
