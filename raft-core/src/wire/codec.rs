//! Messages to bytes and back:
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
    Acknowledge, Answer, Append, Chunk, Counted, Datagram, DecodeError, Forward, HandOver,
    Heartbeat, Message, ReadAnswer, ReadRequest, Reject, Staged, Standing, VERSION, VoteAnswer,
    VoteRequest,
};
use crate::durable::promised_by_peer;
use crate::log::Entries;
use crate::number::{Reader, Writer};
use crate::types::{Index, Nonce, Position, Round, Snapshot, Term};

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
    const fn of(number: u8) -> Option<(Self, u8)> {
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
const PRE: u8 = 1;
/// Of vote requests: the leader asked for it.
const HANDED_OVER: u8 = 2;
/// Of heartbeats: the next may come late, and how late follows.
const QUIET: u8 = 1;
/// Of answers: yes.
const GRANTED: u8 = 2;
/// Of acknowledgements and rejects: the sender's word does not count.
const UNCOUNTED: u8 = 1;
/// Of acknowledgements: nothing that matches is still to become durable.
const SETTLED: u8 = 2;

/// Of pieces of a snapshot: it is the first one.
const BEGINS: u8 = 1;
/// Of every kind: the sender's nonce follows.
const NAMED: u8 = 0x80;
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

fn uncounted(standing: Counted) -> u8 {
    if standing == Counted::No { UNCOUNTED } else { 0 }
}
