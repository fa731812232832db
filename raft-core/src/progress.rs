//! What a leader knows of one follower, and what may be sent to it next.
//!
//! A follower is probed until the two logs are known to meet; from then on entries are sent ahead
//! of its acknowledgements, as far as a window allows. Nothing is retransmitted by a timer of its
//! own: a heartbeat's answer that lacks what was sent in an earlier round says that it was lost.

use crate::durable::Durable;
use crate::quorum::MEMBERS_MAX;
use crate::types::{Index, NodeId, Round};
use crate::wire::Counted;

/// How many peers a node can have: every member but itself.
pub const PEERS_MAX: usize = MEMBERS_MAX - 1;

/// How entries go to one follower.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Flow {
    /// One append at a time, until one matches.
    Probe,
    /// Appends ahead of acknowledgements.
    Replicate,
    /// What it lacks is not in the log any more: it is sent a snapshot.
    Snapshot,
}

/// Something that holds for a follower or does not: a bit, for a leader keeps eight followers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Mark(u8);

impl Mark {
    /// Nothing may be sent to it until an answer or another round.
    pub(crate) const PAUSED: Self = Self(1);
    /// The last probe carried entries: an answer that holds none of them found no room.
    const CARRIED: Self = Self(1 << 1);
    /// It is owed a sign of life in this round.
    pub(crate) const OWED_HEARTBEAT: Self = Self(1 << 2);
    /// Its word counts: what it said of itself last. Storage of another nonce is not heard.
    pub(crate) const COUNTED: Self = Self(1 << 3);
    /// It was heard since the last question for a quorum.
    pub(crate) const PRESENT: Self = Self(1 << 4);
    /// It lost entries, and has not said since that its word counts.
    pub(crate) const REFILLING: Self = Self(1 << 5);
    /// Its leader wants to stand still.
    pub(crate) const WARNED: Self = Self(1 << 6);
    /// It was sent nothing since its leader wants that.
    pub(crate) const UNAWARE: Self = Self(1 << 7);
    /// What a sign of life ends.
    pub(crate) const SILENCE: Self = Self(Self::OWED_HEARTBEAT.0 | Self::UNAWARE.0);
}

/// One follower, seen from its leader.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Progress {
    pub(crate) id: NodeId,
    pub(crate) flow: Flow,
    /// The highest entry that it holds durably, by its own counted word.
    pub(crate) matched: Durable<Index>,
    /// The next entry to send, above `matched`.
    pub(crate) next: Index,
    /// The highest round that it echoed, by its own counted word.
    pub(crate) echoed: Round,
    /// The round in which an append was sent last.
    pub(crate) appended: Round,
    /// Every [`Mark`] that holds.
    marks: u8,
    /// The number of the last loss of entries that it told of.
    pub(crate) losses: u8,
    /// The number of what it wanted to read last.
    pub(crate) question: u32,
}

/// What [`MEMBERS_MAX`] says that a member costs its leader.
const _: () = assert!(size_of::<Progress>() <= 40);

impl Progress {
    /// A follower of which nothing is known: the logs may meet just before `next`.
    pub(crate) fn new(id: NodeId, next: Index) -> Self {
        Self {
            id,
            flow: Flow::Probe,
            matched: Durable::NOTHING,
            next,
            echoed: Round(0),
            appended: Round(0),
            marks: Mark::COUNTED.0,
            losses: 0,
            question: 0,
        }
    }

    /// Whether this holds.
    pub(crate) const fn is(&self, mark: Mark) -> bool {
        self.marks & mark.0 != 0
    }

    /// From now on this holds, or does not.
    pub(crate) const fn set(&mut self, mark: Mark, holds: bool) {
        self.marks = if holds { self.marks | mark.0 } else { self.marks & !mark.0 };
    }

    /// A new round begins: whoever was silent is asked again.
    pub(crate) fn begin_round(&mut self) {
        self.set(Mark::PAUSED, false);
        self.set(Mark::OWED_HEARTBEAT, true);
    }

