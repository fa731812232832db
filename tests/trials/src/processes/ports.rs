//! Ports that stay free while nobody listens there.
//!
//! The system gives the ports of its own range to whoever connects somewhere, so that a node which
//! was killed could find its own one taken when it starts again. These are below that range.

use std::io::{Error, ErrorKind, Result};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

/// How many were looked at by this process.
static LOOKED_AT: AtomicU16 = AtomicU16::new(0);

/// A port of this machine's own address at which nobody listens, by neither protocol, and which
/// this function does not name again.
pub(super) fn free() -> Result<u16> {
    // Processes that are started one after the other look far from each other.
    let beginning = std::process::id().wrapping_mul(61) % u32::from(COUNT);
    for _ in 0..COUNT {
        let place = beginning + u32::from(LOOKED_AT.fetch_add(1, Ordering::Relaxed));
        let port = FIRST + u16::try_from(place % u32::from(COUNT)).map_err(Error::other)?;
        let address = (Ipv4Addr::LOCALHOST, port);
        if UdpSocket::bind(address).and(TcpListener::bind(address)).is_ok() {
            return Ok(port);
        }
    }
    Err(ErrorKind::AddrInUse.into())
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_port_is_named_twice() {
        let ports = [(); 8].map(|()| super::free().unwrap());
        let distinct: std::collections::BTreeSet<_> = ports.into_iter().collect();
        assert_eq!(distinct.len(), 8, "{ports:?}");
    }
}
