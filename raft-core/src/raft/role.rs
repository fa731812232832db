//! What a node is, and the state that it has only while it is that.
//!
//! A role owns its state, so that becoming something else forgets what must be forgotten.

use super::confirm::Questions;
use super::lease::Ages;
use super::read::NEVER_ASKED;
use super::refill::Refills;
use super::stream::Stream;
use super::transfer::Transfer;
use crate::config::Config;
use crate::node_set::NodeSet;
use crate::progress::{PEERS_MAX, Progress};
use crate::quorum::Membership;
use crate::types::{Index, NodeId, Position, Round};

/// A node's role with the state of it.
#[derive(Clone, PartialEq, Eq, Hash)]
#[allow(clippy::large_enum_variant)] // There is one, and it lives where the largest fits.
pub(crate) enum Role {
    Follower(Following),
    PreCandidate(Asking),
    Candidate(Asking),
    Leader(Leading),
}

/// A follower in one term, of one leader or of none yet.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Following {
    pub(super) leader: Option<NodeId>,
    /// The last entry that is known to match this leader's log: zero until an append matched.
    pub(super) verified: Index,
    /// The round heard last from this leader. Not the highest: one damaged number would stay.
    pub(super) seen: Round,
    /// The previous position of an append that did not match, until one does.
    pub(super) refused: Option<Position>,
    /// The round in which an append contradicted what is committed.
    pub(super) contradicted: Option<Round>,
    /// Whether an acknowledgement is owed.
    pub(super) owes: bool,
    /// Whether it is owed how much of a snapshot is here.
    pub(super) owes_stage: bool,
    /// What the last acknowledgement said.
    pub(super) echoed: Round,
    pub(super) reported: Index,
    /// The round heard last when the leader was asked what may be read.
    pub(super) asked_in: Round,
    /// The round in which the leader was told of a loss last.
    pub(super) refill_asked_in: Round,
    /// Up to where everything must be here after a loss, as this leader says.
    pub(super) refill_to: Option<Index>,
}

impl Following {
    pub(super) fn of(leader: Option<NodeId>) -> Self {
        Self {
            leader,
            verified: Index::ZERO,
            seen: Round(0),
            refused: None,
            contradicted: None,
            owes: false,
            owes_stage: false,
            echoed: Round(0),
            reported: Index::ZERO,
            asked_in: NEVER_ASKED,
            refill_asked_in: NEVER_ASKED,
            refill_to: None,
        }
    }
}

impl Following {
    /// The leader speaks, and is owed an answer.
    pub(super) fn hear(&mut self, round: Round) {
        self.seen = round;
        self.owes = true;
    }
}

/// A node that asks for votes, real ones or not.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Asking {
    /// Who said yes, this node not among them.
    pub(super) granted: NodeSet,
    /// Who has not answered.
    pub(super) silent: NodeSet,
    /// Who is owed a request: some of the silent.
    pub(super) owed: NodeSet,
    /// The number of the question, and of the first that was asked in this role: an answer to an
    /// earlier one is none to these.
    pub(super) attempt: Round,
    first_attempt: Round,
    /// Who was asked last: a turn of its own, or who is answered in between would decide it.
    last_asked: NodeId,
    /// Ticks since one of them was asked.
    waited: u32,
    /// Whether the leader wants this node to lead after it.
    pub(super) handed_over: bool,
}

impl Asking {
    pub(super) fn new(voters: NodeSet, attempt: Round) -> Self {
        let granted = NodeSet::EMPTY;
        let (silent, owed, first_attempt) = (voters, voters, attempt);
        let last_asked = NodeId(NodeId::LIMIT - 1);
        let (waited, handed_over) = (0, false);
        Self { granted, silent, owed, attempt, first_attempt, last_asked, waited, handed_over }
    }

    /// Asks the silent once more when their time is up, with the next number.
    pub(super) fn advance(&mut self, ticks: u32, patience_ticks: u32, attempts: &mut Round) {
        self.waited = self.waited.saturating_add(ticks);
        if self.waited >= patience_ticks && self.someone_was_asked() {
            self.waited = 0;
            *attempts = Round(attempts.0 + 1);
            self.attempt = *attempts;
            self.owed = self.silent;
        }
    }

