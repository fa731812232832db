//! How a log gets shorter, and how a follower comes by what its leader's log has dropped.
//!
//! A snapshot lives in storage; here is only which one it is, and how much of the next one has come
//! together. What is staged belongs to a snapshot, never to a leader or a term: whoever sends the
//! same one goes on where the last one ended.

use super::receive::Given;
use super::{Raft, Role, Stop};
use crate::configuration::Configuration;
use crate::macros::note;
use crate::status::Fault;
use crate::types::{Ballot, Index, NodeId, Position, Snapshot, Term};
use crate::wire::{Chunk, Staged};

/// The snapshot of a node, and the one that it is being sent.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Snapshots {
    /// The one that counts. It reaches the log's base, and never beyond the commit.
    pub(super) kept: Snapshot,
    pub(super) check: Check,
    pub(super) stage: Option<Stage>,
    /// Whether an entry found no room since the log was compacted.
    pub(super) short: bool,
    /// How long one may be that storage has room for, and how long one was that is longer.
    bytes_max: u32,
    refused: Option<u32>,
    /// Whether storage was given some of a snapshot since the last flush.
    pub(super) unflushed: bool,
}

/// Whether what storage holds is what was saved.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Check {
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
    /// Whether more than the first piece came, so that its name was not one damaged frame's.
    grown: bool,
    /// The term of the leader that last sent some of it: what an earlier leader sent makes way for
    /// anything.
    term: Term,
}

impl Stage {
    pub(crate) const fn new(snapshot: Snapshot, held: u32) -> Self {
        Self { snapshot, held, whole: false, grown: false, term: Term::ZERO }
    }

    /// Which snapshot it is, if all of it is there and nobody has looked whether it adds up.
    pub(crate) fn unchecked(&self) -> Option<Snapshot> {
        (self.held == self.snapshot.bytes && !self.whole).then_some(self.snapshot)
    }

    /// It can't be put in place by this version.
    pub(crate) fn hold_back(stage: &mut Option<Self>) {
        if let Some(stage) = stage {
            stage.whole = false;
        }
    }

    /// Somebody has looked: what does not add up begins anew.
    pub(crate) fn checked(stage: &mut Option<Self>, sound: bool) {
        match stage {
            Some(stage) if sound => stage.whole = true,
            stage => *stage = None,
        }
    }
}

/// What storage is to be given of a snapshot.
pub(crate) struct Staging<'a> {
    /// Whether the stage begins anew.
    pub(crate) begins: bool,
    pub(crate) offset: u32,
    pub(crate) bytes: &'a [u8],
}