    /// Entries up to before `next` were sent in `round`.
    pub(crate) fn sent(&mut self, next: Index, round: Round) {
        self.appended = round;
        self.set(Mark::SILENCE, false);
        if !self.is(Mark::COUNTED) {
            self.set(Mark::PAUSED, true);
        }
        if self.flow == Flow::Replicate {
            self.next = next;
        } else {
            self.set(Mark::PAUSED, true);
            self.set(Mark::CARRIED, next > self.next);
        }
    }

    /// Nothing could be sent: not again before the next round.
    pub(crate) fn sent_nothing(&mut self) {
        self.set(Mark::PAUSED, true);
    }

    /// It said that it heard `round`, and whether its word counts. If it lost entries, what it says
    /// of rounds before `since` may be of before the loss: says whether this is not.
    pub(crate) fn echo(&mut self, round: Round, standing: Counted, since: Round) -> bool {
        if self.is(Mark::REFILLING) && standing == Counted::Yes {
            if round < since {
                return false;
            }
            self.set(Mark::REFILLING, false);
        }
        self.set(Mark::PRESENT, true);
        if standing == Counted::Yes {
            self.set(Mark::COUNTED, true);
            self.echoed = self.echoed.max(round);
        } else {
            self.set(Mark::COUNTED, false);
            self.matched = Durable::NOTHING;
        }
        true
    }

    /// It lost entries that it had flushed: nothing is known of its log, whose end may still be
    /// close to `last`.
    pub(crate) fn begin_refill(&mut self, losses: u8, last: Index) {
        self.losses = losses;
        self.set(Mark::REFILLING, true);
        self.set(Mark::COUNTED, false);
        self.matched = Durable::NOTHING;
        self.resume(Flow::Probe, last.next());
    }

    /// It holds everything up to `index`. Says whether that moved `matched`.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(crate) fn acknowledge(
        &mut self,
        index: Durable<Index>,
        round: Round,
        settled: bool,
    ) -> bool {
        let advanced = self.is(Mark::COUNTED) && index > self.matched;
        if advanced {
            self.matched = index;
        }
        let holds = index.get();
        if self.is(Mark::CARRIED) && holds == self.next.previous() {
            // A full follower would otherwise be sent the same again and again, as fast as it says
            // so; the next round asks it once more.
        } else if holds >= self.next.previous() {
            self.resume(Flow::Replicate, holds.next());
        } else if settled {
            self.settle(holds, round);
        }
        advanced
    }

    /// Whether its word that the append after `previous` did not match is news.
    pub(crate) fn may_reject(&self, previous: Index) -> bool {
        let expected = match self.flow {
            Flow::Probe => previous == self.next.previous(),
            Flow::Replicate => previous < self.next,
            Flow::Snapshot => false,
        };
        expected && previous > self.matched.get()
    }

    /// Everything above `agreed` is in doubt.
    pub(crate) fn reject(&mut self, agreed: Index) {
        self.resume(Flow::Probe, agreed.max(self.matched.get()).next());
    }

    /// What it lacks was dropped, and everything else up to `base`.
    pub(crate) fn lacks_dropped(&mut self, base: Index) {
        self.resume(Flow::Snapshot, base.next());
    }

    /// How many entries are on their way.
    pub(crate) const fn in_flight(&self) -> u64 {
        self.next.previous().above(self.matched.get())
    }

    /// It waits for nothing, and yet lacks something that was sent.
    fn settle(&mut self, holds: Index, round: Round) {
        match self.flow {
            Flow::Probe if holds > Index::ZERO => self.resume(Flow::Replicate, holds.next()),
            Flow::Replicate if round > self.appended => {
                self.resume(Flow::Probe, holds.max(self.matched.get()).next());
            }
            Flow::Probe | Flow::Replicate | Flow::Snapshot => {}
        }
    }

    fn resume(&mut self, flow: Flow, next: Index) {
        self.flow = flow;
        self.set(Mark::CARRIED, false);
        self.next = next.max(self.matched.get().next());
        self.set(Mark::PAUSED, false);
    }
}
