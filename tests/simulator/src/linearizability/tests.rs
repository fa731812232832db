//! Histories that pass, histories that must not, and a search that tries everything to compare to.

use super::{Answer, Complaint, Operation, STEPS_MAX, check, check_within};
use crate::register::{Register, Request};

const SWAP: Request = Request::CompareAndSwap { expected: 1, new: 2 };

/// An answered operation; the client's number says nothing.
fn answered(invoked: u32, tick: u32, request: Request, found: u64) -> Operation {
    Operation { client: 1, key: 0, invoked, request, answer: Some(Answer { tick, found }) }
}

fn unanswered(invoked: u32, request: Request) -> Operation {
    Operation { client: 2, key: 0, invoked, request, answer: None }
}

/// The operation that is accused, and what would have been right there.
fn accused(history: &[Operation]) -> (Operation, Vec<u64>) {
    match check(history) {
        Err(Complaint::Unlinearizable { prefix, possible, .. }) => {
            (prefix.last().expect("an operation").clone(), possible)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_history_in_sequence_passes() {
    let history = [
        answered(0, 1, Request::Put(1), 0),
        answered(2, 3, SWAP, 1),
        answered(4, 5, Request::Add(5), 2),
        answered(6, 7, Request::Get, 7),
    ];
    assert_eq!(check(&history), Ok(()));
}

#[test]
fn operations_of_one_tick_may_come_in_any_order() {
    let history = [answered(3, 5, Request::Get, 9), answered(5, 6, Request::Put(9), 0)];
    assert_eq!(check(&history), Ok(()));
}

#[test]
fn keys_are_independent() {
    let mut history = vec![answered(0, 1, Request::Put(1), 0), answered(2, 3, Request::Get, 0)];
    history[1].key = 7;
    assert_eq!(check(&history), Ok(()));
    history[1].key = 0;
    assert!(matches!(check(&history), Err(Complaint::Unlinearizable { key: 0, .. })));
}

#[test]
fn an_unanswered_operation_may_take_effect_late_or_never() {
    let late = [
        unanswered(0, Request::Put(1)),
        answered(5, 6, Request::Get, 0),
        answered(7, 8, Request::Get, 1),
    ];
    assert_eq!(check(&late), Ok(()));
    let never = [unanswered(0, Request::Put(1)), answered(5, 6, Request::Get, 0)];
    assert_eq!(check(&never), Ok(()));
}

#[test]
fn unanswered_operations_may_build_on_each_other() {
    let history = [
        unanswered(0, Request::Add(3)),
        unanswered(0, SWAP),
        unanswered(1, Request::Put(1)),
        unanswered(1, Request::Add(4)),
        unanswered(1, Request::Add(500)),
        answered(5, 6, Request::Get, 9),
    ];
    assert_eq!(check(&history), Ok(()), "1, made into 2, and 3 and 4 more");
    let too_few = &history[1..];
    assert_eq!(accused(too_few).1, [0, 1, 2], "what additions lead to is not guessed");
}

#[test]
fn a_stale_read_is_found() {
    let history = [
        answered(0, 1, Request::Put(1), 0),
        answered(2, 3, Request::Put(2), 1),
        answered(4, 5, Request::Get, 1),
        answered(6, 7, Request::Get, 2),
    ];
    assert_eq!(accused(&history), (history[2].clone(), vec![2]));
    let words = check(&history).expect_err("a stale read").to_string();
    assert_eq!(
        words,
        "key 0: no order of operations explains this answer:\n  \
         ticks 4 to 5: client 1: get: found 1\n\
         Right would be 2.\n\
         Begun before or meanwhile:\n  \
         ticks 0 to 1: client 1: put 1: found 0\n  \
         ticks 2 to 3: client 1: put 2: found 1"
    );
}

#[test]
fn a_lost_write_that_was_acknowledged_is_found() {
    let history = [
        answered(0, 1, Request::Put(1), 0),
        answered(0, 9, Request::Put(3), 2),
        answered(2, 4, Request::Put(2), 1),
        answered(10, 11, Request::Put(4), 1),
    ];
    assert_eq!(accused(&history), (history[3].clone(), vec![3]));
}

#[test]
fn a_doubled_addition_is_found() {
    let history = [answered(0, 1, Request::Add(5), 0), answered(2, 3, Request::Get, 10)];
    assert_eq!(accused(&history), (history[1].clone(), vec![5]));
}

#[test]
fn a_value_from_nowhere_is_found() {
    let history = [
        answered(0, 1, Request::Put(1), 0),
        unanswered(0, Request::Put(2)),
        answered(0, 9, Request::Get, 77),
    ];
    assert_eq!(accused(&history), (history[2].clone(), vec![0, 1, 2]));
}

#[test]
fn the_older_value_after_one_that_was_read_is_found() {
    let history = [
        answered(0, 1, Request::Put(1), 0),
        unanswered(2, Request::Put(2)),
        answered(3, 4, Request::Get, 1),
        answered(5, 6, Request::Get, 2),
        answered(7, 8, Request::Get, 1),
    ];
    assert_eq!(accused(&history), (history[4].clone(), vec![2]));
    assert_eq!(check(&history[..4]), Ok(()));
}

#[test]
fn a_search_that_takes_too_long_is_undecided() {
    // Which of these numbers add up to that one?
    let mut history: Vec<Operation> =
        (0..60).map(|at| unanswered(0, Request::Add(1_000_003 + at * at * 1000))).collect();
    history.push(answered(1, 2, Request::Get, 40_000_000));
    assert_eq!(check_within(&history, 9_999), Err(Complaint::Undecided { key: 0, steps: 9_999 }));
    // What is known to be wrong is said all the same.
    let stale = Operation { key: 1, ..answered(1, 2, Request::Get, 1) };
    history.push(stale);
    let complaint = check_within(&history, 9_999);
    assert!(matches!(complaint, Err(Complaint::Unlinearizable { key: 1, .. })), "{complaint:?}");
}

/// Numbers that only look random.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }

    fn tick(&mut self, end: u64) -> u32 {
        u32::try_from(self.below(end)).expect("a small number")
    }

    /// Values are few, so that histories are ambiguous, or each is another one.
    fn request(&mut self, unique: Option<u64>) -> Request {
        let kind = self.below(10);
        let value = unique.unwrap_or_else(|| self.below(3));
        match kind {
            0..4 => Request::Put(value),
            4..7 => Request::Get,
            7 => Request::CompareAndSwap { expected: self.below(3), new: value },
            _ => Request::Add(value),
        }
    }

    /// What one register answered, each operation taking some time about its effect; so many of a
    /// hundred are not answered.
    fn history(&mut self, length: u64, unique: bool, unanswered: u64) -> Vec<Operation> {
        let mut register = Register::default();
        let mut history = Vec::new();
        for step in 0..length {
            let now = u32::try_from(step * 4).expect("a short history") + 40;
            let value = self.below(1 << 40);
            let request = self.request(unique.then_some(value));
            let (invoked, tick) = (now - self.tick(18), now + self.tick(18));
            let answer = if self.below(100) >= unanswered {
                Some(Answer { tick, found: register.apply(request) })
            } else {
                if self.below(2) == 0 {
                    register.apply(request);
                }
                None
            };
            let client = u32::try_from(self.below(9)).expect("a small number");
            history.push(Operation { client, key: 0, invoked, request, answer });
        }
        history
    }
}

/// Tries every order of every choice.
fn some_order(left: &[Operation], register: Register) -> bool {
    if left.iter().all(|operation| operation.answer.is_none()) {
        return true;
    }
    let ticks = left.iter().filter_map(|operation| Some(operation.answer?.tick));
    let until = ticks.min().unwrap_or(u32::MAX);
    (0..left.len()).any(|at| {
        let Operation { invoked, request, answer, .. } = left[at];
        let mut after = register;
        let found = after.apply(request);
        let right = answer.is_none_or(|answer| answer.found == found);
        let rest = [&left[..at], &left[at + 1..]].concat();
        invoked <= until && right && some_order(&rest, after)
    })
}

#[test]
fn short_histories_are_judged_as_by_trying_everything() {
    let mut dice = Dice(1);
    let mut wrong = 0;
    for case in 0..4000 {
        let length = 2 + dice.below(5);
        let mut history = dice.history(length, false, 30);
        assert_eq!(check(&history), Ok(()), "case {case}: {history:#?}");
        let changed = usize::try_from(dice.below(length)).expect("a small number");
        let found = dice.below(4);
        if let Some(answer) = &mut history[changed].answer {
            answer.found = found;
        }
        let explained = some_order(&history, Register::default());
        assert_eq!(check(&history).is_ok(), explained, "case {case}: {history:#?}");
        wrong += u32::from(!explained);
    }
    assert!(wrong > 400, "only {wrong} were wrong");
}

#[test]
fn long_histories_are_decided_in_few_steps() {
    let mut dice = Dice(2);
    for (unique, unanswered, steps) in [(true, 10, 50_000), (true, 0, 5_000), (false, 5, STEPS_MAX)]
    {
        for case in 0..15 {
            let mut history = dice.history(400, unique, unanswered);
            let verdict = check_within(&history, steps);
            assert_eq!(verdict, Ok(()), "case {case}, unique {unique}, {unanswered} unanswered");
            let mut answers: Vec<&mut Answer> =
                history.iter_mut().filter_map(|operation| operation.answer.as_mut()).collect();
            let changed = usize::try_from(dice.below(answers.len() as u64)).expect("small");
            answers[changed].found = answers[changed].found.wrapping_sub(999_999_999);
            let verdict = check_within(&history, steps);
            let found = matches!(verdict, Err(Complaint::Unlinearizable { .. }));
            assert!(found, "case {case}, unique {unique}, {unanswered} unanswered: {verdict:?}");
        }
    }
}
