//! Answers as a client reads them: the other half of [`Reply`].

use super::reply::Reply;
use std::io::{self, BufRead, Read};

/// How deep lists may lie in lists, and how long anything may be.
const DEPTH_MAX: usize = 8;
const LENGTH_MAX: u64 = 64 << 20;

/// Reads answers out of a connection.
pub struct Answers<R>(pub R);

/// Why there is no answer.
#[derive(Debug)]
pub enum BadAnswer {
    /// The connection failed.
    Connection(io::Error),
    /// This is none.
    NoAnswer(String),
}

impl<R: BufRead> Answers<R> {
    /// The next answer. A word that is not known is given as bytes.
    pub fn read(&mut self) -> Result<Reply, BadAnswer> {
        self.answer(DEPTH_MAX)
    }

    fn answer(&mut self, depth: usize) -> Result<Reply, BadAnswer> {
        let line = self.line()?;
        let (kind, rest) = line.split_at_checked(1).unwrap_or_default();
        let count = || match rest.parse::<u64>() {
            Ok(count) if count <= LENGTH_MAX && depth > 0 => Ok(count),
            _ => Err(BadAnswer::NoAnswer(line.clone())),
        };
        Ok(match kind {
            "+" if rest == "OK" => Reply::OK,
            "+" => Reply::text(rest),
            "-" => Reply::Error(rest.to_owned()),
            ":" => Reply::Number(rest.parse().map_err(|_| BadAnswer::NoAnswer(line.clone()))?),
            "_" => Reply::Nothing,
            "$" | "*" if rest == "-1" => Reply::Nothing,
            "$" => {
                let mut bytes = Vec::new();
                let length = count()?;
                self.0.by_ref().take(length + 2).read_to_end(&mut bytes)?;
                if bytes.len() as u64 != length + 2 || !bytes.ends_with(b"\r\n") {
                    return Err(BadAnswer::NoAnswer(line));
                }
                bytes.truncate(bytes.len() - 2);
                Reply::Bytes(bytes.into())
            }
            "*" => {
                let replies = (0..count()?).map(|_| self.answer(depth - 1));
                Reply::List(replies.collect::<Result<_, _>>()?)
            }
            "%" => {
                let pairs = (0..count()?).map(|_| {
                    let name = self.answer(depth - 1)?;
                    Ok((name, self.answer(depth - 1)?))
                });
                Reply::Map(pairs.collect::<Result<_, BadAnswer>>()?)
            }
            _ => return Err(BadAnswer::NoAnswer(line)),
        })
    }

    fn line(&mut self) -> Result<String, BadAnswer> {
        let mut line = String::new();
        self.0.by_ref().take(64 * 1024).read_line(&mut line)?;
        match line.strip_suffix("\r\n") {
            Some(line) => Ok(line.to_owned()),
            None => Err(BadAnswer::NoAnswer(line)),
        }
    }
}

impl From<io::Error> for BadAnswer {
    fn from(error: io::Error) -> Self {
        Self::Connection(error)
    }
}

impl std::fmt::Display for BadAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connection(error) => write!(f, "the connection failed: {error}"),
            Self::NoAnswer(line) if line.is_empty() => write!(f, "the connection was closed"),
            Self::NoAnswer(line) => write!(f, "this is no answer: {line}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Version;
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let list = Reply::List(vec![Reply::text("a\r\n"), Reply::Nothing, Reply::Number(-7)]);
        let map = Reply::map([("list", list), ("no", Reply::error("no")), ("ok", Reply::OK)]);
        let mut written = Vec::new();
        map.write(Version::Three, &mut written);
        assert_eq!(Answers(&written[..]).read().unwrap(), map);
        for short in 0..written.len() {
            assert!(Answers(&written[..short]).read().is_err(), "{short}");
        }
    }

    #[test]
    fn lists_in_lists_and_long_claims_are_refused() {
        for text in ["*1\r\n".repeat(100), "$99999999999\r\n".to_owned(), "?\r\n".to_owned()] {
            assert!(Answers(text.as_bytes()).read().is_err(), "{text}");
        }
    }
}
