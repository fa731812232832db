//! Messages to bytes:
//!
//! ```text
//! tag      u8       version << 5 | kind
//! flags    u8       0 unless the kind says otherwise
//! nonce    u32      little-endian; only of who founded nothing, and a flag says so
//! term     varint   the sender's
//! ...               the fields of the kind, then entries
//! ```
//!
//! A flag that is not known may mean that a promise does not count, so it is refused, not ignored.

use super::{
    Acknowledge, Answer, Append, Chunk, Counted, Datagram, HandOver, Heartbeat, Message,
    ReadAnswer, ReadRequest, Reject, Staged, Standing, VERSION, VoteAnswer,
};
use crate::number::Writer;
use crate::types::{Nonce, Position, Snapshot, Term};

/// What a datagram says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    VoteRequest,
    VoteAnswer,
    Heartbeat,
    Append,
    Acknowledge,
    Reject,
    HandOver,
    Chunk,
    Staged,
    Forward,
    ReadRequest,
    ReadAnswer,
}

/// What a piece of a snapshot begins with: a node looks for it before all others, because it needs
/// storage to take it.
pub(crate) const CHUNK_TAG: u8 = (VERSION << 5) | Kind::Chunk.number();

/// What a command for the leader begins with: the machine must be there to look at it.
pub(crate) const FORWARD_TAG: u8 = (VERSION << 5) | Kind::Forward.number();

impl Kind {
    /// As it stands in the tag.
    const fn number(self) -> u8 {
        match self {
            Self::VoteRequest => 1,
            Self::VoteAnswer => 2,
            Self::Heartbeat => 3,
            Self::Append => 4,
            Self::Acknowledge => 5,
            Self::Reject => 6,
            Self::HandOver => 7,
            Self::Chunk => 8,
            Self::Staged => 9,
            Self::Forward => 12,
            Self::ReadRequest => 10,
            Self::ReadAnswer => 11,
        }
    }

    /// The kind with that number, and the flags that it may have.
    pub(super) const fn of(number: u8) -> Option<(Self, u8)> {
        Some(match number {
            1 => (Self::VoteRequest, PRE | HANDED_OVER),
            2 => (Self::VoteAnswer, PRE | GRANTED),
            3 => (Self::Heartbeat, QUIET),
            4 => (Self::Append, 0),
            5 => (Self::Acknowledge, UNCOUNTED | SETTLED),
            6 => (Self::Reject, UNCOUNTED),
            7 => (Self::HandOver, 0),
            8 => (Self::Chunk, BEGINS),
            9 => (Self::Staged, UNCOUNTED),
            12 => (Self::Forward, 0),
            10 => (Self::ReadRequest, 0),
            11 => (Self::ReadAnswer, 0),
            _ => return None,
        })
    }
}

/// Of vote requests and answers: about the next term, nobody's term changes.
pub(super) const PRE: u8 = 1;
/// Of vote requests: the leader asked for it.
pub(super) const HANDED_OVER: u8 = 2;
/// Of heartbeats: the next may come late, and how late follows.
pub(super) const QUIET: u8 = 1;
/// Of answers: yes.
pub(super) const GRANTED: u8 = 2;
/// Of acknowledgements and rejects: the sender's word does not count.
pub(super) const UNCOUNTED: u8 = 1;
/// Of acknowledgements: nothing that matches is still to become durable.
pub(super) const SETTLED: u8 = 2;

/// Of pieces of a snapshot: it is the first one.
pub(super) const BEGINS: u8 = 1;
/// Of every kind: the sender's nonce follows.
pub(super) const NAMED: u8 = 0x80;
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
    match message {
        Message::VoteRequest(request) => {
            let flags = match request.standing {
                Standing::Pre => PRE,
                Standing::Real(_) => 0,
                Standing::HandedOver(_) => HANDED_OVER,
            };
            let Position { term: last, index } = request.last.get();
            let fields = [request.attempt.0, u64::from(last.0), index.0];
            write(buffer, Kind::VoteRequest, flags, term, &fields)
        }
        Message::VoteAnswer(VoteAnswer { number, answer }) => {
            let flags = match answer {
                Answer::Refused => 0,
                Answer::PreGranted => PRE | GRANTED,
                Answer::Granted(_) => GRANTED,
            };
            write(buffer, Kind::VoteAnswer, flags, term, &[number.0])
        }
        Message::Heartbeat(Heartbeat { round, committed, quiet_ticks }) => {
            let fields = [round.0, committed.0, u64::from(*quiet_ticks)];
            let (flags, count) = if *quiet_ticks > 0 { (QUIET, 3) } else { (0, 2) };
            write(buffer, Kind::Heartbeat, flags, term, fields.get(..count)?)
        }
        Message::Append(append) => write_append(append, term, buffer),
        Message::Acknowledge(acknowledge) => write_acknowledge(acknowledge, term, buffer),
        Message::Reject(Reject { round, previous, hint, standing }) => {
            let fields = [round.0, previous.0, u64::from(hint.term.0), hint.index.0];
            write(buffer, Kind::Reject, uncounted(*standing), term, &fields)
        }
        Message::HandOver(HandOver { round }) => write(buffer, Kind::HandOver, 0, term, &[round.0]),
        Message::Chunk(Chunk { checksum, begins: Some(snapshot), .. }) => {
            let Snapshot { last, bytes, .. } = *snapshot;
            let last_term = u64::from(last.term.0);
            let fields = [u64::from(*checksum), last_term, last.index.0, u64::from(bytes)];
            write(buffer, Kind::Chunk, BEGINS, term, &fields)
        }
        Message::Chunk(Chunk { checksum, offset, .. }) => {
            write(buffer, Kind::Chunk, 0, term, &[u64::from(*checksum), u64::from(*offset)])
        }
        Message::Forward(_) => write(buffer, Kind::Forward, 0, term, &[]),
        Message::Staged(Staged { round, checksum, held, standing }) => {
            let fields = [round.0, u64::from(*checksum), u64::from(*held)];
            write(buffer, Kind::Staged, uncounted(*standing), term, &fields)
        }
        Message::ReadRequest(ReadRequest { number }) => {
            write(buffer, Kind::ReadRequest, 0, term, &[u64::from(*number)])
        }
        Message::ReadAnswer(ReadAnswer { number, index }) => {
            write(buffer, Kind::ReadAnswer, 0, term, &[u64::from(*number), index.0])
        }
    }
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
    let Acknowledge { round, index, settled, standing } = acknowledge;
    let flags = if *settled { SETTLED } else { 0 } | uncounted(*standing);
    write(buffer, Kind::Acknowledge, flags, term, &[round.0, index.get().0])
}

fn write(buffer: &mut [u8], kind: Kind, flags: u8, term: Term, fields: &[u64]) -> Option<usize> {
    let mut writer = Writer::new(buffer);
    writer.byte((VERSION << 5) | kind.number())?;
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
