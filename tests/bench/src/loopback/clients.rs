//! Clients that ask, wait for the answer, and ask again: as many as there are connections.
//!
//! One thread drives all of them, whatever they talk, so that each cluster is asked by the same
//! clients. What it takes of the machine is taken from the nodes: the ratio of two clusters comes
//! out a little nearer to one than it is.

use super::times::Times;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What one connection talks.
pub trait Talk {
    /// Writes what is said first.
    fn greet(&mut self, out: &mut Vec<u8>);
    /// Writes the request to put a 16-byte value under a key.
    fn put(&mut self, key: &str, out: &mut Vec<u8>);
    /// Takes from the front of what came in. Says whether the request is answered.
    fn hear(&mut self, input: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<bool, String>;
}

/// The value that every client puts.
pub const VALUE: &[u8; 16] = b"sixteen bytes..!";
/// How many keys there are.
const KEYS: u64 = 10_000;

/// What came of a load.
pub struct Load {
    pub per_second: f64,
    /// In microseconds.
    pub median: f64,
    pub p99: f64,
}

struct Client<T> {
    stream: TcpStream,
    talk: T,
    input: Vec<u8>,
    output: Vec<u8>,
    asked: Instant,
}

/// So many clients, spread over these addresses, for so long.
pub fn load<T: Talk>(
    addresses: &[SocketAddr],
    count: usize,
    time: Duration,
    talk: impl Fn() -> T,
) -> Result<Load, String> {
    let mut poll = Poll::new().map_err(failed)?;
    let (mut clients, mut random) = (Vec::new(), 1);
    for (name, address) in addresses.iter().cycle().take(count).enumerate() {
        let mut client = Client::connect(*address, talk())?;
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut client.stream, Token(name), both).map_err(failed)?;
        client.put(&mut random);
        client.write()?;
        clients.push(client);
    }
    let mut events = Events::with_capacity(count);
    let mut times = Times::default();
    let (mut begun, mut warm, mut last) = (Instant::now(), false, Instant::now());
    while begun.elapsed() < time {
        poll.poll(&mut events, Some(time)).map_err(failed)?;
        for event in &events {
            let Some(client) = clients.get_mut(event.token().0) else { continue };
            if client.read()? {
                last = Instant::now();
                times.add(last - client.asked);
                client.put(&mut random);
            }
            client.write()?;
        }
        if last.elapsed() > Duration::from_secs(5) {
            return Err("clients wait in vain".to_owned());
        }
        // Until then connections are made, and everything is cold.
        if !warm && begun.elapsed() > time / 5 {
            (warm, begun, times) = (true, Instant::now(), Times::default());
        }
    }
    let per_second = times.len() as f64 / begun.elapsed().as_secs_f64();
    Ok(Load { per_second, median: times.median(), p99: times.percentile(99) })
}

impl<T: Talk> Client<T> {
    fn connect(address: SocketAddr, mut talk: T) -> Result<Self, String> {
        // Waited for: whoever begins too early has nobody to write to.
        let stream = std::net::TcpStream::connect(address).map_err(failed)?;
        stream.set_nodelay(true).and_then(|()| stream.set_nonblocking(true)).map_err(failed)?;
        let mut output = Vec::new();
        talk.greet(&mut output);
        let (stream, asked) = (TcpStream::from_std(stream), Instant::now());
        Ok(Self { stream, talk, input: Vec::new(), output, asked })
    }

    fn put(&mut self, random: &mut u64) {
        // Any numbers will do, and the same ones each time.
        *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let key = format!("key-{:08}", (*random >> 33) % KEYS);
        self.talk.put(&key, &mut self.output);
        self.asked = Instant::now();
    }

    /// Says whether the request is answered.
    fn read(&mut self) -> Result<bool, String> {
        let mut piece = [0; 4096];
        let mut answered = false;
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => return Err("a node has closed a connection".to_owned()),
                Ok(bytes) => {
                    self.input.extend_from_slice(&piece[..bytes]);
                    answered |= self.talk.hear(&mut self.input, &mut self.output)?;
                    // What filled less than the piece was all there is.
                    if bytes < piece.len() {
                        return Ok(answered);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(answered),
                Err(error) => return Err(failed(error)),
            }
        }
    }

    fn write(&mut self) -> Result<(), String> {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(bytes) => drop(self.output.drain(..bytes)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(())
    }
}

fn failed(error: std::io::Error) -> String {
    format!("clients: {error}")
}
