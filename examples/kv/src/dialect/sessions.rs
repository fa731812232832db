//! What is said about the connection itself, and what clients ask by habit.

use super::{Request, SYNTAX, Understood, Words, shown};
use crate::bytes::Bytes;
use crate::resp::{Reply, Version};

/// Something that changes how a connection goes on.
#[derive(Debug)]
pub enum Session {
    /// A password.
    Password(Bytes),
    /// Which version the client speaks, if it says so, and a password, if it says one.
    Hello {
        /// The version.
        version: Option<Version>,
        /// The password.
        password: Option<Bytes>,
    },
    /// It says good-bye.
    Quit,
}

/// `AUTH [user] password`: there is one user.
pub(super) fn password(mut words: Words) -> Understood {
    let first = words.word()?;
    let password = match words.0.next() {
        None => first,
        Some(password) if *first == *b"default" => password,
        Some(_) => return Ok(Request::Answer(wrong_password())),
    };
    words.end(Request::Session(Session::Password(password)))
}

/// What whoever says the wrong password hears.
pub fn wrong_password() -> Reply {
    Reply::Error("WRONGPASS invalid username-password pair or user is disabled.".to_owned())
}

/// `HELLO [version [AUTH default password] [SETNAME name]]`
pub(super) fn hello(mut words: Words) -> Understood {
    let version = match words.0.next().as_deref() {
        None => None,
        Some(b"2") => Some(Version::Two),
        Some(b"3") => Some(Version::Three),
        Some(_) => {
            let error = Reply::Error("NOPROTO unsupported protocol version".to_owned());
            return Ok(Request::Answer(error));
        }
    };
    let mut password = None;
    while let Some(option) = words.name() {
        match option.as_str() {
            "AUTH" => {
                words.word()?;
                password = Some(words.word()?);
            }
            "SETNAME" => drop(words.word()?),
            _ => return Err(SYNTAX.to_owned()),
        }
    }
    Ok(Request::Session(Session::Hello { version, password }))
}

pub(super) fn quit(_: Words) -> Understood {
    Ok(Request::Session(Session::Quit))
}

pub(super) fn ping(mut words: Words) -> Understood {
    let reply = words.0.next().map_or(Reply::Word("PONG"), Reply::Bytes);
    words.end(Request::Answer(reply))
}

pub(super) fn echo(mut words: Words) -> Understood {
    Ok(Request::Answer(Reply::Bytes(words.word()?)))
}

/// There is one database.
pub(super) fn select(mut words: Words) -> Understood {
    match words.word()?[..] {
        [b'0'] => Ok(Request::Answer(Reply::OK)),
        _ => Err("DB index is out of range".to_owned()),
    }
}

/// What client libraries say of themselves is taken note of by nobody.
pub(super) fn client(mut words: Words) -> Understood {
    match words.name().as_deref() {
        Some("SETNAME" | "SETINFO" | "NO-EVICT" | "NO-TOUCH") => Ok(Request::Answer(Reply::OK)),
        Some("GETNAME") => Ok(Request::Answer(Reply::Nothing)),
        Some(other) => Err(format!("unknown subcommand '{}'", shown(other.as_bytes()))),
        None => Err(SYNTAX.to_owned()),
    }
}

/// `CONFIG GET` of what benchmarks look at before they begin. The rest is in the settings file.
pub(super) fn config(mut words: Words) -> Understood {
    if words.name().as_deref() != Some("GET") {
        return Err("settings are read when the server starts".to_owned());
    }
    let mut pairs = Vec::new();
    while let Some(name) = words.name() {
        let value = match name.as_str() {
            "SAVE" => "",
            "APPENDONLY" => "yes",
            _ => continue,
        };
        pairs.push((Reply::text(&name.to_ascii_lowercase()), Reply::text(value)));
    }
    Ok(Request::Answer(Reply::Map(pairs)))
}
