//! What a node is told once, when it is made: who it is, how long it waits, how much it sends.
//!
//! A value that can't work is refused with an error that names it, before anything runs.

use crate::random::scramble;
use crate::types::NodeId;

/// How one node behaves. Start from [`Config::new`] and change what differs.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Config {
    /// This node, as its peers know it.
    pub id: NodeId,
    /// Where the random election timeouts start, and the numbers of questions. Any number that is
    /// another at each start, or an answer from before a restart may be taken for one to a later
    /// read of a follower; equal ones on two nodes do no harm.
    pub seed: u32,
    /// The shortest election timeout, the same on every node of the cluster. Each election waits
    /// a random time between this and twice this.
    pub base_timeout_ticks: u32,
    /// How often a leader speaks when it has nothing to say.
    pub heartbeat_ticks: u32,
    /// How much longer than its peers this node waits before it stands for election.
    pub extra_wait_ticks: u32,
    /// The longest that a question and its answer take over this node's link, its loop included.
    pub link_cycle_ticks: u32,
    /// How many entries may be on their way to one follower.
    pub window_entries: u32,
    /// How many bytes of entries may be on their way to one follower.
    pub window_bytes: u32,
    /// The smallest transmit buffer in the cluster, the same on every node: a command that does not
    /// fit into it is refused when proposed, and every node's log must hold those that do.
    pub frame_bytes: u32,
    /// The memory of the smallest log in the cluster, the same on every node; 0 if all are alike.
    /// A leader takes no more than that one could hold before something of it is committed: what
    /// only larger logs can hold might never be.
    pub least_log_bytes: u32,
    /// What the machine needs to be equal everywhere: its [`SHAPE`](crate::Machine::SHAPE), which
    /// is 0 but for machines with tables of a size.
    pub machine_shape: u32,
    /// How long a tick lasts, the same on every node. Nothing is computed from it: it tells nodes
    /// from each other that would wait differently for the same number.
    pub tick_micros: u32,
    /// The longest snapshot in the cluster, the same on every node: none takes a longer one, and
    /// every node's storage must have room for it. 0 if each storage says for itself; then one may
    /// be too long for somebody.
    pub snapshot_bytes_max: u32,
    /// How full the log may become, in hundredths of what clients may use, before a snapshot takes
    /// the place of what is applied. A log that has no room left is compacted in any case.
    pub compact_percent: u32,
    /// How many applied entries stay behind a snapshot, for followers that are not far behind;
    /// fewer if the log would stay half as full as it may become, and at least a quarter.
    pub keep_entries: u32,
    /// How many bytes of a snapshot a leader sends in a tick. As many as the window of bytes are on
    /// their way at once.
    pub pace_bytes: u32,
    /// For how long a quorum's echo allows reads without asking again, from when it was asked for:
    /// see [`Config::lease_for_drift`]. Zero, as it is at first: never.
    pub lease_ticks: u32,
    /// How often a leader speaks when everyone has had everything for some time, the same on every
    /// node, and no less than the link's cycle. Elections then wait for three of these longer.
    /// Zero, as it is at first: as often as ever.
    pub quiet_ticks: u32,
}

impl Config {
    /// The smallest frame that everything fits into.
    pub const FRAME_BYTES_MIN: u32 = 36;

    /// The least memory that a log can have.
    pub const LOG_BYTES_MIN: u32 = 512;

    /// Timeouts of 15 to 30 ticks, a heartbeat each third tick: ticks of 10 ms suit a LAN. Frames
    /// of 256 bytes: any UDP link carries them, and a log of a kilobyte holds their commands.
    pub const fn new(id: NodeId, seed: u32) -> Self {
        Self {
            id,
            seed,
            base_timeout_ticks: 15,
            heartbeat_ticks: 3,
            extra_wait_ticks: 0,
            link_cycle_ticks: 1,
            window_entries: 256,
            window_bytes: 16 * 1024,
            frame_bytes: 256,
            least_log_bytes: 0,
            machine_shape: 0,
            tick_micros: 10_000,
            snapshot_bytes_max: 0,
            compact_percent: 75,
            keep_entries: 32,
            pace_bytes: 4096,
            lease_ticks: 0,
            quiet_ticks: 0,
        }
    }

    /// The longest lease that is safe with this base timeout, where no node's clock ever runs
    /// faster or slower than it should by more than so many thousandths: on **every** node, and
    /// without ever jumping ahead. A node that is stopped and goes on later must be told of that
    /// time, by [`Node::advance`](crate::Node::advance), before it is asked anything.
    pub const fn lease_for_drift(base_timeout_ticks: u32, thousandths: u32) -> u32 {
        // One tick is lost at either end: time is seen when a tick is over.
        let base = base_timeout_ticks.saturating_sub(1);
        let drift = if thousandths < 1000 { thousandths } else { 1000 };
        let (slow, fast) = (1000 - drift, 1000 + drift);
        // In two steps, so that no product is too large.
        base / fast * slow + base % fast * slow / fast
    }

