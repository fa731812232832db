//! Roads between the nodes that can be cut and can lose datagrams, around real sockets.
//!
//! Every road of the cluster shares one [`Weather`], which commands change while nodes run. A
//! datagram is dropped where it would be sent, so that the road back is open or cut for itself.

use raft_std::transport::{Transport, Udp, Unsent};
use raft_std::{NodeId, Waker};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// More nodes than a cluster has room for.
const NODES: usize = 10;

/// What all the roads are like.
#[derive(Default)]
pub struct Weather {
    /// Of a hundred datagrams, how many are lost.
    lost: AtomicU32,
    /// For each node those that it does not reach, as bits.
    cut: [AtomicU32; NODES],
}

impl Weather {
    /// Closes the road between two nodes, both ways.
    pub fn cut(&self, one: NodeId, other: NodeId) {
        for (from, to) in [(one, other), (other, one)] {
            if let Some(cut) = self.cut.get(usize::from(from.0)) {
                cut.fetch_or(bit(to), Ordering::Relaxed);
            }
        }
    }

    /// Opens all the roads again.
    pub fn heal(&self) {
        for cut in &self.cut {
            cut.store(0, Ordering::Relaxed);
        }
    }

    /// Loses so many of a hundred datagrams from now on.
    pub fn lose(&self, hundredths: u32) {
        self.lost.store(hundredths, Ordering::Relaxed);
    }

    /// What it is like, in words.
    pub fn words(&self) -> String {
        let ids = || (0..NODES as u8).map(NodeId);
        let pairs = ids().flat_map(|one| ids().map(move |other| (one, other)));
        let cuts = pairs.filter(|(one, other)| one.0 < other.0 && self.is_cut(*one, *other));
        let cuts: Vec<String> =
            cuts.map(|(one, other)| format!("{} and {}", one.0, other.0)).collect();
        let lost = match self.lost.load(Ordering::Relaxed) {
            0 => "nothing is lost".to_owned(),
            lost => format!("{lost}% of datagrams are lost"),
        };
        if cuts.is_empty() {
            format!("all roads are open, {lost}")
        } else {
            format!("cut between {}, {lost}", cuts.join(", "))
        }
    }

    fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        let cut = self.cut.get(usize::from(from.0));
        cut.is_some_and(|cut| cut.load(Ordering::Relaxed) & bit(to) != 0)
    }
}

fn bit(id: NodeId) -> u32 {
    1 << id.0
}

/// One node's way to all the others.
pub struct Road {
    id: NodeId,
    socket: Udp,
    weather: Arc<Weather>,
    /// Of the numbers that say which datagram is lost.
    state: u64,
}

impl Road {
    pub fn new(id: NodeId, socket: Udp, weather: Arc<Weather>) -> Self {
        Self { id, socket, weather, state: 0x9E37_79B9_7F4A_7C15 ^ u64::from(id.0) }
    }

    /// Whether this datagram is one of those that are lost.
    fn strikes(&mut self) -> bool {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % 100 < u64::from(self.weather.lost.load(Ordering::Relaxed))
    }
}

impl Transport for Road {
    fn start(&mut self, waker: &Waker) -> io::Result<()> {
        self.socket.start(waker)
    }

    #[cfg(unix)]
    fn socket(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        self.socket.socket()
    }

    fn reaches(&self, peer: NodeId) -> bool {
        self.socket.reaches(peer)
    }

    fn learn(&mut self, peer: NodeId, address: &str) -> bool {
        self.socket.learn(peer, address)
    }

    fn send(&mut self, to: NodeId, datagram: &[u8]) {
        if !self.weather.is_cut(self.id, to) && !self.strikes() {
            self.socket.send(to, datagram);
        }
    }

    fn flush(&mut self) -> Unsent {
        self.socket.flush()
    }

    fn receive(&mut self, each: &mut dyn FnMut(NodeId, &[u8])) {
        self.socket.receive(each);
    }

    fn tend(&mut self) {
        self.socket.tend();
    }

    fn strangers(&self) -> u64 {
        self.socket.strangers()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_road_is_closed_both_ways_until_it_is_healed() {
        let weather = Weather::default();
        weather.cut(NodeId(3), NodeId(1));
        assert!(weather.is_cut(NodeId(1), NodeId(3)) && weather.is_cut(NodeId(3), NodeId(1)));
        assert!(!weather.is_cut(NodeId(1), NodeId(2)));
        assert_eq!(weather.words(), "cut between 1 and 3, nothing is lost");
        weather.heal();
        assert!(!weather.is_cut(NodeId(1), NodeId(3)));
    }

    #[test]
    fn as_many_datagrams_are_lost_as_was_said() {
        let weather = Arc::new(Weather::default());
        let socket = Udp::bind("127.0.0.1:0").unwrap();
        let mut road = Road::new(NodeId(1), socket, Arc::clone(&weather));
        let mut lost = |hundredths| {
            weather.lose(hundredths);
            (0..10_000).filter(|_| road.strikes()).count()
        };
        assert_eq!([lost(0), lost(100)], [0, 10_000]);
        assert!((900..1100).contains(&lost(10)));
    }
}
