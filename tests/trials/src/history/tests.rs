//! Answers as they are read, and lies that a history must not pass with.

use super::*;
use kv::dialect;
use kv::store::{Notices, Store};
use std::sync::Arc;

/// What one store says to this, as clients hear it.
fn say(store: &mut Store, key: u32, request: Request) -> Reply {
    let words = words(key, request).iter().map(|word| word.as_str().into()).collect();
    match dialect::understand(words) {
        dialect::Request::Ask(query) => store.ask(&query).into(),
        dialect::Request::Do(command) => {
            let outputs = raft_std::Machine::apply(store, vec![command]);
            outputs.into_iter().next().unwrap().into()
        }
        other => panic!("{other:?}"),
    }
}

const NEW: Request = Request::CompareAndSwap { expected: 0, new: 40 };

/// One after the other, by two clients, at one store: true in every word.
fn history() -> Vec<Operation> {
    let mut store = Store::new(Arc::new(Notices::default()));
    let requests =
        [NEW, Request::Get, Request::Put(50), Request::Add(3), NEW, Request::Add(2), Request::Get];
    (0..)
        .zip(requests)
        .map(|(number, request)| {
            let Told::Found(found) = told(request, &say(&mut store, 7, request)) else {
                panic!("{request}")
            };
            let invoked = 10 * number;
            let answer = Some(Answer { tick: invoked + 5, found });
            Operation { client: number % 2, key: 7, invoked, request, answer }
        })
        .collect()
}

fn found(history: &mut [Operation], at: usize) -> &mut u64 {
    &mut history[at].answer.as_mut().unwrap().found
}

/// The number of the operation that is accused.
fn accused(history: &[Operation]) -> u32 {
    match check(history) {
        Err(Complaint::Unlinearizable { key: 7, prefix, .. }) => {
            prefix.last().unwrap().invoked / 10
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_store_answers_what_was_there_before() {
    let mut history = history();
    let answers: Vec<_> = (0..7).map(|at| *found(&mut history, at)).collect();
    assert_eq!(answers, [0, 40, 40, 50, 53, 53, 55]);
    assert_eq!(check(&history), Ok(()));
}

#[test]
fn a_stale_read_is_refused() {
    let mut history = history();
    *found(&mut history, 6) = 53;
    assert_eq!(accused(&history), 6);
}

#[test]
fn a_lost_write_is_refused() {
    // The put was acknowledged, and whatever came then found what was there before it.
    let mut history = history();
    for (at, value) in [(3, 40), (4, 43), (5, 43), (6, 45)] {
        *found(&mut history, at) = value;
    }
    assert_eq!(accused(&history), 3);
}

#[test]
fn a_write_that_is_applied_twice_is_refused() {
    // 3 was added twice.
    let mut history = history();
    for (at, value) in [(4, 56), (5, 56), (6, 58)] {
        *found(&mut history, at) = value;
    }
    assert_eq!(accused(&history), 4);
}

#[test]
fn what_nobody_was_told_of_may_have_happened_once_or_never() {
    let mut history = history();
    history[3].answer = None;
    assert_eq!(check(&history), Ok(()));
    for (at, value) in [(4, 50), (5, 50), (6, 52)] {
        *found(&mut history, at) = value;
    }
    assert_eq!(check(&history), Ok(()));
    *found(&mut history, 6) = 58;
    assert_eq!(accused(&history), 6);
}

#[test]
fn errors_say_what_is_known() {
    let error = |text: &str| told(Request::Get, &Reply::Error(text.to_owned()));
    assert_eq!(error("TRYAGAIN it was not applied"), Told::Refused);
    assert_eq!(error("UNKNOWN to everybody"), Told::Unknown);
    assert!(matches!(error("ERR unknown command"), Told::Odd(_)));
    assert!(matches!(told(Request::Put(1), &Reply::OK), Told::Odd(_)));
    assert!(matches!(told(Request::Add(5), &Reply::Number(3)), Told::Odd(_)));
}
