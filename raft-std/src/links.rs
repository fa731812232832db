//! A server's transports as one: envelopes on and off, and who is reached by which.
//!
//! The bytes are those of [`raft_core::wire::Envelope`], summed up by a faster checksum. A
//! datagram must come from the address of the node that it says it is of.

use crate::transport::Transport;
use crate::waker::Waker;
use raft_core::wire::ENVELOPE_BYTES;
use raft_core::{ClusterId, Frame, NodeId, Packet, Recipient};
use rustix::fd::BorrowedFd;

/// How long a datagram is at first: what nearly every path carries whole.
const DATAGRAM_BYTES: usize = 1400;
const CHECKSUM_BYTES: usize = 4;
const ADDRESS_BYTES: usize = ENVELOPE_BYTES - CHECKSUM_BYTES;
/// In the place of a recipient.
const EVERYONE: u8 = u8::MAX;

pub(crate) struct Links {
    id: NodeId,
    /// The checksum of the cluster's id, with which every other begins.
    cluster: u32,
    transports: Vec<Box<dyn Transport>>,
    /// Memory for one datagram.
    buffer: Vec<u8>,
    /// How long a datagram may be at the moment, at least `least_bytes`.
    datagram_bytes: usize,
    least_bytes: usize,
    counters: LinkCounters,
}

/// What became of datagrams around the core, since the server was started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LinkCounters {
    /// Bytes of datagrams that were given to a transport.
    pub sent_bytes: u64,
    /// Bytes of datagrams that came from a peer's address.
    pub received_bytes: u64,
    /// Datagrams from addresses of nobody.
    pub strangers: u64,
    /// Damaged ones, and those of another cluster.
    pub refused: u64,
    /// What came over a line of bytes and was no datagram at all.
    pub garbled: u64,
    /// Those that say that they are of another node than the one at their address, or for another
    /// node than this.
    pub misaddressed: u64,
    /// Those that were too large for their path.
    pub too_large: u64,
    /// Those that no transport could pass on.
    pub dropped: u64,
}

impl Links {
    pub(crate) fn new(
        id: NodeId,
        cluster: ClusterId,
        frame_bytes: u32,
        transports: Vec<Box<dyn Transport>>,
    ) -> Self {
        let least_bytes = frame_bytes as usize + ENVELOPE_BYTES;
        // On a slow line a long datagram is in the way of what matters more.
        let slow = transports.iter().any(|transport| transport.pace(least_bytes).is_some());
        let datagram_bytes = if slow { least_bytes } else { DATAGRAM_BYTES.max(least_bytes) };
        let buffer = vec![0; datagram_bytes];
        let cluster = crc32fast::hash(&cluster.0.to_le_bytes());
        let counters = LinkCounters::default();
        Self { id, cluster, transports, buffer, datagram_bytes, least_bytes, counters }
    }

    pub(crate) fn start(&mut self, waker: &Waker) -> std::io::Result<()> {
        self.transports.iter_mut().try_for_each(|transport| transport.start(waker))
    }

