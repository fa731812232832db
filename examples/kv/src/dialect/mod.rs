//! What the words of a request mean, and how what came of it is said.
//!
//! - `table`: every command there is;
//! - `values`, `sessions`, `operators`: what the words behind each of them say.

mod operators;
mod sessions;
mod table;
mod values;

pub use self::operators::Operation;
pub use self::sessions::{Session, wrong_password};
use crate::bytes::{Bytes, Key};
use crate::command::{Command, Output, Query, Refusal};
use crate::resp::Reply;

/// What a client wants.
#[derive(Debug)]
pub enum Request {
    /// This answer, which needs nobody.
    Answer(Reply),
    /// A look at the store.
    Ask(Query),
    /// A change of the store.
    Do(Command),
    /// Something about its own connection.
    Session(Session),
    /// Something about the node.
    Operate(Operation),
}

/// What a request means. One that means nothing has its error for an answer.
pub fn understand(words: Vec<Bytes>) -> Request {
    let name = words.first().cloned().unwrap_or_default();
    let Some(row) = table::find(&name) else {
        let text = format!("unknown command '{}'", shown(&name));
        return Request::Answer(Reply::error(&text));
    };
    let fits = match usize::try_from(row.words) {
        Ok(exactly) => words.len() == exactly,
        Err(_) => words.len() >= row.words.unsigned_abs() as usize,
    };
    let understood = if fits {
        (row.understand)(Words(words.into_iter().skip(1)))
    } else {
        Err(format!("wrong number of arguments for '{}' command", row.name))
    };
    understood.unwrap_or_else(|error| Request::Answer(Reply::error(&error)))
}

/// What a request may say first, when nobody has said the password.
pub fn is_for_strangers(request: &Request) -> bool {
    matches!(
        request,
        Request::Session(Session::Password(_) | Session::Hello { .. } | Session::Quit)
    )
}

impl From<Output> for Reply {
    fn from(output: Output) -> Self {
        match output {
            Output::Done => Self::OK,
            Output::Nothing => Self::Nothing,
            Output::Number(number) => Self::Number(number),
            Output::Value(value) => Self::Bytes(value),
            Output::Values(values) => Self::List(values.into_iter().map(Self::from).collect()),
            Output::Page(next, keys) => {
                let keys = keys.into_iter().map(Self::Bytes).collect();
                Self::List(vec![Self::text(&next.to_string()), Self::List(keys)])
            }
            Output::Refused(Refusal::NoNumber) => Self::error(NO_NUMBER),
            Output::Refused(Refusal::Overflow) => {
                Self::error("increment or decrement would overflow")
            }
        }
    }
}

const NO_NUMBER: &str = "value is not an integer or out of range";
const SYNTAX: &str = "syntax error";

/// The words behind a command's name.
struct Words(std::iter::Skip<std::vec::IntoIter<Bytes>>);

type Understood = Result<Request, String>;

impl Words {
    /// The next word, where there must be one.
    fn word(&mut self) -> Result<Bytes, String> {
        self.0.next().ok_or_else(|| SYNTAX.to_owned())
    }

    /// The next word in capitals, if there is one: the name of something.
    fn name(&mut self) -> Option<String> {
        self.0.next().map(|word| String::from_utf8_lossy(&word).to_ascii_uppercase())
    }

    fn key(&mut self) -> Result<Key, String> {
        self.word().map(Key::from)
    }

    fn keys(self) -> Vec<Key> {
        self.0.map(Key::from).collect()
    }

    fn text(&mut self) -> Result<String, String> {
        String::from_utf8(self.word()?.to_vec()).map_err(|_| SYNTAX.to_owned())
    }

    fn number<T: std::str::FromStr>(&mut self) -> Result<T, String> {
        self.text()?.parse().map_err(|_| NO_NUMBER.to_owned())
    }

    fn end(mut self, request: Request) -> Understood {
        self.0.next().map_or(Ok(request), |_| Err(SYNTAX.to_owned()))
    }
}

/// Something that a client said, short enough to be said again.
fn shown(word: &[u8]) -> String {
    word.get(..64).unwrap_or(word).escape_ascii().to_string()
}

#[cfg(test)]
mod tests;
