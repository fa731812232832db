//! Stands between nodes: loses, delays, doubles and reorders what they send, as it is told.
//!
//! Each node has a face here, which the others take for its address. What a node sends arrives at
//! the face of the receiver, shows by where it came from whose it is, and goes on from the face of
//! the sender, so that everyone hears each of the others from the one address that it knows.

use crate::harm::weather::Weather;
use crate::processes::Processes;
use raft_simulator::random::Random;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long a thread waits before it looks whether all is over.
const LOOK: Duration = Duration::from_millis(100);
/// How many datagrams are kept to be looked at.
const SAMPLES: usize = 4096;
/// No datagram is longer.
const DATAGRAM_BYTES: usize = 1 << 16;

/// All faces. They are gone when this is dropped.
pub struct Proxy {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    faces: Vec<UdpSocket>,
    /// Where the nodes really are.
    nodes: Vec<SocketAddr>,
    /// By receiver, then by sender.
    weather: Mutex<Vec<Vec<Weather>>>,
    /// What is late, by when it is due.
    late: Mutex<BinaryHeap<Reverse<Late>>>,
    earlier: Condvar,
    /// Some of what was sent, or all of it if that is not much.
    samples: Mutex<Vec<Vec<u8>>>,
    over: AtomicBool,
    passed: AtomicU64,
    held_up: AtomicU64,
    lost: AtomicU64,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Late {
    due: Instant,
    from: usize,
    to: usize,
    datagram: Vec<u8>,
}

/// What became of datagrams.
#[derive(Clone, Copy, Debug)]
pub struct Passed {
    /// Passed on, the second time of each as well.
    pub passed: u64,
    /// Of these, late.
    pub late: u64,
    /// Not passed on.
    pub lost: u64,
}

impl Proxy {
    /// Gives each node of a cluster a face, before it is started.
    pub fn begin(cluster: &mut Processes, seed: u64) -> io::Result<Self> {
        let count = cluster.ids().count();
        let faces = (0..count).map(|_| UdpSocket::bind("127.0.0.1:0"));
        let faces = faces.collect::<io::Result<Vec<_>>>()?;
        for (id, face) in (1..).zip(&faces) {
            face.set_read_timeout(Some(LOOK))?;
            cluster.advertise(id, &face.local_addr()?.to_string());
        }
        let address = |id| cluster.address(id).parse().map_err(io::Error::other);
        let nodes = cluster.ids().map(address).collect::<io::Result<_>>()?;
        let shared = Arc::new(Shared {
            faces,
            nodes,
            weather: Mutex::new(vec![vec![Weather::CALM; count]; count]),
            late: Mutex::default(),
            earlier: Condvar::new(),
            samples: Mutex::default(),
            over: AtomicBool::new(false),
            passed: AtomicU64::new(0),
            held_up: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        });
        let mut threads = Vec::new();
        for to in 0..count {
            let (shared, random) = (Arc::clone(&shared), Random::new(seed, 200 + to as u64));
            threads.push(thread::spawn(move || shared.receive(to, random)));
        }
        let late = Arc::clone(&shared);
        threads.push(thread::spawn(move || late.deliver_late()));
        Ok(Self { shared, threads })
    }

    /// Says how the weather is from now on, from one node to another.
    pub fn set(&self, mut weather: impl FnMut(usize, usize) -> Weather) {
        let mut all = lock(&self.shared.weather);
        for (to, row) in (1..).zip(&mut *all) {
            for (from, one) in (1..).zip(row) {
                *one = weather(from, to);
            }
        }
    }

    /// Cuts those ways, and leaves the others calm.
    pub fn cut(&self, is_cut: impl Fn(usize, usize) -> bool) {
        self.set(|from, to| if is_cut(from, to) { Weather::CUT } else { Weather::CALM });
    }

    /// Some of what was sent so far.
    pub fn samples(&self) -> Vec<Vec<u8>> {
        lock(&self.shared.samples).clone()
    }

    /// The face of a node. What is sent from there seems to be of that node.
    pub fn face(&self, id: usize) -> io::Result<UdpSocket> {
        self.shared.faces[id - 1].try_clone()
    }

    /// What became of datagrams so far.
    pub fn passed(&self) -> Passed {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Shared { passed, held_up, lost, .. } = &*self.shared;
        Passed { passed: count(passed), late: count(held_up), lost: count(lost) }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        self.shared.earlier.notify_all();
        for thread in self.threads.drain(..) {
            thread.join().ok();
        }
    }
}

impl Shared {
    /// Takes in what is for one node.
    fn receive(&self, to: usize, mut random: Random) {
        let mut buffer = vec![0; DATAGRAM_BYTES];
        while !self.over.load(Ordering::Relaxed) {
            // What fails is a time-out, or that a node which was killed does not listen.
            let Ok((length, source)) = self.faces[to].recv_from(&mut buffer) else { continue };
            let Some(from) = self.nodes.iter().position(|node| *node == source) else { continue };
            self.sample(&buffer[..length], &mut random);
            let weather = lock(&self.weather)[to][from];
            let copies = 1 + u32::from(random.chance(weather.twice));
            for _ in 0..copies {
                if weather.cut || random.chance(weather.loss) {
                    self.lost.fetch_add(1, Ordering::Relaxed);
                } else if random.chance(weather.late) {
                    let micros = random.below(weather.late_micros + 1);
                    let due = Instant::now() + Duration::from_micros(micros.into());
                    let datagram = buffer[..length].to_vec();
                    lock(&self.late).push(Reverse(Late { due, from, to, datagram }));
                    self.held_up.fetch_add(1, Ordering::Relaxed);
                    self.earlier.notify_all();
                } else {
                    self.pass(from, to, &buffer[..length]);
                }
            }
        }
    }

    fn sample(&self, datagram: &[u8], random: &mut Random) {
        let mut samples = lock(&self.samples);
        if samples.len() < SAMPLES {
            samples.push(datagram.to_vec());
        } else if let Some(place) = samples.get_mut(random.below(1 << 20) as usize) {
            datagram.clone_into(place);
        }
    }

    fn deliver_late(&self) {
        let mut late = lock(&self.late);
        while !self.over.load(Ordering::Relaxed) {
            let now = Instant::now();
            while late.peek().is_some_and(|Reverse(first)| first.due <= now) {
                if let Some(Reverse(Late { from, to, datagram, .. })) = late.pop() {
                    self.pass(from, to, &datagram);
                }
            }
            let rest = late.peek().map_or(LOOK, |Reverse(first)| first.due - now);
            let waited = self.earlier.wait_timeout(late, rest.min(LOOK));
            late = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn pass(&self, from: usize, to: usize, datagram: &[u8]) {
        self.passed.fetch_add(1, Ordering::Relaxed);
        // As good as lost, if it fails.
        self.faces[from].send_to(datagram, self.nodes[to]).ok();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
