//! Three etcd on this machine, and the little of gRPC that a client needs to put values.
//!
//! etcd's own benchmark is not packaged, and its JSON door costs it more than the one that its
//! clients use. So this talks HTTP/2 as they do: a connection for each client, one request at a
//! time. Headers are sent as they are, none is ever looked at: a request was carried out if its
//! stream ends behind an answer, and what failed has none.

use super::clients::{Talk, VALUE};
use super::cluster::{NODES, PATIENCE, free_addresses};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Three running etcd, and where their clients are served.
pub struct Etcds {
    processes: Vec<Child>,
    doors: Vec<String>,
}

impl Etcds {
    /// Starts them with files below this directory; `None` if there is no etcd on this machine.
    pub fn start(directory: &Path) -> Result<Option<Self>, String> {
        if Command::new("etcd").arg("--version").stdout(Stdio::null()).status().is_err() {
            return Ok(None);
        }
        let (addresses, doors) = (free_addresses()?, free_addresses()?);
        let members = (1..).zip(&addresses).map(|(id, at)| format!("etcd-{id}=http://{at}"));
        let members: Vec<_> = members.collect();
        let mut all = Self { processes: Vec::new(), doors };
        for (id, (address, door)) in (1..=NODES).zip(addresses.iter().zip(&all.doors)) {
            let name = format!("etcd-{id}");
            let mut etcd = Command::new("etcd");
            etcd.args(["--name", &name, "--log-level=error", "--logger=zap"]);
            etcd.arg("--data-dir").arg(directory.join(&name));
            etcd.args(["--listen-client-urls", &format!("http://{door}")]);
            etcd.args(["--advertise-client-urls", &format!("http://{door}")]);
            etcd.args(["--listen-peer-urls", &format!("http://{address}")]);
            etcd.args(["--initial-advertise-peer-urls", &format!("http://{address}")]);
            etcd.args(["--initial-cluster", &members.join(",")]);
            let etcd = etcd.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            all.processes.push(etcd.spawn().map_err(|error| format!("etcd: {error}"))?);
        }
        Ok(Some(all))
    }

    /// Where clients are served: first by whoever leads, then by the others.
    pub fn addresses(&self) -> Result<Vec<SocketAddr>, String> {
        let doors = self.doors.iter().map(|door| door.parse().map_err(|_| door.clone()));
        let mut doors = doors.collect::<Result<Vec<SocketAddr>, String>>()?;
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Some(leader) = doors.iter().position(|door| leads(*door).unwrap_or(false)) {
                doors.rotate_left(leader);
                return Ok(doors);
            }
            thread::sleep(Duration::from_millis(100));
        }
        Err("none of three etcd on this machine leads".to_owned())
    }
}

impl Drop for Etcds {
    fn drop(&mut self) {
        for process in &mut self.processes {
            // One that has ended by itself is fine, too.
            process.kill().ok();
            process.wait().ok();
        }
    }
}

/// Whether the etcd behind this door says that it leads.
fn leads(door: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(door)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET /metrics HTTP/1.0\r\n\r\n")?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    Ok(page.contains("\netcd_server_is_leader 1\n"))
}

/// One connection of HTTP/2.
pub struct Grpc {
    /// The stream of the next request.
    stream: u32,
    /// Whether the request has an answer, though its stream has not ended.
    answered: bool,
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
const WINDOW: u8 = 8;
/// Of settings and pings: an answer. Of all others: the last one of its stream.
const END: u8 = 1;
const END_OF_HEADERS: u8 = 4;
const HEAD_BYTES: usize = 9;

impl Grpc {
    pub const fn new() -> Self {
        Self { stream: 1, answered: false }
    }

