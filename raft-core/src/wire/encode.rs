//! Messages to bytes:
//!
//! ```text
//! tag      u8       version << 5 | kind
//! flags    u8       0 unless the kind says otherwise
//! nonce    u32      little-endian; only of who founded nothing, and a flag says so
//! term     varint   the sender's
//! ...               the fields of the kind, then entries
//! ```

use super::kind::{
    BEGINS, FIELDS_MAX, GRANTED, HANDED_OVER, Kind, NAMED, PRE, QUIET, SETTLED, SHORT, UNCOUNTED,
};
use super::{
    Acknowledge, Answer, Append, Chunk, Counted, Datagram, HandOver, Heartbeat, Message,
    ReadAnswer, ReadRequest, RefillAnswer, RefillRequest, Reject, Staged, Standing, VoteAnswer,
    VoteRequest,
};
use crate::number::Writer;
use crate::types::{Nonce, Position, Snapshot, Term};

/// As long as a [`Nonce`].
const NONCE_BYTES: usize = 4;

/// Writes a datagram; gives its length. The entries of an append and the bytes of a snapshot are
/// not written.
///
/// `None` if the buffer is too short.
pub fn encode(datagram: &Datagram<'_>, buffer: &mut [u8]) -> Option<usize> {
    let Datagram { nonce, term, message } = datagram;
    let length = write_message(*term, message, behind_nonce(*nonce, buffer))?;
    put_nonce(*nonce, buffer, length)
}

/// The room for a datagram, so that its sender's nonce can be put in without moving what follows.
#[inline]
pub(crate) fn behind_nonce(nonce: Nonce, buffer: &mut [u8]) -> &mut [u8] {
    if nonce == Nonce::FOUNDER {
        return buffer;
    }
    buffer.get_mut(NONCE_BYTES..).unwrap_or_default()
}

/// Puts the nonce into the datagram that stands there; gives the length of the whole.
#[inline(always)] // As above.
pub(crate) fn put_nonce(nonce: Nonce, buffer: &mut [u8], length: usize) -> Option<usize> {
    if nonce == Nonce::FOUNDER { Some(length) } else { name_sender(nonce, buffer, length) }
}

#[cold]
fn name_sender(nonce: Nonce, buffer: &mut [u8], length: usize) -> Option<usize> {
    let &[tag, flags] = buffer.get(NONCE_BYTES..)?.first_chunk()?;
    let [first, second, third, fourth] = nonce.0.to_le_bytes();
    *buffer.first_chunk_mut()? = [tag, flags | NAMED, first, second, third, fourth];
    Some(length + NONCE_BYTES)
}