    /// Who is asked next.
    pub(super) fn next(&self) -> Option<NodeId> {
        self.owed.next_after(self.last_asked)
    }

    /// A request was written.
    pub(super) fn asked(&mut self, peer: NodeId) {
        self.last_asked = peer;
        self.owed.remove(peer);
        self.waited = 0;
    }

    pub(super) fn answered(&mut self, from: NodeId, granted: bool) {
        self.silent.remove(from);
        self.owed.remove(from);
        if granted {
            self.granted.insert(from);
        }
    }

    /// Whether a question with this number was asked in this role.
    pub(super) fn has_asked(&self, number: Round) -> bool {
        (self.first_attempt..=self.attempt).contains(&number)
    }

    /// Ticks until the silent are asked again, if there are any.
    pub(super) fn left(&self, patience_ticks: u32) -> Option<u32> {
        self.someone_was_asked().then(|| patience_ticks.saturating_sub(self.waited))
    }

    /// Whether an answer may be on its way.
    fn someone_was_asked(&self) -> bool {
        !self.silent.without(self.owed).is_empty()
    }
}

/// A leader in its term. What is small stands before what is large, as in `Raft`.
#[derive(Clone, PartialEq, Eq, Hash)]
#[cfg_attr(not(target_pointer_width = "64"), repr(C))]
pub(crate) struct Leading {
    /// The follower that is being sent the snapshot.
    pub(super) stream: Option<Stream>,
    /// The last one that was.
    pub(super) streamed: NodeId,
    /// Whether a follower may lack what was dropped from the log.
    pub(super) lags: bool,
    /// Whether another node was told to stand in this term: then no lease holds any more.
    pub(super) told: bool,
    /// The follower that was served last.
    pub(super) served: usize,
    /// Its own first entry: nothing before it is committed by counting.
    pub(super) first: Index,
    /// The round under way.
    pub(super) round: Round,
    /// The question is not decided before this tick of it.
    quorum_grace: u32,
    /// How many rounds have really left since then, and the last of them.
    rounds_left: u32,
    last_left: Round,
    /// The round that began with that question: who echoed it or a later one is there.
    quorum_round: Round,
    /// Ticks since the round began.
    round_ticks: u32,
    /// Ticks since a quorum was last asked for.
    quorum_ticks: u32,
    pub(super) questions: Questions,
    /// How often in a row nothing was to be done when a quorum was asked for.
    pub(super) calm: u32,
    /// Who is to lead next, if anybody.
    pub(super) transfer: Option<Transfer>,
    /// The last round in which a configuration was not committed yet.
    pub(super) changed: Round,
    pub(super) ages: Ages,
    pub(super) refills: Refills,
    pub(super) followers: heapless::Vec<Progress, PEERS_MAX>,
}

/// What a leader's clock calls for.
pub(super) enum Call {
    /// Nothing yet.
    Wait,
    /// Everyone is owed a sign of life.
    Round,
    /// A quorum must have answered since this round.
    Quorum(Round),
}

impl Leading {
    pub(super) fn new(first: Index) -> Self {
        let round = Round(1);
        Self {
            followers: heapless::Vec::new(),
            first,
            round,
            served: 0,
            round_ticks: 0,
            quorum_ticks: 0,
            quorum_grace: 0,
            quorum_round: round,
            rounds_left: 0,
            last_left: Round(0),
            changed: Round(0),
            transfer: None,
            lags: false,
            stream: None,
            streamed: NodeId(0),
            told: false,
            calm: 0,
            ages: Ages::new(),
            questions: Questions::default(),
            refills: Refills::default(),
        }
    }

