//! Datagrams over TCP: for networks that drop large datagrams, or let none through.
//!
//! Each node dials each peer for what it has to say, and listens for what the peers say:
//!
//! ```text
//! once          "raft"   and the sender's id, a byte
//! each          u32      the datagram's length, little-endian
//!               ...      the datagram
//! ```
//!
//! Connections come and go by themselves. What does not leave at once is dropped and not kept: the
//! core says what is true when there is a connection again.

use super::mailbox::Mailbox;
use super::{Transport, Unsent};
use crate::waker::Waker;
use raft_core::NodeId;
use rustix::fd::AsFd;
use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const GREETING: &[u8; 4] = b"raft";
/// Longer ones are not from a node: the connection is closed.
const DATAGRAM_BYTES_MAX: usize = 70_000;
/// How many datagrams wait for a connection to take them.
const WAITING_MAX: usize = 1024;
/// For how long a connection may take to come about, or to take something.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many callers may be about to say who they are.
const STRANGERS_MAX: usize = 64;
/// For how long nobody dials again after it did not work.
const REST: Duration = Duration::from_millis(100);

/// A listening socket, and the peers that are dialed.
pub struct Tcp {
    id: NodeId,
    listener: Option<TcpListener>,
    address: SocketAddr,
    peers: Vec<(NodeId, SyncSender<Vec<u8>>)>,
    threads: Vec<JoinHandle<()>>,
    common: Arc<Common>,
    dropped: u32,
}

/// What all threads of one transport see.
struct Common {
    mailbox: Mailbox,
    closing: AtomicBool,
    /// Wakes whoever listens.
    listening: Waker,
    /// How many callers have not said yet who they are.
    greeting: AtomicUsize,
    strangers: AtomicU64,
    /// Whoever may be called: where it is, as it was configured.
    addresses: Mutex<Vec<(NodeId, String)>>,
    /// Every open connection, by a copy to close it with, and of which peer it is, if it called.
    open: Mutex<Vec<(u64, TcpStream, Option<NodeId>)>>,
}

impl Tcp {
    /// Listens at this address, `host:port`, for this node.
    pub fn bind(id: NodeId, address: &str) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let (address, common) = (listener.local_addr()?, Arc::new(Common::new()?));
        let (peers, threads) = (Vec::new(), Vec::new());
        Ok(Self { id, listener: Some(listener), address, peers, threads, common, dropped: 0 })
    }

    /// A peer and where it listens, `host:port`.
    pub fn peer(mut self, id: NodeId, address: &str) -> Self {
        self.learn(id, address);
        self
    }

    /// Where this node listens.
    pub const fn local_address(&self) -> SocketAddr {
        self.address
    }
}

impl Transport for Tcp {
    fn start(&mut self, waker: &Waker) -> io::Result<()> {
        self.common.mailbox.open(waker);
        if let Some(listener) = self.listener.take() {
            let common = Arc::clone(&self.common);
            let name = thread::Builder::new().name("raft-listen".to_owned());
            self.threads.push(name.spawn(move || listen(&listener, &common))?);
        }
        Ok(())
    }

    fn reaches(&self, peer: NodeId) -> bool {
        self.peers.iter().any(|(id, _)| *id == peer)
    }

    fn learn(&mut self, peer: NodeId, address: &str) -> bool {
        // The thread of the address before ends when nothing can come any more.
        self.peers.retain(|(id, _)| *id != peer);
        self.common.learn(peer, address);
        let (sender, datagrams) = sync_channel(WAITING_MAX);
        let (common, id) = (Arc::clone(&self.common), self.id);
        let (name, address) = (format!("raft-dial-{}", peer.0), address.to_owned());
        let dial = move || speak(id, &address, &datagrams, &common);
        match thread::Builder::new().name(name).spawn(dial) {
            Ok(thread) => {
                self.peers.push((peer, sender));
                self.threads.push(thread);
                true
            }
            Err(error) => {
                log::error!("no thread to speak to peer {}: {error}", peer.0);
                false
            }
        }
    }

