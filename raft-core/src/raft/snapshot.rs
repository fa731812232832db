//! How a log gets shorter, and how a follower comes by what its leader's log has dropped.
//!
//! A snapshot lives in storage; here is only which one it is, how much of the next one has come
//! together, and how far one follower has been sent it. One stream goes out at a time, and what it
//! reads from stays while it lasts: until it is done, the follower falls silent, or the log is full.

use super::receive::WantsAnswer;
use super::role::Leading;
use super::{Raft, Role, Stop};
use crate::config::Config;
use crate::configuration::Configuration;
use crate::macros::note;
use crate::node_set::NodeSet;
use crate::progress::{Flow, Progress};
use crate::status::{DropReason, Fault};
use crate::types::{Index, NodeId, Position, Round, Snapshot, Term};
use crate::wire::{self, Chunk, Datagram, Frame, Message, Staged};

/// The snapshot of a node, and the one that it is being sent.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Snapshots {
    /// The one that counts. It reaches the log's base, and never beyond the commit.
    pub(super) kept: Snapshot,
    check: Check,
    pub(super) stage: Option<Stage>,
    /// Whether an entry found no room since the log was compacted.
    pub(super) short: bool,
    /// Whether storage was given some of a snapshot since the last flush.
    pub(super) unflushed: bool,
}

/// Whether what storage holds is what was saved.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Check {
    Due,
    Sound,
    Rotten,
}

/// A snapshot that comes together in storage.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Stage {
    pub(crate) snapshot: Snapshot,
    /// How much of it storage was given.
    pub(crate) held: u32,
    /// Whether it is all there and adds up.
    whole: bool,
    /// The term of the leader that last sent some of it: what an earlier leader sent makes way for
    /// anything.
    term: Term,
}

impl Stage {
    pub(crate) const fn new(snapshot: Snapshot, held: u32) -> Self {
        Self { snapshot, held, whole: false, term: Term::ZERO }
    }
}

/// What storage is to be given of a snapshot.
pub(crate) struct Staging<'a> {
    /// The stage begins anew, for this one.
    pub(crate) begins: Option<Snapshot>,
    pub(crate) offset: u32,
    pub(crate) bytes: &'a [u8],
}

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

impl Snapshots {
    pub(super) fn new(kept: Snapshot, stage: Option<Stage>) -> Self {
        Self { kept, check: Check::Due, stage, short: false, unflushed: false }
    }
}

impl Leading {
    /// Who could be sent the snapshot now: whoever lacks what was dropped, and is there.
    fn streamable(&self) -> NodeSet {
        let waits = |peer: &&Progress| peer.flow == Flow::Snapshot && peer.present;
        self.followers.iter().filter(waits).map(|peer| peer.id).collect()
    }

