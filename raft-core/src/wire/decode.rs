//! Bytes to messages: everything is checked once, here, by the form of the kind.
//!
//! A flag that is not known may mean that a promise does not count, so it is refused, not ignored.

use super::kind::{
    BEGINS, FIELDS_MAX, Form, GRANTED, HANDED_OVER, Kind, LIMITS, NAMED, PRE, SETTLED, SHORT,
    UNCOUNTED,
};
use super::{
    Acknowledge, Answer, Append, Chunk, Counted, Datagram, DecodeError, Forward, HandOver,
    Heartbeat, Message, ReadAnswer, ReadRequest, RefillAnswer, RefillRequest, Reject, Staged,
    Standing, VERSION, VoteAnswer, VoteRequest,
};
use crate::durable::promised_by_peer;
use crate::log::Entries;
use crate::number::Reader;
use crate::types::{Index, Nonce, Position, Round, Snapshot, Term};

/// Reads a datagram, and checks that everything in it keeps to its bounds.
pub fn decode(bytes: &[u8]) -> Result<Datagram<'_>, DecodeError> {
    let opened = open(bytes)?;
    let message = match opened.kind {
        Kind::VoteRequest => Message::VoteRequest(opened.vote_request()),
        Kind::VoteAnswer => Message::VoteAnswer(opened.vote_answer()),
        Kind::Heartbeat => Message::Heartbeat(opened.heartbeat()),
        Kind::Append => Message::Append(opened.append().ok_or(DecodeError::Malformed)?),
        Kind::Acknowledge => Message::Acknowledge(opened.acknowledge()),
        Kind::Reject => Message::Reject(opened.reject()),
        Kind::HandOver => Message::HandOver(HandOver { round: opened.number() }),
        Kind::Chunk => Message::Chunk(opened.chunk().ok_or(DecodeError::Malformed)?),
        Kind::Forward => Message::Forward(Forward { command: opened.rest }),
        Kind::Staged => Message::Staged(opened.staged()),
        Kind::ReadRequest => Message::ReadRequest(ReadRequest { number: opened.read().number }),
        Kind::ReadAnswer => Message::ReadAnswer(opened.read()),
        Kind::RefillRequest => {
            Message::RefillRequest(RefillRequest { number: opened.refill().number })
        }
        Kind::RefillAnswer => Message::RefillAnswer(opened.refill()),
    };
    Ok(Datagram { nonce: opened.nonce, term: opened.term, message })
}

/// A datagram of which everything is known but how its fields go together.
pub(crate) struct Opened<'a> {
    pub(crate) kind: Kind,
    pub(crate) nonce: Nonce,
    pub(crate) term: Term,
    flags: u8,
    /// Each below the limit that its form names; those that it does not have are zero.
    fields: [u64; FIELDS_MAX],
    /// What follows them.
    pub(crate) rest: &'a [u8],
}

/// Reads what every datagram begins with, and its fields.
#[inline(always)] // Whoever opens a datagram looks at once at what it is.
pub(crate) fn open(bytes: &[u8]) -> Result<Opened<'_>, DecodeError> {
    let &[tag, flags, ref rest @ ..] = bytes else {
        return Err(DecodeError::Malformed);
    };
    if tag >> 5 != VERSION {
        return Err(DecodeError::Version);
    }
    let form = Form::of(tag & 0x1F).ok_or(DecodeError::Kind)?;
    let contradictory = match form.kind {
        Kind::VoteAnswer => flags & !NAMED == PRE,
        Kind::VoteRequest => flags & !NAMED == PRE | HANDED_OVER,
        _ => false,
    };
    if flags & !(form.flags | NAMED) != 0 || contradictory {
        return Err(DecodeError::Kind);
    }
    // Hosts are asked for instructions: what comes all the time has code of its own there.
    #[cfg(target_pointer_width = "64")]
    let read = match form.kind {
        Kind::Append => read(&Form::APPEND, flags, rest),
        Kind::Acknowledge => read(&Form::ACKNOWLEDGE, flags, rest),
        _ => read(form, flags, rest),
    };
    #[cfg(not(target_pointer_width = "64"))]
    let read = read(form, flags, rest);
    read.ok_or(DecodeError::Malformed)
}

/// Reads what follows the flags.
#[inline(always)] // As above.
fn read<'a>(form: &Form, flags: u8, bytes: &'a [u8]) -> Option<Opened<'a>> {
    let (mut reader, mut nonce) = (Reader(bytes), Nonce::FOUNDER);
    if flags & NAMED != 0 {
        nonce = read_nonce(&mut reader)?;
    }
    let mut fields = [0; FIELDS_MAX];
    let kinds = if flags & 1 != 0 { form.flagged } else { form.fields };
    reader.fill(&mut fields, kinds, &LIMITS)?;
    let (Reader(rest), [term, ..]) = (reader, fields);
    let term = Term(word(term));
    let opened = Opened { kind: form.kind, nonce, term, flags, fields, rest };
    (form.has_rest || rest.is_empty()).then_some(opened)
}

