//! Datagrams over UDP: what a cluster on one network wants.
//!
//! Whose a datagram is, is known by the address that it comes from, so the address that a peer is
//! given here is the one that it sends from. What comes from elsewhere is counted and dropped.

use super::names::Peer;
use super::{Transport, Unsent, socket};
use crate::waker::Waker;
use raft_core::NodeId;
use rustix::fd::{AsFd, BorrowedFd};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::ops::Range;
use std::time::Instant;

/// How many times in a row datagrams are taken before something else has its turn.
const CALLS_MAX: usize = 8;

/// One socket, and the peers that it reaches.
pub struct Udp {
    socket: UdpSocket,
    /// Whether it is one of IPv6.
    six: bool,
    peers: Vec<(NodeId, Peer)>,
    buffers: socket::Buffers,
    /// What is to be sent, one behind the other.
    outgoing: Vec<u8>,
    addressed: Vec<(SocketAddr, Range<usize>)>,
    /// Datagrams for peers whose address is not known.
    dropped: u32,
    strangers: u64,
}

impl Udp {
    /// A socket at this address, `host:port`. A host of `0.0.0.0` or `[::]` is any of this machine,
    /// and port 0 is any that is free.
    pub fn bind(address: &str) -> io::Result<Self> {
        let socket = UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            six: socket.local_addr()?.is_ipv6(),
            socket,
            peers: Vec::new(),
            buffers: socket::Buffers::new(),
            outgoing: Vec::new(),
            addressed: Vec::new(),
            dropped: 0,
            strangers: 0,
        })
    }

    /// A peer and where it is, `host:port`.
    pub fn peer(mut self, id: NodeId, address: &str) -> Self {
        let peer = Peer::new(address, self.six);
        self.put(id, address, peer);
        self
    }

    /// One node is at one address: whoever was said to be there has made way for this one.
    fn put(&mut self, id: NodeId, address: &str, peer: Peer) {
        self.peers.retain(|(other, known)| *other != id && !known.is_named(address));
        self.peers.push((id, peer));
    }

    /// The address of the socket.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

impl Transport for Udp {
    fn start(&mut self, _: &Waker) -> io::Result<()> {
        Ok(())
    }

    fn socket(&self) -> Option<BorrowedFd<'_>> {
        Some(self.socket.as_fd())
    }

    fn reaches(&self, peer: NodeId) -> bool {
        self.peers.iter().any(|(id, _)| *id == peer)
    }

    fn learn(&mut self, peer: NodeId, address: &str) -> bool {
        // What is no news costs nobody the address that it has.
        let known = self.peers.iter().find(|(id, _)| *id == peer).map(|(_, known)| known);
        if !known.is_some_and(|known| known.is_named(address)) {
            let before = known.and_then(Peer::address);
            self.put(peer, address, Peer::later(address, self.six, before));
        }
        true
    }

    fn send(&mut self, to: NodeId, datagram: &[u8]) {
        let peer = self.peers.iter().find(|(id, _)| *id == to);
        let Some(address) = peer.and_then(|(_, peer)| peer.address()) else {
            self.dropped += 1;
            return;
        };
        let start = self.outgoing.len();
        self.outgoing.extend_from_slice(datagram);
        self.addressed.push((address, start..self.outgoing.len()));
    }

    fn flush(&mut self) -> Unsent {
        let dropped = std::mem::take(&mut self.dropped);
        if self.addressed.is_empty() {
            return Unsent { too_large: 0, dropped };
        }
        let mut unsent = socket::send(&self.socket, &self.outgoing, &self.addressed);
        unsent.dropped += dropped;
        self.outgoing.clear();
        self.addressed.clear();
        unsent
    }

    fn receive(&mut self, each: &mut dyn FnMut(NodeId, &[u8])) {
        let Self { socket, buffers, peers, strangers, .. } = self;
        let now = Instant::now();
        let mut sort = |from: SocketAddr, datagram: &[u8]| {
            let mut known = peers.iter_mut();
            match known.find(|(_, peer)| peer.address().is_some_and(|it| is_same(it, from))) {
                Some((id, peer)) => {
                    peer.heard(now);
                    each(*id, datagram);
                }
                None => {
                    if strangers.is_power_of_two() || *strangers == 0 {
                        log::warn!("a datagram from {from}, who is no peer, is dropped");
                    }
                    *strangers += 1;
                }
            }
        };
        for _ in 0..CALLS_MAX {
            if !buffers.receive(socket, &mut sort) {
                break;
            }
        }
    }

    fn tend(&mut self) {
        let now = Instant::now();
        self.peers.iter_mut().for_each(|(_, peer)| peer.tend(now));
    }

    fn strangers(&self) -> u64 {
        self.strangers
    }
}

