//! What a link that carries whole packets puts around a datagram: addresses and a checksum.
//!
//! ```text
//! to       u8       the recipient, 255 for everyone
//! from     u8       the sender
//! ...               the datagram
//! crc      u32      CRC-32 of the cluster's id (8 bytes), then of everything above, little-endian
//! ```
//!
//! The cluster's id is in the checksum and costs no bytes: a foreign datagram looks damaged. This
//! stops accidents, not malice.

use super::{Frame, Packet, Recipient};
use crate::checksum::crc32;
use crate::types::{ClusterId, NodeId};
use core::slice::from_ref;

/// What an envelope adds to a datagram.
pub const ENVELOPE_BYTES: usize = 6;

/// How many of them are addresses, which come first.
pub(crate) const ADDRESS_BYTES: usize = ENVELOPE_BYTES - CHECKSUM_BYTES;

const CHECKSUM_BYTES: usize = 4;
const EVERYONE: u8 = u8::MAX;

/// One node's end of a packet link: puts envelopes on, takes them off, and counts what it refused.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Envelope {
    cluster: ClusterId,
    id: NodeId,
    /// Datagrams that were damaged, or came from another cluster.
    pub refused: u32,
}

impl Envelope {
    /// The end that belongs to this node of this cluster.
    pub const fn new(cluster: ClusterId, id: NodeId) -> Self {
        Self { cluster, id, refused: 0 }
    }

    /// Whose end it is.
    pub(crate) const fn id(&self) -> NodeId {
        self.id
    }

    /// Writes the packet with its envelope; gives all of it. `None` if the buffer is too short.
    pub fn put_on<'b>(&self, packet: Packet<'_>, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
        let size = packet.bytes.len() + ENVELOPE_BYTES;
        let whole = buffer.get_mut(..size)?;
        let to = match packet.to {
            Recipient::Peer(node) => node.0,
            Recipient::Everyone => EVERYONE,
        };
        let (addresses, rest) = whole.split_first_chunk_mut()?;
        let (room, checksum) = rest.split_last_chunk_mut()?;
        *addresses = [to, self.id.0];
        let mut sum = self.checksum(addresses);
        // Copied byte by byte, which takes a board less flash than what copies fast.
        for (place, byte) in room.iter_mut().zip(packet.bytes) {
            *place = *byte;
            sum = crc32(sum, from_ref(byte));
        }
        *checksum = sum.to_le_bytes();
        Some(whole)
    }

    /// Takes the envelope off. `None`, which is counted if it is damage, for what is not for us.
    pub fn take_off<'b>(&mut self, bytes: &'b [u8]) -> Option<Frame<'b>> {
        let intact = bytes
            .split_last_chunk()
            .filter(|(covered, crc)| self.checksum(covered) == u32::from_le_bytes(**crc))
            .and_then(|(covered, _)| covered.split_first_chunk());
        let Some(([to, from], bytes)) = intact else {
            self.refused = self.refused.saturating_add(1);
            return None;
        };
        let ours = *to == EVERYONE || *to == self.id.0;
        ours.then_some(Frame { from: NodeId(*from), bytes })
    }

    fn checksum(&self, covered: &[u8]) -> u32 {
        crc32(crc32(0, &self.cluster.0.to_le_bytes()), covered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_keeps_what_is_in_it_and_refuses_every_single_flipped_bit() {
        let one = Envelope::new(ClusterId(7), NodeId(1));
        let mut two = Envelope::new(ClusterId(7), NodeId(2));
        let mut buffer = [0; 64];
        let packet = Packet { to: Recipient::Peer(NodeId(2)), bytes: b"hello" };
        let whole = one.put_on(packet, &mut buffer).unwrap();
        assert_eq!(whole.len(), 5 + ENVELOPE_BYTES);
        let frame = two.take_off(whole).unwrap();
        assert_eq!((frame.from, frame.bytes), (NodeId(1), &b"hello"[..]));
        for bit in 0..whole.len() * 8 {
            let mut damaged = [0; 64];
            damaged[..whole.len()].copy_from_slice(whole);
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(two.take_off(&damaged[..whole.len()]), None);
        }
        assert_eq!(two.refused, 8 * whole.len() as u32);
        assert!(one.put_on(packet, &mut [0; 10]).is_none(), "a buffer one byte short");
    }

    #[test]
    fn strangers_and_stubs_are_counted_and_other_nodes_mail_is_not() {
        let here = Envelope::new(ClusterId(7), NodeId(1));
        let mut buffer = [0; 64];
        let all = Packet { to: Recipient::Everyone, bytes: &[] };
        let whole = here.put_on(all, &mut buffer).unwrap();
        let mut foreign = Envelope::new(ClusterId(8), NodeId(2));
        assert_eq!((foreign.take_off(whole), foreign.refused), (None, 1));
        let mut member = Envelope::new(ClusterId(7), NodeId(2));
        assert!(member.take_off(whole).is_some());
        assert!((0..6).all(|length| member.take_off(&whole[..length]).is_none()));
        assert_eq!(member.refused, 6);
        let other = Packet { to: Recipient::Peer(NodeId(3)), bytes: &[] };
        let whole = here.put_on(other, &mut buffer).unwrap();
        assert_eq!((member.take_off(whole), member.refused), (None, 6));
    }
}