    /// What to do about one frame. Says whether it ends an answered request.
    fn heed(
        &mut self,
        kind: u8,
        flags: u8,
        content: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<bool, String> {
        match kind {
            SETTINGS if flags & END == 0 => frame(SETTINGS, END, 0, &[], out),
            PING if flags & END == 0 => frame(PING, END, 0, content, out),
            RESET | GO_AWAY => return Err("etcd does not understand this client".to_owned()),
            DATA | HEADERS => {
                self.answered |= kind == DATA && !content.is_empty();
                if flags & END != 0 {
                    let answered = std::mem::take(&mut self.answered);
                    return if answered { Ok(true) } else { Err("etcd put nothing".to_owned()) };
                }
            }
            _ => {}
        }
        Ok(false)
    }
}

impl Talk for Grpc {
    fn greet(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        frame(SETTINGS, 0, 0, &[], out);
        // As many bytes may come as will ever do.
        frame(WINDOW, 0, 0, &(1_u32 << 30).to_be_bytes(), out);
    }

    fn put(&mut self, key: &str, out: &mut Vec<u8>) {
        // POST and http are in HTTP/2's table, and so are the names of the next three.
        let mut headers = vec![0x83, 0x86];
        for (name, value) in [
            (&[0x04][..], "/etcdserverpb.KV/Put"),
            (&[0x01], "localhost"),
            (&[0x0F, 0x10], "application/grpc"),
            (b"\x00\x02te", "trailers"),
        ] {
            headers.extend_from_slice(name);
            headers.push(value.len() as u8);
            headers.extend_from_slice(value.as_bytes());
        }
        frame(HEADERS, END_OF_HEADERS, self.stream, &headers, out);
        let mut message = vec![0x0A, key.len() as u8];
        message.extend_from_slice(key.as_bytes());
        message.extend_from_slice(&[0x12, VALUE.len() as u8]);
        message.extend_from_slice(VALUE);
        let mut content = vec![0];
        content.extend_from_slice(&(message.len() as u32).to_be_bytes());
        content.extend_from_slice(&message);
        frame(DATA, END, self.stream, &content, out);
        self.stream += 2;
    }

    fn hear(&mut self, input: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<bool, String> {
        let mut answered = false;
        while let Some((&[high, middle, low, kind, flags, ..], rest)) =
            input.split_first_chunk::<HEAD_BYTES>()
        {
            let length = u32::from_be_bytes([0, high, middle, low]) as usize;
            let Some(content) = rest.get(..length) else { break };
            let content = content.to_vec();
            input.drain(..HEAD_BYTES + length);
            answered |= self.heed(kind, flags, &content, out)?;
        }
        Ok(answered)
    }
}

fn frame(kind: u8, flags: u8, stream: u32, content: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(content.len() as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(content);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_answered_when_its_stream_ends_behind_an_answer() {
        let mut grpc = Grpc::new();
        let (mut input, mut out) = (Vec::new(), Vec::new());
        frame(SETTINGS, 0, 0, &[], &mut input);
        frame(PING, 0, 0, &[7; 8], &mut input);
        frame(HEADERS, END_OF_HEADERS, 1, &[0x88], &mut input);
        frame(DATA, 0, 1, &[0; 5], &mut input);
        assert_eq!(grpc.hear(&mut input, &mut out), Ok(false));
        let mut expected = Vec::new();
        frame(SETTINGS, END, 0, &[], &mut expected);
        frame(PING, END, 0, &[7; 8], &mut expected);
        assert_eq!((out, input.len()), (expected, 0));
        let mut end = Vec::new();
        frame(HEADERS, END_OF_HEADERS | END, 1, &[0x88], &mut end);
        let (mut half, mut rest) = (end[..7].to_vec(), end[7..].to_vec());
        assert_eq!(grpc.hear(&mut half, &mut Vec::new()), Ok(false));
        half.append(&mut rest);
        assert_eq!(grpc.hear(&mut half, &mut Vec::new()), Ok(true));
        // One that ends at once has failed.
        assert!(grpc.hear(&mut end, &mut Vec::new()).is_err());
    }
}
