//! What can be said on the command line and in the settings file, which is the same.
//!
//! Every value comes through one function, wherever it was said, and is refused by its key, with
//! what it is and what would do. The command line has the last word.

mod keys;

pub use self::keys::{help, is_key};
use crate::ports;
use raft_std::{BadSetting, ClusterId, NodeId, Settings};
use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::Duration;

/// Memory for the log: there must be room in it for what is written while a store of many keys is
/// saved, which is also nothing to do often.
const LOG_BYTES: usize = 64 << 20;

/// Everything that can be chosen.
#[derive(Clone, PartialEq, Debug)]
pub struct Options {
    /// Which node this is.
    pub id: Option<NodeId>,
    /// Of which cluster.
    pub cluster: ClusterId,
    /// Where this node listens for its peers.
    pub listen: Option<String>,
    /// Where they find it, if that is another address.
    pub advertise: Option<String>,
    /// The other nodes.
    pub peers: Vec<(NodeId, String)>,
    /// Where everything is kept.
    pub data: Option<PathBuf>,
    /// Whether nothing is kept.
    pub memory: bool,
    /// Where it listens for clients.
    pub client: String,
    /// Where they find it, if that is another address.
    pub client_advertise: Option<String>,
    /// How many of them there may be.
    pub clients_max: usize,
    /// What they must say first.
    pub password: Option<String>,
    /// Where its pages for operators are.
    pub metrics: Option<String>,
    /// What is to become of blank storage.
    pub beginning: Beginning,
    /// Whether to end when that has come about.
    pub prepare: bool,
    /// How long a command may take.
    pub patience: Duration,
    /// Waits, sizes and leases.
    pub settings: Settings,
    /// Which messages are told.
    pub log: log::LevelFilter,
}

/// What is to become of blank storage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Beginning {
    /// It is refused.
    None,
    /// It founds a cluster, with all peers.
    Bootstrap,
    /// It joins one.
    Join,
}

/// Why the program does not start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BadOption {
    /// A value that can't be.
    Value(BadSetting),
    /// Anything else.
    Other(String),
}

/// What to do.
#[derive(Clone, PartialEq, Debug)]
pub enum Wanted {
    /// Run.
    Run(Box<Options>),
    /// Say how this is used.
    Help,
    /// Say which version this is.
    Version,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            id: None,
            cluster: ClusterId(1),
            listen: None,
            advertise: None,
            peers: Vec::new(),
            data: None,
            memory: false,
            client: "127.0.0.1:6379".to_owned(),
            client_advertise: None,
            clients_max: 1000,
            password: None,
            metrics: None,
            beginning: Beginning::None,
            prepare: false,
            patience: Duration::from_secs(5),
            settings: Settings { log_bytes: LOG_BYTES, ..Settings::LAN },
            log: log::LevelFilter::Info,
        }
    }
}

impl Options {
    /// What the words behind the program's name say.
    pub fn read<I>(words: I) -> Result<Wanted, BadOption>
    where
        I: IntoIterator<Item: Into<std::ffi::OsString>>,
    {
        let mut said = Vec::new();
        let mut files = Vec::new();
        let mut words = lexopt::Parser::from_iter(words);
        while let Some(word) = words.next().map_err(other)? {
            match word {
                lexopt::Arg::Short('h') | lexopt::Arg::Long("help") => return Ok(Wanted::Help),
                lexopt::Arg::Short('V') | lexopt::Arg::Long("version") => {
                    return Ok(Wanted::Version);
                }
                lexopt::Arg::Long("config") => files.push(words.value().map_err(other)?),
                lexopt::Arg::Long(name) => {
                    let (key, name) = (name.replace('-', "_"), name.to_owned());
                    let flag = match keys::is_flag(&key) {
                        Some(flag) => flag,
                        None => return Err(unknown(&name)),
                    };
                    let value = if flag {
                        words.optional_value().unwrap_or_else(|| "true".into())
                    } else {
                        words.value().map_err(other)?
                    };
                    let value = value.into_string();
                    let value = value.map_err(|value| bad_text(&key, &value))?;
                    said.push((key, value));
                }
                word => return Err(other(word.unexpected())),
            }
        }
        let mut options = Self::default();
        for file in files {
            options.read_file(&PathBuf::from(file))?;
        }
        if said.iter().any(|(key, _)| key == "peer") {
            options.peers.clear();
        }
        // A preset first: it says what holds where nothing else is said.
        said.sort_by_key(|(key, _)| key != "preset");
        said.iter().try_for_each(|(key, value)| options.set(key, value))?;
        options.check()?;
        Ok(Wanted::Run(Box::new(options)))
    }

