//! Peers at serial ports, whose address is `serial:PATH` or `serial:PATH:BAUD`.
//!
//! A port with one peer is a cable between two; those that share a port share a line. The others at
//! that line must be told the same.

use raft_std::{NodeId, Setup};
use std::io;

/// The speed of a port where none is said.
const BAUD: u32 = 115_200;

/// A serial port, and who is there.
#[derive(Debug, PartialEq, Eq)]
struct Port<'a> {
    path: &'a str,
    baud: u32,
    peers: Vec<NodeId>,
}

/// The path and the speed, if it is the address of a serial port.
pub fn parse(address: &str) -> Option<(&str, u32)> {
    let rest = address.strip_prefix("serial:").filter(|rest| !rest.is_empty())?;
    // A path may have colons of its own.
    let with_baud = rest.rsplit_once(':').and_then(|(path, baud)| Some((path, baud.parse().ok()?)));
    let (path, baud) = with_baud.unwrap_or((rest, BAUD));
    (!path.is_empty() && baud > 0).then_some((path, baud))
}

/// Has a node reach those of its peers that are at serial ports.
pub fn connect(mut setup: Setup, id: NodeId, peers: &[(NodeId, String)]) -> io::Result<Setup> {
    for port in ports(peers)? {
        setup = open(setup, id, &port)?;
    }
    Ok(setup)
}

fn ports(peers: &[(NodeId, String)]) -> io::Result<Vec<Port<'_>>> {
    let mut all: Vec<Port<'_>> = Vec::new();
    for (peer, address) in peers {
        let Some((path, baud)) = parse(address) else { continue };
        match all.iter_mut().find(|port| port.path == path) {
            None => all.push(Port { path, baud, peers: vec![*peer] }),
            Some(port) if port.baud == baud => port.peers.push(*peer),
            Some(port) => {
                let words = format!("{path} has one speed, not {} and {baud}", port.baud);
                return Err(io::Error::new(io::ErrorKind::InvalidInput, words));
            }
        }
    }
    Ok(all)
}

#[cfg(unix)]
fn open(setup: Setup, id: NodeId, port: &Port<'_>) -> io::Result<Setup> {
    use raft_std::transport::Serial;
    let serial = match port.peers.as_slice() {
        [peer] => Serial::between(id, *peer, port.path, port.baud)?,
        peers => Serial::shared(id, peers, port.path, port.baud)?,
    };
    Ok(setup.transport(serial))
}

#[cfg(not(unix))]
fn open(_: Setup, _: NodeId, port: &Port<'_>) -> io::Result<Setup> {
    let words = format!("{}: serial ports are there on Unix only", port.path);
    Err(io::Error::new(io::ErrorKind::Unsupported, words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_path_and_perhaps_a_speed() {
        assert_eq!(parse("serial:/dev/ttyUSB0"), Some(("/dev/ttyUSB0", 115_200)));
        assert_eq!(parse("serial:/dev/ttyUSB0:9600"), Some(("/dev/ttyUSB0", 9600)));
        assert_eq!(parse("serial:/dev/usb-0:1:1.0"), Some(("/dev/usb-0:1:1.0", 115_200)));
        for other in ["10.0.0.1:7000", "serial:", "serial::9600", "serial:/dev/ttyUSB0:0"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn who_is_at_one_port_shares_its_line() {
        let peers = |all: [&str; 4]| (1..).map(NodeId).zip(all.map(str::to_owned)).collect();
        let all: Vec<_> = peers(["serial:/a:9600", "b:7000", "serial:/c", "serial:/a:9600"]);
        let port = |path, baud, peers: &[u8]| Port {
            path,
            baud,
            peers: peers.iter().copied().map(NodeId).collect(),
        };
        assert_eq!(ports(&all).unwrap(), [port("/a", 9600, &[1, 4]), port("/c", 115_200, &[3])]);
        let all: Vec<_> = peers(["serial:/a:9600", "b:7000", "c:7000", "serial:/a"]);
        assert_eq!(ports(&all).unwrap_err().to_string(), "/a has one speed, not 9600 and 115200");
    }
}