    /// Hands over the frames that came in; nobody asks sockets, where none can be read.
    pub(crate) fn receive(&mut self, readable: bool, mut each: impl FnMut(Frame<'_>)) {
        let Self { id, cluster, transports, counters, .. } = self;
        let mut open = |owner: NodeId, datagram: &[u8]| {
            counters.received_bytes += datagram.len() as u64;
            match take_off(*cluster, datagram) {
                None => counters.refused += 1,
                Some((to, frame)) if is_for(to, *id) && frame.from == owner => each(frame),
                Some(_) => counters.misaddressed += 1,
            }
        };
        let due = transports.iter_mut().filter(|it| readable || it.socket().is_none());
        due.for_each(|transport| transport.receive(&mut open));
    }

    /// Sends what `next` writes into a buffer, until that is nothing.
    pub(crate) fn transmit(
        &mut self,
        mut next: impl FnMut(&mut [u8]) -> Option<(Recipient, usize)>,
    ) {
        let mut any = false;
        loop {
            let end = self.datagram_bytes - CHECKSUM_BYTES;
            let Some(room) = self.buffer.get_mut(ADDRESS_BYTES..end) else { break };
            let Some((to, length)) = next(room) else { break };
            match to {
                Recipient::Peer(to) => self.send(to, length),
                Recipient::Everyone => self.send_to_all(length),
            }
            any = true;
        }
        if any {
            self.flush();
        }
    }

    /// Sends what lies in the buffer by the first transport that reaches the peer.
    fn send(&mut self, to: NodeId, length: usize) {
        let Self { transports, cluster, id, buffer, counters, .. } = self;
        let by = transports.iter_mut().find(|transport| transport.reaches(to));
        match (by, put_on(*cluster, *id, to.0, length, buffer)) {
            (Some(transport), Some(datagram)) => {
                counters.sent_bytes += datagram.len() as u64;
                transport.send(to, datagram);
            }
            _ => counters.dropped += 1,
        }
    }

    /// Sends it once over each medium that all hear, and once to each peer that is reached by none.
    fn send_to_all(&mut self, length: usize) {
        let mut left: Vec<_> = (0..NodeId::LIMIT).map(NodeId).filter(|to| *to != self.id).collect();
        let Self { transports, cluster, id, buffer, counters, .. } = self;
        let datagram = put_on(*cluster, *id, EVERYONE, length, buffer).unwrap_or_default();
        for transport in transports.iter_mut() {
            if left.iter().any(|to| transport.reaches(*to)) && transport.send_to_all(datagram) {
                counters.sent_bytes += datagram.len() as u64;
                left.retain(|to| !transport.reaches(*to));
            }
        }
        left.retain(|to| transports.iter().any(|transport| transport.reaches(*to)));
        left.into_iter().for_each(|to| self.send(to, length));
    }

    fn flush(&mut self) {
        let mut too_large = 0;
        for transport in &mut self.transports {
            let unsent = transport.flush();
            too_large += u64::from(unsent.too_large);
            self.counters.dropped += u64::from(unsent.dropped);
        }
        if too_large > 0 {
            self.shrink();
        }
        self.counters.too_large += too_large;
    }

    /// Datagrams are shorter from now on. What was lost is owed still.
    fn shrink(&mut self) {
        let (before, least) = (self.datagram_bytes, self.least_bytes);
        self.datagram_bytes = least.max(before / 4 * 3);
        if self.datagram_bytes < before {
            let now = self.datagram_bytes;
            log::warn!("datagrams of {before} bytes are too large for a path: {now} from now on");
        } else if self.counters.too_large == 0 {
            let frame = least - ENVELOPE_BYTES;
            log::error!(
                "datagrams of {least} bytes are too large for a path; frame_bytes is {frame}"
            );
        }
    }

    pub(crate) fn learn(&mut self, peer: NodeId, address: &str) -> bool {
        self.transports.iter_mut().any(|transport| transport.learn(peer, address))
    }

    pub(crate) fn tend(&mut self) {
        self.transports.iter_mut().for_each(|transport| transport.tend());
    }

    pub(crate) fn sockets(&self) -> Vec<BorrowedFd<'_>> {
        self.transports.iter().filter_map(|transport| transport.socket()).collect()
    }

    pub(crate) fn counters(&self) -> LinkCounters {
        let strangers = self.transports.iter().map(|transport| transport.strangers()).sum();
        let garbled = self.transports.iter().map(|transport| transport.garbled()).sum();
        LinkCounters { strangers, garbled, ..self.counters }
    }
}

/// For whom a packet is, and its length, in the words of [`Links::transmit`].
pub(crate) const fn addressed(packet: Packet<'_>) -> (Recipient, usize) {
    (packet.to, packet.bytes.len())
}

fn is_for(to: NodeId, id: NodeId) -> bool {
    to == id || to.0 == EVERYONE
}

/// Puts an envelope around a frame of that length, which lies in the buffer where it belongs.
fn put_on(cluster: u32, from: NodeId, to: u8, length: usize, buffer: &mut [u8]) -> Option<&[u8]> {
    let size = length + ENVELOPE_BYTES;
    let whole = buffer.get_mut(..size)?;
    *whole.first_chunk_mut()? = [to, from.0];
    let (covered, checksum) = whole.split_at_mut_checked(size - CHECKSUM_BYTES)?;
    checksum.copy_from_slice(&sum(cluster, covered).to_le_bytes());
    Some(whole)
}

/// Takes an envelope off. `None` if it is damaged, or of another cluster.
fn take_off(cluster: u32, bytes: &[u8]) -> Option<(NodeId, Frame<'_>)> {
    let (covered, checksum) = bytes.split_last_chunk()?;
    let ([to, from], bytes) = covered.split_first_chunk()?;
    let intact = sum(cluster, covered) == u32::from_le_bytes(*checksum);
    intact.then_some((NodeId(*to), Frame { from: NodeId(*from), bytes }))
}

