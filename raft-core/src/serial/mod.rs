//! Datagrams over a serial line: frames that any noise leaves, and addresses where they are needed.
//!
//! ```text
//! to, from, datagram, crc     an envelope, as of any link
//! datagram, crc               the same on a line between two, which know both addresses
//! ```
//!
//! Either is stuffed as [`Encoder`] says, and a zero ends it: on a line between two a datagram gets
//! six bytes longer, on a shared one eight; longer ones by one more for each 254 bytes. The
//! checksum begins with the cluster's id and covers the addresses in either case.

mod stuffing;

pub use self::stuffing::{Decoder, Encoder, Losses};
use crate::types::{ClusterId, NodeId};
use crate::wire::{ADDRESS_BYTES, Envelope, Frame, Packet, Recipient};

/// Who is at the other end of a line. All of its ends must be told the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Line {
    /// One node and no other, as over a cable between two ports: addresses are not sent.
    Between(NodeId),
    /// Any number of nodes that all hear each other, as on RS-485. Who may speak when is for the
    /// caller to see to.
    Shared,
}

impl Line {
    /// How many of an envelope's first bytes do not travel.
    const fn left_out(self) -> usize {
        match self {
            Self::Between(_) => ADDRESS_BYTES,
            Self::Shared => 0,
        }
    }
}

/// The hearing end of a line: bytes go in as they come, frames come out.
///
/// ```
/// use raft_core::serial::{Line, Receiver, Sender};
/// use raft_core::{ClusterId, NodeId, Packet, Recipient};
///
/// let (cluster, one, two) = (ClusterId(7), NodeId(1), NodeId(2));
/// let mut sender = Sender::new(cluster, one, Line::Between(two), [0; 64]);
/// let mut receiver = Receiver::new(cluster, two, Line::Between(one), [0; 64]);
///
/// // In a board's loop: `if sender.is_idle() { node.transmit(&mut buffer) .. }`
/// assert!(sender.send(Packet { to: Recipient::Peer(two), bytes: b"hello" }));
/// let mut heard = None;
/// let mut piece = [0; 4]; // what one transfer takes
/// loop {
///     let count = sender.fill(&mut piece);
///     if count == 0 {
///         break;
///     }
///     for &byte in &piece[..count] {
///         if let Some(frame) = receiver.push(byte) {
///             heard = Some((frame.from, frame.bytes.to_vec())); // `node.receive(frame)`
///         }
///     }
/// }
/// assert_eq!(heard, Some((one, b"hello".to_vec())));
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Receiver<B> {
    envelope: Envelope,
    decoder: Decoder<B>,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Receiver<B> {
    /// The end of this node of this cluster. The memory is for one datagram with its envelope:
    /// [`ENVELOPE_BYTES`](crate::wire::ENVELOPE_BYTES) more than the longest.
    pub fn new(cluster: ClusterId, id: NodeId, line: Line, memory: B) -> Self {
        let decoder = match line {
            Line::Between(peer) => Decoder::behind(memory, [id.0, peer.0]),
            Line::Shared => Decoder::new(memory),
        };
        Self { envelope: Envelope::new(cluster, id), decoder }
    }

    /// Takes the next byte. Gives a frame when that was the end of one for this node.
    pub fn push(&mut self, byte: u8) -> Option<Frame<'_>> {
        let frame = self.envelope.take_off(self.decoder.push(byte)?)?;
        // Who speaks on a shared line may hear itself.
        (frame.from != self.envelope.id()).then_some(frame)
    }

    /// Frames that were whole, but damaged or of another cluster.
    pub const fn refused(&self) -> u32 {
        self.envelope.refused
    }

    /// What was not even a frame.
    pub const fn losses(&self) -> Losses {
        self.decoder.losses()
    }
}