    /// Asks anew who is there: the snapshot is kept for nobody who was silent since the last time.
    pub(super) fn question_presence(&mut self) {
        for peer in &mut self.followers {
            let present = core::mem::take(&mut peer.present);
            if !present && self.stream.as_ref().is_some_and(|stream| stream.to == peer.id) {
                self.stream = None;
            }
        }
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
    /// Whether a snapshot of everything up to `applied` is due.
    pub(crate) fn wants_compaction(&self, applied: Index) -> bool {
        let Snapshots { kept, check, short, .. } = &self.snapshots;
        let streams = matches!(&self.role, Role::Leader(leading) if leading.stream.is_some());
        let filled = *short || !streams && self.log.is_filled(self.config.compact_percent);
        self.fault.is_none() && (filled && applied > kept.last.index || *check == Check::Rotten)
    }

    /// Storage was given a snapshot of the machine: what is in it may go, but for what followers
    /// that are not far behind may still need.
    pub(crate) fn compacted(&mut self, snapshot: Snapshot) -> Result<(), Fault> {
        let last = snapshot.last.index;
        self.snapshots = Snapshots { unflushed: true, ..Snapshots::new(snapshot, None) };
        if let Role::Leader(leading) = &mut self.role {
            leading.stream = None;
        }
        self.drop_up_to(Index(last.0.saturating_sub(u64::from(self.config.keep_entries))))?;
        if self.log.is_filled(self.config.compact_percent / 2) {
            self.drop_up_to(last)?;
        }
        Ok(())
    }

    /// An entry found no room: what is kept for others only goes, and a snapshot is due.
    #[cold]
    pub(super) fn make_room(&mut self) -> Result<(), Fault> {
        self.snapshots.short = true;
        self.drop_up_to(self.snapshots.kept.last.index)
    }

    fn drop_up_to(&mut self, index: Index) -> Result<(), Fault> {
        if index <= self.log.base().index {
            return Ok(());
        }
        self.log.drop_prefix(index).ok_or(Fault::Log)?;
        if let Role::Leader(leading) = &mut self.role {
            for peer in leading.followers.iter_mut().filter(|peer| peer.next <= index) {
                peer.lacks_dropped(index);
                leading.lags = true;
            }
        }
        Ok(())
    }

    /// Whether the stage is whole and takes the place of the snapshot.
    pub(crate) fn staged(&self) -> Option<Snapshot> {
        let stage = self.snapshots.stage.as_ref().filter(|stage| stage.whole)?;
        if !matches!(self.role, Role::Follower(_)) {
            // Whoever is elected has all that is in it, and commits it by counting.
            return None;
        }
        (stage.snapshot.last.index > self.committed).then_some(stage.snapshot)
    }

    /// The stage, if all of it is there and nobody has looked whether it adds up.
    pub(crate) fn unchecked_stage(&self) -> Option<Snapshot> {
        let stage = self.snapshots.stage.as_ref()?;
        (stage.held == stage.snapshot.bytes && !stage.whole).then_some(stage.snapshot)
    }

    /// Somebody has looked.
    pub(crate) fn checked_stage(&mut self, sound: bool) {
        match &mut self.snapshots.stage {
            Some(stage) if sound => stage.whole = true,
            stage => *stage = None,
        }
    }

    /// The stage has durably taken the place of the snapshot.
    pub(crate) fn installed(&mut self, snapshot: Snapshot, configuration: Configuration) {
        note!("node {} has a snapshot up to {}", self.config.id.0, snapshot.last.index.0);
        let Position { term, index } = snapshot.last;
        self.snapshots = Snapshots { check: Check::Sound, ..Snapshots::new(snapshot, None) };
        if self.log.term(index) != Some(term) {
            self.log.restart_after(snapshot.last);
            self.watermark.restarted(index);
            self.configuration = configuration;
        }
        self.committed = self.committed.max(index);
        if let Role::Follower(following) = &mut self.role {
            following.verified = following.verified.max(index);
            following.refused = None;
            following.owes = true;
        }
        self.close(Ok(()));
    }

    // The follower's part.

    /// A frame came in that holds a piece of a snapshot.
    #[cold]
    #[inline(never)]
    pub(crate) fn receive_chunk<'a>(&mut self, frame: Frame<'a>) -> Option<Staging<'a>> {
        self.counters.received = self.counters.received.saturating_add(1);
        let (staging, outcome) = match self.take_chunk(frame) {
            Ok(staging) => (staging, Ok(())),
            Err(stop) => (None, Err(stop)),
        };
        self.close(outcome);
        staging
    }

    fn take_chunk<'a>(&mut self, frame: Frame<'a>) -> Result<Option<Staging<'a>>, Stop> {
        let (term, chunk) = self.open(frame)?.chunk().ok_or(DropReason::Malformed)?;
        self.meet(frame.from, term, Round(u64::from(chunk.offset)), WantsAnswer::Yes)?;
        let committed = self.committed;
        let following = self.follow(frame.from)?;
        following.owes_stage = true;
        let mut begins = None;
        if let Some(snapshot) = chunk.begins {
            let last = snapshot.last.index;
            if last <= committed {
                // What is committed is in every leader's log.
                following.verified = following.verified.max(last);
                following.owes = true;
                return Ok(None);
            }
            match &self.snapshots.stage {
                Some(stage) if stage.snapshot == snapshot => {}
                // A leader's snapshots only grow: this one is late.
                Some(stage) if stage.term == term && stage.snapshot.last.index > last => {}
                _ => {
                    self.snapshots.stage = Some(Stage::new(snapshot, 0));
                    begins = Some(snapshot);
                }
            }
        }
        let Some(stage) = &mut self.snapshots.stage else { return Ok(None) };
        let rest = stage.snapshot.bytes - stage.held;
        let bytes = u32::try_from(chunk.bytes.len()).ok().filter(|&bytes| bytes <= rest);
        let (Some(bytes), true) = (bytes, stage.snapshot.checksum == chunk.checksum) else {
            return Ok(None);
        };
        stage.term = term;
        if chunk.offset != stage.held {
            return Ok(None);
        }
        stage.held += bytes;
        self.snapshots.unflushed = true;
        Ok(Some(Staging { begins, offset: chunk.offset, bytes: chunk.bytes }))
    }

    /// How much of a snapshot this node holds, for its leader.
    pub(super) fn owed_staged(&self) -> Option<Staged> {
        let Role::Follower(following) = &self.role else { return None };
        let (checksum, held) = match &self.snapshots.stage {
            Some(stage) => (stage.snapshot.checksum, stage.held),
            None => (0, 0),
        };
        let (round, standing) = (following.seen, self.counted());
        following.owes_stage.then_some(Staged { round, checksum, held, standing })
    }

    // The leader's part.

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
        let datagram = Datagram { term: self.ballot.term, message: Message::Chunk(chunk) };
        let head_bytes = wire::encode(&datagram, buffer)?;
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
        let now = leading.round;
        let stream = leading.stream.as_mut().filter(|stream| stream.to == from);
        let peer = leading.followers.iter_mut().find(|peer| peer.id == from);
        let (Some(stream), Some(peer)) = (stream, peer) else {
            return Err(DropReason::Unexpected.into());
        };
        let held = if checksum == ours { held } else { 0 };
        if round > now || held > bytes {
            return Err(DropReason::Impossible.into());
        }
        peer.echo(round, standing);
        if held > stream.held {
            stream.held = held;
            stream.sent = stream.sent.max(held);
        } else if held < stream.held && round >= peer.appended {
            (stream.held, stream.sent) = (held, held);
        }
        Ok(())
    }

    /// A follower that lacks what was dropped echoed a round, and holds everything up to `index`.
    #[cold]
    pub(super) fn heard_lagging(&mut self, from: NodeId, round: Round) {
        let bytes = self.snapshots.kept.bytes;
        let Role::Leader(leading) = &mut self.role else { return };
        let Some(peer) = leading.followers.iter().find(|peer| peer.id == from) else { return };
        let stream = leading.stream.as_mut().filter(|stream| stream.to == from);
        if peer.flow != Flow::Snapshot {
            if stream.is_some() {
                leading.stream = None;
            }
            leading.lags = leading.followers.iter().any(|peer| peer.flow == Flow::Snapshot);
        } else if let Some(stream) = stream
            && round > peer.appended {
            // What was sent since is lost, or what was said of it; where nothing is left to send,
            // the last byte asks again.
            stream.held = stream.held.min(bytes.saturating_sub(1));
            stream.sent = stream.held;
        }
    }
}
