//! Requests as they come in: lists of strings, or a line of words typed by hand.

use crate::bytes::Bytes;
use std::fmt;

/// How much a client may claim.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Words of one request.
    pub words: usize,
    /// Bytes of all words of one request together.
    pub bytes: usize,
}

impl Limits {
    /// For whoever may do anything here.
    pub const TRUSTED: Self = Self { words: 16 * 1024, bytes: 1 << 20 };
    /// For whoever has not said the password.
    pub const STRANGER: Self = Self { words: 16, bytes: 16 * 1024 };
}

/// What is no request. The connection can't go on: nobody knows where the next one begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadRequest {
    /// A number of words that is none, or too large.
    Words,
    /// A length of a word that is none, or too large.
    Length,
    /// A word that is not announced by its length.
    Announcement(u8),
    /// A word that does not end where its length says.
    End,
    /// A line without an end.
    Line,
}

/// The longest line of words that is typed by hand.
const LINE_BYTES: usize = 4096;
/// The longest line that says a number.
const NUMBER_BYTES: usize = 32;

/// Bytes that came in, and the requests in them.
pub struct Requests {
    limits: Limits,
    buffer: Vec<u8>,
    /// How much of the buffer is done with.
    done: usize,
    /// The words of a request that is not whole, and how many it lacks.
    words: Vec<Bytes>,
    lacking: usize,
    /// How many bytes its words have, and the one that is announced.
    bytes: usize,
    announced: Option<usize>,
}

impl Requests {
    /// Nothing came in yet.
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits,
            buffer: Vec::new(),
            done: 0,
            words: Vec::new(),
            lacking: 0,
            bytes: 0,
            announced: None,
        }
    }

    /// Allows more from the next request on.
    pub const fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// More came in.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.done > 0 {
            self.buffer.drain(..self.done);
            self.done = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// How many bytes are waiting to be looked at.
    pub const fn waiting(&self) -> usize {
        self.buffer.len() - self.done
    }

    /// The next request, if it is whole. One without words says nothing and is left out.
    pub fn take(&mut self) -> Result<Option<Vec<Bytes>>, BadRequest> {
        loop {
            let words = if self.lacking > 0 {
                self.rest()?
            } else if self.buffer.get(self.done) == Some(&b'*') {
                match self.number(BadRequest::Words)? {
                    // As Redis has it, a list may be said to be none.
                    Some(..=0) => Some(Vec::new()),
                    Some(words) => {
                        let words = usize::try_from(words).map_err(|_| BadRequest::Words)?;
                        if words > self.limits.words {
                            return Err(BadRequest::Words);
                        }
                        (self.lacking, self.bytes) = (words, 0);
                        continue;
                    }
                    None => None,
                }
            } else {
                self.line(LINE_BYTES, BadRequest::Line)?.map(|line| {
                    let words = line.split(u8::is_ascii_whitespace);
                    words.filter(|word| !word.is_empty()).map(Bytes::from).collect()
                })
            };
            match words {
                None => return Ok(None),
                Some(words) if words.is_empty() => {}
                Some(words) => return Ok(Some(words)),
            }
        }
    }

    /// The words of a list, if all of them are there.
    fn rest(&mut self) -> Result<Option<Vec<Bytes>>, BadRequest> {
        while self.lacking > 0 {
            let length = match self.announced {
                Some(length) => length,
                None => match self.announcement()? {
                    Some(length) => length,
                    None => return Ok(None),
                },
            };
            let rest = self.buffer.get(self.done..).unwrap_or_default();
            let Some((word, end)) = rest.split_at_checked(length) else { return Ok(None) };
            match end {
                [b'\r', b'\n', ..] => self.words.push(word.into()),
                [] | [b'\r'] => return Ok(None),
                _ => return Err(BadRequest::End),
            }
            self.done += length + 2;
            (self.announced, self.lacking) = (None, self.lacking - 1);
        }
        Ok(Some(std::mem::take(&mut self.words)))
    }

    /// The length of the next word, if all of it is there.
    fn announcement(&mut self) -> Result<Option<usize>, BadRequest> {
        match self.buffer.get(self.done) {
            None => return Ok(None),
            Some(b'$') => {}
            Some(other) => return Err(BadRequest::Announcement(*other)),
        }
        let Some(length) = self.number(BadRequest::Length)? else { return Ok(None) };
        let length = usize::try_from(length).map_err(|_| BadRequest::Length)?;
        if length > self.limits.bytes - self.bytes.min(self.limits.bytes) {
            return Err(BadRequest::Length);
        }
        self.bytes += length;
        self.announced = Some(length);
        Ok(Some(length))
    }

    /// The number behind the first byte of a line, if all of it is there.
    fn number(&mut self, bad: BadRequest) -> Result<Option<i64>, BadRequest> {
        let Some(line) = self.line(NUMBER_BYTES, bad)? else { return Ok(None) };
        let digits = line.get(1..).and_then(|digits| std::str::from_utf8(digits).ok());
        digits.and_then(|digits| digits.parse().ok()).map(Some).ok_or(bad)
    }

    /// The next line without its end, if all of it is there.
    fn line(&mut self, most: usize, bad: BadRequest) -> Result<Option<&[u8]>, BadRequest> {
        let rest = self.buffer.get(self.done..).unwrap_or_default();
        let Some(end) = rest.iter().take(most).position(|byte| *byte == b'\n') else {
            return if rest.len() < most { Ok(None) } else { Err(bad) };
        };
        self.done += end + 1;
        let line = rest.get(..end).unwrap_or_default();
        Ok(Some(line.strip_suffix(b"\r").unwrap_or(line)))
    }
}

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Protocol error: ")?;
        match self {
            Self::Words => write!(f, "invalid multibulk length"),
            Self::Length => write!(f, "invalid bulk length"),
            Self::Announcement(byte) => write!(f, "expected '$', got '{}'", byte.escape_ascii()),
            Self::End => write!(f, "a string does not end where its length says"),
            Self::Line => write!(f, "too big inline request"),
        }
    }
}

#[cfg(test)]
mod tests;
