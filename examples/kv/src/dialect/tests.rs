//! Requests that mean something, and those that say why they do not.

use super::*;
use crate::command::{Keep, Set, When};
use proptest::collection::vec;
use proptest::prelude::*;

fn request(line: &str) -> Request {
    understand(line.split(' ').map(Bytes::from).collect())
}

fn key(text: &str) -> Key {
    Bytes::from(text).into()
}

#[test]
fn changes_are_understood() {
    let check = |line: &str, expected: Command| {
        let Request::Do(command) = request(line) else { panic!("{line}") };
        assert_eq!(command, expected, "{line}");
    };
    let set =
        |keep, when, get| Command::Set(Set { key: key("k"), value: "v".into(), keep, when, get });
    check("set k v", set(Keep::Always, When::Always, false));
    check("SET k v NX GET", set(Keep::Always, When::Absent, true));
    check("Set k v xx px 7", set(Keep::For(7), When::Present, false));
    check("SET k v EX 7", set(Keep::For(7000), When::Always, false));
    check("SET k v KEEPTTL", set(Keep::AsBefore, When::Always, false));
    check("SETEX k 7 v", set(Keep::For(7000), When::Always, false));
    check("PSETEX k 7 v", set(Keep::For(7), When::Always, false));
    check("MSET k v l w", {
        Command::SetMany(vec![(key("k"), "v".into()), (key("l"), "w".into())])
    });
    check("DEL k l", Command::Delete(vec![key("k"), key("l")]));
    check("INCR k", Command::Add(key("k"), 1));
    check("DECR k", Command::Add(key("k"), -1));
    check("INCRBY k -7", Command::Add(key("k"), -7));
    check("DECRBY k -7", Command::Add(key("k"), 7));
    check("EXPIRE k 7", Command::ExpireIn(key("k"), 7000));
    check("PEXPIRE k -7", Command::ExpireIn(key("k"), 0));
    check("PERSIST k", Command::Persist(key("k")));
}

#[test]
fn looks_are_understood() {
    let check = |line: &str, expected: Query| {
        let Request::Ask(query) = request(line) else { panic!("{line}") };
        assert_eq!(query, expected, "{line}");
    };
    check("GET k", Query::Get(key("k")));
    check("MGET k l", Query::GetMany(vec![key("k"), key("l")]));
    check("EXISTS k k", Query::Count(vec![key("k"), key("k")]));
    check("TTL k", Query::SecondsLeft(key("k")));
    check("PTTL k", Query::MillisecondsLeft(key("k")));
    check("DBSIZE", Query::Size);
    check("SCAN 0", Query::Scan { from: 0, count: 10, like: None });
    let like = Some("a*".into());
    check("SCAN 17 COUNT 5 MATCH a*", Query::Scan { from: 17, count: 5, like });
}

#[test]
fn what_can_not_be_understood_says_why() {
    let check = |line: &str, expected: &str| {
        let Request::Answer(Reply::Error(error)) = request(line) else { panic!("{line}") };
        assert_eq!(error, format!("ERR {expected}"), "{line}");
    };
    check("FLY", "unknown command 'FLY'");
    check("GET", "wrong number of arguments for 'get' command");
    check("GET a b", "wrong number of arguments for 'get' command");
    check("MSET a", "wrong number of arguments for 'mset' command");
    check("MSET a b c", "wrong number of arguments for 'mset' command");
    check("INCRBY k 1.5", "value is not an integer or out of range");
    check("DECRBY k -9223372036854775808", "decrement would overflow");
    check("EXPIRE k 9223372036854775807", "invalid expire time in 'expire' command");
    check("SCAN x", "invalid cursor");
    check("SELECT 1", "DB index is out of range");
    check("RAFT.REMOVE 32", "id is 32; allowed is 0 to 31");
    check("RAFT.ADD 4 a:1 7 PLEASE", "syntax error");
    for line in ["NX XX", "NX NX", "EX 1 PX 1", "EX 1 KEEPTTL", "EX", "SOON"] {
        check(&format!("SET k v {line}"), "syntax error");
    }
    for line in ["EX 0", "PX -1", "EX 9223372036854775807"] {
        check(&format!("SET k v {line}"), "invalid expire time in 'set' command");
    }
}

#[test]
fn a_stranger_may_say_the_password_and_good_bye() {
    for line in ["AUTH p", "AUTH default p", "HELLO 3 AUTH default p", "HELLO", "QUIT"] {
        assert!(is_for_strangers(&request(line)), "{line}");
    }
    for line in ["GET k", "SET k v", "RAFT.STATUS", "INFO", "PING", "COMMAND"] {
        assert!(!is_for_strangers(&request(line)), "{line}");
    }
}

#[test]
fn the_table_is_in_order_and_tells_clients_what_it_holds() {
    let Request::Answer(Reply::List(rows)) = request("COMMAND") else { panic!("no list") };
    let names = rows.iter().map(|row| match row {
        Reply::List(row) => match &row[0] {
            Reply::Bytes(name) => name.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    });
    let names: Vec<_> = names.collect();
    assert!(names.is_sorted());
    for name in ["ping", "set", "RAFT.STATUS", "hElLo"] {
        assert!(table::find(name.as_bytes()).is_some(), "{name}");
    }
    assert!(table::find(b"").is_none());
}

proptest! {
    #[test]
    fn any_words_mean_something_or_say_why_not(
        name in 0_usize..40,
        words in vec(prop_oneof![
            vec(any::<u8>(), 0..8),
            "[0-9]{1,3}".prop_map(String::into_bytes),
            "(NX|XX|GET|EX|PX|KEEPTTL|MATCH|COUNT|AUTH)".prop_map(String::into_bytes),
        ], 0..6),
    ) {
        let Request::Answer(Reply::List(rows)) = request("COMMAND") else { panic!("no list") };
        let Reply::List(row) = &rows[name % rows.len()] else { panic!("no list") };
        let Reply::Bytes(name) = &row[0] else { panic!("no name") };
        let mut all = vec![name.clone()];
        all.extend(words.into_iter().map(Bytes::from));
        // Whatever it is: what is to be done must be what the log takes and gives again.
        if let Request::Do(command) = understand(all) {
            let written = postcard::to_allocvec(&command).unwrap();
            prop_assert!(written.len() <= command.bytes_most());
            prop_assert_eq!(postcard::from_bytes::<Command>(&written), Ok(command));
        }
    }
}
