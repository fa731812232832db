//! What commands do, and when things are over.

use super::*;

fn bytes(text: &str) -> Bytes {
    text.into()
}

fn key(text: &str) -> Key {
    bytes(text).into()
}

fn value(text: &str) -> Output {
    Output::Value(bytes(text))
}

fn set(name: &str, text: &str) -> Set {
    let (key, value) = (key(name), bytes(text));
    Set { key, value, keep: Keep::Always, when: When::Always, get: false }
}

fn apply(store: &mut Store, command: Command) -> Output {
    let output = store.apply(vec![command]).remove(0);
    for (key, entry) in store.entries.iter() {
        assert!(!matches!(entry.expiry, Expiry::In(_)) || store.unbegun.contains(key));
    }
    output
}

fn get(store: &Store, name: &str) -> Output {
    store.ask(&Query::Get(key(name)))
}

fn left(store: &Store, name: &str) -> Output {
    store.ask(&Query::MillisecondsLeft(key(name)))
}

#[test]
fn a_value_is_kept_if_what_is_there_allows_it() {
    let mut store = Store::default();
    let with = |when, get, text| Command::Set(Set { when, get, ..set("a", text) });
    let cases = [
        (with(When::Present, false, "0"), Output::Nothing, Output::Nothing),
        (with(When::Absent, false, "1"), Output::Done, value("1")),
        (with(When::Absent, false, "2"), Output::Nothing, value("1")),
        (with(When::Absent, true, "3"), value("1"), value("1")),
        (with(When::Present, true, "4"), value("1"), value("4")),
        (with(When::Always, true, "5"), value("4"), value("5")),
        (Command::Set(set("a", "6")), Output::Done, value("6")),
        (Command::Delete(vec![key("a"), key("a"), key("b")]), Output::Number(1), Output::Nothing),
        (with(When::Always, true, "7"), Output::Nothing, value("7")),
    ];
    for (command, said, then) in cases {
        let case = format!("{command:?}");
        assert_eq!(apply(&mut store, command), said, "{case}");
        assert_eq!(get(&store, "a"), then, "{case}");
    }
}

#[test]
fn several_values_are_kept_and_seen_together() {
    let mut store = Store::default();
    let pairs = ["a", "b"].map(|name| (key(name), bytes(name)));
    assert_eq!(apply(&mut store, Command::SetMany(pairs.into())), Output::Done);
    let keys = || ["b", "x", "a"].map(key).to_vec();
    let seen = vec![Some(bytes("b")), None, Some(bytes("a"))];
    assert_eq!(store.ask(&Query::GetMany(keys())), Output::Values(seen));
    assert_eq!(store.ask(&Query::Count(keys())), Output::Number(2));
    assert_eq!(store.ask(&Query::Size), Output::Number(2));
}

#[test]
fn numbers_are_added_to_and_nothing_else_is() {
    let mut store = Store::default();
    let mut add = |amount| apply(&mut store, Command::Add(key("n"), amount));
    assert_eq!(add(7), Output::Number(7));
    assert_eq!(add(-9), Output::Number(-2));
    assert_eq!(add(i64::MIN), Output::Refused(Refusal::Overflow));
    assert_eq!(get(&store, "n"), value("-2"));
    for text in ["", "+1", "01", "1 ", "9223372036854775808", "x"] {
        apply(&mut store, Command::Set(set("n", text)));
        let said = apply(&mut store, Command::Add(key("n"), 1));
        assert_eq!(said, Output::Refused(Refusal::NoNumber), "{text:?}");
    }
}

#[test]
fn time_is_what_ticks_say() {
    let mut store = Store::default();
    apply(&mut store, Command::Tick(1_000_000));
    let for_a_second = Set { keep: Keep::For(1000), ..set("a", "1") };
    apply(&mut store, Command::Set(for_a_second));
    assert!(store.notices.now().expiring);
    assert_eq!(left(&store, "a"), Output::Number(1000), "it begins with the next tick");
    apply(&mut store, Command::Tick(2_000_000));
    assert_eq!(left(&store, "a"), Output::Number(1000));
    apply(&mut store, Command::Tick(2_000_600));
    assert_eq!(left(&store, "a"), Output::Number(400));
    assert_eq!(store.ask(&Query::SecondsLeft(key("a"))), Output::Number(0), "rounded");
    apply(&mut store, Command::Tick(1_500_000));
    assert_eq!(left(&store, "a"), Output::Number(400), "time never goes back");
    apply(&mut store, Command::Tick(2_000_999));
    assert_eq!(get(&store, "a"), value("1"));
    apply(&mut store, Command::Tick(2_001_000));
    assert_eq!(get(&store, "a"), Output::Nothing);
    assert_eq!(left(&store, "a"), Output::Number(-2));
    assert!(store.entries.count() == 0 && !store.notices.now().expiring);
}