fn sum(cluster: u32, covered: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(cluster);
    hasher.update(covered);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Unsent;
    use raft_core::wire::Envelope;
    use std::sync::{Arc, Mutex};

    #[test]
    fn envelopes_are_those_of_the_core() {
        let (cluster, one, two) = (ClusterId(7), NodeId(1), NodeId(2));
        let summed = crc32fast::hash(&cluster.0.to_le_bytes());
        let (mut own, mut theirs) = ([0; 64], [0; 64]);
        own[2..7].copy_from_slice(b"hello");
        let own = put_on(summed, one, two.0, 5, &mut own).unwrap();
        let packet = Packet { to: Recipient::Peer(two), bytes: b"hello" };
        assert_eq!(own, Envelope::new(cluster, one).put_on(packet, &mut theirs).unwrap());
        assert_eq!(take_off(summed, own), Some((two, Frame { from: one, bytes: b"hello" })));
        assert_eq!(take_off(summed ^ 1, own), None, "another cluster");
        assert_eq!(take_off(summed, &own[1..]), None);
        assert_eq!(take_off(summed, &[]), None);
    }

    /// A path that takes no more than so many bytes, and what it took.
    struct Narrow(usize, Arc<Mutex<Vec<usize>>>, u32);

    impl Transport for Narrow {
        fn start(&mut self, _: &Waker) -> std::io::Result<()> {
            Ok(())
        }
        fn reaches(&self, _: NodeId) -> bool {
            true
        }
        fn send(&mut self, _: NodeId, datagram: &[u8]) {
            if datagram.len() > self.0 {
                self.2 += 1;
            } else {
                self.1.lock().unwrap().push(datagram.len());
            }
        }
        fn flush(&mut self) -> Unsent {
            Unsent { too_large: std::mem::take(&mut self.2), dropped: 0 }
        }
        fn receive(&mut self, _: &mut dyn FnMut(NodeId, &[u8])) {}
    }

    #[test]
    fn datagrams_become_as_short_as_the_path_wants_them_and_no_shorter_than_a_frame() {
        for (most, frame, expected) in [(2000, 500, 1400), (1000, 500, 786), (100, 500, 506)] {
            let taken = Arc::new(Mutex::new(Vec::new()));
            let path: Box<dyn Transport> = Box::new(Narrow(most, Arc::clone(&taken), 0));
            let mut links = Links::new(NodeId(1), ClusterId(7), frame, vec![path]);
            for _ in 0..6 {
                let mut once = true;
                // As much as there is room for.
                links.transmit(|room| {
                    let peer = Recipient::Peer(NodeId(2));
                    std::mem::take(&mut once).then_some((peer, room.len()))
                });
            }
            assert_eq!(links.datagram_bytes, expected);
            let taken = taken.lock().unwrap();
            assert!(
                taken.iter().all(|length| *length == expected) && taken.is_empty() == (most < 506)
            );
        }
    }

    /// A medium that reaches some, by one datagram for all of them if it is shared.
    struct Medium(&'static [u8], bool, Arc<Mutex<Vec<u8>>>);

    impl Transport for Medium {
        fn start(&mut self, _: &Waker) -> std::io::Result<()> {
            Ok(())
        }
        fn reaches(&self, peer: NodeId) -> bool {
            self.0.contains(&peer.0)
        }
        fn send(&mut self, to: NodeId, datagram: &[u8]) {
            let (named, frame) = take_off(crc32fast::hash(&[0; 8]), datagram).unwrap();
            assert_eq!((named, frame.bytes), (to, &b"hello"[..]));
            self.2.lock().unwrap().push(to.0);
        }
        fn send_to_all(&mut self, datagram: &[u8]) -> bool {
            if self.1 {
                let (named, frame) = take_off(crc32fast::hash(&[0; 8]), datagram).unwrap();
                assert_eq!(frame.bytes, b"hello");
                self.2.lock().unwrap().push(named.0);
            }
            self.1
        }
        fn flush(&mut self) -> Unsent {
            Unsent::default()
        }
        fn receive(&mut self, _: &mut dyn FnMut(NodeId, &[u8])) {}
    }

    #[test]
    fn what_is_for_everyone_is_sent_once_where_all_hear_it_and_else_once_to_each() {
        let sent = [(); 4].map(|()| Arc::default());
        let media = [(&[2, 3][..], true), (&[3, 4, 5], false), (&[6], true), (&[2, 6], true)];
        let transports = media.iter().zip(&sent).map(|(&(peers, shared), sent)| {
            Box::new(Medium(peers, shared, Arc::clone(sent))) as Box<dyn Transport>
        });
        let mut links = Links::new(NodeId(1), ClusterId(0), 500, transports.collect());
        let mut once = true;
        links.transmit(|room| {
            room[..5].copy_from_slice(b"hello");
            std::mem::take(&mut once).then_some((Recipient::Everyone, 5))
        });
        let sent = sent.map(|sent| sent.lock().unwrap().clone());
        assert_eq!(sent, [vec![255], vec![4, 5], vec![255], vec![]]);
        assert_eq!((links.counters().sent_bytes, links.counters().dropped), (4 * 11, 0));
    }

    #[test]
    fn what_does_not_belong_here_is_counted() {
        struct Post(Vec<(NodeId, Vec<u8>)>);
        impl Transport for Post {
            fn start(&mut self, _: &Waker) -> std::io::Result<()> {
                Ok(())
            }
            fn reaches(&self, _: NodeId) -> bool {
                false
            }
            fn send(&mut self, _: NodeId, _: &[u8]) {}
            fn flush(&mut self) -> Unsent {
                Unsent::default()
            }
            fn receive(&mut self, each: &mut dyn FnMut(NodeId, &[u8])) {
                self.0.drain(..).for_each(|(owner, bytes)| each(owner, &bytes));
            }
        }
        let letter = |cluster, from, to| {
            let mut buffer = [0; 64];
            let to = if to == EVERYONE { Recipient::Everyone } else { Recipient::Peer(NodeId(to)) };
            let packet = Packet { to, bytes: b"hello" };
            let envelope = Envelope::new(ClusterId(cluster), NodeId(from));
            envelope.put_on(packet, &mut buffer).unwrap().to_vec()
        };
        let post = vec![
            (NodeId(2), letter(7, 2, 1)),
            (NodeId(3), letter(7, 2, 1)),
            (NodeId(2), letter(7, 2, 3)),
            (NodeId(2), letter(8, 2, 1)),
            (NodeId(2), letter(7, 2, EVERYONE)),
        ];
        let mut links = Links::new(NodeId(1), ClusterId(7), 500, vec![Box::new(Post(post))]);
        let mut heard = Vec::new();
        links.receive(true, |frame| heard.push((frame.from, frame.bytes.to_vec())));
        assert_eq!(heard, [(NodeId(2), b"hello".to_vec()), (NodeId(2), b"hello".to_vec())]);
        let LinkCounters { refused, misaddressed, received_bytes, .. } = links.counters();
        assert_eq!((refused, misaddressed, received_bytes), (1, 2, 55));
    }

    /// Says that something is there each time it is asked, and how often it was.
    struct Eager(Option<std::net::UdpSocket>, Arc<Mutex<u32>>);

    impl Transport for Eager {
        fn start(&mut self, _: &Waker) -> std::io::Result<()> {
            Ok(())
        }
        fn socket(&self) -> Option<BorrowedFd<'_>> {
            self.0.as_ref().map(rustix::fd::AsFd::as_fd)
        }
        fn reaches(&self, _: NodeId) -> bool {
            false
        }
        fn send(&mut self, _: NodeId, _: &[u8]) {}
        fn flush(&mut self) -> Unsent {
            Unsent::default()
        }
        fn receive(&mut self, _: &mut dyn FnMut(NodeId, &[u8])) {
            *self.1.lock().unwrap() += 1;
        }
    }

    #[test]
    fn sockets_that_can_not_be_read_are_not_asked_and_other_transports_are() {
        let asked: [Arc<Mutex<u32>>; 2] = Default::default();
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let transports: Vec<Box<dyn Transport>> = vec![
            Box::new(Eager(Some(socket), Arc::clone(&asked[0]))),
            Box::new(Eager(None, Arc::clone(&asked[1]))),
        ];
        let mut links = Links::new(NodeId(1), ClusterId(7), 500, transports);
        for readable in [true, false, false] {
            links.receive(readable, |_| ());
        }
        assert_eq!(asked.map(|asked| *asked.lock().unwrap()), [1, 3]);
    }
}