    fn send(&mut self, to: NodeId, datagram: &[u8]) {
        let peer = self.peers.iter().find(|(id, _)| *id == to);
        if peer.is_none_or(|(_, sender)| sender.try_send(datagram.to_vec()).is_err()) {
            self.dropped += 1;
        }
    }

    fn flush(&mut self) -> Unsent {
        Unsent { too_large: 0, dropped: std::mem::take(&mut self.dropped) }
    }

    fn receive(&mut self, each: &mut dyn FnMut(NodeId, &[u8])) {
        self.common.mailbox.take().iter().for_each(|(from, datagram)| each(*from, datagram));
    }

    fn strangers(&self) -> u64 {
        self.common.strangers.load(Ordering::Relaxed)
    }
}

impl Drop for Tcp {
    fn drop(&mut self) {
        self.common.mailbox.close();
        self.common.closing.store(true, Ordering::SeqCst);
        self.peers.clear();
        for (_, stream, _) in self.common.open().iter() {
            stream.shutdown(Shutdown::Both).ok();
        }
        self.common.listening.wake();
        for thread in self.threads.drain(..) {
            // It has said on its own what went wrong, if anything.
            thread.join().ok();
        }
    }
}

impl Common {
    fn new() -> io::Result<Self> {
        Ok(Self {
            mailbox: Mailbox::default(),
            closing: AtomicBool::default(),
            listening: Waker::new()?,
            greeting: AtomicUsize::default(),
            strangers: AtomicU64::default(),
            addresses: Mutex::default(),
            open: Mutex::default(),
        })
    }

    fn learn(&self, peer: NodeId, address: &str) {
        let mut all = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(id, _)| *id != peer);
        all.push((peer, address.to_owned()));
    }

    /// Whether a caller is where the peer is that it says to be.
    fn is_at(&self, peer: NodeId, caller: SocketAddr) -> bool {
        let all = self.addresses.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let name = all.into_iter().find(|(id, _)| *id == peer);
        let known = name.and_then(|(_, name)| name.to_socket_addrs().ok());
        let ip = caller.ip().to_canonical();
        known.is_some_and(|mut known| known.any(|it| it.ip().to_canonical() == ip))
    }

    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// Remembers a connection for as long as `work` has it, so that it can be closed meanwhile.
    fn with(&self, stream: TcpStream, work: impl FnOnce(TcpStream, u64)) {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let Ok(copy) = stream.try_clone() else { return };
        self.open().push((number, copy, None));
        // Looked at after it is in the list, so that one of both closes it.
        if !self.is_closing() {
            work(stream, number);
        }
        self.open().retain(|(other, ..)| *other != number);
    }

    /// A peer has called. It has one connection, and where it opens another the one before is
    /// dead, though nothing may ever come to say so.
    fn called(&self, number: u64, peer: NodeId) {
        for (other, stream, of) in self.open().iter_mut() {
            if *other == number {
                *of = Some(peer);
            } else if *of == Some(peer) {
                stream.shutdown(Shutdown::Both).ok();
            }
        }
    }

    fn open(&self) -> MutexGuard<'_, Vec<(u64, TcpStream, Option<NodeId>)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes calls until the end, each in a thread of its own.
fn listen(listener: &TcpListener, common: &Arc<Common>) {
    thread::scope(|scope| {
        while !common.is_closing() {
            let (stream, caller) = match listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    common.listening.sleep(&[listener.as_fd()], None);
                    continue;
                }
                Err(_) => {
                    thread::sleep(REST);
                    continue;
                }
            };
            // Each takes a thread and memory before anybody knows who it is.
            let Some(greeting) = Greeting::begin(common) else {
                common.strangers.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            let take = move || {
                common.with(stream, |stream, number| {
                    take(stream, number, caller, greeting);
                });
            };
            let name = thread::Builder::new().name("raft-hear".to_owned());
            if name.spawn_scoped(scope, take).is_err() {
                log::error!("no thread to hear {caller}");
            }
        }
    });
}

