//! How a follower that lacks what the log has dropped is sent the snapshot, a piece at a time.
//!
//! One follower at a time: what its stream reads from stays while it lasts, until it is done, the
//! follower falls silent, or the log is full. A piece has no number of its own. The offset says
//! where it belongs, what the follower holds says what to send, and a round that it echoed since
//! says what was lost.

use super::role::Leading;
use super::snapshot::{Check, Snapshots};
use super::{Raft, Role, Stop};
use crate::config::Config;
use crate::node_set::NodeSet;
use crate::progress::{Flow, Mark, Progress};
use crate::status::DropReason;
use crate::types::{NodeId, Round, Snapshot};
use crate::wire::{self, Chunk, Staged};

/// What of the snapshot belongs into a frame, behind the head that is already there.
pub(crate) struct Piece {
    pub(crate) to: NodeId,
    pub(crate) head_bytes: usize,
    pub(crate) offset: u32,
    pub(crate) bytes: usize,
}

/// A snapshot on its way to one follower.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Stream {
    to: NodeId,
    /// How much the follower holds, and how much was sent.
    held: u32,
    sent: u32,
    /// How much more may be sent in this tick.
    allowance: u32,
}

impl Stream {
    /// Time has passed.
    pub(super) fn advance(&mut self, config: &Config) {
        self.allowance = config.pace_bytes;
    }

    /// Whether there is something to send that only the pace holds back.
    pub(super) const fn waits_for_tick(&self) -> bool {
        self.allowance == 0
    }
}

impl Leading {
    /// Who could be sent the snapshot now: whoever lacks what was dropped, and is there.
    fn streamable(&self) -> NodeSet {
        let waits = |peer: &&Progress| peer.flow == Flow::Snapshot && peer.is(Mark::PRESENT);
        self.followers.iter().filter(waits).map(|peer| peer.id).collect()
    }

    /// Asks anew who is there: the snapshot is kept for nobody who was silent since the last time,
    /// or is a member no more, or another one.
    pub(super) fn question_presence(&mut self) {
        let waits = |peer: &Progress| peer.flow == Flow::Snapshot && peer.is(Mark::PRESENT);
        let is_there = |id| self.followers.iter().any(|peer| peer.id == id && waits(peer));
        if self.stream.as_ref().is_some_and(|stream| !is_there(stream.to)) {
            self.stream = None;
        }
        self.followers.iter_mut().for_each(|peer| peer.set(Mark::PRESENT, false));
    }

