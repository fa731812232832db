//! Messages to bytes and back:
//!
//! ```text
//! tag      u8       version << 5 | kind
//! flags    u8       0 unless the kind says otherwise
//! term     varint   the sender's
//! ...               the fields of the kind, then entries
//! ```
//!
//! A flag that is not known may mean that a promise does not count, so it is refused, not ignored.

use super::{Answer, Counted, Datagram, DecodeError, Message, Standing, VERSION};
use crate::durable::promised_by_peer;
use crate::log::Entries;
use crate::types::{Index, Position, Round, Term};
use serde::{Deserialize, Serialize};

const VOTE_REQUEST: u8 = 1;
const VOTE_ANSWER: u8 = 2;
const HEARTBEAT: u8 = 3;
const APPEND: u8 = 4;
const ACKNOWLEDGE: u8 = 5;
const REJECT: u8 = 6;

/// Of vote requests and answers: about the next term, nobody's term changes.
const PRE: u8 = 1;
/// Of answers: yes.
const GRANTED: u8 = 2;
/// Of acknowledgements and rejects: the sender's word does not count.
const UNCOUNTED: u8 = 1;
/// Of acknowledgements: nothing that matches is still to become durable.
const SETTLED: u8 = 2;

#[derive(Serialize, Deserialize)]
struct Head {
    tag: u8,
    flags: u8,
    term: Term,
}

#[derive(Serialize, Deserialize)]
struct VoteRequest {
    attempt: Round,
    last: Position,
}

#[derive(Serialize, Deserialize)]
struct Heartbeat {
    round: Round,
    committed: Index,
}

#[derive(Serialize, Deserialize)]
struct Append {
    round: Round,
    previous: Index,
    /// How far the previous entry's term is below the sender's.
    term_below: u32,
    /// How far the commit is above the previous entry.
    committed_above: i64,
}

#[derive(Serialize, Deserialize)]
struct Acknowledge {
    round: Round,
    index: Index,
}

#[derive(Serialize, Deserialize)]
struct Reject {
    round: Round,
    previous: Index,
    hint: Position,
}

/// Writes a datagram; gives its length. The entries of an append are not written.
///
/// `None` if the buffer is too short.
pub fn encode(datagram: &Datagram<'_>, buffer: &mut [u8]) -> Option<usize> {
    let term = datagram.term;
    match datagram.message {
        Message::VoteRequest { standing, attempt, last } => {
            let flags = if standing == Standing::Pre { PRE } else { 0 };
            write(buffer, VOTE_REQUEST, flags, term, &VoteRequest { attempt, last: last.get() })
        }
        Message::VoteAnswer(answer) => {
            let flags = match answer {
                Answer::Refused => 0,
                Answer::PreGranted => PRE | GRANTED,
                Answer::Granted(_) => GRANTED,
            };
            write(buffer, VOTE_ANSWER, flags, term, &())
        }
        Message::Heartbeat { round, committed } => {
            write(buffer, HEARTBEAT, 0, term, &Heartbeat { round, committed })
        }
        Message::Append { round, previous, committed, .. } => {
            let term_below = term.0.checked_sub(previous.term.0)?;
            // Both are below 2^62, so that neither cast nor difference can go wrong.
            let committed_above = committed.0 as i64 - previous.index.0 as i64;
            let previous = previous.index;
            let fields = Append { round, previous, term_below, committed_above };
            write(buffer, APPEND, 0, term, &fields)
        }
        Message::Acknowledge { round, index, settled, standing } => {
            let flags = if settled { SETTLED } else { 0 } | uncounted(standing);
            write(buffer, ACKNOWLEDGE, flags, term, &Acknowledge { round, index: index.get() })
        }
        Message::Reject { round, previous, hint, standing } => {
            write(buffer, REJECT, uncounted(standing), term, &Reject { round, previous, hint })
        }
    }
}

