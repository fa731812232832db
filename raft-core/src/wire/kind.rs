//! The kinds of datagrams: their numbers, their flags, and what their fields are.
//!
//! One table of forms says it of all, so that one loop reads and bounds the numbers of any of them:
//! a reader for each kind costs a board ten times as much.

use super::VERSION;
use crate::types::{Index, Term};

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
    ReadRequest,
    ReadAnswer,
    Forward,
    RefillRequest,
    RefillAnswer,
}

/// What datagrams of one kind look like.
pub(super) struct Form {
    pub(super) kind: Kind,
    /// The flags that one may have.
    pub(super) flags: u8,
    /// The fields, the term first, and those of one with the flag 1.
    pub(super) fields: Fields,
    pub(super) flagged: Fields,
    /// Whether bytes follow the fields.
    pub(super) has_rest: bool,
}

/// Fields, two bits each, the first one lowest; a last bit stands above them.
pub(super) type Fields = u16;

/// The most fields that there are, the term among them.
pub(super) const FIELDS_MAX: usize = 5;

/// What a field must stay below, by its two bits.
pub(super) const LIMITS: [u64; 4] =
    [u64::MAX, Index::LIMIT.0, Term::LIMIT.0 as u64, u32::MAX as u64 + 1];
/// Anything.
const NUMBER: Fields = 0;
const INDEX: Fields = 1;
const TERM: Fields = 2;
/// What fits into 32 bits.
const WORD: Fields = 3;

/// A term, as any node may claim it to be, and these.
const fn fields(fields: &[Fields]) -> Fields {
    behind(fields) << 2 | WORD
}

const fn behind(fields: &[Fields]) -> Fields {
    match fields {
        [] => 1,
        [first, rest @ ..] => behind(rest) << 2 | *first,
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
/// Of acknowledgements: only a snapshot makes room for more.
pub(super) const SHORT: u8 = 4;
/// Of pieces of a snapshot: it is the first one.
pub(super) const BEGINS: u8 = 1;
/// Of every kind: the sender's nonce follows.
pub(super) const NAMED: u8 = 0x80;

/// Of every kind, in the order of their numbers.
static FORMS: [Form; 14] = {
    use Kind::*;
    [
        Form::plain(VoteRequest, PRE | HANDED_OVER, fields(&[NUMBER, TERM, INDEX])),
        Form::plain(VoteAnswer, PRE | GRANTED, fields(&[NUMBER])),
        Form {
            flagged: fields(&[NUMBER, INDEX, WORD]),
            ..Form::plain(Heartbeat, QUIET, fields(&[NUMBER, INDEX]))
        },
        Form::APPEND,
        Form::ACKNOWLEDGE,
        Form::plain(Reject, UNCOUNTED, fields(&[NUMBER, INDEX, TERM, INDEX])),
        Form::plain(HandOver, 0, fields(&[NUMBER])),
        Form {
            flagged: fields(&[WORD, TERM, INDEX, WORD]),
            has_rest: true,
            ..Form::plain(Chunk, BEGINS, fields(&[WORD, WORD]))
        },
        Form::plain(Staged, UNCOUNTED, fields(&[NUMBER, WORD, WORD])),
        Form::plain(ReadRequest, 0, fields(&[WORD])),
        Form::plain(ReadAnswer, 0, fields(&[WORD, INDEX])),
        Form { has_rest: true, ..Form::plain(Forward, 0, fields(&[])) },
        Form::plain(RefillRequest, 0, fields(&[WORD])),
        Form::plain(RefillAnswer, 0, fields(&[WORD, INDEX])),
    ]
};

impl Form {
    /// How far the term is below, and the commit above, is seen when they are put together.
    pub(super) const APPEND: Self = Self {
        has_rest: true,
        ..Self::plain(Kind::Append, 0, fields(&[NUMBER, INDEX, WORD, NUMBER]))
    };
    pub(super) const ACKNOWLEDGE: Self =
        Self::plain(Kind::Acknowledge, UNCOUNTED | SETTLED | SHORT, fields(&[NUMBER, INDEX]));

    /// The form of the kind with that number.
    pub(super) fn of(number: u8) -> Option<&'static Self> {
        FORMS.get(usize::from(number).wrapping_sub(1))
    }

    const fn plain(kind: Kind, flags: u8, fields: Fields) -> Self {
        Self { kind, flags, fields, flagged: fields, has_rest: false }
    }
}

impl Kind {
    /// What a datagram of this kind begins with.
    pub(super) const fn tag(self) -> u8 {
        (VERSION << 5) | self.number()
    }

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
            Self::ReadRequest => 10,
            Self::ReadAnswer => 11,
            Self::Forward => 12,
            Self::RefillRequest => 13,
            Self::RefillAnswer => 14,
        }
    }

    /// Whether it says what its sender's storage holds, or is promised by it.
    pub(crate) const fn is_promise(self) -> bool {
        matches!(
            self,
            Self::VoteAnswer
                | Self::Acknowledge
                | Self::Reject
                | Self::Staged
                | Self::RefillRequest
        )
    }

    /// Whether its sender waits for an answer: one from an earlier term is then told of the later
    /// one.
    pub(crate) const fn wants_answer(self) -> bool {
        !self.is_promise() && !matches!(self, Self::HandOver | Self::Forward)
    }
}
