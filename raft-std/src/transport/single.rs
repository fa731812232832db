//! One datagram in each call of the system: what every platform has.

use super::Unsent;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::ops::Range;

/// No datagram of UDP is longer.
const DATAGRAM_BYTES_MAX: usize = 65_536;
/// How many calls are made before something else has its turn.
const CALLS_MAX: usize = 32;

/// Memory that one call fills.
pub(super) struct Buffers(Vec<u8>);

impl Buffers {
    pub(super) fn new() -> Self {
        Self(vec![0; DATAGRAM_BYTES_MAX])
    }

    /// Hands over what has come in, as much as some calls give. Says whether there may be more.
    pub(super) fn receive(
        &mut self,
        socket: &UdpSocket,
        each: &mut dyn FnMut(SocketAddr, &[u8]),
    ) -> bool {
        for _ in 0..CALLS_MAX {
            match socket.recv_from(&mut self.0) {
                Ok((length, from)) => each(from, self.0.get(..length).unwrap_or_default()),
                // A peer's port was closed when something reached it: that is no end.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
                Err(_) => return false,
            }
        }
        true
    }
}

/// Sends parts of some bytes, each to its address.
pub(super) fn send(socket: &UdpSocket, bytes: &[u8], all: &[(SocketAddr, Range<usize>)]) -> Unsent {
    /// What Windows says where others say EMSGSIZE, and what those say.
    const TOO_LARGE: [i32; 3] = [10040, 90, 40];
    let mut unsent = Unsent::default();
    for (to, part) in all {
        let Err(error) = socket.send_to(bytes.get(part.clone()).unwrap_or_default(), to) else {
            continue;
        };
        match error.raw_os_error() {
            Some(number) if TOO_LARGE.contains(&number) => unsent.too_large += 1,
            _ => unsent.dropped += 1,
        }
    }
    unsent
}