/// The speaking end of a line: datagrams go in one at a time, bytes come out as they can leave.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Sender<B> {
    envelope: Envelope,
    line: Line,
    memory: B,
    /// How long the datagram with its envelope is that is on its way; zero if there is none.
    end: usize,
    encoder: Encoder,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Sender<B> {
    /// The end of this node of this cluster. The memory is for one datagram with its envelope:
    /// [`ENVELOPE_BYTES`](crate::wire::ENVELOPE_BYTES) more than the longest.
    pub const fn new(cluster: ClusterId, id: NodeId, line: Line, memory: B) -> Self {
        let (envelope, encoder) = (Envelope::new(cluster, id), Encoder::new());
        Self { envelope, line, memory, end: 0, encoder }
    }

    /// Takes a packet. Says whether it did: not before the last one has left, not if it is too
    /// long, and not if it is for somebody who is not at this line.
    pub fn send(&mut self, packet: Packet<'_>) -> bool {
        self.is_idle() && self.take(packet).is_some()
    }

    fn take(&mut self, packet: Packet<'_>) -> Option<()> {
        let to = match (self.line, packet.to) {
            (Line::Between(peer), Recipient::Peer(node)) if node != peer => return None,
            // There is nobody else, and both ends must sum up the same.
            (Line::Between(peer), _) => Recipient::Peer(peer),
            (Line::Shared, to) => to,
        };
        let whole = self.envelope.put_on(Packet { to, ..packet }, self.memory.as_mut())?;
        self.end = whole.len();
        Some(())
    }

    /// Writes the next bytes for the line from the start of this memory on, as many as there are or
    /// fit: says how many. It may be called at any time, and as often as wanted.
    pub fn fill(&mut self, bytes: &mut [u8]) -> usize {
        let frame = self.memory.as_ref().get(self.line.left_out()..self.end);
        let (Some(frame), false) = (frame, self.is_idle()) else { return 0 };
        let mut count = 0;
        for place in bytes {
            let Some(byte) = self.encoder.next(frame) else { break };
            *place = byte;
            count += 1;
            if self.encoder.has_ended() {
                self.encoder.begin();
                self.end = 0;
                break;
            }
        }
        count
    }

    /// Whether there is nothing on its way, and [`send`](Self::send) has room.
    pub const fn is_idle(&self) -> bool {
        self.end == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const CLUSTER: ClusterId = ClusterId(0x0123_4567_89AB_CDEF);
    const ONE: NodeId = NodeId(1);
    const TWO: NodeId = NodeId(2);
    const TO_TWO: Packet<'_> = Packet { to: Recipient::Peer(TWO), bytes: &[5, 2, 0, 9] };

    fn sender(line: Line) -> Sender<[u8; 16]> {
        Sender::new(CLUSTER, ONE, line, [0; 16])
    }

    fn receiver(line: Line) -> Receiver<[u8; 16]> {
        Receiver::new(CLUSTER, TWO, line, [0; 16])
    }

    /// Everything that leaves, in pieces of so many bytes.
    fn drain(sender: &mut Sender<[u8; 16]>, piece: usize) -> Vec<u8> {
        let (mut all, mut bytes) = (Vec::new(), [0; 16]);
        loop {
            match sender.fill(&mut bytes[..piece]) {
                0 => return all,
                count => all.extend_from_slice(&bytes[..count]),
            }
        }
    }

    fn hear<B>(receiver: &mut Receiver<B>, bytes: &[u8]) -> Vec<(NodeId, Vec<u8>)>
    where
        B: AsRef<[u8]> + AsMut<[u8]>,
    {
        let mut heard = Vec::new();
        for &byte in bytes {
            heard.extend(receiver.push(byte).map(|frame| (frame.from, frame.bytes.to_vec())));
        }
        heard
    }

    #[test]
    fn a_frame_is_the_bytes_that_the_wire_document_shows() {
        let between = [0, 3, 5, 2, 6, 9, 0x37, 0x41, 0x1C, 0x9C, 0];
        let shared = [0, 5, 2, 1, 5, 2, 6, 9, 0x37, 0x41, 0x1C, 0x9C, 0];
        for (line, expected) in [(Line::Between(TWO), &between[..]), (Line::Shared, &shared[..])] {
            for piece in 1..16 {
                let mut sender = sender(line);
                assert!(sender.send(TO_TWO));
                assert_eq!(drain(&mut sender, piece), expected, "in pieces of {piece}");
            }
        }
    }

    #[test]
    fn a_sender_takes_one_packet_at_a_time_that_fits_and_is_for_somebody_there() {
        let mut sender = sender(Line::Between(TWO));
        assert!(sender.is_idle() && sender.fill(&mut [0; 8]) == 0);
        let other = Packet { to: Recipient::Peer(NodeId(3)), ..TO_TWO };
        assert!(!sender.send(other), "nobody there");
        assert!(!sender.send(Packet { bytes: &[1; 11], ..TO_TWO }), "a byte too long");
        assert!(sender.send(Packet { bytes: &[1; 10], ..TO_TWO }));
        assert_eq!((sender.is_idle(), sender.send(TO_TWO)), (false, false));
        let longest = drain(&mut sender, 3);
        // The zero before the first frame is the last of its kind.
        assert!(sender.is_idle() && sender.send(TO_TWO));
        let next = drain(&mut sender, 16);
        assert_eq!((longest[0], longest.len(), next.len()), (0, 1 + 10 + 6, 4 + 6));
        let heard = hear(&mut receiver(Line::Between(ONE)), &[longest, next].concat());
        assert_eq!(heard, [(ONE, [1; 10].to_vec()), (ONE, TO_TWO.bytes.to_vec())]);
    }

    #[test]
    fn what_is_for_everyone_is_heard_by_all_but_its_sender() {
        let all = Packet { to: Recipient::Everyone, ..TO_TWO };
        for (here, there) in
            [(Line::Between(TWO), Line::Between(ONE)), (Line::Shared, Line::Shared)]
        {
            let mut sender = sender(here);
            assert!(sender.send(all));
            let bytes = drain(&mut sender, 16);
            assert_eq!(hear(&mut receiver(there), &bytes), [(ONE, TO_TWO.bytes.to_vec())]);
            let mut echo = Receiver::new(CLUSTER, ONE, Line::Shared, [0; 16]);
            assert_eq!(hear(&mut echo, &bytes), []);
        }
    }

    #[test]
    fn mail_for_others_is_no_damage_and_all_else_is_counted() {
        let mut sender = sender(Line::Shared);
        sender.send(TO_TWO);
        let bytes = drain(&mut sender, 16);
        let mut third = Receiver::new(CLUSTER, NodeId(3), Line::Shared, [0; 16]);
        assert_eq!((hear(&mut third, &bytes), third.refused()), (Vec::new(), 0));
        let mut foreign = Receiver::new(ClusterId(8), TWO, Line::Shared, [0; 16]);
        assert_eq!((hear(&mut foreign, &bytes), foreign.refused()), (Vec::new(), 1));
        let mut small = Receiver::new(CLUSTER, TWO, Line::Shared, [0; 9]);
        assert_eq!(hear(&mut small, &bytes), []);
        assert_eq!(small.losses(), Losses { torn: 0, too_long: 1 });
        let mut late = receiver(Line::Shared);
        assert_eq!(hear(&mut late, &bytes[3..]), []);
        // Told otherwise than its other end.
        let mut between = receiver(Line::Between(ONE));
        assert_eq!((hear(&mut between, &bytes), between.refused()), (Vec::new(), 1));
    }

    #[test]
    fn no_single_flipped_bit_goes_unnoticed_and_the_next_frame_is_heard() {
        for (here, there) in
            [(Line::Between(TWO), Line::Between(ONE)), (Line::Shared, Line::Shared)]
        {
            let mut sender = sender(here);
            sender.send(TO_TWO);
            let first = drain(&mut sender, 16);
            sender.send(Packet { bytes: b"next", ..TO_TWO });
            let next = drain(&mut sender, 16);
            for bit in 8..first.len() * 8 {
                let mut damaged = first.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                let mut receiver = receiver(there);
                let mut heard = hear(&mut receiver, &damaged);
                // Where the zero at its end is no zero any more, the next one is part of it.
                let joined = damaged.last() != Some(&0);
                heard.extend(hear(&mut receiver, &next));
                heard.extend(hear(&mut receiver, &next));
                let expected = [(ONE, b"next".to_vec()), (ONE, b"next".to_vec())];
                assert_eq!(heard, expected[usize::from(joined)..], "bit {bit}");
                let Losses { torn, too_long } = receiver.losses();
                assert!(torn + too_long + receiver.refused() > 0, "bit {bit} is counted");
            }
        }
    }
}
