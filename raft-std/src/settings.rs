//! What can be chosen about a server, and what can't work.
//!
//! Times are given as times, and become ticks here. A value that can't work is refused with its
//! name, what it is, and what would do, before anything runs.

use crate::commands::COUNT_BYTES_MAX;
use crate::transport::Pace;
use raft_core::{Config, NodeId};
use std::fmt;
use std::time::Duration;

/// How a server behaves. What says so is the same on every node of the cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// How long a tick is: time is counted in these. The same on every node.
    pub tick: Duration,
    /// The shortest time without a leader after which a node stands for election; the longest is
    /// twice this. The same on every node.
    pub election_timeout: Duration,
    /// How often a leader speaks when it has nothing to say.
    pub heartbeat: Duration,
    /// Memory for the log. What is in it is dropped by snapshots when it is three quarters full.
    pub log_bytes: usize,
    /// What everything that two nodes say to each other must fit into, commands above all. The same
    /// on every node.
    pub frame_bytes: u32,
    /// The longest snapshot of the machine, for which every node's storage has room. The same on
    /// every node; 0 if each storage says for itself, and may be sent one that is too long for it.
    pub snapshot_bytes_max: u32,
    /// Allows [`Read::Lease`](crate::Read::Lease): by how many thousandths a clock may run too fast
    /// or too slow, on any node of the cluster. No clock may ever jump ahead.
    pub lease_drift: Option<u32>,
}

/// A setting that can't work.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadSetting {
    /// Which one.
    pub key: &'static str,
    /// What it is.
    pub value: String,
    /// What would do.
    pub allowed: String,
}

impl Settings {
    /// For nodes on one network, with disks that sync in milliseconds: elections after 150 to
    /// 300 ms.
    pub const LAN: Self = Self {
        tick: Duration::from_millis(10),
        election_timeout: Duration::from_millis(150),
        heartbeat: Duration::from_millis(50),
        log_bytes: 4 << 20,
        frame_bytes: 1194,
        snapshot_bytes_max: 0,
        lease_drift: None,
    };

    /// For slow disks, clouds, and machines with too much to do: elections after 1 to 2 s.
    pub const SLOW: Self = Self {
        election_timeout: Duration::from_secs(1),
        heartbeat: Duration::from_millis(200),
        ..Self::LAN
    };

    /// The longest command.
    pub const fn command_bytes_max(&self) -> usize {
        (self.frame_bytes as usize).saturating_sub(AROUND_BYTES)
    }

    /// What these come to in the words of the core, for storage whose sync takes so long, and for
    /// the slowest transport where one is slow.
    pub(crate) fn config(
        &self,
        id: NodeId,
        seed: u32,
        shape: u32,
        sync: Duration,
        pace: Option<Pace>,
    ) -> Result<Config, BadSetting> {
        self.check_sizes(id)?;
        let millisecond = Duration::from_millis(1);
        if !(millisecond..=Duration::from_secs(1)).contains(&self.tick) {
            return Err(bad("tick", &self.tick, "1 ms to 1 s"));
        }
        let ticks = |time: Duration| {
            u32::try_from(time.as_nanos().div_ceil(self.tick.as_nanos())).unwrap_or(u32::MAX)
        };
        // A question waits for a sync at either end, and for a tick at most to be looked at.
        let line = pace.map_or(Duration::ZERO, |pace| pace.cycle);
        let cycle = 1 + ticks(sync.saturating_mul(2).saturating_add(line));
        let (base, heartbeat) = (ticks(self.election_timeout), ticks(self.heartbeat));
        if heartbeat == 0 {
            return Err(bad("heartbeat", &self.heartbeat, "above 0 s"));
        }
        let least = self.tick.saturating_mul(3_u32.saturating_mul(heartbeat.max(cycle)));
        if self.election_timeout < least {
            let why = if cycle > heartbeat && !line.is_zero() {
                format!(
                    "at least {least:?}, for a sync of this storage takes {sync:?}, and a frame \
                     of {} bytes with its answer {line:?} on the slowest line",
                    self.frame_bytes
                )
            } else if cycle > heartbeat {
                format!("at least {least:?}, for a sync of this storage takes {sync:?}")
            } else {
                format!("at least {least:?}: three times heartbeat, which is {:?}", self.heartbeat)
            };
            return Err(bad("election_timeout", &self.election_timeout, &why));
        }
        if self.lease_drift.is_some_and(|drift| drift >= 1000) {
            return Err(bad("lease_drift", &self.lease_drift, "0 to 999 thousandths"));
        }
        let (window, rate) = pace.map_or((u32::MAX, u32::MAX), |pace| {
            let tick = u32::try_from(self.tick.as_millis()).unwrap_or(u32::MAX);
            (pace.window_bytes, (pace.bytes_per_second / 1000).saturating_mul(tick))
        });
        let lease = self.lease_drift.map(|drift| Config::lease_for_drift(base, drift));
        Ok(Config {
            base_timeout_ticks: base,
            heartbeat_ticks: heartbeat,
            link_cycle_ticks: cycle,
            window_entries: 4096,
            // About as much as a socket's buffer holds, with what the system adds to each datagram.
            window_bytes: window.clamp(1, 64 * 1024),
            frame_bytes: self.frame_bytes,
            machine_shape: shape,
            snapshot_bytes_max: self.snapshot_bytes_max,
            tick_micros: u32::try_from(self.tick.as_micros()).unwrap_or(u32::MAX),
            keep_entries: 4096,
            pace_bytes: rate.clamp(1, 128 * 1024),
            lease_ticks: lease.unwrap_or(0),
            ..Config::new(id, seed)
        })
    }

