//! Bytes to messages: what a datagram says is known first, and read only by who wants to know.
//!
//! Whatever comes out keeps to the bounds of its types: nothing is checked again further in.

use super::codec::{BEGINS, GRANTED, HANDED_OVER, Kind, NAMED, PRE, QUIET, SETTLED, UNCOUNTED};
use super::{
    Acknowledge, Answer, Append, Chunk, Counted, Datagram, DecodeError, Forward, HandOver,
    Heartbeat, Message, ReadAnswer, ReadRequest, Reject, Staged, Standing, VERSION, VoteAnswer,
    VoteRequest,
};
use crate::durable::promised_by_peer;
use crate::log::Entries;
use crate::number::Reader;
use crate::types::{Index, Nonce, Position, Round, Snapshot, Term};

/// Reads a datagram, and checks that everything in it keeps to its bounds.
pub fn decode(bytes: &[u8]) -> Result<Datagram<'_>, DecodeError> {
    let opened = open(bytes)?;
    let nonce = opened.nonce;
    let (term, message) = match opened.kind {
        Kind::VoteRequest => {
            opened.vote_request().map(|(term, it)| (term, Message::VoteRequest(it)))
        }
        Kind::VoteAnswer => opened.vote_answer().map(|(term, it)| (term, Message::VoteAnswer(it))),
        Kind::Heartbeat => opened.heartbeat().map(|(term, it)| (term, Message::Heartbeat(it))),
        Kind::Append => opened.append().map(|(term, it)| (term, Message::Append(it))),
        Kind::Acknowledge => {
            opened.acknowledge().map(|(term, it)| (term, Message::Acknowledge(it)))
        }
        Kind::Reject => opened.reject().map(|(term, it)| (term, Message::Reject(it))),
        Kind::HandOver => opened.hand_over().map(|(term, it)| (term, Message::HandOver(it))),
        Kind::Chunk => opened.chunk().map(|(term, it)| (term, Message::Chunk(it))),
        Kind::Forward => opened.forward().map(|(term, it)| (term, Message::Forward(it))),
        Kind::Staged => opened.staged().map(|(term, it)| (term, Message::Staged(it))),
        Kind::ReadRequest => opened.read().map(|(term, ReadAnswer { number, .. })| {
            (term, Message::ReadRequest(ReadRequest { number }))
        }),
        Kind::ReadAnswer => opened.read().map(|(term, it)| (term, Message::ReadAnswer(it))),
    }
    .ok_or(DecodeError::Malformed)?;
    Ok(Datagram { nonce, term, message })
}

/// A datagram of which it is known what it says; what follows is not read yet.
pub(crate) struct Opened<'a> {
    pub(crate) kind: Kind,
    pub(crate) nonce: Nonce,
    flags: u8,
    reader: Reader<'a>,
}

/// Reads what every datagram begins with.
#[inline(always)] // Whoever opens a datagram looks at once at what it is.
pub(crate) fn open(bytes: &[u8]) -> Result<Opened<'_>, DecodeError> {
    let &[tag, flags, ref rest @ ..] = bytes else {
        return Err(DecodeError::Malformed);
    };
    if tag >> 5 != VERSION {
        return Err(DecodeError::Version);
    }
    let (kind, known) = Kind::of(tag & 0x1F).ok_or(DecodeError::Kind)?;
    let contradictory = match kind {
        Kind::VoteAnswer => flags & !NAMED == PRE,
        Kind::VoteRequest => flags & !NAMED == PRE | HANDED_OVER,
        _ => false,
    };
    if flags & !(known | NAMED) != 0 || contradictory {
        return Err(DecodeError::Kind);
    }
    let opened = Opened { kind, nonce: Nonce::FOUNDER, flags, reader: Reader(rest) };
    if flags & NAMED == 0 { Ok(opened) } else { opened.named().ok_or(DecodeError::Malformed) }
}

impl<'a> Opened<'a> {
    /// Reads the nonce. Founders name none, so that what they say has one form.
    #[cold]
    fn named(self) -> Option<Self> {
        let (nonce, rest) = self.reader.0.split_first_chunk()?;
        let nonce = Nonce(u32::from_le_bytes(*nonce));
        let named = Self { nonce, flags: self.flags & !NAMED, reader: Reader(rest), ..self };
        (nonce != Nonce::FOUNDER).then_some(named)
    }

    pub(crate) fn vote_request(mut self) -> Option<(Term, VoteRequest)> {
        let [term, attempt, last_term, last] = self.only()?;
        let (term, last) = (word(term)?, position(last_term, last)?);
        let promised = promised_by_peer(Term(term));
        let standing = match self.flags {
            0 => Standing::Real(promised),
            HANDED_OVER => Standing::HandedOver(promised),
            _ => Standing::Pre,
        };
        let (attempt, last) = (Round(attempt), promised_by_peer(last));
        Some((Term(term), VoteRequest { standing, attempt, last }))
    }

    pub(crate) fn vote_answer(mut self) -> Option<(Term, VoteAnswer)> {
        let [term, number] = self.only()?;
        let term = Term(word(term)?);
        let answer = match self.flags {
            0 => Answer::Refused,
            GRANTED => Answer::Granted(promised_by_peer(term)),
            _ => Answer::PreGranted,
        };
        Some((term, VoteAnswer { number: Round(number), answer }))
    }

