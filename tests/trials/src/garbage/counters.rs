//! What became of datagrams, as a node's pages for operators and the system say.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// What was not passed on, since the node was started.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused {
    /// What came from the address of nobody.
    pub strangers: u64,
    /// Damaged, or of another cluster.
    pub damaged: u64,
    /// For, or of, somebody else.
    pub misaddressed: u64,
    /// What the core dropped, for whatever reason.
    pub by_core: u64,
    /// For which the socket had no room.
    pub without_room: u64,
}

impl Refused {
    /// What a node has refused so far, which has its pages and its socket there.
    pub fn now(metrics: &str, socket: &str) -> io::Result<Self> {
        let page = page(metrics)?;
        let link =
            |reason: &str| sum(&page, &format!("raft_link_refused_total{{reason=\"{reason}\"}}"));
        Ok(Self {
            strangers: link("stranger"),
            damaged: link("damaged or of another cluster"),
            misaddressed: link("misaddressed"),
            by_core: sum(&page, "raft_datagrams_refused_total{"),
            without_room: without_room(socket)?,
        })
    }

    /// What the node counted.
    pub const fn counted(&self) -> u64 {
        self.strangers + self.damaged + self.misaddressed + self.by_core
    }
}

/// Asks for `/metrics`.
fn page(address: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    if page.starts_with("HTTP/1.1 200") {
        return Ok(page);
    }
    Err(io::Error::other(page))
}

/// The sum of all lines that begin so.
fn sum(page: &str, beginning: &str) -> u64 {
    let lines = page.lines().filter(|line| line.starts_with(beginning));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// How many datagrams the system dropped before a socket.
fn without_room(socket: &str) -> io::Result<u64> {
    let port = socket.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
    let port = format!(":{:04X}", port.ok_or(io::ErrorKind::InvalidInput)?);
    let table = fs::read_to_string("/proc/net/udp")?;
    let line = table.lines().find(|line| {
        line.split_whitespace().nth(1).is_some_and(|address| address.ends_with(&port))
    });
    let drops = line.and_then(|line| line.split_whitespace().last()?.parse().ok());
    drops.ok_or_else(|| io::Error::other(format!("the system knows no socket at {socket}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    #[test]
    fn the_system_counts_what_finds_no_room() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap().to_string();
        assert_eq!(without_room(&address).unwrap(), 0);
        for _ in 0..4000 {
            socket.send_to(&[0; 1000], &address).unwrap();
        }
        assert!(without_room(&address).unwrap() > 100);
        drop(socket);
        assert!(without_room(&address).is_err());
    }

    #[test]
    fn lines_are_summed_up() {
        let page = "a{reason=\"x\"} 3\na{reason=\"y\"} 4\nab 5\n";
        assert_eq!((sum(page, "a{"), sum(page, "a{reason=\"y\"}"), sum(page, "c")), (7, 4, 0));
    }
}
