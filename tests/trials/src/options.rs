//! What can be said to the program.

use crate::load::Lie;
use crate::trial::Kind;
use lexopt::{Arg, ValueExt as _};
use std::ffi::OsString;
use std::time::Duration;

/// How the program is used.
pub const USAGE: &str = "\
usage: cargo run --release -p raft-trials -- TRIAL [options]

Three processes, and clients that use them all the while. What they saw must be linearizable.
  kill      processes are killed and started again
  proxy     what they send is lost, delayed, doubled, reordered and cut off
  stop      processes are stopped and go on
    --seconds N     for how long (60)
    --seed N        what is drawn (another one each time)
    --clients N     how many clients there are (8)
    --leases        reads are served under leases
    --plant LIE     a client lies, and must be found out: stale-read, lost-write, applied-twice

Three processes, the leader of which is killed again and again.
  failover  how long it takes until a client can write again
    --tries N       how often (50)
    --only-print    does not fail if the median is 400 ms or more

Three processes that are sent what means nothing, while a client writes.
  garbage   datagrams, and then whatever there is at the door for clients
    --datagrams N   how many of them (10000000)
    --seconds N     how long the door is besieged (15)
    --seed N        what is drawn (another one each time)
";

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Task {
    /// A trial.
    Trial(Chosen),
    /// Kill leaders.
    Failover {
        /// How often.
        tries: usize,
        /// Whether it fails if it takes too long.
        limited: bool,
    },
    /// Send garbage.
    Garbage {
        /// How many datagrams.
        datagrams: u64,
        /// How long the door is besieged.
        time: Duration,
        /// What is drawn.
        seed: u64,
    },
}

/// What can be chosen about a trial.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chosen {
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

/// Reads the words behind the program's name.
pub fn read(words: impl IntoIterator<Item = OsString>) -> Result<Task, lexopt::Error> {
    let mut words = lexopt::Parser::from_args(words);
    let name = match words.next()? {
        Some(Arg::Value(name)) => name.string()?,
        Some(other) => return Err(other.unexpected()),
        None => return Err("which trial?".into()),
    };
    match name.as_str() {
        "kill" => chosen(Kind::Kill, words),
        "proxy" => chosen(Kind::Proxy, words),
        "stop" => chosen(Kind::Stop, words),
        "failover" => failover(words),
        "garbage" => garbage(words),
        _ => Err(format!("no trial is called {name}").into()),
    }
}

fn chosen(kind: Kind, mut words: lexopt::Parser) -> Result<Task, lexopt::Error> {
    let (time, seed) = (Duration::from_secs(60), another_seed());
    let mut chosen = Chosen { kind, time, seed, clients: 8, leases: false, plant: None };
    while let Some(word) = words.next()? {
        match word {
            Arg::Long("seconds") => chosen.time = Duration::from_secs(words.value()?.parse()?),
            Arg::Long("seed") => chosen.seed = words.value()?.parse()?,
            Arg::Long("clients") => chosen.clients = words.value()?.parse()?,
            Arg::Long("leases") => chosen.leases = true,
            Arg::Long("plant") => chosen.plant = Some(lie_of(&words.value()?.string()?)?),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Task::Trial(chosen))
}

fn failover(mut words: lexopt::Parser) -> Result<Task, lexopt::Error> {
    let (mut tries, mut limited) = (50, true);
    while let Some(word) = words.next()? {
        match word {
            Arg::Long("tries") => tries = words.value()?.parse()?,
            Arg::Long("only-print") => limited = false,
            other => return Err(other.unexpected()),
        }
    }
    Ok(Task::Failover { tries, limited })
}

fn garbage(mut words: lexopt::Parser) -> Result<Task, lexopt::Error> {
    let (mut datagrams, mut time) = (10_000_000, Duration::from_secs(15));
    let mut seed = another_seed();
    while let Some(word) = words.next()? {
        match word {
            Arg::Long("datagrams") => datagrams = words.value()?.parse()?,
            Arg::Long("seconds") => time = Duration::from_secs(words.value()?.parse()?),
            Arg::Long("seed") => seed = words.value()?.parse()?,
            other => return Err(other.unexpected()),
        }
    }
    Ok(Task::Garbage { datagrams, time, seed })
}

fn lie_of(name: &str) -> Result<Lie, String> {
    let lie = Lie::ALL.into_iter().find(|(known, _)| *known == name);
    lie.map(|(_, lie)| lie).ok_or_else(|| format!("no lie is called {name}"))
}

/// It is told, so that what is drawn can be had again.
fn another_seed() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    u64::from(std::process::id()) << 16 ^ seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> Result<Task, String> {
        read(line.split(' ').map(OsString::from)).map_err(|error| error.to_string())
    }

    #[test]
    fn words_become_tasks() {
        let failover = Task::Failover { tries: 3, limited: false };
        assert_eq!(said("failover --tries 3 --only-print"), Ok(failover));
        let chosen = Chosen {
            kind: Kind::Stop,
            time: Duration::from_secs(5),
            seed: 7,
            clients: 3,
            leases: true,
            plant: Some(Lie::LostWrite),
        };
        let line = "stop --seconds 5 --seed 7 --clients 3 --leases --plant lost-write";
        assert_eq!(said(line), Ok(Task::Trial(chosen)));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        assert_eq!(said("start"), Err("no trial is called start".to_owned()));
        assert_eq!(said("kill --plant roses"), Err("no lie is called roses".to_owned()));
        assert!(said("failover --seed 1").is_err() && said("--seed 1").is_err());
    }
}