#[test]
fn how_long_something_is_kept_can_be_changed_or_stay() {
    let mut store = Store::default();
    let expire = |milliseconds| Command::ExpireIn(key("n"), milliseconds);
    assert_eq!(apply(&mut store, expire(10)), Output::Number(0));
    apply(&mut store, Command::Add(key("n"), 1));
    assert_eq!(left(&store, "n"), Output::Number(-1));
    assert_eq!(apply(&mut store, expire(10)), Output::Number(1));
    apply(&mut store, Command::Tick(100));
    assert_eq!(apply(&mut store, Command::Add(key("n"), 1)), Output::Number(2));
    let as_before = Set { keep: Keep::AsBefore, ..set("n", "8") };
    apply(&mut store, Command::Set(as_before));
    let refused = Set { when: When::Absent, ..set("n", "9") };
    apply(&mut store, Command::Set(refused));
    assert_eq!((get(&store, "n"), left(&store, "n")), (value("8"), Output::Number(10)));
    assert_eq!(apply(&mut store, Command::Persist(key("n"))), Output::Number(1));
    assert_eq!(apply(&mut store, Command::Persist(key("n"))), Output::Number(0));
    assert_eq!(left(&store, "n"), Output::Number(-1));
    apply(&mut store, expire(10));
    apply(&mut store, Command::Set(set("n", "8")));
    apply(&mut store, Command::Tick(1000));
    assert_eq!(left(&store, "n"), Output::Number(-1), "another value is kept for good");
    assert_eq!(apply(&mut store, expire(0)), Output::Number(1));
    assert_eq!(get(&store, "n"), Output::Nothing);
}

#[test]
fn a_tick_clears_away_as_much_as_it_may_and_the_rest_is_over_all_the_same() {
    let mut store = Store::default();
    for number in 0..1500 {
        let brief = Set { keep: Keep::For(1), ..set(&format!("k{number}"), "") };
        store.apply(vec![Command::Set(brief)]);
    }
    apply(&mut store, Command::Tick(10));
    apply(&mut store, Command::Tick(11));
    assert_eq!(store.entries.count(), 500);
    let last = store.entries.iter().next().unwrap().0.clone();
    assert_eq!(store.ask(&Query::Get(last.clone())), Output::Nothing);
    assert_eq!(
        store.ask(&Query::Scan { from: 0, count: 1000, like: None }),
        Output::Page(0, vec![])
    );
    assert_eq!(apply(&mut store, Command::Add(last, 5)), Output::Number(5));
    apply(&mut store, Command::Tick(12));
    assert_eq!(store.entries.count(), 1);
}

#[test]
fn a_scan_sees_everything_that_stays_once() {
    let mut store = Store::default();
    let name = |number: u32| format!("key:{number}");
    let put = |store: &mut Store, number| apply(store, Command::Set(set(&name(number), "")));
    (0..300).for_each(|number| drop(put(&mut store, number)));
    let (mut from, mut seen) = (0, Vec::new());
    for round in 0.. {
        let page = store.ask(&Query::Scan { from, count: 7, like: Some(bytes("key:*")) });
        let Output::Page(next, keys) = page else { panic!("{page:?}") };
        assert!(keys.len() <= 7);
        seen.extend(keys);
        // Others come and go meanwhile.
        put(&mut store, 1000 + round);
        apply(&mut store, Command::Delete(vec![key(&name(1000 + round / 2))]));
        from = next;
        if next == 0 {
            break;
        }
    }
    for number in 0..300 {
        let times = seen.iter().filter(|seen| **seen == bytes(&name(number))).count();
        assert_eq!(times, 1, "{number}");
    }
}