/// Writes a datagram without its sender's nonce.
pub(crate) fn write_message(term: Term, message: &Message<'_>, buffer: &mut [u8]) -> Option<usize> {
    let mut fields = [0; FIELDS_MAX - 1];
    let (kind, flags, count) = match message {
        Message::VoteRequest(VoteRequest { standing, attempt, last }) => {
            let flags = match standing {
                Standing::Pre => PRE,
                Standing::Real(_) => 0,
                Standing::HandedOver(_) => HANDED_OVER,
            };
            let Position { term: last, index } = last.get();
            fields = [attempt.0, u64::from(last.0), index.0, 0];
            (Kind::VoteRequest, flags, 3)
        }
        Message::VoteAnswer(VoteAnswer { number, answer }) => {
            fields = [number.0, 0, 0, 0];
            let flags = match answer {
                Answer::Refused => 0,
                Answer::PreGranted => PRE | GRANTED,
                Answer::Granted(_) => GRANTED,
            };
            (Kind::VoteAnswer, flags, 1)
        }
        Message::Heartbeat(Heartbeat { round, committed, quiet_ticks }) => {
            fields = [round.0, committed.0, u64::from(*quiet_ticks), 0];
            if *quiet_ticks > 0 { (Kind::Heartbeat, QUIET, 3) } else { (Kind::Heartbeat, 0, 2) }
        }
        Message::Append(append) => return write_append(append, term, buffer),
        Message::Acknowledge(acknowledge) => return write_acknowledge(acknowledge, term, buffer),
        Message::Reject(Reject { round, previous, hint, standing }) => {
            fields = [round.0, previous.0, u64::from(hint.term.0), hint.index.0];
            (Kind::Reject, uncounted(*standing), 4)
        }
        Message::HandOver(HandOver { round }) => {
            fields = [round.0, 0, 0, 0];
            (Kind::HandOver, 0, 1)
        }
        Message::Chunk(Chunk { checksum, begins, offset, .. }) => {
            fields = [u64::from(*checksum), u64::from(*offset), 0, 0];
            match begins {
                None => (Kind::Chunk, 0, 2),
                Some(Snapshot { last, bytes, .. }) => {
                    let (term, bytes) = (u64::from(last.term.0), u64::from(*bytes));
                    fields = [u64::from(*checksum), term, last.index.0, bytes];
                    (Kind::Chunk, BEGINS, 4)
                }
            }
        }
        Message::Forward(_) => (Kind::Forward, 0, 0),
        Message::Staged(Staged { round, checksum, held, standing }) => {
            fields = [round.0, u64::from(*checksum), u64::from(*held), 0];
            (Kind::Staged, uncounted(*standing), 3)
        }
        Message::ReadRequest(ReadRequest { number })
        | Message::RefillRequest(RefillRequest { number }) => {
            fields = [u64::from(*number), 0, 0, 0];
            let reads = matches!(message, Message::ReadRequest(_));
            (if reads { Kind::ReadRequest } else { Kind::RefillRequest }, 0, 1)
        }
        Message::ReadAnswer(ReadAnswer { number, index }) => {
            fields = [u64::from(*number), index.0, 0, 0];
            (Kind::ReadAnswer, 0, 2)
        }
        Message::RefillAnswer(RefillAnswer { number, index }) => {
            fields = [u64::from(*number), index.0, 0, 0];
            (Kind::RefillAnswer, 0, 2)
        }
    };
    write(buffer, kind, flags, term, fields.get(..count)?)
}

/// Writes an append without its entries.
#[cfg_attr(target_pointer_width = "64", inline(always))]
pub(crate) fn write_append(append: &Append<'_>, term: Term, buffer: &mut [u8]) -> Option<usize> {
    let Append { round, previous, committed, .. } = append;
    let term_below = u64::from(term.0.checked_sub(previous.term.0)?);
    // Both are below 2^62, so that neither cast nor difference can go wrong.
    let above = committed.0 as i64 - previous.index.0 as i64;
    let above = ((above << 1) ^ (above >> 63)) as u64;
    write(buffer, Kind::Append, 0, term, &[round.0, previous.index.0, term_below, above])
}

/// Writes an acknowledgement.
pub(crate) fn write_acknowledge(
    acknowledge: &Acknowledge,
    term: Term,
    buffer: &mut [u8],
) -> Option<usize> {
    let Acknowledge { round, index, settled, short, standing } = acknowledge;
    let settled = if *settled { SETTLED } else { 0 };
    let flags = if *short { SHORT } else { 0 } | settled | uncounted(*standing);
    write(buffer, Kind::Acknowledge, flags, term, &[round.0, index.get().0])
}

fn write(buffer: &mut [u8], kind: Kind, flags: u8, term: Term, fields: &[u64]) -> Option<usize> {
    let mut writer = Writer::new(buffer);
    writer.byte(kind.tag())?;
    writer.byte(flags)?;
    writer.number(u64::from(term.0))?;
    for &field in fields {
        writer.number(field)?;
    }
    Some(writer.used())
}

fn uncounted(standing: Counted) -> u8 {
    if standing == Counted::No { UNCOUNTED } else { 0 }
}
