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
    /// How many damaged copies come with each datagram.
    pub damaged: AtomicU32,
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
        let strikes = draw(&mut self.state) % 100 < u64::from(rate);
        self.weather.struck.fetch_add(u64::from(strikes), Ordering::Relaxed);
        strikes
    }
}

fn draw(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// A copy that is cut, longer, another altogether, or has a few other bytes.
fn damaged(datagram: &[u8], state: &mut u64) -> Vec<u8> {
    let mut copy = datagram.to_vec();
    let place = draw(state) as usize;
    match draw(state) % 4 {
        0 => copy.truncate(place % datagram.len().max(1)),
        1 => copy.extend((0..place % 64).map(|_| draw(state) as u8)),
        2 => copy.iter_mut().for_each(|byte| *byte = draw(state) as u8),
        _ => {
            for _ in 0..=place % 4 {
                let places = copy.len().max(1) as u64;
                if let Some(byte) = copy.get_mut((draw(state) % places) as usize) {
                    *byte ^= 1 << (draw(state) % 8);
                }
            }
        }
    }
    copy
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
        let state = &mut self.state;
        self.under.receive(&mut |from, datagram| {
            if !weather.is_cut(own) && !weather.is_cut(from) {
                each(from, datagram);
                for _ in 0..weather.damaged.load(Ordering::Relaxed) {
                    each(from, &damaged(datagram, state));
                }
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
