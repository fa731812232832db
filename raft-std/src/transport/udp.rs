//! Datagrams over UDP: what a cluster on one network wants.
//!
//! Whose a datagram is, is known by the address that it comes from, so the address that a peer is
//! given here is the one that it sends from. What comes from elsewhere is counted and dropped.
//!
//! The address that a peer was given in the beginning stays beside one that is learned later. Where
//! every node has moved, what they learned is old, and nobody could tell anybody what is new.

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
    /// Of two with the same id the first is where datagrams go.
    peers: Vec<Known>,
    buffers: socket::Buffers,
    /// What is to be sent, one behind the other.
    outgoing: Vec<u8>,
    addressed: Vec<(SocketAddr, Range<usize>)>,
    /// Datagrams for peers whose address is not known.
    dropped: u32,
    strangers: u64,
}

/// An address of a peer.
struct Known {
    id: NodeId,
    peer: Peer,
    /// Whether it was given in the beginning, and stays when another is learned.
    given: bool,
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
        self.peers.retain(|known| known.id != id && !known.peer.is_named(address));
        self.peers.push(Known { id, peer, given: true });
        self
    }

    /// Where in the list the first address of a peer is that is like this.
    fn place(&self, id: NodeId, is_it: impl Fn(&Known) -> bool) -> Option<usize> {
        self.peers.iter().position(|known| known.id == id && is_it(known))
    }

    /// Sends to this address from now on.
    fn prefer(&mut self, place: usize) {
        let known = self.peers.remove(place);
        self.peers.insert(0, known);
    }

    /// Tries the other address of each peer that is silent at the one it is sent to.
    fn change_over(&mut self, now: Instant) {
        for place in 0..self.peers.len() {
            let (id, silent) = (self.peers[place].id, self.peers[place].peer.is_silent(now));
            let is_first = self.place(id, |_| true) == Some(place);
            let other = (place + 1..self.peers.len()).find(|other| self.peers[*other].id == id);
            if let (true, true, Some(other)) = (silent, is_first, other) {
                self.peers.swap(place, other);
                // It has as long to answer.
                self.peers[place].peer.heard(now);
            }
        }
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
        self.peers.iter().any(|known| known.id == peer)
    }

    fn learn(&mut self, peer: NodeId, address: &str) -> bool {
        // One node is at one address: whoever was said to be there has made way for this one.
        self.peers.retain(|known| known.id == peer || !known.peer.is_named(address));
        // What is no news costs nobody the address that it has.
        if let Some(place) = self.place(peer, |known| known.peer.is_named(address)) {
            self.prefer(place);
            return true;
        }
        let before = self.place(peer, |_| true).and_then(|place| self.peers[place].peer.address());
        self.peers.retain(|known| known.id != peer || known.given);
        let new = Peer::later(address, self.six, before);
        self.peers.insert(0, Known { id: peer, peer: new, given: false });
        true
    }

    fn send(&mut self, to: NodeId, datagram: &[u8]) {
        let known = self.peers.iter().find(|known| known.id == to);
        let Some(address) = known.and_then(|known| known.peer.address()) else {
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
        let (now, mut at_another) = (Instant::now(), None);
        let mut sort = |from: SocketAddr, datagram: &[u8]| {
            let is_here = |known: &Known| known.peer.address().is_some_and(|it| is_same(it, from));
            match peers.iter().position(is_here) {
                Some(place) => {
                    let id = peers[place].id;
                    if peers.iter().position(|known| known.id == id) != Some(place) {
                        at_another = Some(place);
                    }
                    peers[place].peer.heard(now);
                    each(id, datagram);
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
        if let Some(place) = at_another {
            self.prefer(place);
        }
    }

    fn tend(&mut self) {
        let now = Instant::now();
        self.peers.iter_mut().for_each(|known| known.peer.tend(now));
        self.change_over(now);
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
    fn who_has_moved_is_found_where_it_was_said_to_be_in_the_beginning() {
        let bind = || Udp::bind("127.0.0.1:0").unwrap();
        let (gone, mut two) = (bind(), bind());
        let mut one = bind().peer(NodeId(2), &address(&two));
        two.learn(NodeId(1), &address(&one));
        // What everybody had agreed on before all of them moved.
        assert!(one.learn(NodeId(2), &address(&gone)));
        one.send(NodeId(2), b"to nobody");
        one.flush();
        one.change_over(Instant::now());
        assert_eq!(one.peers.len(), 2);
        let later = Instant::now() + Duration::from_secs(3600);
        one.change_over(later);
        one.change_over(later);
        one.send(NodeId(2), b"here");
        one.flush();
        assert_eq!(hear(&mut two), [(NodeId(1), b"here".to_vec())]);
        // Whoever is heard at its other address is sent to there, at once.
        assert!(one.learn(NodeId(2), &address(&gone)));
        two.send(NodeId(1), b"I am here");
        two.flush();
        assert_eq!(hear(&mut one), [(NodeId(2), b"I am here".to_vec())]);
        one.send(NodeId(2), b"so be it");
        one.flush();
        assert_eq!(hear(&mut two), [(NodeId(1), b"so be it".to_vec())]);
        // The next one that is learned takes the place of the last one that was.
        one.learn(NodeId(2), "127.0.0.1:9");
        assert_eq!(one.peers.len(), 2);
        one.learn(NodeId(3), &address(&two));
        assert!(one.peers.iter().filter(|known| known.id == NodeId(2)).count() == 1);
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
