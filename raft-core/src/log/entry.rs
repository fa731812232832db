//! One entry, in the one form that it has in memory, on the wire and in storage:
//!
//! ```text
//! head     varint   length of the body << 4 | kind << 1 | new term?
//! term     varint   how far the term is above the one of the entry before; only if "new term"
//! body     bytes
//! ```
//!
//! Terms never fall along a log, so that the difference says everything to who knows the entry
//! before, and a run of entries moves from log to frame to log as one run of bytes.

use crate::configuration::Configuration;
use crate::number::{Reader, Writer};
use crate::types::Term;

/// What the body of an entry means. Kinds that a node does not know are kept and never applied.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Kind(u8);

impl Kind {
    /// A new leader's first entry; it has no body.
    pub const NOOP: Self = Self(0);
    /// A command for the machine.
    pub const COMMAND: Self = Self(1);
    /// Who the members are from here on: a [`Configuration`].
    pub const CONFIGURATION: Self = Self(2);

    /// The number in an entry's head, below eight.
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// An entry, borrowed out of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Entry<'a> {
    /// The term in which it was proposed.
    pub term: Term,
    /// What its body means.
    pub kind: Kind,
    /// What was proposed.
    pub body: &'a [u8],
}

/// The bit in a head that says that a term follows.
const NEW_TERM: u8 = 1;
/// The longest body: a head is then three bytes.
pub const BODY_BYTES_MAX: usize = u16::MAX as usize;
/// The longest head together with the term.
pub(crate) const OVERHEAD_BYTES_MAX: usize = 3 + 5;

/// Reads the entry at the start of `bytes`; gives it and the bytes behind it.
///
/// `None` for bytes that no node writes: cut short, too long, or a term out of bounds.
#[inline]
pub(crate) fn read(previous: Term, bytes: &[u8]) -> Option<(Entry<'_>, &[u8])> {
    match bytes {
        // What nearly every entry starts with: two bytes, and no new term.
        [low, high, rest @ ..] if *low >= 0x80 && *high < 0x80 && *low & NEW_TERM == 0 => {
            body(previous, u32::from(low & 0x7F) | u32::from(*high) << 7, rest)
        }
        _ => read_any(previous, bytes),
    }
}

#[cold]
fn read_any(previous: Term, bytes: &[u8]) -> Option<(Entry<'_>, &[u8])> {
    let mut reader = Reader(bytes);
    let head = reader.word()?;
    let mut term = previous;
    if head & u32::from(NEW_TERM) != 0 {
        let step = reader.word().filter(|&step| step > 0)?;
        term = Term(previous.0.checked_add(step)?);
    }
    let sound = term < Term::LIMIT && (head >> 4) as usize <= BODY_BYTES_MAX;
    body(term, head, reader.0).filter(|_| sound)
}

/// Takes an entry's body off what follows its head.
fn body(term: Term, head: u32, rest: &[u8]) -> Option<(Entry<'_>, &[u8])> {
    let (body, rest) = rest.split_at_checked((head >> 4) as usize)?;
    let [number, ..] = ((head >> 1) & 7).to_le_bytes();
    Some((Entry { term, kind: Kind(number), body }, rest))
}

/// Writes an entry's head and term; gives their length. `None` if `buffer` is too short.
pub(crate) fn write_head(
    previous: Term,
    term: Term,
    kind: Kind,
    body_bytes: u32,
    buffer: &mut [u8],
) -> Option<usize> {
    let step = term.0.checked_sub(previous.0)?;
    let head = (body_bytes << 4) | (u32::from(kind.0) << 1) | u32::from(step > 0);
    let mut writer = Writer::new(buffer);
    writer.number(u64::from(head))?;
    if step > 0 {
        writer.number(u64::from(step))?;
    }
    Some(writer.used())
}

/// A run of encoded entries whose every byte was checked, and the term of the entry before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Entries<'a> {
    previous: Term,
    bytes: &'a [u8],
    count: u32,
    /// The term of the last entry.
    last: Term,
    /// Whether a configuration was among them when they came in.
    configures: bool,
}