/// Reads a datagram. Costs no more than a look at each byte, whatever the bytes are.
pub fn decode(bytes: &[u8]) -> Result<Datagram<'_>, DecodeError> {
    let first = bytes.first().ok_or(DecodeError::Malformed)?;
    if first >> 5 != VERSION {
        return Err(DecodeError::Version);
    }
    let (Head { tag, flags, term }, rest) = read(bytes)?;
    let message = match tag {
        VOTE_REQUEST => {
            only(flags, PRE)?;
            let VoteRequest { attempt, last } = read_all(rest)?;
            let standing = match flags & PRE {
                0 => Standing::Real(promised_by_peer(term)),
                _ => Standing::Pre,
            };
            let last = promised_by_peer(in_bounds(last)?);
            Message::VoteRequest { standing, attempt, last }
        }
        VOTE_ANSWER => {
            let answer = match flags {
                0 => Answer::Refused,
                GRANTED => Answer::Granted(promised_by_peer(term)),
                PRE_GRANTED => Answer::PreGranted,
                _ => return Err(DecodeError::Kind),
            };
            read_all(rest).map(|()| Message::VoteAnswer(answer))?
        }
        HEARTBEAT => {
            only(flags, 0)?;
            let Heartbeat { round, committed } = read_all(rest)?;
            Message::Heartbeat { round, committed: index_in_bounds(committed)? }
        }
        APPEND => {
            only(flags, 0)?;
            append(term, rest)?
        }
        ACKNOWLEDGE => {
            only(flags, UNCOUNTED | SETTLED)?;
            let Acknowledge { round, index } = read_all(rest)?;
            let index = promised_by_peer(index_in_bounds(index)?);
            let settled = flags & SETTLED != 0;
            Message::Acknowledge { round, index, settled, standing: counted(flags) }
        }
        REJECT => {
            only(flags, UNCOUNTED)?;
            let Reject { round, previous, hint } = read_all(rest)?;
            let (previous, hint) = (index_in_bounds(previous)?, in_bounds(hint)?);
            Message::Reject { round, previous, hint, standing: counted(flags) }
        }
        _ => return Err(DecodeError::Kind),
    };
    Ok(Datagram { term, message })
}

const PRE_GRANTED: u8 = PRE | GRANTED;

fn append(term: Term, bytes: &[u8]) -> Result<Message<'_>, DecodeError> {
    let (fields, rest) = read(bytes)?;
    let Append { round, previous, term_below, committed_above } = fields;
    let index = index_in_bounds(previous)?;
    let committed = index.0.checked_add_signed(committed_above).ok_or(DecodeError::Malformed)?;
    let committed = index_in_bounds(Index(committed))?;
    let below = term.0.checked_sub(term_below).ok_or(DecodeError::Malformed)?;
    let previous = in_bounds(Position { term: Term(below), index })?;
    let entries = Entries::parse(previous.term, rest).ok_or(DecodeError::Malformed)?;
    // Nobody leads in a term and appends entries of a later one.
    if entries.last_term() > term || index.0 + u64::from(entries.len()) >= Index::LIMIT.0 {
        return Err(DecodeError::Malformed);
    }
    Ok(Message::Append { round, previous, committed, entries })
}

fn write<T: Serialize>(
    buffer: &mut [u8],
    kind: u8,
    flags: u8,
    term: Term,
    fields: &T,
) -> Option<usize> {
    let head = Head { tag: (VERSION << 5) | kind, flags, term };
    let used = postcard::to_slice(&(head, fields), buffer).ok()?.len();
    Some(used)
}

fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<(T, &'a [u8]), DecodeError> {
    postcard::take_from_bytes(bytes).map_err(|_| DecodeError::Malformed)
}

/// Reads fields that nothing may follow.
fn read_all<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, DecodeError> {
    let (fields, rest) = read(bytes)?;
    if rest.is_empty() { Ok(fields) } else { Err(DecodeError::Malformed) }
}

fn only(flags: u8, known: u8) -> Result<(), DecodeError> {
    if flags & !known == 0 { Ok(()) } else { Err(DecodeError::Kind) }
}

fn uncounted(standing: Counted) -> u8 {
    if standing == Counted::No { UNCOUNTED } else { 0 }
}

fn counted(flags: u8) -> Counted {
    if flags & UNCOUNTED != 0 { Counted::No } else { Counted::Yes }
}

fn index_in_bounds(index: Index) -> Result<Index, DecodeError> {
    if index < Index::LIMIT { Ok(index) } else { Err(DecodeError::Malformed) }
}

fn in_bounds(position: Position) -> Result<Position, DecodeError> {
    index_in_bounds(position.index)?;
    if position.term < Term::LIMIT { Ok(position) } else { Err(DecodeError::Malformed) }
}