impl Snapshots {
    pub(super) fn new(kept: Snapshot, stage: Option<Stage>, bytes_max: u32) -> Self {
        let (check, short, unflushed) = (Check::Due, false, false);
        Self { kept, check, stage, short, bytes_max, refused: None, unflushed }
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Raft<B> {
    /// Whether a snapshot of everything up to `applied` is due.
    pub(crate) fn wants_compaction(&self, applied: Index) -> bool {
        let Snapshots { kept, check, short, .. } = &self.snapshots;
        let streams = matches!(&self.role, Role::Leader(leading) if leading.stream.is_some());
        // A snapshot for each entry is too many, where it is what waits that fills the log.
        let pays = 2 * applied.above(self.log.base().index) >= u64::from(self.log.len());
        let filled = pays && !streams && self.log.is_filled(self.config.compact_percent) || *short;
        self.fault.is_none() && (filled && applied > kept.last.index || *check == Check::Rotten)
    }

    /// Whether a snapshot of this node's own up to there would be news.
    pub(crate) fn can_adopt(&self, last: Position) -> bool {
        let Snapshots { kept, check, .. } = &self.snapshots;
        let again = *check == Check::Rotten && last.index == kept.last.index;
        let news = again || last.index > kept.last.index;
        news && self.staged().is_none() && self.log.term(last.index) == Some(last.term)
    }

    /// Whether there is something that it would put an end to, and room enough to wait for that.
    pub(crate) fn adoption_waits(&self) -> bool {
        let streams = matches!(&self.role, Role::Leader(leading) if leading.stream.is_some());
        let is_sent_one = self.snapshots.stage.as_ref().is_some_and(|stage| {
            stage.term == self.ballot.term && stage.snapshot.last.index > self.committed
        });
        !self.snapshots.short && (streams || is_sent_one)
    }

    /// Storage was given a snapshot of the machine: what is in it may go, but for what followers
    /// that are not far behind may still need.
    pub(crate) fn compacted(
        &mut self,
        snapshot: Snapshot,
        configuration: &Configuration,
    ) -> Result<(), Fault> {
        let last = snapshot.last.index;
        self.base_configuration.clone_from(configuration);
        let bytes_max = self.snapshots.bytes_max;
        let snapshots = Snapshots::new(snapshot, None, bytes_max);
        self.snapshots = Snapshots { unflushed: true, ..snapshots };
        if let Role::Leader(leading) = &mut self.role {
            leading.stream = None;
        }
        self.drop_up_to(Index(last.0.saturating_sub(u64::from(self.config.keep_entries))))?;
        if self.log.is_filled(self.config.compact_percent.max(50) / 2) {
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
        let had = if self.retired { self.snapshots.kept.last.index } else { self.committed };
        (stage.snapshot.last.index > had).then_some(stage.snapshot)
    }

    /// Whether there is no room, and no snapshot of this node's own will ever make any.
    pub(super) const fn is_short_for_good(&self) -> bool {
        self.retired && self.snapshots.short
    }

    /// What comes together, for whoever looks.
    pub(crate) const fn stage(&self) -> Option<&Stage> {
        self.snapshots.stage.as_ref()
    }

    /// What comes together.
    pub(crate) fn stage_mut(&mut self) -> &mut Option<Stage> {
        &mut self.snapshots.stage
    }

    /// The stage has durably taken the place of the snapshot.
    pub(crate) fn installed(&mut self, snapshot: Snapshot, configuration: &Configuration) {
        note!("node {} has a snapshot up to {}", self.config.id.0, snapshot.last.index.0);
        let Position { term, index } = snapshot.last;
        let bytes_max = self.snapshots.bytes_max;
        let snapshots = Snapshots::new(snapshot, None, bytes_max);
        self.snapshots = Snapshots { check: Check::Sound, ..snapshots };
        if self.log.term(index) != Some(term) {
            self.log.restart_after(snapshot.last);
            self.watermark.restarted(index);
        }
        if term > self.ballot.term {
            // The power failed when storage had the snapshot, and not yet the term it came in.
            let vote = Some(self.config.id);
            self.enter(Ballot { term, vote, ..self.ballot });
        }
        self.committed = self.committed.max(index);
        let mut adopted = self.adopt_base(configuration);
        if self.retired {
            adopted = adopted.and_then(|()| self.drop_up_to(index));
        }
        if let Role::Follower(following) = &mut self.role {
            following.verified = following.verified.max(index);
            following.refused = None;
            following.owes = true;
            following.owes_stage = false;
        }
        self.close(adopted.map_err(Stop::Fault));
    }

    /// How long a snapshot may be.
    pub(crate) const fn snapshot_bytes_max(&self) -> u32 {
        self.snapshots.bytes_max
    }

    /// How long a snapshot was that storage has no room for, if there was one.
    pub(crate) const fn refused(&self) -> Option<u32> {
        self.snapshots.refused
    }

    /// A leader sends a piece of its snapshot.
    #[cold]
    pub(super) fn take_chunk<'a>(
        &mut self,
        from: NodeId,
        chunk: &Chunk<'a>,
        given: &mut Given<'a>,
    ) -> Result<(), Stop> {
        let (short, term) = (self.is_short_for_good(), self.ballot.term);
        let had = if short { self.snapshots.kept.last.index } else { self.committed };
        let following = self.follow(from)?;
        following.owes_stage = true;
        let mut begins = false;
        if let Some(snapshot) = chunk.begins {
            let last = snapshot.last.index;
            if last <= had {
                // What is committed is in every leader's log.
                following.verified = following.verified.max(last);
                (following.owes, following.owes_stage) = (true, false);
                return Ok(());
            }
            if snapshot.bytes > self.snapshots.bytes_max {
                self.snapshots.refused = Some(snapshot.bytes);
                return Ok(());
            }
            match &self.snapshots.stage {
                Some(stage) if stage.snapshot == snapshot => {}
                // A leader's snapshots only grow: this one is late.
                Some(stage)
                    if stage.grown && stage.term == term && stage.snapshot.last.index > last => {}
                _ => {
                    self.snapshots.stage = Some(Stage::new(snapshot, 0));
                    begins = true;
                }
            }
        }
        let Some(stage) = &mut self.snapshots.stage else {
            return Ok(());
        };
        let rest = stage.snapshot.bytes - stage.held;
        let bytes = u32::try_from(chunk.bytes.len()).ok().filter(|&bytes| bytes <= rest);
        let (Some(bytes), true) = (bytes, stage.snapshot.checksum == chunk.checksum) else {
            return Ok(());
        };
        stage.term = term;
        if chunk.offset != stage.held {
            return Ok(());
        }
        stage.held += bytes;
        stage.grown |= chunk.offset > 0;
        self.snapshots.unflushed = true;
        *given = Given::Piece(Staging { begins, offset: chunk.offset, bytes: chunk.bytes });
        Ok(())
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
}
