//! What is said about keys and values.

use super::{Request, SYNTAX, Understood, Words};
use crate::bytes::Key;
use crate::command::{Command, Keep, Query, Set, When};

pub(super) fn get(mut words: Words) -> Understood {
    Ok(Request::Ask(Query::Get(words.key()?)))
}

pub(super) fn get_many(words: Words) -> Understood {
    Ok(Request::Ask(Query::GetMany(words.keys())))
}

pub(super) fn exists(words: Words) -> Understood {
    Ok(Request::Ask(Query::Count(words.keys())))
}

pub(super) fn seconds_left(mut words: Words) -> Understood {
    Ok(Request::Ask(Query::SecondsLeft(words.key()?)))
}

pub(super) fn milliseconds_left(mut words: Words) -> Understood {
    Ok(Request::Ask(Query::MillisecondsLeft(words.key()?)))
}

pub(super) fn size(_: Words) -> Understood {
    Ok(Request::Ask(Query::Size))
}

/// `SCAN place [MATCH pattern] [COUNT number]`
pub(super) fn scan(mut words: Words) -> Understood {
    let from = words.number().map_err(|_| "invalid cursor".to_owned())?;
    let (mut count, mut like) = (10, None);
    while let Some(option) = words.name() {
        match option.as_str() {
            "MATCH" => like = Some(words.word()?),
            "COUNT" => count = words.number()?,
            _ => return Err(SYNTAX.to_owned()),
        }
    }
    Ok(Request::Ask(Query::Scan { from, count, like }))
}

/// `SET key value [NX | XX] [GET] [EX seconds | PX milliseconds | KEEPTTL]`
pub(super) fn set(mut words: Words) -> Understood {
    let (key, value) = (words.key()?, words.word()?);
    let (mut keep, mut when, mut get) = (None, None, false);
    while let Some(option) = words.name() {
        let twice = match option.as_str() {
            "NX" => when.replace(When::Absent).is_some(),
            "XX" => when.replace(When::Present).is_some(),
            "GET" => std::mem::replace(&mut get, true),
            "EX" => keep.replace(Keep::For(time(&mut words, 1000, "set")?)).is_some(),
            "PX" => keep.replace(Keep::For(time(&mut words, 1, "set")?)).is_some(),
            "KEEPTTL" => keep.replace(Keep::AsBefore).is_some(),
            _ => true,
        };
        if twice {
            return Err(SYNTAX.to_owned());
        }
    }
    let (keep, when) = (keep.unwrap_or(Keep::Always), when.unwrap_or(When::Always));
    Ok(Request::Do(Command::Set(Set { key, value, keep, when, get })))
}

/// `SETEX key seconds value`
pub(super) fn set_for(mut words: Words, unit: u64) -> Understood {
    let (key, keep) = (words.key()?, Keep::For(time(&mut words, unit, "setex")?));
    let set = Set { key, value: words.word()?, keep, when: When::Always, get: false };
    Ok(Request::Do(Command::Set(set)))
}

/// `MSET key value ...`
pub(super) fn set_many(mut words: Words) -> Understood {
    let mut pairs = Vec::new();
    while let Some(key) = words.0.next() {
        let value = words.word();
        let value = value.map_err(|_| "wrong number of arguments for 'mset' command".to_owned())?;
        pairs.push((Key::from(key), value));
    }
    Ok(Request::Do(Command::SetMany(pairs)))
}

pub(super) fn delete(words: Words) -> Understood {
    Ok(Request::Do(Command::Delete(words.keys())))
}

pub(super) fn add(mut words: Words, amount: i64) -> Understood {
    Ok(Request::Do(Command::Add(words.key()?, amount)))
}

pub(super) fn add_by(mut words: Words, down: bool) -> Understood {
    let (key, amount) = (words.key()?, words.number::<i64>()?);
    let amount = if down { amount.checked_neg() } else { Some(amount) };
    let amount = amount.ok_or("decrement would overflow")?;
    Ok(Request::Do(Command::Add(key, amount)))
}

/// `EXPIRE key seconds`: a time that is not above zero is over at once.
pub(super) fn expire(mut words: Words, unit: i64) -> Understood {
    let (key, time) = (words.key()?, words.number::<i64>()?);
    let time = time.checked_mul(unit).ok_or("invalid expire time in 'expire' command")?;
    Ok(Request::Do(Command::ExpireIn(key, u64::try_from(time).unwrap_or(0))))
}

pub(super) fn persist(mut words: Words) -> Understood {
    Ok(Request::Do(Command::Persist(words.key()?)))
}

/// A time above zero, in milliseconds.
fn time(words: &mut Words, unit: u64, command: &str) -> Result<u64, String> {
    let time = words.number::<i64>()?;
    let time = u64::try_from(time).ok().filter(|time| *time > 0);
    let time = time.and_then(|time| time.checked_mul(unit));
    time.ok_or_else(|| format!("invalid expire time in '{command}' command"))
}