    /// Says what can't work, if anything.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !self.id.is_valid() {
            return Err(ConfigError::IdTooLarge(self.id));
        }
        if self.heartbeat_ticks == 0 || self.link_cycle_ticks == 0 {
            return Err(ConfigError::ZeroTicks);
        }
        let least = self.heartbeat_ticks.max(self.link_cycle_ticks).saturating_mul(3);
        if self.base_timeout_ticks < least {
            return Err(ConfigError::TimeoutTooShort { least_ticks: least });
        }
        if self.base_timeout_ticks.max(self.extra_wait_ticks) > Self::TICKS_MAX {
            return Err(ConfigError::TimeoutTooLong { most_ticks: Self::TICKS_MAX });
        }
        if self.quiet_ticks > Self::QUIET_TICKS_MAX {
            return Err(ConfigError::TimeoutTooLong { most_ticks: Self::QUIET_TICKS_MAX });
        }
        if self.quiet_ticks > 0 && self.quiet_ticks < self.link_cycle_ticks {
            return Err(ConfigError::QuietTooShort { least_ticks: self.link_cycle_ticks });
        }
        if self.lease_ticks >= self.base_timeout_ticks {
            return Err(ConfigError::LeaseTooLong { below_ticks: self.base_timeout_ticks });
        }
        if self.frame_bytes < Self::FRAME_BYTES_MIN {
            return Err(ConfigError::FrameTooSmall { least_bytes: Self::FRAME_BYTES_MIN });
        }
        if self.window_entries == 0 || self.window_bytes == 0 || self.pace_bytes == 0 {
            return Err(ConfigError::EmptyWindow);
        }
        if (1..Self::LOG_BYTES_MIN).contains(&self.least_log_bytes) {
            return Err(ConfigError::LogTooSmall { least_bytes: Self::LOG_BYTES_MIN });
        }
        if !(1..=100).contains(&self.compact_percent) {
            return Err(ConfigError::NotPercent(self.compact_percent));
        }
        Ok(())
    }

    /// Folds what must be equal on every node of a cluster into one number, which founders and
    /// configurations carry: a node whose number is another can't take part.
    pub fn shared_digest(&self) -> u32 {
        let shared = [
            self.base_timeout_ticks,
            self.quiet_ticks,
            self.frame_bytes,
            self.least_log_bytes,
            self.machine_shape,
            self.tick_micros,
            self.snapshot_bytes_max,
        ];
        shared.iter().fold(0, |digest, value| scramble(digest ^ value).wrapping_add(1))
    }

    /// What an append needs beside the body of its one entry, up to the index 2^42 and with the
    /// nonce of a newcomer.
    pub(crate) const APPEND_BYTES: usize = 32;

    /// Sums of four waits stay below `u32::MAX`, which means "never".
    pub(crate) const TICKS_MAX: u32 = u32::MAX / 4;

    /// Three of these are a wait.
    pub(crate) const QUIET_TICKS_MAX: u32 = Self::TICKS_MAX / 3;
}

/// Why a [`Config`] was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ConfigError {
    /// Ids are below [`NodeId::LIMIT`].
    IdTooLarge(NodeId),
    /// A heartbeat and a link's cycle take at least one tick.
    ZeroTicks,
    /// `base_timeout_ticks` is below three heartbeats, or below three cycles of the link.
    TimeoutTooShort {
        /// What would do.
        least_ticks: u32,
    },
    /// `base_timeout_ticks`, `extra_wait_ticks` or `quiet_ticks` can't be counted.
    TimeoutTooLong {
        /// What would do.
        most_ticks: u32,
    },
    /// `quiet_ticks` is below one cycle of the link: nobody could answer in time.
    QuietTooShort {
        /// What would do.
        least_ticks: u32,
    },
    /// `lease_ticks` is no shorter than `base_timeout_ticks`, after which others may lead.
    LeaseTooLong {
        /// What would be too long still.
        below_ticks: u32,
    },
    /// `frame_bytes` does not hold a vote request, let alone an entry.
    FrameTooSmall {
        /// What would do.
        least_bytes: u32,
    },
    /// With `window_entries`, `window_bytes` or `pace_bytes` at zero something would never be sent.
    EmptyWindow,
    /// `machine_shape` is not what the machine says.
    MachineShape {
        /// What would do.
        shape: u32,
    },
    /// `least_log_bytes` is less than any log has.
    LogTooSmall {
        /// What would do.
        least_bytes: u32,
    },
    /// `compact_percent` is not from 1 to 100.
    NotPercent(u32),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A leader's clock as slow as stated and a voter's as fast: the lease ends before the voter
    /// has waited one base timeout, though each sees a tick only when it is over.
    #[test]
    fn a_lease_ends_before_anybody_votes() {
        for base in 3..200_u64 {
            for drift in [0, 1, 50, 100, 300, 999] {
                let lease = u64::from(Config::lease_for_drift(base as u32, drift as u32));
                // In the true time of a million for each tick; a lease of nothing is none.
                let longest = lease * 1_000_000 * 1000 / (1000 - drift);
                let shortest = (base - 1) * 1_000_000 * 1000 / (1000 + drift);
                assert!(lease == 0 || longest <= shortest, "{base} ticks, {drift} thousandths");
                assert!(drift > 300 || base < 20 || lease * 3 > base, "{base}, {drift}: {lease}");
            }
        }
        assert_eq!(Config::lease_for_drift(15, 0), 14);
        assert_eq!(Config::lease_for_drift(u32::MAX, 2000), 0);
    }

    #[test]
    fn leases_and_quiet_times_that_can_not_work_are_refused() {
        let config = Config::new(NodeId(1), 1);
        let lease = Config { lease_ticks: 15, ..config.clone() };
        assert_eq!(lease.check(), Err(ConfigError::LeaseTooLong { below_ticks: 15 }));
        let hasty = Config { quiet_ticks: 1, link_cycle_ticks: 2, ..config.clone() };
        assert_eq!(hasty.check(), Err(ConfigError::QuietTooShort { least_ticks: 2 }));
        let endless = Config { quiet_ticks: u32::MAX, ..config };
        assert!(matches!(endless.check(), Err(ConfigError::TimeoutTooLong { .. })));
    }
}
