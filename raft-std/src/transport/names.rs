//! Addresses of peers, which may be names whose address changes.
//!
//! A name is looked up when a server starts. When it is learned of later, and while its peer is
//! silent, a thread of its own looks it up, because that may take as long as it likes.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// For how long a peer is silent before its name is looked up again, and again.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where one peer is.
pub(super) struct Peer {
    name: String,
    /// Whether datagrams come and go over IPv6, and IPv4 addresses are to be written as such.
    six: bool,
    address: Option<SocketAddr>,
    heard: Instant,
    looked_up: Instant,
    /// What a thread has found since.
    found: Arc<Mutex<Option<SocketAddr>>>,
}

impl Peer {
    /// Looks the name up. One that is not known is asked for again later, and is no error.
    pub(super) fn new(name: &str, six: bool) -> Self {
        let address = match resolve(name, six) {
            Ok(address) => Some(address),
            Err(error) => {
                log::warn!("the address of peer {name} is not known yet: {error}");
                None
            }
        };
        Self { address, ..Self::somewhere(name, six) }
    }

    /// The same without waiting: the address of a name is known some time after it is looked up,
    /// and until then it is the one before.
    pub(super) fn later(name: &str, six: bool, before: Option<SocketAddr>) -> Self {
        let peer = Self { address: before, ..Self::somewhere(name, six) };
        match name.parse::<SocketAddr>() {
            Ok(_) => Self { address: resolve(name, six).ok(), ..peer },
            Err(_) => {
                peer.look_up();
                peer
            }
        }
    }

    fn somewhere(name: &str, six: bool) -> Self {
        let (name, now) = (name.to_owned(), Instant::now());
        Self { name, six, address: None, heard: now, looked_up: now, found: Arc::default() }
    }

    /// Whether it is said to be there.
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.name == name
    }

    pub(super) const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Something came from it.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// Whether nothing has come from it for long.
    pub(super) fn is_silent(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.heard) >= PATIENCE
    }

    /// Has the name of a silent peer looked up again, and takes over what came of it.
    pub(super) fn tend(&mut self, now: Instant) {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(address) = found.filter(|address| Some(*address) != self.address) {
            log::info!("peer {} is at {address} now", self.name);
            self.address = Some(address);
        }
        let silent = now.saturating_duration_since(self.heard.max(self.looked_up)) >= PATIENCE;
        // An address that is written out does not change.
        if silent && self.name.parse::<SocketAddr>().is_err() {
            self.looked_up = now;
            self.look_up();
        }
    }

    fn look_up(&self) {
        let (name, six, found) = (self.name.clone(), self.six, Arc::clone(&self.found));
        let look_up = move || {
            if let Ok(address) = resolve(&name, six) {
                *found.lock().unwrap_or_else(PoisonError::into_inner) = Some(address);
            }
        };
        // Without a thread it is tried again later.
        thread::Builder::new().name("raft-names".to_owned()).spawn(look_up).ok();
    }
}

/// The first address of a name that a socket of this family can reach.
pub(super) fn resolve(name: &str, six: bool) -> io::Result<SocketAddr> {
    let mut all = name.to_socket_addrs()?;
    let fit = all.find(|address| six || address.is_ipv4());
    let none = || io::Error::other(format!("{name} has no address that this socket can reach"));
    fit.map(|address| as_sent(address, six)).ok_or_else(none)
}

/// An address as a socket of this family wants it.
fn as_sent(address: SocketAddr, six: bool) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if six => (ip.to_ipv6_mapped(), address.port()).into(),
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_addresses_of_either_family() {
        assert_eq!(resolve("127.0.0.1:7000", false).unwrap().to_string(), "127.0.0.1:7000");
        assert_eq!(resolve("127.0.0.1:7000", true).unwrap().to_string(), "[::ffff:127.0.0.1]:7000");
        assert_eq!(resolve("[::1]:7000", true).unwrap().to_string(), "[::1]:7000");
        assert!(resolve("[::1]:7000", false).is_err());
        assert_eq!(resolve("localhost:7000", false).unwrap().port(), 7000);
    }

    #[test]
    fn who_is_learned_of_later_is_looked_up_by_nobody_who_waits() {
        let mut peer = Peer::later("localhost:7000", false, None);
        assert!(peer.is_named("localhost:7000") && peer.address().is_none());
        let deadline = Instant::now() + Duration::from_secs(30);
        while peer.address().is_none() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
            peer.tend(Instant::now());
        }
        assert_eq!(peer.address().map(|address| address.port()), Some(7000));
        let written = Peer::later("127.0.0.1:7000", true, None).address();
        assert_eq!(written.unwrap().to_string(), "[::ffff:127.0.0.1]:7000");
    }

    #[test]
    fn a_silent_peer_is_looked_up_again_and_one_that_speaks_is_not() {
        let mut peer = Peer::new("localhost:7000", false);
        peer.address = None;
        let later = Instant::now() + PATIENCE;
        peer.heard(later);
        peer.tend(later);
        assert!(peer.looked_up < later);
        peer.tend(later + PATIENCE);
        assert_eq!(peer.looked_up, later + PATIENCE);
        let deadline = Instant::now() + Duration::from_secs(30);
        while peer.address().is_none() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
            peer.tend(later);
        }
        assert_eq!(peer.address().map(|address| address.port()), Some(7000));
    }
}
