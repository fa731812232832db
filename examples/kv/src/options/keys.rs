//! Every key there is: what it takes, what it is for, and where it goes.

use super::{BadOption, Beginning, Options, bad};
use crate::ports;
use raft_std::{ClusterId, NodeId, Settings};
use std::ops::RangeInclusive;
use std::time::Duration;

/// A key, what stands for its value (nothing for what is only said), and what it is for.
type Key = (&'static str, &'static str, &'static str);

const KEYS: [Key; 26] = [
    ("config", "FILE", "more of these, as key = value in TOML; what is said here counts more"),
    ("id", "ID", "which node this is, 0 to 31"),
    ("cluster", "NUMBER", "any number that no other cluster on the network has (1)"),
    ("listen", "HOST:PORT", "where this node listens for its peers (UDP)"),
    ("advertise", "HOST:PORT", "where they find it, if that is another address"),
    ("peer", "ID=HOST:PORT", "another node, or ID=serial:PATH:BAUD for a port; once for each"),
    ("bootstrap", "", "found a cluster with all peers: once, on each of them"),
    ("join", "", "prepare to be added to a cluster: once"),
    ("prepare", "", "end when blank storage was prepared by bootstrap or join"),
    ("data", "DIR", "where everything is kept"),
    ("memory", "", "keep nothing: a node that ends has to be removed, and to join anew"),
    ("client", "HOST:PORT", "where clients are served (127.0.0.1:6379)"),
    ("client_advertise", "HOST:PORT", "where they find it, if that is another address"),
    ("clients_max", "NUMBER", "how many clients may be there at once (1000)"),
    ("password", "TEXT", "what clients must say first; without it only this machine is served"),
    ("password_file", "FILE", "the same, in the first line of a file"),
    ("metrics", "HOST:PORT", "where pages for operators are served (nowhere)"),
    ("preset", "lan|slow", "waits for one network, or for slow disks and clouds (lan)"),
    ("tick", "MS", "how time is counted, the same on every node (10)"),
    ("election_timeout", "MS", "how long without a leader, the same on every node (150)"),
    ("heartbeat", "MS", "how often a leader speaks when there is nothing to say (50)"),
    ("log_bytes", "BYTES", "memory for the log; a full one is made a snapshot (67108864)"),
    ("frame_bytes", "BYTES", "the longest datagram, and command, the same on every node (1194)"),
    ("lease_drift", "PERMILLE", "serve reads by lease, with clocks as true as this (no leases)"),
    ("patience", "MS", "how long a command may take (5000)"),
    ("log", "LEVEL", "off, error, warn, info or debug (info)"),
];

/// How the program is used.
pub fn help() -> String {
    let mut text = String::from(
        "kv: a replicated key-value server that Redis clients talk to

Usage: kv --id ID --listen HOST:PORT --peer ID=HOST:PORT ... --data DIR [--bootstrap | --join]

Examples:
  Three nodes on one machine, the first time; later without --bootstrap:
    kv --id 1 --listen 127.0.0.1:7001 --peer 2=127.0.0.1:7002 --peer 3=127.0.0.1:7003 \\
       --client 127.0.0.1:6381 --data /var/lib/kv/1 --bootstrap
  and the same for 2 and 3. Then:
    redis-cli -p 6381 set greeting hello
    raftctl --server 127.0.0.1:6381 status

  A fourth one, which raftctl takes in:
    kv --id 4 --listen 127.0.0.1:7004 --peer 1=127.0.0.1:7001 --peer 2=127.0.0.1:7002 \\
       --peer 3=127.0.0.1:7003 --client 127.0.0.1:6384 --data /var/lib/kv/4 --join
    raftctl --server 127.0.0.1:6381 add 127.0.0.1:6384

  All of it from a file, whose keys are those below with _ in the place of -:
    kv --config /etc/kv.toml

Keys:
",
    );
    for (key, value, what) in KEYS {
        let said = format!("--{} {value}", key.replace('_', "-"));
        text.push_str(&format!("  {:<32}{what}\n", said.trim_end()));
    }
    text.push_str("  --help, --version\n");
    text
}

/// Whether there is such a key in settings files.
pub fn is_key(key: &str) -> bool {
    key != "config" && KEYS.iter().any(|(name, ..)| *name == key)
}

/// Whether a key is only said, and takes no value; `None` if there is no such key.
pub(super) fn is_flag(key: &str) -> Option<bool> {
    KEYS.iter().find(|(name, ..)| *name == key).map(|(_, value, _)| value.is_empty())
}

/// A key as it is in the table.
pub(super) fn name(key: &str) -> &'static str {
    KEYS.iter().find(|(name, ..)| *name == key).map_or("option", |(name, ..)| name)
}