impl<'a> Entries<'a> {
    /// A run of none.
    pub const NONE: Self = Self::trusted(Term::ZERO, Term::ZERO, &[], 0);

    /// Checks bytes that come from outside: the gate of the log.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub fn parse(previous: Term, bytes: &'a [u8]) -> Option<Self> {
        let (mut term, mut rest, mut count, mut configures) = (previous, bytes, 0, false);
        while !rest.is_empty() {
            let (entry, after) = read(term, rest)?;
            if entry.term == Term::ZERO {
                // Nobody leads before the first election.
                return None;
            }
            if entry.kind == Kind::CONFIGURATION {
                Configuration::read(entry.body)?;
                configures = true;
            }
            (term, rest) = (entry.term, after);
            count += 1;
        }
        Some(Self { previous, bytes, count, last: term, configures })
    }

    /// A run that was checked when it came in.
    pub(crate) const fn trusted(previous: Term, last: Term, bytes: &'a [u8], count: u32) -> Self {
        Self { previous, bytes, count, last, configures: false }
    }

    /// The run without its first entry; gives that entry and its encoded length too.
    pub fn split_first(&self) -> Option<(Entry<'a>, u32, Self)> {
        let (entry, bytes) = read(self.previous, self.bytes)?;
        let length = u32::try_from(self.bytes.len() - bytes.len()).ok()?;
        let count = self.count.checked_sub(1)?;
        Some((entry, length, Self { previous: entry.term, bytes, count, ..*self }))
    }

    /// The entries, one by one.
    pub fn iter(self) -> impl Iterator<Item = Entry<'a>> {
        let mut rest = self;
        core::iter::from_fn(move || {
            let (entry, _, after) = rest.split_first()?;
            rest = after;
            Some(entry)
        })
    }

    /// How many entries there are.
    pub const fn len(&self) -> u32 {
        self.count
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The encoded entries.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether there was a configuration among the entries that came in.
    pub(crate) const fn configures(&self) -> bool {
        self.configures
    }

    /// The term of the last entry; of the one before the first if there are none.
    pub const fn last_term(&self) -> Term {
        self.last
    }

    /// The term of the entry before the first.
    pub const fn previous_term(&self) -> Term {
        self.previous
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_around_a_boundary_reads_back() {
        let body = [7_u8; BODY_BYTES_MAX];
        for length in [0, 1, 7, 8, 9, 127, 128, 1023, 1024, BODY_BYTES_MAX] {
            for step in [0, 1, 127, 128, 70_000] {
                let mut buffer = [0_u8; BODY_BYTES_MAX + OVERHEAD_BYTES_MAX];
                let (previous, term) = (Term(300), Term(300 + step));
                let size = u32::try_from(length).unwrap();
                let used = write_head(previous, term, Kind::COMMAND, size, &mut buffer).unwrap();
                assert!(used <= OVERHEAD_BYTES_MAX);
                buffer[used..used + length].copy_from_slice(&body[..length]);
                let encoded = &buffer[..used + length];
                let (entry, rest) = read(previous, encoded).unwrap();
                assert_eq!(entry, Entry { term, kind: Kind::COMMAND, body: &body[..length] });
                assert!(rest.is_empty());
                assert!(read(previous, &encoded[..encoded.len() - 1]).is_none(), "cut short");
            }
        }
    }

    #[test]
    fn a_term_never_falls_stands_still_twice_or_wraps() {
        assert!(read(Term(1), &[1, 0]).is_none(), "a new term of no step");
        let mut buffer = [0; 8];
        assert_eq!(write_head(Term(2), Term(1), Kind::NOOP, 0, &mut buffer), None);
        let used = write_head(Term(0), Term::LIMIT, Kind::NOOP, 0, &mut buffer).unwrap();
        assert!(read(Term(0), &buffer[..used]).is_none(), "a term out of bounds");
    }
}