    /// Where peers find this node.
    pub fn address(&self) -> Option<&str> {
        self.advertise.as_deref().or(self.listen.as_deref())
    }

    /// Where clients find this node.
    pub fn client_address(&self) -> &str {
        self.client_advertise.as_deref().unwrap_or(&self.client)
    }

    fn read_file(&mut self, path: &std::path::Path) -> Result<(), BadOption> {
        let shown = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|error| bad("config", &shown, &format!("a file that can be read; {error}")))?;
        let table: toml::Table =
            text.parse().map_err(|error| BadOption::Other(format!("{shown}: {error}")))?;
        let mut pairs: Vec<_> = table.into_iter().collect();
        pairs.sort_by_key(|(key, _)| key != "preset");
        for (key, value) in pairs {
            if !is_key(&key) {
                return Err(BadOption::Other(format!("{shown}: {}", unknown(&key))));
            }
            let values = match value {
                toml::Value::Array(values) if key == "peer" => values,
                value => vec![value],
            };
            for value in values {
                match &value {
                    toml::Value::String(text) => self.set(&key, text)?,
                    toml::Value::Integer(_) | toml::Value::Boolean(_) => {
                        self.set(&key, &value.to_string())?;
                    }
                    _ => return Err(bad(&key, &value, "a text, a number, true or false")),
                }
            }
        }
        Ok(())
    }

    /// What can't be seen by looking at one key.
    fn check(&self) -> Result<(), BadOption> {
        let lacks = |key: &str, allowed: &str| Err(bad(key, &"not given", allowed));
        if self.id.is_none() {
            return lacks("id", "0 to 31");
        }
        let mut peers = self.peers.iter();
        if self.listen.is_none() && peers.any(|(_, address)| ports::parse(address).is_none()) {
            return lacks("listen", "HOST:PORT, where there are peers");
        }
        // The cluster tells all peers to look for this node there, and they would look at home.
        if let Some(address) = self.address().filter(|address| is_anywhere(address)) {
            let key = if self.advertise.is_some() { "advertise" } else { "listen" };
            let allowed = "an address that peers can reach, here or in advertise";
            return Err(bad(key, &address, allowed));
        }
        if self.prepare && (self.beginning == Beginning::None || self.memory) {
            let allowed = "false, without bootstrap or join, or with memory";
            return Err(bad("prepare", &self.prepare, allowed));
        }
        match (&self.data, self.memory) {
            (None, false) => return lacks("data", "a directory; or say memory, and keep nothing"),
            (Some(data), true) => {
                return Err(bad("data", &data.display(), "nothing, where memory is said"));
            }
            _ => {}
        }
        let found = self.client_sockets()?;
        if self.password.is_none() && !found.iter().all(|address| address.ip().is_loopback()) {
            let allowed = "an address of this machine only, such as 127.0.0.1:6379, or any with a \
                           password";
            return Err(bad("client", &self.client, allowed));
        }
        Ok(())
    }

    /// Where it listens for clients.
    pub fn client_sockets(&self) -> Result<Vec<SocketAddr>, BadOption> {
        let found = self.client.to_socket_addrs();
        let found: Vec<_> = found
            .map_err(|error| {
                bad("client", &self.client, &format!("HOST:PORT that can be found; {error}"))
            })?
            .collect();
        if found.is_empty() { Err(bad("client", &self.client, "HOST:PORT")) } else { Ok(found) }
    }
}

/// Whether this stands for any address of a machine, and so is none that others can reach.
fn is_anywhere(address: &str) -> bool {
    address.parse::<SocketAddr>().is_ok_and(|address| address.ip().is_unspecified())
}

fn bad(key: &str, value: &dyn fmt::Display, allowed: &str) -> BadOption {
    let key = keys::name(key);
    BadOption::Value(BadSetting { key, value: value.to_string(), allowed: allowed.to_owned() })
}

fn bad_text(key: &str, value: &std::ffi::OsStr) -> BadOption {
    bad(key, &value.to_string_lossy(), "a text in UTF-8")
}

fn unknown(key: &str) -> BadOption {
    BadOption::Other(format!("{key} is no key; see --help for those that there are"))
}

fn other(error: lexopt::Error) -> BadOption {
    BadOption::Other(error.to_string())
}

impl fmt::Display for BadOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(setting) => write!(f, "{setting}"),
            Self::Other(text) => write!(f, "{text}"),
        }
    }
}

impl std::error::Error for BadOption {}

#[cfg(test)]
mod tests;
