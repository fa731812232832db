//! What clients asked for, what they were told, and whether one store could have said all of it.
//!
//! Keys are registers, and every command answers what it found, so that each answer says which
//! change came just before it. The checker is that of the simulator. Its ticks are microseconds
//! here.

use kv::resp::Reply;
pub use raft_simulator::linearizability::{Answer, Complaint, Operation, check};
pub use raft_simulator::register::Request;

/// What to say to a node, to have this done under a key.
pub fn words(key: u32, request: Request) -> Vec<String> {
    let (key, word) = (format!("key-{key}"), str::to_owned);
    match request {
        Request::Get => vec![word("GET"), key],
        Request::Put(value) => vec![word("SET"), key, value.to_string(), word("GET")],
        // Nothing there is zero, and nothing else is expected.
        Request::CompareAndSwap { new, .. } => {
            vec![word("SET"), key, new.to_string(), word("NX"), word("GET")]
        }
        Request::Add(amount) => vec![word("INCRBY"), key, amount.to_string()],
    }
}

/// What an answer says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    /// It was done, and this was there before.
    Found(u64),
    /// It was not done, and never will be.
    Refused,
    /// Nobody knows whether it was done.
    Unknown,
    /// What nobody should say.
    Odd(String),
}

/// What this answer to that request says.
pub fn told(request: Request, reply: &Reply) -> Told {
    let number = match reply {
        Reply::Nothing => Some(0),
        Reply::Number(number) => u64::try_from(*number).ok(),
        Reply::Bytes(bytes) => std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()),
        Reply::Error(error) if error.starts_with("TRYAGAIN ") => return Told::Refused,
        Reply::Error(error) if error.starts_with("UNKNOWN ") => return Told::Unknown,
        _ => None,
    };
    let found = match (request, number) {
        (Request::Add(amount), Some(sum)) => sum.checked_sub(amount),
        (_, number) => number,
    };
    found.map_or_else(|| Told::Odd(format!("{reply:?} to {request}")), Told::Found)
}

#[cfg(test)]
mod tests;
