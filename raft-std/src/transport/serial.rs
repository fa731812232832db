//! Datagrams over a serial port, as [`raft_core::serial`] frames them: a host among boards.
//!
//! At the other end of the line is one node, or the line is shared by several. The port may be
//! pulled and put back: it is opened again about a second later. A line is slow, so no more is
//! handed to it than it carries soon, by the clock: what comes on top is dropped, for later the
//! core has something newer to say.

use super::port::Port;
use super::{Pace, Transport, Unsent};
use crate::waker::Waker;
use raft_core::NodeId;
use raft_core::serial::{Decoder, Encoder};
use rustix::fd::{AsFd, BorrowedFd};
use std::io;
use std::time::{Duration, Instant};

/// Longer ones are not from a node.
const DATAGRAM_BYTES_MAX: usize = 17_000;
/// How many bytes may wait for the line, unless a datagram is longer: a word to each of some peers.
const WAITING_BYTES: usize = 256;
/// What the line carries for each byte, beside its eight bits one to begin and one to end it.
const BITS: u32 = 10;
/// What a frame has beside its datagram, but for long ones.
const FRAME_BYTES: usize = 2;
/// How many pieces are read before something else has its turn.
const CALLS_MAX: usize = 16;
/// In the place of a recipient.
const EVERYONE: u8 = u8::MAX;

/// A serial port, and the peers that it reaches.
pub struct Serial {
    id: NodeId,
    path: String,
    baud: u32,
    ends: Ends,
    /// `None` while there is no such port.
    port: Option<Port>,
    decoder: Decoder<Vec<u8>>,
    encoder: Encoder,
    /// What the system did not take yet.
    outgoing: Vec<u8>,
    /// When the line has carried everything that was taken.
    idle_from: Instant,
    /// How long the longest datagram was.
    longest_bytes: usize,
    dropped: u32,
    strangers: u64,
    short: u64,
}

/// Who is at the line.
enum Ends {
    Between(NodeId),
    Shared(Vec<NodeId>),
}

impl Serial {
    /// A line between this node and one other.
    ///
    /// A port that is not there yet is waited for; one that can't be used is an error. Adapters may
    /// come back under another name: `/dev/serial/by-id` has names that stay.
    pub fn between(id: NodeId, peer: NodeId, path: &str, baud: u32) -> io::Result<Self> {
        let decoder = Decoder::behind(vec![0; DATAGRAM_BYTES_MAX], [id.0, peer.0]);
        Self::new(id, Ends::Between(peer), decoder, path, baud)
    }

    /// A line that this node shares with these others, all of which hear each other. Who may speak
    /// when is for the adapter to see to.
    pub fn shared(id: NodeId, peers: &[NodeId], path: &str, baud: u32) -> io::Result<Self> {
        let peers = peers.iter().copied().filter(|peer| *peer != id).collect();
        let decoder = Decoder::new(vec![0; DATAGRAM_BYTES_MAX]);
        Self::new(id, Ends::Shared(peers), decoder, path, baud)
    }

    fn new(
        id: NodeId,
        ends: Ends,
        decoder: Decoder<Vec<u8>>,
        path: &str,
        baud: u32,
    ) -> io::Result<Self> {
        if baud == 0 {
            let words = format!("{path}: 0 baud is no speed");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, words));
        }
        let port = match Port::open(path, baud) {
            Ok(port) => Some(port),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                log::warn!("a serial port is not there yet: {error}");
                None
            }
            Err(error) => return Err(error),
        };
        Ok(Self {
            id,
            path: path.to_owned(),
            baud,
            ends,
            port,
            decoder,
            encoder: Encoder::new(),
            outgoing: Vec::new(),
            idle_from: Instant::now(),
            longest_bytes: 0,
            dropped: 0,
            strangers: 0,
            short: 0,
        })
    }

    /// For how long the line is busy with so many bytes.
    fn time_of(&self, bytes: usize) -> Duration {
        let bits = u32::try_from(bytes).unwrap_or(u32::MAX).saturating_mul(BITS);
        Duration::from_secs(1) * bits / self.baud
    }

    /// Puts a datagram in line, unless there is too much before it.
    fn take(&mut self, datagram: &[u8]) {
        self.longest_bytes = self.longest_bytes.max(datagram.len());
        let most_bytes = WAITING_BYTES.max(self.longest_bytes + FRAME_BYTES);
        let (now, most) = (Instant::now(), self.time_of(most_bytes));
        let waits = self.idle_from.saturating_duration_since(now);
        if self.port.is_none() || waits > most || self.outgoing.len() > most_bytes {
            self.dropped += 1;
            return;
        }
        let frame = match self.ends {
            // Both ends know the addresses.
            Ends::Between(_) => datagram.get(2..).unwrap_or_default(),
            Ends::Shared(_) => datagram,
        };
        let before = self.outgoing.len();
        self.outgoing.extend(std::iter::from_fn(|| self.encoder.next(frame)));
        let time = self.time_of(self.outgoing.len() - before);
        self.idle_from = self.idle_from.max(now) + time;
    }

    /// Hands the system what it takes.
    fn pump(&mut self) {
        while let (Some(port), false) = (&self.port, self.outgoing.is_empty()) {
            match port.write(&self.outgoing) {
                Ok(0) => break,
                Ok(count) => drop(self.outgoing.drain(..count)),
                Err(error) => self.lose(&error),
            }
        }
    }

    fn lose(&mut self, error: &io::Error) {
        log::warn!("the serial port {} is gone: {error}", self.path);
        self.port = None;
        self.outgoing.clear();
        self.encoder = Encoder::new();
    }
}