impl Options {
    /// Sets what this key is for.
    pub(super) fn set(&mut self, key: &str, value: &str) -> Result<(), BadOption> {
        let text = || Some(value.to_owned());
        let range = |range| number(key, value, range);
        let wait = || number(key, value, 1..=3_600_000).map(Duration::from_millis);
        match key {
            "id" => self.id = Some(node(key, value, value)?),
            "cluster" => self.cluster = ClusterId(range(0..=u64::MAX)?),
            "listen" => self.listen = Some(address(key, value)?),
            "advertise" => self.advertise = Some(address(key, value)?),
            "peer" => {
                let (id, where_it_is) = value
                    .split_once('=')
                    .ok_or_else(|| bad(key, &value, "ID=HOST:PORT, such as 2=10.0.0.2:7000"))?;
                let peer = (node(key, id, value)?, peer_address(key, where_it_is)?);
                self.peers.retain(|(id, _)| *id != peer.0);
                self.peers.push(peer);
            }
            "bootstrap" => self.begin(key, value, Beginning::Bootstrap)?,
            "join" => self.begin(key, value, Beginning::Join)?,
            "prepare" => self.prepare = flag(key, value)?,
            "data" => self.data = text().map(Into::into),
            "memory" => self.memory = flag(key, value)?,
            "client" => self.client = address(key, value)?,
            "client_advertise" => self.client_advertise = Some(address(key, value)?),
            "clients_max" => self.clients_max = range(1..=1_000_000)? as usize,
            "password" if value.is_empty() => return Err(bad(key, &"empty", "a text")),
            "password" => self.password = text(),
            "password_file" => self.password = Some(first_line(key, value)?),
            "metrics" => self.metrics = Some(address(key, value)?),
            "preset" => {
                let preset = match value {
                    "lan" => Settings::LAN,
                    "slow" => Settings::SLOW,
                    _ => return Err(bad(key, &value, "lan or slow")),
                };
                self.settings = Settings { log_bytes: super::LOG_BYTES, ..preset };
            }
            "tick" => self.settings.tick = wait()?,
            "election_timeout" => self.settings.election_timeout = wait()?,
            "heartbeat" => self.settings.heartbeat = wait()?,
            "log_bytes" => self.settings.log_bytes = range(4096..=1 << 30)? as usize,
            "frame_bytes" => self.settings.frame_bytes = range(128..=16_384)? as u32,
            "lease_drift" => self.settings.lease_drift = Some(range(0..=999)? as u32),
            "patience" => self.patience = wait()?,
            "log" => {
                let level = value.parse();
                let levels = "off, error, warn, info or debug";
                self.log = level.map_err(|_| bad(key, &value, levels))?;
            }
            _ => return Err(super::unknown(key)),
        }
        Ok(())
    }

    fn begin(&mut self, key: &str, value: &str, beginning: Beginning) -> Result<(), BadOption> {
        if !flag(key, value)? {
            return Ok(());
        }
        if ![Beginning::None, beginning].contains(&self.beginning) {
            return Err(bad(key, &value, "one of bootstrap and join"));
        }
        self.beginning = beginning;
        Ok(())
    }
}

fn number(key: &str, value: &str, range: RangeInclusive<u64>) -> Result<u64, BadOption> {
    let number = value.parse().ok().filter(|number| range.contains(number));
    let allowed = || format!("{} to {}", range.start(), range.end());
    number.ok_or_else(|| bad(key, &value, &allowed()))
}

fn flag(key: &str, value: &str) -> Result<bool, BadOption> {
    value.parse().map_err(|_| bad(key, &value, "true or false"))
}

fn node(key: &str, id: &str, value: &str) -> Result<NodeId, BadOption> {
    let node = id.parse().ok().map(NodeId).filter(|node| node.is_valid());
    node.ok_or_else(|| bad(key, &value, "a node's id, 0 to 31"))
}

/// Whether the host can be found shows later: here it is looked at the form only.
fn address(key: &str, value: &str) -> Result<String, BadOption> {
    let parts = value.rsplit_once(':').filter(|(host, _)| !host.is_empty() || key == "metrics");
    let port = parts.and_then(|(_, port)| port.parse::<u16>().ok());
    port.map(|_| value.to_owned()).ok_or_else(|| bad(key, &value, "HOST:PORT"))
}

fn peer_address(key: &str, value: &str) -> Result<String, BadOption> {
    match (ports::parse(value), value.starts_with("serial:")) {
        (Some(_), _) => Ok(value.to_owned()),
        (None, true) => Err(bad(key, &value, "serial:PATH:BAUD, such as serial:/dev/ttyUSB0:9600")),
        (None, false) => address(key, value),
    }
}

fn first_line(key: &str, path: &str) -> Result<String, BadOption> {
    let text =
        std::fs::read_to_string(path).map_err(|error| bad(key, &path, &error.to_string()))?;
    let line = text.lines().next().filter(|line| !line.is_empty());
    line.map(str::to_owned)
        .ok_or_else(|| bad(key, &path, "a file with a password in its first line"))
}