/// Founders name no nonce, so that what they say has one form.
#[cold]
fn read_nonce(reader: &mut Reader<'_>) -> Option<Nonce> {
    let (nonce, rest) = reader.0.split_first_chunk()?;
    let nonce = Nonce(u32::from_le_bytes(*nonce));
    reader.0 = rest;
    (nonce != Nonce::FOUNDER).then_some(nonce)
}

impl<'a> Opened<'a> {
    /// What tells this datagram from others of its sender: the first field of nearly every kind.
    pub(crate) const fn number(&self) -> Round {
        let [_, number, ..] = self.fields;
        Round(number)
    }

    pub(crate) fn vote_request(&self) -> VoteRequest {
        let [_, _, last_term, last, _] = self.fields;
        let promised = promised_by_peer(self.term);
        let standing = match self.flags & !NAMED {
            0 => Standing::Real(promised),
            HANDED_OVER => Standing::HandedOver(promised),
            _ => Standing::Pre,
        };
        let last = promised_by_peer(position(last_term, last));
        VoteRequest { standing, attempt: self.number(), last }
    }

    pub(crate) fn vote_answer(&self) -> VoteAnswer {
        let answer = match self.flags & !NAMED {
            0 => Answer::Refused,
            GRANTED => Answer::Granted(promised_by_peer(self.term)),
            _ => Answer::PreGranted,
        };
        VoteAnswer { number: self.number(), answer }
    }

    pub(crate) fn heartbeat(&self) -> Heartbeat {
        let [_, _, committed, quiet_ticks, _] = self.fields;
        let committed = Index(committed);
        Heartbeat { round: self.number(), committed, quiet_ticks: word(quiet_ticks) }
    }

    /// `None` if something in it contradicts the rest.
    #[inline(always)] // What it gives is large, and its caller takes it apart at once.
    pub(crate) fn append(&self) -> Option<Append<'a>> {
        let [_, _, previous, term_below, above] = self.fields;
        let above = (above >> 1) as i64 ^ -((above & 1) as i64);
        let committed = previous.checked_add_signed(above)?;
        let term = Term(self.term.0.checked_sub(word(term_below))?);
        if committed >= Index::LIMIT.0 || term >= Term::LIMIT {
            return None;
        }
        let (previous, committed) = (Position { term, index: Index(previous) }, Index(committed));
        let entries = Entries::parse(term, self.rest)?;
        // Nobody leads in a term and appends entries of a later one.
        let end = previous.index.0 + u64::from(entries.len());
        if entries.last_term() > self.term || end >= Index::LIMIT.0 {
            return None;
        }
        Some(Append { round: self.number(), previous, committed, entries })
    }

    #[inline(always)] // As above.
    pub(crate) fn acknowledge(&self) -> Acknowledge {
        let [_, _, held, ..] = self.fields;
        let (settled, short) = (self.flags & SETTLED != 0, self.flags & SHORT != 0);
        let (round, index) = (self.number(), promised_by_peer(Index(held)));
        Acknowledge { round, index, settled, short, standing: self.counted() }
    }

    pub(crate) fn reject(&self) -> Reject {
        let [_, _, previous, hint_term, hint] = self.fields;
        let (previous, hint) = (Index(previous), position(hint_term, hint));
        Reject { round: self.number(), previous, hint, standing: self.counted() }
    }

    /// `None` if something in it contradicts the rest.
    pub(crate) fn chunk(&self) -> Option<Chunk<'a>> {
        let [_, checksum, offset, last, bytes] = self.fields;
        let (checksum, mut offset, mut begins) = (word(checksum), word(offset), None);
        if self.flags & BEGINS != 0 {
            let (last, bytes) = (position(u64::from(offset), last), word(bytes));
            // Nobody leads in a term and holds entries of a later one, or sends more than there is.
            let fits = last.term <= self.term && self.rest.len() <= bytes as usize;
            begins = Some(Snapshot { last, bytes, checksum }).filter(|_| fits);
            begins?;
            offset = 0;
        }
        let chunk = Chunk { checksum, begins, offset, bytes: self.rest };
        // The first is told from the others by more than a flag.
        (!self.rest.is_empty() && begins.is_some() == (offset == 0)).then_some(chunk)
    }

    pub(crate) fn staged(&self) -> Staged {
        let [_, _, checksum, held, _] = self.fields;
        let (checksum, held, standing) = (word(checksum), word(held), self.counted());
        Staged { round: self.number(), checksum, held, standing }
    }

    /// An answer, or a request, which has no index.
    pub(crate) fn read(&self) -> ReadAnswer {
        let [_, number, up_to, ..] = self.fields;
        ReadAnswer { number: word(number), index: Index(up_to) }
    }

    pub(crate) fn refill(&self) -> RefillAnswer {
        let [_, number, up_to, ..] = self.fields;
        RefillAnswer { number: word(number), index: Index(up_to) }
    }

    const fn counted(&self) -> Counted {
        if self.flags & UNCOUNTED != 0 { Counted::No } else { Counted::Yes }
    }
}

/// A field that was found to be below a limit that 32 bits hold.
const fn word(field: u64) -> u32 {
    let [a, b, c, d, ..] = field.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// A term and an index that were found to be below their limits.
const fn position(term: u64, index: u64) -> Position {
    Position { term: Term(word(term)), index: Index(index) }
}
