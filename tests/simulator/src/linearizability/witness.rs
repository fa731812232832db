//! An order that is said to explain a history, held against it.
//!
//! Whoever knows the order in which things happened need not have it searched for: looking whether
//! it explains what the clients saw is quick, and proves as much. The search is for orders that do
//! not, and for accusations.

use super::Operation;
use crate::register::Register;
use std::collections::BTreeMap;

/// Whether these operations, one after the other, explain all that clients were told. Those that
/// are left out did not happen.
pub fn explains(history: &[Operation], order: &[usize]) -> bool {
    let mut happened = vec![false; history.len()];
    let mut registers: BTreeMap<u32, Register> = BTreeMap::new();
    let mut begun = 0;
    for &at in order {
        let Some(operation) = history.get(at) else { return false };
        begun = begun.max(operation.invoked);
        let found = registers.entry(operation.key).or_default().apply(operation.request);
        let fits = operation.answer.is_none_or(|it| it.found == found && it.tick >= begun);
        if !fits || std::mem::replace(&mut happened[at], true) {
            return false;
        }
    }
    history.iter().zip(happened).all(|(operation, happened)| happened || operation.answer.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linearizability::Answer;
    use crate::register::Request;

    fn history() -> Vec<Operation> {
        let operation = |invoked, request, answer: Option<(u32, u64)>| Operation {
            client: 0,
            key: 0,
            invoked,
            request,
            answer: answer.map(|(tick, found)| Answer { tick, found }),
        };
        vec![
            operation(1, Request::Put(5), Some((3, 0))),
            operation(2, Request::Put(6), None),
            operation(2, Request::Get, Some((9, 6))),
            operation(4, Request::Put(7), Some((5, 6))),
        ]
    }

    #[test]
    fn an_order_explains_what_was_seen() {
        assert!(explains(&history(), &[0, 1, 2, 3]));
    }

    #[test]
    fn an_order_that_explains_nothing_is_refused() {
        let history = history();
        assert!(!explains(&history, &[0, 2, 1, 3]), "a value that was not there");
        assert!(!explains(&history, &[0, 1, 3]), "an answer from nowhere");
        assert!(!explains(&history, &[0, 1, 2, 2, 3]), "one that happens twice");
        assert!(!explains(&history, &[0, 1, 2, 9]), "one that nobody asked for");
        let mut late = history.clone();
        late[3].request = Request::Get;
        assert!(explains(&late, &[0, 1, 3, 2]));
        late[2].invoked = 6;
        assert!(!explains(&late, &[0, 1, 2, 3]), "an answer before it was asked for");
    }
}