/// Whether two addresses are the same, however the family and the scope are written.
fn is_same(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port() && one.ip().to_canonical() == other.ip().to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn hear(udp: &mut Udp) -> Vec<(NodeId, Vec<u8>)> {
        let waker = Waker::new().unwrap();
        waker.sleep(&[udp.socket().unwrap()], Some(Duration::from_secs(30)));
        let mut heard = Vec::new();
        udp.receive(&mut |from, bytes| heard.push((from, bytes.to_vec())));
        heard
    }

    fn address(udp: &Udp) -> String {
        udp.local_address().unwrap().to_string()
    }

    #[test]
    fn a_batch_arrives_and_strangers_are_counted() {
        let (mut one, mut two) =
            (Udp::bind("127.0.0.1:0").unwrap(), Udp::bind("127.0.0.1:0").unwrap());
        assert!(one.learn(NodeId(2), &address(&two)) && !two.reaches(NodeId(1)));
        for number in 0..100 {
            one.send(NodeId(2), &[number; 5]);
        }
        one.send(NodeId(3), b"nobody");
        assert_eq!(one.flush(), Unsent { too_large: 0, dropped: 1 });
        assert_eq!((hear(&mut two), two.strangers()), (Vec::new(), 100));
        two.learn(NodeId(1), &address(&one));
        for number in 0..100 {
            one.send(NodeId(2), &[number; 5]);
        }
        assert_eq!(one.flush(), Unsent::default());
        let heard = hear(&mut two);
        assert!(heard.iter().map(|(from, bytes)| (from.0, bytes[0])).eq((0..100).map(|n| (1, n))));
    }

    #[test]
    fn whoever_stands_where_another_one_stood_is_heard() {
        let (mut one, mut two) =
            (Udp::bind("127.0.0.1:0").unwrap(), Udp::bind("127.0.0.1:0").unwrap());
        one.learn(NodeId(2), &address(&two));
        for id in [NodeId(1), NodeId(3), NodeId(3)] {
            two.learn(id, &address(&one));
        }
        one.send(NodeId(2), b"hello");
        one.flush();
        assert_eq!(hear(&mut two), [(NodeId(3), b"hello".to_vec())]);
        assert!(!two.reaches(NodeId(1)));
    }

    #[test]
    fn a_datagram_that_is_too_large_is_told_from_others() {
        let (mut one, mut two) =
            (Udp::bind("127.0.0.1:0").unwrap(), Udp::bind("127.0.0.1:0").unwrap());
        one.learn(NodeId(2), &address(&two));
        two.learn(NodeId(1), &address(&one));
        one.send(NodeId(2), b"before");
        one.send(NodeId(2), &[0; 65_530]);
        one.send(NodeId(2), b"behind");
        assert_eq!(one.flush(), Unsent { too_large: 1, dropped: 0 });
        assert_eq!(hear(&mut two).len(), 2);
    }

    #[test]
    fn either_family_reaches_the_other() {
        let Ok(mut six) = Udp::bind("[::]:0") else { return };
        let mut four = Udp::bind("127.0.0.1:0").unwrap();
        six.learn(NodeId(4), &address(&four));
        let port = six.local_address().unwrap().port();
        four.learn(NodeId(6), &format!("127.0.0.1:{port}"));
        six.send(NodeId(4), b"to four");
        assert_eq!((six.flush(), hear(&mut four).len()), (Unsent::default(), 1));
        four.send(NodeId(6), b"to six");
        assert_eq!((four.flush(), hear(&mut six).len()), (Unsent::default(), 1));
    }
}