/// A caller of whom nobody knows yet who it is: one of a few.
struct Greeting<'a>(&'a Common);

impl<'a> Greeting<'a> {
    fn begin(common: &'a Common) -> Option<Self> {
        let before = common.greeting.fetch_add(1, Ordering::SeqCst);
        // Made first, so that one too many leaves again.
        Some(Self(common)).filter(|_| before < STRANGERS_MAX)
    }
}

impl Drop for Greeting<'_> {
    fn drop(&mut self) {
        self.0.greeting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Hears a caller out, if it is a peer.
fn take(stream: TcpStream, number: u64, caller: SocketAddr, greeting: Greeting<'_>) {
    let common = greeting.0;
    let greeted = greet(&stream, caller, common);
    drop(greeting);
    match greeted {
        Ok(Some(peer)) => {
            common.called(number, peer);
            // That it is gone is no news: it calls again.
            hear(stream, peer, common).ok();
        }
        Ok(None) => {
            common.strangers.fetch_add(1, Ordering::Relaxed);
            if !common.is_closing() {
                log::warn!("a call from {caller}, who is no peer, is not taken");
            }
        }
        Err(_) => {}
    }
}

/// Which peer a caller is.
fn greet(
    mut stream: &TcpStream,
    caller: SocketAddr,
    common: &Common,
) -> io::Result<Option<NodeId>> {
    let (mut greeting, mut id) = ([0; 4], [0]);
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.read_exact(&mut greeting)?;
    stream.read_exact(&mut id)?;
    let peer = NodeId(id[0]);
    Ok(Some(peer).filter(|peer| greeting == *GREETING && common.is_at(*peer, caller)))
}

/// Takes datagrams from a peer until it is gone.
fn hear(stream: TcpStream, peer: NodeId, common: &Common) -> io::Result<()> {
    stream.set_read_timeout(None)?;
    let mut stream = BufReader::with_capacity(DATAGRAM_BYTES_MAX, stream);
    let (mut length, mut datagram) = ([0; 4], vec![0; DATAGRAM_BYTES_MAX]);
    loop {
        stream.read_exact(&mut length)?;
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        let room = datagram.get_mut(..length);
        let room = room.ok_or_else(|| io::Error::other("longer than any datagram"))?;
        stream.read_exact(room)?;
        common.mailbox.put(peer, room);
    }
}

/// Passes datagrams on to one peer, until there can be no more.
fn speak(id: NodeId, address: &str, datagrams: &Receiver<Vec<u8>>, common: &Common) {
    while let Ok(first) = datagrams.recv() {
        match dial(address) {
            Ok(stream) => common.with(stream, |stream, _| {
                if let Err(error) = pass_on(id, stream, first, datagrams)
                    && !common.is_closing()
                {
                    log::info!("the connection to {address} is lost: {error}");
                }
            }),
            Err(_) => thread::sleep(REST),
        }
        // What is this old is not worth saying any more.
        while datagrams.try_recv().is_ok() {}
    }
}

fn dial(address: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::other("a name without an address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_write_timeout(Some(PATIENCE))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Writes all that waits at once, again and again.
fn pass_on(
    id: NodeId,
    mut stream: TcpStream,
    first: Vec<u8>,
    datagrams: &Receiver<Vec<u8>>,
) -> io::Result<()> {
    let mut bytes = GREETING.to_vec();
    bytes.push(id.0);
    let mut next = Some(first);
    while let Some(datagram) = next {
        let mut add = |datagram: Vec<u8>| {
            let length = u32::try_from(datagram.len()).map_err(io::Error::other)?;
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(&datagram);
            Ok::<_, io::Error>(())
        };
        add(datagram)?;
        datagrams.try_iter().take(WAITING_MAX).try_for_each(add)?;
        stream.write_all(&bytes)?;
        bytes.clear();
        next = datagrams.recv().ok();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn wait_for(tcp: &mut Tcp, waker: &Waker, count: usize) -> Vec<(NodeId, Vec<u8>)> {
        let (mut heard, deadline) = (Vec::new(), Instant::now() + Duration::from_secs(30));
        while heard.len() < count && Instant::now() < deadline {
            tcp.receive(&mut |from, bytes| heard.push((from, bytes.to_vec())));
            if heard.len() < count {
                waker.sleep(&[], Some(Duration::from_millis(100)));
            }
        }
        heard
    }

    #[test]
    fn datagrams_stay_whole_and_connections_come_back() {
        let waker = Waker::new().unwrap();
        let mut two = Tcp::bind(NodeId(2), "127.0.0.1:0").unwrap().peer(NodeId(1), "127.0.0.1:1");
        let address = two.local_address().to_string();
        two.start(&waker).unwrap();
        let mut one = Tcp::bind(NodeId(1), "127.0.0.1:0").unwrap().peer(NodeId(2), &address);
        for number in 0..50 {
            one.send(NodeId(2), &vec![number; 1000 * usize::from(number)]);
        }
        let heard = wait_for(&mut two, &waker, 50);
        let lengths = heard.iter().map(|(from, bytes)| (from.0, bytes.len()));
        assert!(lengths.eq((0..50).map(|number| (1, 1000 * number))));
        drop(two);
        let again = Tcp::bind(NodeId(2), &address);
        // The port may be somebody else's by now; then there is nothing to see here.
        let Ok(again) = again else { return };
        let mut two = again.peer(NodeId(1), "127.0.0.1:1");
        two.start(&waker).unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut heard = Vec::new();
        while heard.is_empty() && Instant::now() < deadline {
            one.send(NodeId(2), b"again");
            thread::sleep(Duration::from_millis(10));
            two.receive(&mut |_, bytes| heard.push(bytes.to_vec()));
        }
        assert_eq!(heard.first().map(Vec::as_slice), Some(&b"again"[..]));
    }

    #[test]
    fn strangers_are_not_heard() {
        let waker = Waker::new().unwrap();
        let mut two = Tcp::bind(NodeId(2), "127.0.0.1:0").unwrap().peer(NodeId(1), "10.1.2.3:1");
        two.start(&waker).unwrap();
        for greeting in [&b"raft\x01"[..], b"GET /"] {
            let mut stream = TcpStream::connect(two.local_address()).unwrap();
            stream.write_all(greeting).unwrap();
            // It is closed from the other end.
            assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
        }
        assert_eq!(two.strangers(), 2);
    }

    #[test]
    fn a_peer_that_calls_again_ends_its_call_of_before() {
        let waker = Waker::new().unwrap();
        let mut two = Tcp::bind(NodeId(2), "127.0.0.1:0").unwrap().peer(NodeId(1), "127.0.0.1:1");
        two.start(&waker).unwrap();
        let call = || {
            let mut stream = TcpStream::connect(two.local_address()).unwrap();
            stream.write_all(b"raft\x01\x01\0\0\0!").unwrap();
            stream
        };
        let mut first = call();
        let mut heard = Vec::new();
        while heard.is_empty() {
            waker.sleep(&[], None);
            heard.extend(two.common.mailbox.take());
        }
        let _second = call();
        first.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        assert_eq!(first.read(&mut [0]).unwrap(), 0, "closed from the other end");
    }

    #[test]
    fn strangers_who_say_nothing_are_not_many() {
        let waker = Waker::new().unwrap();
        let mut two = Tcp::bind(NodeId(2), "127.0.0.1:0").unwrap();
        two.start(&waker).unwrap();
        let callers: Vec<_> = (0..STRANGERS_MAX + 8)
            .map(|_| TcpStream::connect(two.local_address()).unwrap())
            .collect();
        let deadline = Instant::now() + Duration::from_secs(30);
        while two.strangers() < 8 && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        assert!(two.strangers() >= 8 && two.common.open().len() <= STRANGERS_MAX);
        drop(callers);
    }
}
