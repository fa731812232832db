//! What clients of the key-value store talk, and where they find it.

use super::clients::{Load, Talk, VALUE};
use raft_trials::processes::{Processes, Recipe};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

/// Three key-value servers, each a process with files of its own below this directory.
pub fn start(directory: &Path) -> Result<Processes, String> {
    let recipe = Recipe::itself().map(|recipe| Recipe {
        parent: Some(directory.to_owned()),
        // Patience costs nothing here: nobody is lost.
        ..recipe.say(&["--election-timeout=1000", "--log=error"])
    });
    recipe.and_then(Processes::found).map_err(|error| format!("key-value servers: {error}"))
}

/// Where clients are served: first by whoever leads, then by the others.
pub fn addresses(stores: &Processes) -> Result<Vec<SocketAddr>, String> {
    let leader = stores.leader().map_err(|error| format!("key-value servers: {error}"))?;
    let others = stores.ids().filter(|id| *id != leader);
    let doors = std::iter::once(leader).chain(others).map(|id| stores.door(id));
    doors.map(|door| door.parse().map_err(|_| format!("{door} is no address"))).collect()
}

/// The language of Redis clients.
pub struct Resp;

impl Talk for Resp {
    fn greet(&mut self, _: &mut Vec<u8>) {}

    fn put(&mut self, key: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n", key.len()).as_bytes());
        out.extend_from_slice(format!("${}\r\n", VALUE.len()).as_bytes());
        out.extend_from_slice(VALUE);
        out.extend_from_slice(b"\r\n");
    }

    fn hear(&mut self, input: &mut Vec<u8>, _: &mut Vec<u8>) -> Result<bool, String> {
        if !input.ends_with(b"\r\n") {
            return Ok(false);
        }
        if input != b"+OK\r\n" {
            return Err(format!("a server said {}", String::from_utf8_lossy(input)));
        }
        input.clear();
        Ok(true)
    }
}

/// The same asked by redis-benchmark, which others know; nothing where it is not installed.
pub fn redis_benchmark(
    door: SocketAddr,
    clients: usize,
    requests: usize,
) -> Result<Option<Load>, String> {
    let mut command = Command::new("redis-benchmark");
    command.args(["-h", &door.ip().to_string(), "-p", &door.port().to_string()]);
    command.args(["-c", &clients.to_string(), "-n", &requests.to_string()]);
    command.args(["-d", &VALUE.len().to_string(), "-r", "10000", "-t", "set", "--csv"]);
    let run = match command.stdin(Stdio::null()).stderr(Stdio::null()).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        run => run.map_err(|error| format!("redis-benchmark: {error}"))?,
    };
    let said = String::from_utf8_lossy(&run.stdout);
    read_benchmark(&said).map(Some).ok_or_else(|| format!("redis-benchmark said {said}"))
}

/// The line that tells of SET: its name, requests a second, and times in milliseconds (average,
/// least, and percentiles 50, 95 and 99, and the most).
fn read_benchmark(said: &str) -> Option<Load> {
    let line = said.lines().find(|line| line.starts_with("\"SET\","))?;
    let numbers = line.split(',').skip(1).map(|word| word.trim_matches('"').parse::<f64>());
    match numbers.collect::<Result<Vec<_>, _>>().ok()?[..] {
        [per_second, _, _, median, _, p99, ..] => {
            Some(Load { per_second, median: median * 1e3, p99: p99 * 1e3 })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_redis_benchmark_is_read() {
        let said = "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\
                    \"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\"\n\
                    \"SET\",\"40983.61\",\"1.5\",\"0.3\",\"1.4\",\"2.5\",\"3.2\",\"5.0\"\n";
        let load = read_benchmark(said).unwrap();
        assert_eq!((load.per_second, load.median, load.p99), (40_983.61, 1400.0, 3200.0));
        assert!(read_benchmark("\"SET\",\"1\"\n").is_none());
    }

    #[test]
    fn an_answer_is_taken_when_it_is_whole_and_nothing_else_is_one() {
        let mut input = b"+O".to_vec();
        assert_eq!(Resp.hear(&mut input, &mut Vec::new()), Ok(false));
        input.extend_from_slice(b"K\r\n");
        assert_eq!(Resp.hear(&mut input, &mut Vec::new()), Ok(true));
        let mut refusal = b"-TRYAGAIN\r\n".to_vec();
        assert!(input.is_empty() && Resp.hear(&mut refusal, &mut Vec::new()).is_err());
    }
}