    /// Whether the stream may go on now.
    fn streams(&self, snapshot: &Snapshot, config: &Config) -> bool {
        self.stream.as_ref().is_some_and(|stream| {
            let flying = stream.sent - stream.held;
            stream.sent < snapshot.bytes && flying < config.window_bytes && stream.allowance > 0
        })
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Raft<B> {
    /// Whether the snapshot must be looked through before anybody is sent it.
    pub(crate) fn wants_check(&self) -> Option<Snapshot> {
        let Snapshots { kept, check, .. } = &self.snapshots;
        (*check == Check::Due && self.may_begin_stream()).then_some(*kept)
    }

    /// Somebody has looked.
    pub(crate) fn checked(&mut self, sound: bool) {
        self.snapshots.check = if sound { Check::Sound } else { Check::Rotten };
    }

    /// Whether a follower may be sent a piece of the snapshot, or could be if it were looked at.
    #[cold]
    pub(super) fn owes_chunk(&self) -> bool {
        let Role::Leader(leading) = &self.role else { return false };
        let sound = self.snapshots.check != Check::Rotten;
        leading.streams(&self.snapshots.kept, &self.config) || sound && self.may_begin_stream()
    }

    fn may_begin_stream(&self) -> bool {
        match &self.role {
            Role::Leader(it) => it.stream.is_none() && !it.streamable().is_empty(),
            _ => false,
        }
    }

    /// Whether a follower lacks what was dropped.
    pub(crate) fn lags(&self) -> bool {
        matches!(&self.role, Role::Leader(leading) if leading.lags)
    }

    /// Whether a piece of the snapshot goes before anything else, so that it is not forgotten on a
    /// link that is always busy.
    pub(crate) const fn has_waited(&self) -> bool {
        self.counters.sent.is_multiple_of(8)
    }

    /// Writes the head of the next piece that a follower is owed, and says what belongs behind it.
    #[cold]
    #[inline(never)]
    pub(crate) fn chunk(&mut self, buffer: &mut [u8]) -> Option<Piece> {
        let (kept, config) = (self.snapshots.kept, &self.config);
        let Role::Leader(leading) = &mut self.role else { return None };
        if leading.stream.is_none() && self.snapshots.check == Check::Sound {
            let to = leading.streamable().next_after(leading.streamed)?;
            leading.streamed = to;
            let allowance = config.pace_bytes;
            leading.stream = Some(Stream { to, held: 0, sent: 0, allowance });
        }
        if self.fault.is_some() || !leading.streams(&kept, config) {
            return None;
        }
        let (round, stream) = (leading.round, leading.stream.as_mut()?);
        let (to, offset) = (stream.to, stream.sent);
        let Some(peer) = leading.followers.iter_mut().find(|peer| peer.id == to) else {
            leading.stream = None;
            return None;
        };
        let begins = (offset == 0).then_some(kept);
        let chunk = Chunk { checksum: kept.checksum, begins, offset, bytes: &[] };
        let (nonce, term) = (self.nonce, self.ballot.term);
        let head_bytes = chunk.write(term, wire::behind_nonce(nonce, buffer))?;
        let head_bytes = wire::put_nonce(nonce, buffer, head_bytes)?;
        let room = u32::try_from(buffer.len() - head_bytes).unwrap_or(u32::MAX);
        let bytes = room.min(kept.bytes - offset);
        if bytes == 0 {
            return None;
        }
        stream.sent += bytes;
        stream.allowance = stream.allowance.saturating_sub(bytes);
        peer.appended = round;
        leading.left_now();
        self.counters.sent = self.counters.sent.saturating_add(1);
        Some(Piece { to, head_bytes, offset, bytes: bytes as usize })
    }

    /// A follower said how much it holds.
    #[cold]
    pub(super) fn heard_staged(&mut self, from: NodeId, staged: &Staged) -> Result<(), Stop> {
        let Staged { round, checksum, held, standing } = *staged;
        let Snapshot { bytes, checksum: ours, .. } = self.snapshots.kept;
        let Role::Leader(leading) = &mut self.role else {
            return Err(DropReason::Unexpected.into());
        };
        let (now, since) = (leading.round, leading.refills.since);
        let stream = leading.stream.as_mut().filter(|stream| stream.to == from);
        let peer = leading.followers.iter_mut().find(|peer| peer.id == from);
        let (Some(stream), Some(peer)) = (stream, peer) else {
            return Err(DropReason::Unexpected.into());
        };
        let held = if checksum == ours { held } else { 0 };
        if round > now || held > bytes {
            return Err(DropReason::Impossible.into());
        }
        if !peer.echo(round, standing, since) {
            return Err(DropReason::Stale.into());
        }
        if held == 0 && stream.sent == bytes && round >= peer.appended {
            // All of it was sent, and none is there: perhaps it did not add up. It is not sent
            // again before the follower is heard once more, or the two might never rest.
            self.snapshots.check = Check::Due;
            leading.stream = None;
            peer.set(Mark::PRESENT, false);
        } else if held > stream.held {
            stream.held = held;
            stream.sent = stream.sent.max(held);
        } else if held < stream.held && round >= peer.appended {
            (stream.held, stream.sent) = (held, held);
        }
        Ok(())
    }

    /// A follower that lacks what was dropped echoed a round; or one whose machine stopped has no
    /// room, though it lacks nothing: it can drop what is in a newer snapshot than its own.
    #[cold]
    pub(super) fn heard_lagging(&mut self, from: NodeId, round: Round, short: Option<Flow>) {
        let (bytes, base) = (self.snapshots.kept.bytes, self.log.base().index);
        let Role::Leader(leading) = &mut self.role else { return };
        let Some(peer) = leading.followers.iter_mut().find(|peer| peer.id == from) else { return };
        if let Some(before) = short {
            // When it begins to ask, nobody knows whether this one is newer.
            self.snapshots.short |= before != Flow::Snapshot;
            if bytes > 0 {
                peer.lacks_dropped(base);
                leading.lags = true;
            }
        }
        let stream = leading.stream.as_mut().filter(|stream| stream.to == from);
        if peer.flow != Flow::Snapshot {
            if stream.is_some() {
                leading.stream = None;
            }
            leading.lags = leading.followers.iter().any(|peer| peer.flow == Flow::Snapshot);
        } else if let Some(stream) = stream
            && round > peer.appended
        {
            // What was sent since is lost, or what was said of it; where nothing is left to send,
            // the last byte asks again.
            stream.held = stream.held.min(bytes.saturating_sub(1));
            stream.sent = stream.held;
        }
    }
}