impl Transport for Serial {
    fn start(&mut self, _: &Waker) -> io::Result<()> {
        Ok(())
    }

    fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.port.as_ref().map(AsFd::as_fd)
    }

    fn reaches(&self, peer: NodeId) -> bool {
        match &self.ends {
            Ends::Between(other) => *other == peer,
            Ends::Shared(peers) => peers.contains(&peer),
        }
    }

    /// Another peer is on a shared line if its address is `serial:` and the path of the port.
    fn learn(&mut self, peer: NodeId, address: &str) -> bool {
        let here = address.strip_prefix("serial:") == Some(&self.path);
        match &mut self.ends {
            Ends::Shared(peers) if here && peer != self.id => {
                peers.retain(|other| *other != peer);
                peers.push(peer);
                true
            }
            _ => here && self.reaches(peer),
        }
    }

    fn send(&mut self, to: NodeId, datagram: &[u8]) {
        if self.reaches(to) {
            self.take(datagram);
        } else {
            self.dropped += 1;
        }
    }

    fn send_to_all(&mut self, datagram: &[u8]) -> bool {
        let shared = matches!(self.ends, Ends::Shared(_));
        if shared {
            self.take(datagram);
        }
        shared
    }

    fn flush(&mut self) -> Unsent {
        self.pump();
        Unsent { too_large: 0, dropped: std::mem::take(&mut self.dropped) }
    }

    fn receive(&mut self, each: &mut dyn FnMut(NodeId, &[u8])) {
        // What did not go at once may go now.
        self.pump();
        let mut buffer = [0; 4096];
        for _ in 0..CALLS_MAX {
            let Some(port) = &self.port else { return };
            let count = match port.read(&mut buffer) {
                Ok(0) => return,
                Ok(count) => count,
                Err(error) => return self.lose(&error),
            };
            for &byte in buffer.get(..count).unwrap_or_default() {
                let Some(datagram) = self.decoder.push(byte) else { continue };
                let &[to, from, ..] = datagram else {
                    self.short += 1;
                    continue;
                };
                // A shared line carries what is for others, and may echo what was sent.
                let ours = to == self.id.0 || to == EVERYONE;
                let known = match &self.ends {
                    Ends::Between(_) => true,
                    Ends::Shared(peers) => peers.contains(&NodeId(from)),
                };
                match ours && from != self.id.0 {
                    true if known => each(NodeId(from), datagram),
                    true => self.strangers += 1,
                    false => {}
                }
            }
        }
    }

    fn tend(&mut self) {
        if self.port.is_none()
            && let Ok(port) = Port::open(&self.path, self.baud)
        {
            log::info!("the serial port {} is there", self.path);
            self.port = Some(port);
        }
    }

    fn strangers(&self) -> u64 {
        self.strangers
    }

    fn garbled(&self) -> u64 {
        let losses = self.decoder.losses();
        self.short + u64::from(losses.torn) + u64::from(losses.too_long)
    }

    fn pace(&self, datagram_bytes: usize) -> Option<Pace> {
        let longest = datagram_bytes + FRAME_BYTES + datagram_bytes / 254;
        let waiting = WAITING_BYTES.max(longest);
        Some(Pace {
            // Either waits for what was taken before it.
            cycle: self.time_of(2 * (waiting + longest)),
            window_bytes: u32::try_from(waiting).unwrap_or(u32::MAX),
            bytes_per_second: self.baud / BITS,
        })
    }
}
