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
use crate::number::{Reader, Writer};
use crate::types::{Index, Position, Round, Term};

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

/// Writes a datagram; gives its length. The entries of an append are not written.
///
/// `None` if the buffer is too short.
pub fn encode(datagram: &Datagram<'_>, buffer: &mut [u8]) -> Option<usize> {
    let term = datagram.term;
    let (kind, flags, fields, count) = match datagram.message {
        Message::VoteRequest { standing, attempt, last } => {
            let flags = if standing == Standing::Pre { PRE } else { 0 };
            let Position { term, index } = last.get();
            (VOTE_REQUEST, flags, [attempt.0, u64::from(term.0), index.0, 0], 3)
        }
        Message::VoteAnswer { number, answer } => {
            let flags = match answer {
                Answer::Refused => 0,
                Answer::PreGranted => PRE | GRANTED,
                Answer::Granted(_) => GRANTED,
            };
            (VOTE_ANSWER, flags, [number.0, 0, 0, 0], 1)
        }
        Message::Heartbeat { round, committed } => (HEARTBEAT, 0, [round.0, committed.0, 0, 0], 2),
        Message::Append { round, previous, committed, .. } => {
            let term_below = u64::from(term.0.checked_sub(previous.term.0)?);
            // Both are below 2^62, so that neither cast nor difference can go wrong.
            let above = committed.0 as i64 - previous.index.0 as i64;
            let above = ((above << 1) ^ (above >> 63)) as u64;
            (APPEND, 0, [round.0, previous.index.0, term_below, above], 4)
        }
        Message::Acknowledge { round, index, settled, standing } => {
            let flags = if settled { SETTLED } else { 0 } | uncounted(standing);
            (ACKNOWLEDGE, flags, [round.0, index.get().0, 0, 0], 2)
        }
        Message::Reject { round, previous, hint, standing } => {
            let fields = [round.0, previous.0, u64::from(hint.term.0), hint.index.0];
            (REJECT, uncounted(standing), fields, 4)
        }
    };
    let mut writer = Writer::new(buffer);
    writer.byte((VERSION << 5) | kind)?;
    writer.byte(flags)?;
    writer.number(u64::from(term.0))?;
    for field in fields.into_iter().take(count) {
        writer.number(field)?;
    }
    Some(writer.used())
}

/// Reads a datagram, and checks that everything in it keeps to its bounds.
#[inline(always)] // What it gives is large, and its one caller takes it apart at once.
pub fn decode(bytes: &[u8]) -> Result<Datagram<'_>, DecodeError> {
    let mut reader = Reader(bytes);
    let tag = reader.byte().ok_or(DecodeError::Malformed)?;
    if tag >> 5 != VERSION {
        return Err(DecodeError::Version);
    }
    let flags = reader.byte().ok_or(DecodeError::Malformed)?;
    let known = match tag {
        VOTE_REQUEST => PRE,
        VOTE_ANSWER => PRE | GRANTED,
        HEARTBEAT | APPEND => 0,
        ACKNOWLEDGE => UNCOUNTED | SETTLED,
        REJECT => UNCOUNTED,
        _ => return Err(DecodeError::Kind),
    };
    if flags & !known != 0 || (tag == VOTE_ANSWER && flags == PRE) {
        return Err(DecodeError::Kind);
    }
    fields(tag, flags, &mut reader).ok_or(DecodeError::Malformed)
}

#[inline(always)] // Called from one place, and what it gives is large.
fn fields<'a>(tag: u8, flags: u8, reader: &mut Reader<'a>) -> Option<Datagram<'a>> {
    let term = Term(reader.word()?);
    let message = match tag {
        VOTE_REQUEST => {
            let attempt = round(reader)?;
            let standing = match flags & PRE {
                0 => Standing::Real(promised_by_peer(term)),
                _ => Standing::Pre,
            };
            Message::VoteRequest { standing, attempt, last: promised_by_peer(position(reader)?) }
        }
        VOTE_ANSWER => {
            let answer = match flags {
                0 => Answer::Refused,
                GRANTED => Answer::Granted(promised_by_peer(term)),
                _ => Answer::PreGranted,
            };
            Message::VoteAnswer { number: round(reader)?, answer }
        }
        HEARTBEAT => Message::Heartbeat { round: round(reader)?, committed: index(reader)? },
        APPEND => return Some(Datagram { term, message: append(term, reader)? }),
        ACKNOWLEDGE => {
            let (round, index) = (round(reader)?, promised_by_peer(index(reader)?));
            let settled = flags & SETTLED != 0;
            Message::Acknowledge { round, index, settled, standing: counted(flags) }
        }
        _ => {
            let (round, previous) = (round(reader)?, index(reader)?);
            Message::Reject { round, previous, hint: position(reader)?, standing: counted(flags) }
        }
    };
    reader.0.is_empty().then_some(Datagram { term, message })
}

#[inline(always)]
fn append<'a>(term: Term, reader: &mut Reader<'a>) -> Option<Message<'a>> {
    let (round, index) = (round(reader)?, index(reader)?);
    let below = Term(term.0.checked_sub(reader.word()?)?);
    let above = reader.number()?;
    let above = (above >> 1) as i64 ^ -((above & 1) as i64);
    let committed = Index(index.0.checked_add_signed(above)?);
    let previous = Position { term: below, index };
    let entries = Entries::parse(below, reader.0)?;
    // Nobody leads in a term and appends entries of a later one.
    let sound = entries.last_term() <= term
        && below < Term::LIMIT
        && committed < Index::LIMIT
        && index.0 + u64::from(entries.len()) < Index::LIMIT.0;
    sound.then_some(Message::Append { round, previous, committed, entries })
}

fn round(reader: &mut Reader<'_>) -> Option<Round> {
    reader.number().map(Round)
}

fn index(reader: &mut Reader<'_>) -> Option<Index> {
    reader.number().map(Index).filter(|index| *index < Index::LIMIT)
}

fn position(reader: &mut Reader<'_>) -> Option<Position> {
    let term = reader.word().map(Term).filter(|term| *term < Term::LIMIT)?;
    Some(Position { term, index: index(reader)? })
}

fn uncounted(standing: Counted) -> u8 {
    if standing == Counted::No { UNCOUNTED } else { 0 }
}

fn counted(flags: u8) -> Counted {
    if flags & UNCOUNTED != 0 { Counted::No } else { Counted::Yes }
}