    fn check_sizes(&self, id: NodeId) -> Result<(), BadSetting> {
        if !id.is_valid() {
            return Err(bad("id", &id.0, "0 to 31"));
        }
        if !FRAME_BYTES.contains(&self.frame_bytes) {
            let allowed = format!("{} to {}", FRAME_BYTES.start(), FRAME_BYTES.end());
            return Err(bad("frame_bytes", &self.frame_bytes, &allowed));
        }
        // A few frames, and what the core keeps for itself.
        let least = 4096.max(8 * self.frame_bytes as usize);
        if !(least..=1 << 30).contains(&self.log_bytes) {
            let allowed = format!("{least} to {}, for this frame_bytes", 1 << 30);
            return Err(bad("log_bytes", &self.log_bytes, &allowed));
        }
        Ok(())
    }
}

/// The longest command that this node takes for others, with what a session puts around it.
pub(crate) const SUBMIT_BYTES: usize = 16 * 1024;

/// What stands around commands in a frame: 32 bytes of an append, 16 of a session, their number.
const AROUND_BYTES: usize = 32 + 16 + COUNT_BYTES_MAX;

const FRAME_BYTES: std::ops::RangeInclusive<u32> = 128..=16 * 1024;

fn bad(key: &'static str, value: &dyn fmt::Debug, allowed: &str) -> BadSetting {
    BadSetting { key, value: format!("{value:?}"), allowed: allowed.to_owned() }
}

impl Default for Settings {
    fn default() -> Self {
        Self::LAN
    }
}

impl fmt::Display for BadSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}; allowed is {}", self.key, self.value, self.allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn refused(settings: &Settings, sync: Duration) -> String {
        let config = settings.config(NodeId(1), 1, 0, sync, None);
        config.map_or_else(|error| error.to_string(), |_| "taken".to_owned())
    }

    #[test]
    fn presets_work_and_become_what_the_core_takes() {
        for settings in [Settings::LAN, Settings::SLOW] {
            let config = settings.config(NodeId(1), 1, 0, ms(2), None).unwrap();
            assert_eq!(config.check(), Ok(()));
        }
        let config = Settings::LAN.config(NodeId(1), 1, 0, ms(0), None).unwrap();
        assert_eq!((config.base_timeout_ticks, config.heartbeat_ticks), (15, 5));
        assert_eq!((config.link_cycle_ticks, config.lease_ticks), (1, 0));
        let leases = Settings { lease_drift: Some(50), ..Settings::LAN };
        assert_eq!(leases.config(NodeId(1), 1, 0, ms(0), None).unwrap().lease_ticks, 12);
    }

    #[test]
    fn what_a_slow_disk_does_not_allow_says_what_it_would() {
        assert_eq!(refused(&Settings::LAN, ms(20)), "taken");
        assert_eq!(
            refused(&Settings::LAN, ms(45)),
            "election_timeout is 150ms; allowed is at least 300ms, for a sync of this storage \
             takes 45ms"
        );
        let wait = Settings { election_timeout: ms(300), ..Settings::LAN };
        assert_eq!(refused(&wait, ms(45)), "taken");
    }

    #[test]
    fn a_slow_line_makes_nodes_wait_longer_and_send_less_at_once() {
        let pace = Pace { cycle: ms(100), window_bytes: 300, bytes_per_second: 11_520 };
        let config = |settings: &Settings| settings.config(NodeId(1), 1, 0, ms(2), Some(pace));
        let refused = config(&Settings { frame_bytes: 200, ..Settings::LAN }).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "election_timeout is 150ms; allowed is at least 360ms, for a sync of this storage \
             takes 2ms, and a frame of 200 bytes with its answer 100ms on the slowest line"
        );
        let config = config(&Settings::SLOW).unwrap();
        assert_eq!(
            (config.link_cycle_ticks, config.window_bytes, config.pace_bytes),
            (12, 300, 110)
        );
    }

    #[test]
    fn a_setting_that_can_not_work_is_named() {
        let check = |settings: Settings, key: &str| {
            let said = refused(&settings, ms(0));
            assert!(said.starts_with(key), "{said}");
        };
        check(Settings { tick: ms(0), ..Settings::LAN }, "tick is 0ns; allowed is 1 ms");
        check(Settings { heartbeat: ms(0), ..Settings::LAN }, "heartbeat is 0ns");
        check(Settings { heartbeat: ms(60), ..Settings::LAN }, "election_timeout is 150ms; allow");
        check(Settings { frame_bytes: 100, ..Settings::LAN }, "frame_bytes is 100; allowed is 128");
        check(Settings { log_bytes: 4096, ..Settings::LAN }, "log_bytes is 4096; allowed is 9552");
        check(Settings { lease_drift: Some(1000), ..Settings::LAN }, "lease_drift is Some(1000)");
        let id = Settings::LAN.config(NodeId(32), 1, 0, ms(0), None).unwrap_err();
        assert_eq!((id.key, id.allowed.as_str()), ("id", "0 to 31"));
    }
}
