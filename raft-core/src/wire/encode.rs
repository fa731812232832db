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
    BEGINS, GRANTED, HANDED_OVER, Kind, NAMED, PRE, QUIET, SETTLED, SHORT, UNCOUNTED,
};
use super::{
    Acknowledge, Answer, Append, Chunk, Counted, Datagram, Forward, HandOver, Heartbeat, Message,
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
fn write_message(term: Term, message: &Message<'_>, buffer: &mut [u8]) -> Option<usize> {
    match message {
        Message::VoteRequest(request) => request.write(term, buffer),
        Message::VoteAnswer(answer) => answer.write(term, buffer),
        Message::Heartbeat(heartbeat) => heartbeat.write(term, buffer),
        Message::Append(append) => append.write(term, buffer),
        Message::Acknowledge(acknowledge) => acknowledge.write(term, buffer),
        Message::Reject(reject) => reject.write(term, buffer),
        Message::HandOver(hand_over) => hand_over.write(term, buffer),
        Message::Chunk(chunk) => chunk.write(term, buffer),
        Message::Staged(staged) => staged.write(term, buffer),
        Message::Forward(forward) => forward.write(term, buffer),
        Message::ReadRequest(request) => request.write(term, buffer),
        Message::ReadAnswer(answer) => answer.write(term, buffer),
        Message::RefillRequest(request) => request.write(term, buffer),
        Message::RefillAnswer(answer) => answer.write(term, buffer),
    }
}

// Each of these writes a datagram without its sender's nonce. The core calls them by themselves: it
// knows what it has to say, and a board pays for no `Message` that is made to be taken apart.

impl VoteRequest {
    pub(crate) fn write(&self, term: Term, buffer: &mut [u8]) -> Option<usize> {
        let flags = match self.standing {
            Standing::Pre => PRE,
            Standing::Real(_) => 0,
            Standing::HandedOver(_) => HANDED_OVER,
        };
        let Position { term: last, index } = self.last.get();
        let fields = [self.attempt.0, u64::from(last.0), index.0];
        write(buffer, Kind::VoteRequest, flags, term, &fields)
    }
}

impl VoteAnswer {
    pub(crate) fn write(&self, term: Term, buffer: &mut [u8]) -> Option<usize> {
        let flags = match self.answer {
            Answer::Refused => 0,
            Answer::PreGranted => PRE | GRANTED,
            Answer::Granted(_) => GRANTED,
        };
        write(buffer, Kind::VoteAnswer, flags, term, &[self.number.0])
    }
}

impl Heartbeat {
    pub(crate) fn write(&self, term: Term, buffer: &mut [u8]) -> Option<usize> {
        let fields = [self.round.0, self.committed.0, u64::from(self.quiet_ticks)];
        let (flags, count) = if self.quiet_ticks > 0 { (QUIET, 3) } else { (0, 2) };
        write(buffer, Kind::Heartbeat, flags, term, fields.get(..count)?)
    }
}

impl Append<'_> {
    /// The entries are not written.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(crate) fn write(&self, term: Term, buffer: &mut [u8]) -> Option<usize> {
        let Append { round, previous, committed, .. } = self;
        let term_below = u64::from(term.0.checked_sub(previous.term.0)?);
        // Both are below 2^62, so that neither cast nor difference can go wrong.
        let above = committed.0 as i64 - previous.index.0 as i64;
        let above = ((above << 1) ^ (above >> 63)) as u64;
        write(buffer, Kind::Append, 0, term, &[round.0, previous.index.0, term_below, above])
    }
}

impl Acknowledge {
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(crate) fn write(&self, term: Term, buffer: &mut [u8]) -> Option<usize> {
        let settled = if self.settled { SETTLED } else { 0 };
        let flags = if self.short { SHORT } else { 0 } | settled | uncounted(self.standing);
        write(buffer, Kind::Acknowledge, flags, term, &[self.round.0, self.index.get().0])
    }
}

impl Reject {
    pub(crate) fn write(&self, term: Term, buffer: &mut [u8]) -> Option<usize> {
        let Self { round, previous, hint, standing } = self;
        let fields = [round.0, previous.0, u64::from(hint.term.0), hint.index.0];
        write(buffer, Kind::Reject, uncounted(*standing), term, &fields)
    }
}

impl HandOver {
    pub(crate) fn write(&self, term: Term, buffer: &mut [u8]) -> Option<usize> {
        write(buffer, Kind::HandOver, 0, term, &[self.round.0])
    }
}

impl Chunk<'_> {
    /// The bytes of the snapshot are not written.
    pub(crate) fn write(&self, term: Term, buffer: &mut [u8]) -> Option<usize> {
        let Some(Snapshot { last, bytes, .. }) = self.begins else {
            let fields = [u64::from(self.checksum), u64::from(self.offset)];
            return write(buffer, Kind::Chunk, 0, term, &fields);
        };
        let (last_term, bytes) = (u64::from(last.term.0), u64::from(bytes));
        let fields = [u64::from(self.checksum), last_term, last.index.0, bytes];
        write(buffer, Kind::Chunk, BEGINS, term, &fields)
    }
}

impl Staged {
    pub(crate) fn write(&self, term: Term, buffer: &mut [u8]) -> Option<usize> {
        let fields = [self.round.0, u64::from(self.checksum), u64::from(self.held)];
        write(buffer, Kind::Staged, uncounted(self.standing), term, &fields)
    }
}

impl Forward<'_> {
    /// The command is not written.
    pub(crate) fn write(&self, term: Term, buffer: &mut [u8]) -> Option<usize> {
        write(buffer, Kind::Forward, 0, term, &[])
    }
}

impl ReadRequest {
    pub(crate) fn write(&self, term: Term, buffer: &mut [u8]) -> Option<usize> {
        write(buffer, Kind::ReadRequest, 0, term, &[u64::from(self.number)])
    }
}

impl ReadAnswer {
    pub(crate) fn write(&self, term: Term, buffer: &mut [u8]) -> Option<usize> {
        write(buffer, Kind::ReadAnswer, 0, term, &[u64::from(self.number), self.index.0])
    }
}

impl RefillRequest {
    pub(crate) fn write(&self, term: Term, buffer: &mut [u8]) -> Option<usize> {
        write(buffer, Kind::RefillRequest, 0, term, &[u64::from(self.number)])
    }
}

impl RefillAnswer {
    pub(crate) fn write(&self, term: Term, buffer: &mut [u8]) -> Option<usize> {
        write(buffer, Kind::RefillAnswer, 0, term, &[u64::from(self.number), self.index.0])
    }
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
