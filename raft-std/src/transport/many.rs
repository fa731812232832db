//! Several datagrams in one call of the system: what Linux has for it.

use super::Unsent;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg};
use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::ops::Range;
use std::os::fd::AsRawFd;

/// How many datagrams go into one call.
const CALL_MAX: usize = 32;
/// No datagram of UDP is longer.
const DATAGRAM_BYTES_MAX: usize = 65_536;

/// Memory that one call fills.
pub(super) struct Buffers(Vec<u8>);

impl Buffers {
    pub(super) fn new() -> Self {
        Self(vec![0; CALL_MAX * DATAGRAM_BYTES_MAX])
    }

    /// Hands over what has come in, as much as one call gives. Says whether there may be more.
    pub(super) fn receive(
        &mut self,
        socket: &UdpSocket,
        each: &mut dyn FnMut(SocketAddr, &[u8]),
    ) -> bool {
        let mut came: [Option<(SocketAddr, usize)>; CALL_MAX] = [None; CALL_MAX];
        let mut count = 0;
        {
            let parts = self.0.chunks_exact_mut(DATAGRAM_BYTES_MAX);
            let mut slices: Vec<_> = parts.map(|part| [IoSliceMut::new(part)]).collect();
            // Made anew each time: an address must not be cut to the length of the one before.
            let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(CALL_MAX, None);
            let flags = MsgFlags::MSG_DONTWAIT;
            let Ok(received) =
                recvmmsg(socket.as_raw_fd(), &mut headers, slices.iter_mut(), flags, None)
            else {
                return false;
            };
            for (place, message) in came.iter_mut().zip(received) {
                let from = message.address.as_ref().and_then(std_address);
                *place = from.map(|from| (from, message.bytes));
                count += 1;
            }
        }
        for (part, came) in self.0.chunks_exact(DATAGRAM_BYTES_MAX).zip(came).take(count) {
            if let Some((from, length)) = came {
                each(from, part.get(..length).unwrap_or_default());
            }
        }
        count == CALL_MAX
    }
}

/// Sends parts of some bytes, each to its address.
pub(super) fn send(socket: &UdpSocket, bytes: &[u8], all: &[(SocketAddr, Range<usize>)]) -> Unsent {
    let part = |part: &Range<usize>| bytes.get(part.clone()).unwrap_or_default();
    let slices: Vec<_> = all.iter().map(|(_, range)| [IoSlice::new(part(range))]).collect();
    let to: Vec<_> = all.iter().map(|(to, _)| Some(SockaddrStorage::from(*to))).collect();
    let (mut unsent, mut done) = (Unsent::default(), 0);
    while done < all.len() {
        let end = all.len().min(done + CALL_MAX);
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(end - done, None);
        let (slices, to) = (&slices[done..end], &to[done..end]);
        let flags = MsgFlags::MSG_DONTWAIT;
        match sendmmsg(socket.as_raw_fd(), &mut headers, slices, to, [], flags) {
            // It is the first one that failed, and then the others are tried.
            Err(Errno::EMSGSIZE) => (unsent.too_large, done) = (unsent.too_large + 1, done + 1),
            Err(Errno::EINTR) => {}
            Err(_) => (unsent.dropped, done) = (unsent.dropped + 1, done + 1),
            Ok(sent) => done += sent.count(),
        }
    }
    unsent
}

fn std_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(four) = address.as_sockaddr_in() {
        return Some(SocketAddrV4::from(*four).into());
    }
    address.as_sockaddr_in6().map(|six| SocketAddrV6::from(*six).into())
}
