//! How datagrams get from one node to another.
//!
//! Raft bears the loss of any of them, their late coming, and their coming twice. So a transport
//! never waits, keeps little, and drops what it can't pass on. Envelopes are the server's business:
//! a transport only says which peer's address something came from.

mod local;
mod mailbox;
mod names;
#[cfg(unix)]
mod port;
#[cfg(unix)]
mod serial;
#[cfg(target_os = "linux")]
#[path = "many.rs"]
mod socket;
#[cfg(not(target_os = "linux"))]
#[path = "single.rs"]
mod socket;
mod tcp;
mod udp;

pub use self::local::{Local, Network};
#[cfg(unix)]
pub use self::serial::Serial;
pub use self::tcp::Tcp;
pub use self::udp::Udp;
use crate::waker::Waker;
use raft_core::NodeId;
use rustix::fd::BorrowedFd;
use std::io;
use std::time::Duration;

/// One way to reach some of the peers. It belongs to the consensus thread, which sleeps when none
/// of its transports has anything for it.
pub trait Transport: Send {
    /// Called once, before anything else. A transport without a socket wakes the thread when
    /// something has come in.
    fn start(&mut self, waker: &Waker) -> io::Result<()>;

    /// What to sleep on, if this transport receives from one socket.
    fn socket(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Whether the peer is one of this transport's.
    fn reaches(&self, peer: NodeId) -> bool;

    /// Learns the address of another peer, or a new one. Says whether it is an address that this
    /// transport has a use for.
    fn learn(&mut self, _peer: NodeId, _address: &str) -> bool {
        false
    }

    /// Takes a datagram for a peer, which may leave now or with the next [`flush`](Self::flush).
    fn send(&mut self, to: NodeId, datagram: &[u8]);

    /// Takes a datagram for all peers that it reaches, if its medium is one that all of them hear.
    /// Else it says so, and is given the datagram again for each.
    fn send_to_all(&mut self, _datagram: &[u8]) -> bool {
        false
    }

    /// Sends what was taken, and tells what it could not send since the last call.
    fn flush(&mut self) -> Unsent;

    /// Hands over what came in and whose address it came from, until there is nothing more or
    /// enough for once.
    fn receive(&mut self, each: &mut dyn FnMut(NodeId, &[u8]));

    /// Called about once a second, and when nothing else happens at least at each election.
    fn tend(&mut self) {}

    /// Datagrams that came from nobody's address, since the start.
    fn strangers(&self) -> u64 {
        0
    }

    /// What came in and was no datagram at all, since the start.
    fn garbled(&self) -> u64 {
        0
    }

    /// What it can bear where datagrams are no longer than this; `None` where there is no need to
    /// ask. A server waits and sends accordingly.
    fn pace(&self, _datagram_bytes: usize) -> Option<Pace> {
        None
    }
}

/// What a slow transport can bear.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    /// The longest that a datagram and its answer take together.
    pub cycle: Duration,
    /// How many bytes can be on their way to one peer at once.
    pub window_bytes: u32,
    /// How many bytes it carries in a second.
    pub bytes_per_second: u32,
}

impl Pace {
    /// What either of two transports can bear.
    pub(crate) fn slower(self, other: Self) -> Self {
        Self {
            cycle: self.cycle.max(other.cycle),
            window_bytes: self.window_bytes.min(other.window_bytes),
            bytes_per_second: self.bytes_per_second.min(other.bytes_per_second),
        }
    }
}

/// What a transport could not send.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Unsent {
    /// Datagrams that were longer than the way to their peer allows.
    pub too_large: u32,
    /// Datagrams that were dropped for any other reason.
    pub dropped: u32,
}
