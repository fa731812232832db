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
use std::io::{self, BufReader, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const GREETING: &[u8; 4] = b"raft";
/// Longer ones are not from a node: the connection is closed.
const DATAGRAM_BYTES_MAX: usize = 70_000;
/// How many datagrams wait for a connection to take them.
const WAITING_MAX: usize = 1024;
/// For how long a connection may take to come about, or to take something.
const PATIENCE: Duration = Duration::from_secs(2);
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
#[derive(Default)]
struct Common {
    mailbox: Mailbox,
    closing: AtomicBool,
    strangers: AtomicU64,
    /// Whoever may be called: where it is, as it was configured.
    addresses: Mutex<Vec<(NodeId, String)>>,
    /// Every open connection, by a copy to close it with.
    open: Mutex<Vec<(u64, TcpStream)>>,
}

impl Tcp {
    /// Listens at this address, `host:port`, for this node.
    pub fn bind(id: NodeId, address: &str) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let (address, common) = (listener.local_addr()?, Arc::default());
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
        for (_, stream) in self.common.open.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            stream.shutdown(Shutdown::Both).ok();
        }
        if self.listener.is_none() {
            // Whoever listens wakes up for one more call, and sees that it is to end.
            TcpStream::connect_timeout(&Common::reachable(self.address), PATIENCE).ok();
        }
        for thread in self.threads.drain(..) {
            // It has said on its own what went wrong, if anything.
            thread.join().ok();
        }
    }
}

impl Common {
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

    /// Where whoever listens can be called, to wake it up.
    fn reachable(mut address: SocketAddr) -> SocketAddr {
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        address
    }

    /// Remembers a connection for as long as `work` has it, so that it can be closed meanwhile.
    fn with(&self, stream: TcpStream, work: impl FnOnce(TcpStream)) {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let Ok(copy) = stream.try_clone() else { return };
        self.open.lock().unwrap_or_else(PoisonError::into_inner).push((number, copy));
        // Looked at after it is in the list, so that one of both closes it.
        if !self.is_closing() {
            work(stream);
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|(other, _)| *other != number);
    }
}

/// Takes calls until the end, each in a thread of its own.
fn listen(listener: &TcpListener, common: &Arc<Common>) {
    thread::scope(|scope| {
        while !common.is_closing() {
            let Ok((stream, caller)) = listener.accept() else {
                thread::sleep(REST);
                continue;
            };
            let hear = move || common.with(stream, |stream| drop(hear(stream, caller, common)));
            if thread::Builder::new()
                .name("raft-hear".to_owned())
                .spawn_scoped(scope, hear)
                .is_err()
            {
                log::error!("no thread to hear {caller}");
            }
        }
    });
}

/// Takes datagrams from one caller until it is gone.
fn hear(stream: TcpStream, caller: SocketAddr, common: &Common) -> io::Result<()> {
    let (mut greeting, mut id, mut length) = ([0; 4], [0], [0; 4]);
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut stream = BufReader::with_capacity(DATAGRAM_BYTES_MAX, stream);
    stream.read_exact(&mut greeting)?;
    stream.read_exact(&mut id)?;
    let peer = NodeId(id[0]);
    if greeting != *GREETING || !common.is_at(peer, caller) {
        common.strangers.fetch_add(1, Ordering::Relaxed);
        if !common.is_closing() {
            log::warn!("a call from {caller}, who is no peer, is not taken");
        }
        return Ok(());
    }
    stream.get_ref().set_read_timeout(None)?;
    let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
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
            Ok(stream) => common.with(stream, |stream| {
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
}
