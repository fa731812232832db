//! What can be said to the program.

use crate::load::Lie;
use crate::trial::Kind;
use std::ffi::OsString;
use std::time::Duration;

/// How the program is used.
pub const USAGE: &str = "\
usage: cargo run --release -p raft-trials -- TRIAL [options]

Three processes, and clients that use them all the while. What they saw must be linearizable.
  kill      processes are killed and started again
  proxy     what they send is lost, delayed, doubled, reordered and cut off
  stop      processes are stopped and go on

Options:
  --seconds N    for how long (60)
  --seed N       what is drawn (another one each time)
  --clients N    how many clients there are (8)
  --leases       reads are served under leases
  --plant LIE    a client lies, and must be found out: stale-read, lost-write, applied-twice
";

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// Which trial.
    pub kind: Kind,
    /// For how long.
    pub time: Duration,
    /// What is drawn.
    pub seed: u64,
    /// How many clients there are.
    pub clients: u32,
    /// Whether reads are served under leases.
    pub leases: bool,
    /// What one client is to lie about.
    pub plant: Option<Lie>,
}

impl Options {
    /// Reads the words behind the program's name.
    pub fn read(words: impl IntoIterator<Item = OsString>) -> Result<Self, lexopt::Error> {
        use lexopt::{Arg, ValueExt as _};
        let mut words = lexopt::Parser::from_args(words);
        let mut kind = None;
        // What was drawn is told, so that it can be had again.
        let seed = u64::from(std::process::id()) << 16 ^ now();
        let time = Duration::from_secs(60);
        let mut options =
            Self { kind: Kind::Kill, time, seed, clients: 8, leases: false, plant: None };
        while let Some(word) = words.next()? {
            match word {
                Arg::Value(name) if kind.is_none() => kind = Some(kind_of(&name.string()?)?),
                Arg::Long("seconds") => {
                    options.time = Duration::from_secs(words.value()?.parse()?);
                }
                Arg::Long("seed") => options.seed = words.value()?.parse()?,
                Arg::Long("clients") => options.clients = words.value()?.parse()?,
                Arg::Long("leases") => options.leases = true,
                Arg::Long("plant") => options.plant = Some(lie_of(&words.value()?.string()?)?),
                other => return Err(other.unexpected()),
            }
        }
        options.kind = kind.ok_or("which trial?")?;
        Ok(options)
    }
}

fn kind_of(name: &str) -> Result<Kind, String> {
    match name {
        "kill" => Ok(Kind::Kill),
        "proxy" => Ok(Kind::Proxy),
        "stop" => Ok(Kind::Stop),
        _ => Err(format!("no trial is called {name}")),
    }
}

fn lie_of(name: &str) -> Result<Lie, String> {
    let lie = Lie::ALL.into_iter().find(|(known, _)| *known == name);
    lie.map(|(_, lie)| lie).ok_or_else(|| format!("no lie is called {name}"))
}

fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