    pub(crate) fn heartbeat(mut self) -> Option<(Term, Heartbeat)> {
        let [term, round, committed] = self.reader.numbers()?;
        let (round, committed) = (Round(round), index(committed)?);
        let quiet_ticks = if self.flags & QUIET != 0 { self.reader.word()? } else { 0 };
        let whole = self.reader.0.is_empty();
        let heartbeat = Heartbeat { round, committed, quiet_ticks };
        whole.then_some((Term(word(term)?), heartbeat))
    }

    #[inline(always)] // What it gives is large, and its caller takes it apart at once.
    pub(crate) fn append(mut self) -> Option<(Term, Append<'a>)> {
        let [term, round, previous, term_below, above] = self.reader.numbers()?;
        let above = (above >> 1) as i64 ^ -((above & 1) as i64);
        let committed = previous.checked_add_signed(above)?;
        let term = word(term)?;
        let term_below = u64::from(term).checked_sub(term_below)?;
        let (previous, committed) = (position(term_below, previous)?, index(committed)?);
        let entries = Entries::parse(previous.term, self.reader.0)?;
        // Nobody leads in a term and appends entries of a later one.
        let end = previous.index.0 + u64::from(entries.len());
        if entries.last_term() > Term(term) || end >= Index::LIMIT.0 {
            return None;
        }
        Some((Term(term), Append { round: Round(round), previous, committed, entries }))
    }

    #[inline(always)] // As above.
    pub(crate) fn acknowledge(mut self) -> Option<(Term, Acknowledge)> {
        let [term, round, held] = self.only()?;
        let (round, index) = (Round(round), promised_by_peer(index(held)?));
        let (settled, standing) = (self.flags & SETTLED != 0, self.counted());
        Some((Term(word(term)?), Acknowledge { round, index, settled, standing }))
    }

    pub(crate) fn reject(mut self) -> Option<(Term, Reject)> {
        let [term, round, previous, hint_term, hint] = self.only()?;
        let (previous, hint) = (index(previous)?, position(hint_term, hint)?);
        let (round, standing) = (Round(round), self.counted());
        Some((Term(word(term)?), Reject { round, previous, hint, standing }))
    }

    pub(crate) fn hand_over(mut self) -> Option<(Term, HandOver)> {
        let [term, round] = self.only()?;
        Some((Term(word(term)?), HandOver { round: Round(round) }))
    }

    pub(crate) fn chunk(mut self) -> Option<(Term, Chunk<'a>)> {
        let [term, checksum] = self.reader.numbers()?;
        let (term, checksum) = (Term(word(term)?), word(checksum)?);
        let (mut begins, mut offset) = (None, 0);
        if self.flags & BEGINS != 0 {
            let [last_term, last, bytes] = self.reader.numbers()?;
            let (last, bytes) = (position(last_term, last)?, word(bytes)?);
            // Nobody leads in a term and holds entries of a later one.
            begins = Some(Snapshot { last, bytes, checksum }).filter(|_| last.term <= term);
            begins?;
        } else {
            offset = self.reader.word()?;
        }
        let bytes = self.reader.0;
        let chunk = Chunk { checksum, begins, offset, bytes };
        // The first is told from the others by more than a flag.
        (!bytes.is_empty() && begins.is_some() == (offset == 0)).then_some((term, chunk))
    }

    pub(crate) fn forward(mut self) -> Option<(Term, Forward<'a>)> {
        let term = Term(self.reader.word()?);
        Some((term, Forward { command: self.reader.0 }))
    }

    pub(crate) fn staged(mut self) -> Option<(Term, Staged)> {
        let [term, round, checksum, held] = self.only()?;
        let (round, standing) = (Round(round), self.counted());
        let (checksum, held) = (word(checksum)?, word(held)?);
        Some((Term(word(term)?), Staged { round, checksum, held, standing }))
    }

    /// An answer, or a request, which has no index.
    pub(crate) fn read(mut self) -> Option<(Term, ReadAnswer)> {
        let answers = self.kind == Kind::ReadAnswer;
        let [term, number] = self.reader.numbers()?;
        let up_to = if answers { self.reader.number()? } else { 0 };
        let answer = ReadAnswer { number: word(number)?, index: index(up_to)? };
        self.reader.0.is_empty().then_some((Term(word(term)?), answer))
    }

    /// Numbers, and nothing behind them.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn only<const N: usize>(&mut self) -> Option<[u64; N]> {
        self.reader.numbers().filter(|_| self.reader.0.is_empty())
    }

    const fn counted(&self) -> Counted {
        if self.flags & UNCOUNTED != 0 { Counted::No } else { Counted::Yes }
    }
}

fn word(number: u64) -> Option<u32> {
    u32::try_from(number).ok()
}

fn index(number: u64) -> Option<Index> {
    (number < Index::LIMIT.0).then_some(Index(number))
}

fn position(term: u64, number: u64) -> Option<Position> {
    let (term, index) = (Term(word(term)?), index(number)?);
    (term < Term::LIMIT).then_some(Position { term, index })
}
