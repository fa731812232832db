//! Quiet mode: where everyone has everything, a leader need not say so often that it is there.
//!
//! Each time a quorum is asked for, the leader looks whether all have all, and know that all is
//! committed. The second time its heartbeats say how rare they are to become, and followers wait
//! so much longer for the next; once all have echoed that, they become rare. Whatever there is to
//! send, to read or to doubt ends it at once.

use super::role::Leading;
use super::{Raft, Role};
use crate::config::Config;
use crate::progress::Flow;
use crate::types::{Index, Round, Term};

/// So many times in a row nothing was to be done: the heartbeats say so.
const SAYS_SO: u32 = 2;
/// And once more: all members know.
const QUIET: u32 = 3;

/// How much longer than else a follower waits for a heartbeat that may come so late: three of them
/// fit into any election timeout.
pub(super) fn stretch(quiet_ticks: u32) -> u32 {
    quiet_ticks.min(Config::QUIET_TICKS_MAX) * 3
}

impl Leading {
    /// A quorum was there; were all there, since this round, and is there nothing to be done?
    pub(super) fn grow_calm(&mut self, config: &Config, since: Round, last: Index, done: bool) {
        let idle = done && config.quiet_ticks > 0 && self.transfer.is_none();
        let calm = idle && self.all_have_all(since, last);
        self.calm = if calm { QUIET.min(self.calm + 1) } else { 0 };
    }

    /// Whether each follower has said, since this round, that it has everything.
    #[inline(never)]
    pub(super) fn all_have_all(&self, since: Round, last: Index) -> bool {
        self.followers.iter().all(|peer| {
            let has_all = peer.matched.get() == last && peer.flow == Flow::Replicate;
            has_all && peer.echoed >= since
        })
    }

    /// There is something to be done: everyone hears it at once, as far as they wait longer.
    #[cold]
    pub(super) fn wake(&mut self) {
        self.calm = 0;
        self.begin_round();
    }

    pub(super) const fn is_quiet(&self) -> bool {
        self.calm >= QUIET
    }

    /// What heartbeats say of the next.
    pub(super) const fn announced(&self, config: &Config) -> u32 {
        if self.calm >= SAYS_SO { config.quiet_ticks } else { 0 }
    }

    /// How long to wait between heartbeats.
    pub(super) const fn heartbeat_ticks(&self, config: &Config) -> u32 {
        if self.is_quiet() { config.quiet_ticks } else { config.heartbeat_ticks }
    }

    /// In which time a quorum must have been heard.
    pub(super) fn base_ticks(&self, config: &Config) -> u32 {
        let more = if self.is_quiet() { 3 * config.quiet_ticks } else { 0 };
        config.base_timeout_ticks + more
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Raft<B> {
    /// Somebody of this term does not hear the leader.
    #[cold]
    pub(super) fn doubted(&mut self, term: Term) {
        match &mut self.role {
            Role::Leader(leading) if leading.calm > 0 && term >= self.ballot.term => leading.wake(),
            _ => {}
        }
    }

    /// Whether heartbeats are rare, as far as this node knows.
    pub(crate) fn is_quiet(&self) -> bool {
        match &self.role {
            Role::Leader(leading) => leading.is_quiet(),
            Role::Follower(_) => self.clock.is_stretched(),
            Role::PreCandidate(_) | Role::Candidate(_) => false,
        }
    }
}
