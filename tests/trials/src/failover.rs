//! How long a store can't be written to when its leader is killed: from the kill to the next write
//! that a client is told of, which asks one node after the other.

use crate::processes::{Processes, Recipe};
use kv::control::Client;
use kv::resp::Reply;
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

/// A median as long as this is too long.
pub const MEDIAN_MOST: Duration = Duration::from_millis(400);
/// How long the client waits for one node before it asks the next.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long it may take at all.
const END: Duration = Duration::from_secs(60);
/// What a client sees of a cluster that is well, before it is harmed again.
const WRITES_BEFORE: usize = 20;

/// How long it took, each time.
#[derive(Clone, Debug)]
pub struct Failovers(Vec<Duration>);

/// Kills leaders of a cluster with default timeouts, so many times.
pub fn run(recipe: Recipe, tries: usize) -> io::Result<Failovers> {
    let mut cluster = Processes::found(recipe)?;
    let mut times = Vec::new();
    for number in 0..tries {
        let leader = cluster.run_all()?;
        let mut clients: Vec<_> = cluster.ids().map(|_| None).collect();
        for _ in 0..WRITES_BEFORE {
            written(&cluster, &mut clients, number)?;
        }
        let killed = Instant::now();
        cluster.kill(leader)?;
        written(&cluster, &mut clients, number)?;
        times.push(killed.elapsed());
    }
    times.sort_unstable();
    Ok(Failovers(times))
}

/// Asks one node after the other until one of them says that it is done.
fn written(cluster: &Processes, clients: &mut [Option<Client>], number: usize) -> io::Result<()> {
    let (begun, value) = (Instant::now(), number.to_string());
    while begun.elapsed() < END {
        for (id, client) in (1..).zip(&mut *clients) {
            if client.is_none() {
                *client = Client::connect(cluster.door(id), None, PATIENCE).ok();
            }
            let Some(connected) = client else { continue };
            match connected.call(&["SET", "failover", &value]) {
                Ok(Reply::Word("OK")) => return Ok(()),
                // An answer that comes later must not be taken for that to the next question.
                _ => *client = None,
            }
        }
    }
    Err(io::Error::other("nobody can write any more"))
}

impl Failovers {
    /// The one in the middle.
    pub fn median(&self) -> Duration {
        self.share(50)
    }

    /// So many of a hundred took no longer.
    fn share(&self, percent: usize) -> Duration {
        let place = (self.0.len() * percent).div_ceil(100).saturating_sub(1);
        self.0.get(place).copied().unwrap_or_default()
    }
}

impl fmt::Display for Failovers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |percent| format!("{:.0} ms", self.share(percent).as_secs_f64() * 1000.0);
        let (least, most) = (ms(0), ms(100));
        let count = self.0.len();
        write!(formatter, "{count} fail-overs: least {least}, ")?;
        write!(formatter, "p50 {}, p90 {}, most {most}", ms(50), ms(90))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_those_of_the_times() {
        let failovers = Failovers((1..=10).map(Duration::from_millis).collect());
        assert_eq!(failovers.median(), Duration::from_millis(5));
        assert_eq!(
            failovers.to_string(),
            "10 fail-overs: least 1 ms, p50 5 ms, p90 9 ms, most 10 ms"
        );
    }
}
