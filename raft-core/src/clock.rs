//! Time as a node knows it: ticks that its caller counts, and two waits.
//!
//! `quiet` says how long no leader was heard, which decides whether a vote may be given at all;
//! `waited` says how long this node has waited for its own next step. Both stand still at the top
//! and never wrap, so a laptop that slept for a year wakes up to one election.

/// The waits of one node.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Clock {
    /// Ticks since a leader was last heard.
    quiet: u32,
    /// Ticks since the wait below began.
    waited: u32,
    /// How long to wait before standing for election.
    timeout: u32,
    /// How much longer than else a leader may be silent, as it said when it was heard last.
    stretch: u32,
}

impl Clock {
    /// A clock that has heard a leader just now, or never.
    pub(crate) fn new(timeout: u32, heard: bool) -> Self {
        Self { quiet: if heard { 0 } else { u32::MAX }, waited: 0, timeout, stretch: 0 }
    }

    pub(crate) fn advance(&mut self, ticks: u32) {
        self.quiet = self.quiet.saturating_add(ticks);
        self.waited = self.waited.saturating_add(ticks);
    }

    /// A leader was heard: nobody stands for a while.
    pub(crate) fn hear(&mut self) {
        self.quiet = 0;
        self.waited = 0;
        self.stretch = 0;
    }

    /// The leader that was just heard may be silent for so much longer.
    pub(crate) fn stretch(&mut self, ticks: u32) {
        self.stretch = ticks;
    }

    /// There is no leader to be heard any more.
    pub(crate) fn forget_leader(&mut self) {
        self.quiet = u32::MAX;
    }

    /// Starts a new wait.
    pub(crate) fn wait(&mut self, timeout: u32) {
        self.waited = 0;
        self.timeout = timeout;
        self.stretch = 0;
    }

    /// Makes one part of the wait that is under way longer or shorter.
    pub(crate) fn change_wait(&mut self, before: u32, now: u32) {
        self.timeout = self.timeout.saturating_sub(before).saturating_add(now);
    }

    /// Whether a leader was heard in this time, or in the longer one that it asked for.
    pub(crate) const fn hears_leader(&self, base_ticks: u32) -> bool {
        self.quiet < base_ticks + self.stretch
    }

    /// Whether the leader said that it would be silent for longer.
    pub(crate) const fn is_stretched(&self) -> bool {
        self.stretch > 0
    }

    /// Ticks until the wait is over.
    pub(crate) const fn left(&self) -> u32 {
        (self.timeout + self.stretch).saturating_sub(self.waited)
    }
}
