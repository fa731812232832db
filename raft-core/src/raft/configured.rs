//! Which configuration holds: the latest in the log, committed or not, else that of the base; and
//! what it makes of this node.
//!
//! A node's word counts when a configuration names its very storage and is known to be committed.
//! It stays so across restarts, which forget what was committed: the ballot says so.

use super::Raft;
use crate::configuration::Configuration;
use crate::log::{Kind, Log};
use crate::status::Fault;
use crate::types::Index;

/// Finds the latest configuration up to `index`, and says where it stands: at the base if no entry
/// has one. A configuration is large, and so it is written where it is to be.
#[inline(never)]
pub(crate) fn latest<B: AsRef<[u8]> + AsMut<[u8]>>(
    log: &Log<B>,
    base: &Configuration,
    mut index: Index,
    found: &mut Configuration,
) -> Option<Index> {
    log.term(index)?;
    while index > log.base().index {
        let entry = log.get(index)?;
        if entry.kind == Kind::CONFIGURATION {
            found.become_read(entry.body)?;
            return Some(index);
        }
        index = index.previous();
    }
    found.clone_from(base);
    Some(index)
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Raft<B> {
    /// Whether this node's vote counts, or may: until a configuration is committed, whoever it
    /// takes the vote from may be the only one that can still lead.
    pub(super) fn votes(&self) -> bool {
        // A configuration may name another board by the same id.
        let (id, nonce) = (self.config.id, Some(self.nonce));
        let votes =
            |it: &Configuration| it.membership.voters().contains(id) && it.nonce(id) == nonce;
        let voted = || {
            let (mut before, index) = (Configuration::default(), self.configured_at.previous());
            self.find_configuration(index, &mut before).is_some() && votes(&before)
        };
        votes(&self.configuration) || (self.configured_at > self.committed && voted())
    }

    /// What was in force when the entry at `index` was the last one. `None` outside the log.
    #[cold]
    pub(crate) fn find_configuration(&self, index: Index, found: &mut Configuration) -> Option<()> {
        latest(&self.log, &self.base_configuration, index, found).map(|_| ())
    }

    /// The log has gained or lost a configuration: the latest one holds.
    #[cold]
    pub(super) fn settle_configuration(&mut self) -> Result<(), Fault> {
        let (last, base) = (self.log.last().index, &self.base_configuration);
        let latest = latest(&self.log, base, last, &mut self.configuration);
        self.configured_at = latest.ok_or(Fault::Log)?;
        self.unjudged = true;
        Ok(())
    }

    /// Whether this node's word counts is for the last configuration to say that it knows to be
    /// committed and holds durably; and, if it lost entries, for its leader.
    #[inline(always)] // Two bits, nearly always.
    pub(super) fn judge(&mut self) {
        if self.unjudged {
            self.look_up();
        }
        if self.ballot.is_refilling() {
            self.settle_refill();
        }
    }

    #[cold]
    fn look_up(&mut self) {
        if self.configured_at <= self.applicable() {
            self.unjudged = false;
            self.ballot.admitted = self.configuration.admits(self.nonce, &self.config);
        } else if !self.ballot.admitted {
            // Where members change all the time, the latest one may never be committed yet. An
            // earlier one is no reason to take anything back: a restart forgets the commit.
            let mut known = Configuration::default();
            self.ballot.admitted = self.find_configuration(self.applicable(), &mut known).is_some()
                && known.admits(self.nonce, &self.config);
        }
    }

    /// Whether the cluster that this node is in has other settings than it.
    pub(crate) fn differs(&self) -> bool {
        let named = self.configuration.nonce(self.config.id) == Some(self.nonce);
        named && !self.configuration.admits(self.nonce, &self.config)
    }

    /// Whether that is why its word does not count.
    pub(crate) fn has_unequal_settings(&self) -> bool {
        !self.ballot.admitted && self.differs()
    }

    /// The log has another base now, where this configuration was in force.
    pub(crate) fn adopt_base(&mut self, configuration: &Configuration) -> Result<(), Fault> {
        self.base_configuration.clone_from(configuration);
        self.settle_configuration()?;
        self.judge();
        Ok(())
    }

    /// Where the latest configuration stands.
    pub(crate) const fn configured_at(&self) -> Index {
        self.configured_at
    }

    /// The latest configuration in the log.
    pub(crate) const fn configuration(&self) -> &Configuration {
        &self.configuration
    }
}
