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
}

impl Config {
    /// The smallest frame that everything fits into.
    pub const FRAME_BYTES_MIN: u32 = 36;

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
        if self.window_entries == 0 || self.window_bytes == 0 {
            return Err(ConfigError::EmptyWindow);
        }
        Ok(())
    }

    /// Folds what must be equal on every node of a cluster into one number, which founders and
    /// configurations carry: a node whose number is another can't take part.
    pub fn shared_digest(&self) -> u32 {
        let shared = [self.base_timeout_ticks, self.frame_bytes];
        shared.iter().fold(0, |digest, value| scramble(digest ^ value).wrapping_add(1))
    }

    /// What an append needs beside the body of its one entry, up to the index 2^42 and with the
    /// nonce of a newcomer.
    pub(crate) const APPEND_BYTES: usize = 32;

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
    /// With `window_entries` or `window_bytes` at zero nothing would ever be replicated.
    EmptyWindow,
}
