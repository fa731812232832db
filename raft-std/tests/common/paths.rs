//! Ways between servers that lose, double, delay and cut, around any real transport.

use raft_std::transport::{Transport, Unsent};
use raft_std::{NodeId, Waker};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// What the ways of one cluster are like. It changes for all of them at once.
#[derive(Default)]
pub struct Weather {
    /// In hundredths, of datagrams.
    pub lost: AtomicU32,
    pub doubled: AtomicU32,
    pub late: AtomicU32,
    /// Nodes that hear and are heard by nobody, as bits.
    pub cut: AtomicU32,
    /// What was lost, doubled and late so far.
    pub struck: AtomicU64,
}

impl Weather {
    pub fn storm(&self, hundredths: u32) {
        for rate in [&self.lost, &self.doubled, &self.late] {
            rate.store(hundredths, Ordering::Relaxed);
        }
    }

    pub fn cut(&self, id: NodeId) {
        self.cut.fetch_or(1 << id.0, Ordering::SeqCst);
    }

    pub fn heal(&self) {
        self.cut.store(0, Ordering::SeqCst);
    }

    fn is_cut(&self, id: NodeId) -> bool {
        self.cut.load(Ordering::SeqCst) & 1 << id.0 != 0
    }
}

/// One node's way to its peers.
pub struct Path {
    id: NodeId,
    under: Box<dyn Transport>,
    weather: Arc<Weather>,
    /// What comes later.
    held: Vec<(NodeId, Vec<u8>)>,
    state: u64,
}

impl Path {
    pub fn new(id: NodeId, under: Box<dyn Transport>, weather: Arc<Weather>) -> Self {
        Self {
            id,
            under,
            weather,
            held: Vec::new(),
            state: 0x9E37_79B9_7F4A_7C15 ^ u64::from(id.0),
        }
    }

    /// Whether something strikes that does so in so many of a hundred cases.
    fn strikes(&mut self, rate: u32) -> bool {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        let strikes = self.state % 100 < u64::from(rate);
        self.weather.struck.fetch_add(u64::from(strikes), Ordering::Relaxed);
        strikes
    }
}

impl Transport for Path {
    fn start(&mut self, waker: &Waker) -> io::Result<()> {
        self.under.start(waker)
    }

    #[cfg(unix)]
    fn socket(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        self.under.socket()
    }

    fn reaches(&self, peer: NodeId) -> bool {
        self.under.reaches(peer)
    }

    fn learn(&mut self, peer: NodeId, address: &str) -> bool {
        self.under.learn(peer, address)
    }

    fn send(&mut self, to: NodeId, datagram: &[u8]) {
        let rate = |rate: &AtomicU32| rate.load(Ordering::Relaxed);
        let weather = Arc::clone(&self.weather);
        if weather.is_cut(self.id) || weather.is_cut(to) || self.strikes(rate(&weather.lost)) {
            return;
        }
        if self.strikes(rate(&weather.doubled)) {
            self.held.push((to, datagram.to_vec()));
        }
        if self.strikes(rate(&weather.late)) {
            self.held.push((to, datagram.to_vec()));
        } else {
            self.under.send(to, datagram);
        }
    }

    fn flush(&mut self) -> Unsent {
        let unsent = self.under.flush();
        // What was held back goes with the next ones, some of it even later.
        for (to, datagram) in std::mem::take(&mut self.held) {
            if self.strikes(50) {
                self.held.push((to, datagram));
            } else if !self.weather.is_cut(to) {
                self.under.send(to, &datagram);
            }
        }
        unsent
    }

    fn receive(&mut self, each: &mut dyn FnMut(NodeId, &[u8])) {
        let (weather, own) = (Arc::clone(&self.weather), self.id);
        self.under.receive(&mut |from, datagram| {
            if !weather.is_cut(own) && !weather.is_cut(from) {
                each(from, datagram);
            }
        });
    }

    fn tend(&mut self) {
        self.under.tend();
    }

    fn strangers(&self) -> u64 {
        self.under.strangers()
    }
}
