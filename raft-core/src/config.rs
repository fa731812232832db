//! What a node is told once, when it is made: who it is, how long it waits, how much it sends.
//!
//! A value that can't work is refused with an error that names it, before anything runs.

use crate::types::NodeId;

/// How one node behaves. Start from [`Config::new`] and change what differs.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Config {
    /// This node, as its peers know it.
    pub id: NodeId,
    /// Where the random election timeouts start. Any number; equal ones on two nodes do no harm.
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
    /// How full the log may become, in hundredths of what clients may use, before a snapshot takes
    /// the place of what is applied. A log that has no room left is compacted in any case.
    pub compact_percent: u32,
    /// How many applied entries stay behind a snapshot, for followers that are not far behind;
    /// fewer if the log would stay half as full as it may become.
    pub keep_entries: u32,
    /// How many bytes of a snapshot a leader sends in a tick. As many as the window of bytes are on
    /// their way at once.
    pub pace_bytes: u32,
}

impl Config {
    /// The smallest frame that everything fits into.
    pub const FRAME_BYTES_MIN: u32 = 32;

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
            compact_percent: 75,
            keep_entries: 32,
            pace_bytes: 4096,
        }
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

    /// What an append needs beside the body of its one entry, up to the index 2^42.
    pub(crate) const APPEND_BYTES: usize = 28;

    /// Sums of three waits stay below `u32::MAX`, which means "never".
    pub(crate) const TICKS_MAX: u32 = u32::MAX / 4;
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
    /// `base_timeout_ticks` or `extra_wait_ticks` can't be counted.
    TimeoutTooLong {
        /// What would do.
        most_ticks: u32,
    },
    /// `frame_bytes` does not hold a vote request, let alone an entry.
    FrameTooSmall {
        /// What would do.
        least_bytes: u32,
    },
    /// With `window_entries`, `window_bytes` or `pace_bytes` at zero something would never be sent.
    EmptyWindow,
    /// `least_log_bytes` is less than any log has.
    LogTooSmall {
        /// What would do.
        least_bytes: u32,
    },
    /// `compact_percent` is not from 1 to 100.
    NotPercent(u32),
}
