//! What goes back to a client.

use crate::bytes::Bytes;
use std::io::Write;

/// An answer. What version 2 of the protocol has no words for, it says in others.
#[derive(Clone, PartialEq, Debug)]
pub enum Reply {
    /// A word.
    Word(&'static str),
    /// Something went wrong: a code, and what it was.
    Error(String),
    /// A number.
    Number(i64),
    /// Bytes.
    Bytes(Bytes),
    /// Nothing.
    Nothing,
    /// Several answers.
    List(Vec<Reply>),
    /// Named answers.
    Map(Vec<(Reply, Reply)>),
}

/// Which version of the protocol a client speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Version {
    /// What every client speaks.
    #[default]
    Two,
    /// With maps, and nothing spelled as such.
    Three,
}

impl Reply {
    /// What every command says that has nothing to say.
    pub const OK: Self = Self::Word("OK");

    /// An error of the general kind.
    pub fn error(text: &str) -> Self {
        Self::Error(format!("ERR {text}"))
    }

    /// A text.
    pub fn text(text: &str) -> Self {
        Self::Bytes(text.into())
    }

    /// Named answers.
    pub fn map<const N: usize>(pairs: [(&str, Self); N]) -> Self {
        Self::Map(pairs.map(|(name, value)| (Self::text(name), value)).into())
    }

    /// Writes it.
    pub fn write(&self, version: Version, output: &mut Vec<u8>) {
        match self {
            Self::Word(word) => line(output, b'+', word),
            Self::Error(text) => {
                // Whatever it quotes, it is one line.
                line(output, b'-', text.replace(['\r', '\n'], " "));
            }
            Self::Number(number) => line(output, b':', number),
            Self::Bytes(bytes) => {
                line(output, b'$', bytes.len());
                output.extend_from_slice(bytes);
                output.extend_from_slice(b"\r\n");
            }
            Self::Nothing if version == Version::Two => line(output, b'$', -1),
            Self::Nothing => line(output, b'_', ""),
            Self::List(replies) => {
                line(output, b'*', replies.len());
                replies.iter().for_each(|reply| reply.write(version, output));
            }
            Self::Map(pairs) => {
                match version {
                    Version::Two => line(output, b'*', 2 * pairs.len()),
                    Version::Three => line(output, b'%', pairs.len()),
                }
                for (name, value) in pairs {
                    name.write(version, output);
                    value.write(version, output);
                }
            }
        }
    }
}

impl<T: Into<Self>> From<Option<T>> for Reply {
    fn from(reply: Option<T>) -> Self {
        reply.map_or(Self::Nothing, T::into)
    }
}

impl From<Bytes> for Reply {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<i64> for Reply {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

fn line(output: &mut Vec<u8>, kind: u8, rest: impl std::fmt::Display) {
    output.push(kind);
    // Memory takes everything.
    write!(output, "{rest}\r\n").ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(reply: &Reply, version: Version) -> String {
        let mut output = Vec::new();
        reply.write(version, &mut output);
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn answers_are_written_as_clients_of_either_version_read_them() {
        let list = Reply::List(vec![Reply::text("a\r\n"), Reply::Nothing, Reply::Number(-7)]);
        let map = Reply::map([("list", list), ("ok", Reply::OK)]);
        let list = "*3\r\n$3\r\na\r\n\r\n$-1\r\n:-7\r\n";
        let two = format!("*4\r\n$4\r\nlist\r\n{list}$2\r\nok\r\n+OK\r\n");
        assert_eq!(written(&map, Version::Two), two);
        let three = two.replace("*4", "%2").replace("$-1", "_");
        assert_eq!(written(&map, Version::Three), three);
    }

    #[test]
    fn an_error_is_one_line_whatever_it_quotes() {
        let error = Reply::error("unknown 'a\r\n+OK'");
        assert_eq!(written(&error, Version::Two), "-ERR unknown 'a  +OK'\r\n");
    }
}