    pub(super) fn advance(&mut self, ticks: u32, config: &Config) -> Call {
        if self.followers.is_empty() {
            return Call::Wait;
        }
        self.advance_transfer(ticks, config.base_timeout_ticks);
        self.stream.iter_mut().filter(|_| ticks > 0).for_each(|stream| stream.advance(config));
        self.round_ticks = self.round_ticks.saturating_add(ticks);
        self.quorum_ticks = self.quorum_ticks.saturating_add(ticks);
        self.ages.advance(ticks);
        if self.quorum_ticks >= self.quorum_wait(config) {
            let slept = ticks > self.heartbeat_ticks(config) && self.quorum_grace == 0;
            if !slept || self.quorum_ticks >= self.quorum_most(config) {
                return Call::Quorum(self.quorum_round);
            }
            // It slept through the answers, or did not ask: they may be waiting to be received.
            self.quorum_grace = self.quorum_ticks.saturating_add(config.link_cycle_ticks);
            return Call::Round;
        }
        if self.round_ticks >= self.round_wait(config) { Call::Round } else { Call::Wait }
    }

    /// Everyone is owed a heartbeat, and is asked again for what is still open.
    pub(super) fn begin_round(&mut self) {
        self.round = Round(self.round.0 + 1);
        self.round_ticks = 0;
        self.ages.begin_round();
        self.followers.iter_mut().for_each(Progress::begin_round);
        self.transfer.iter_mut().for_each(Transfer::begin_round);
    }

    /// A quorum was there; the next question begins with a round of its own.
    pub(super) fn begin_quorum(&mut self) {
        self.begin_round();
        self.question_presence();
        self.quorum_ticks = 0;
        self.quorum_grace = 0;
        self.quorum_round = self.round;
        self.rounds_left = 0;
    }

    /// A datagram of the round under way was written.
    pub(super) fn left_now(&mut self) {
        if self.last_left < self.round {
            self.last_left = self.round;
            self.rounds_left = self.rounds_left.saturating_add(1);
        }
    }

    /// Whether anybody may have heard the round under way.
    pub(super) fn round_has_left(&self) -> bool {
        self.last_left >= self.round
    }

    /// Whether a quorum has echoed this round, or a later one. A leader needs no echo of its own.
    pub(super) fn has_echoed(&self, membership: &Membership, own: NodeId, round: Round) -> bool {
        let heard = self.followers.iter().filter(|peer| peer.echoed >= round);
        let mut present: NodeSet = heard.map(|peer| peer.id).collect();
        present.insert(own);
        membership.has_quorum(present)
    }

    /// Ticks until time calls for something; `None` for a leader of nobody.
    pub(super) fn left(&self, config: &Config) -> Option<u32> {
        let round = self.round_wait(config).saturating_sub(self.round_ticks);
        let quorum = self.quorum_wait(config).saturating_sub(self.quorum_ticks);
        let most = config.base_timeout_ticks;
        let transfer = self.transfer.as_ref().map_or(u32::MAX, |transfer| transfer.left(most));
        let paced = self.stream.as_ref().is_some_and(Stream::waits_for_tick);
        let pace = if paced { 1 } else { u32::MAX };
        (!self.followers.is_empty()).then(|| round.min(quorum).min(transfer).min(pace))
    }

    pub(super) fn follower(&mut self, id: NodeId) -> Option<&mut Progress> {
        self.followers.iter_mut().find(|follower| follower.id == id)
    }

    /// A round lasts until the next heartbeat; where somebody waits to read, no longer than a trip.
    fn round_wait(&self, config: &Config) -> u32 {
        if self.questions.want_round() {
            config.heartbeat_ticks.min(config.link_cycle_ticks)
        } else {
            self.heartbeat_ticks(config)
        }
    }

    /// A quorum is asked for after one base timeout if two rounds have left by then, so that there
    /// was something to answer, and in any case after two.
    fn quorum_wait(&self, config: &Config) -> u32 {
        let most = self.quorum_most(config);
        let least = if self.rounds_left >= 2 { self.base_ticks(config) } else { most };
        least.max(self.quorum_grace).min(most)
    }

    fn quorum_most(&self, config: &Config) -> u32 {
        self.base_ticks(config).saturating_mul(2)
    }
}
