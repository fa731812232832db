//! Whether what the clients saw can be explained by one register that does one thing at a time.
//!
//! A history is linearizable if its operations can be put in an order in which every answer is
//! right and none comes before one that had been answered when it began. Keys are independent, so
//! each is checked by itself. The search is Wing and Gong's, which tries what may come next, with
//! Lowe's memory of the states that led nowhere. Whoever retries an operation without an answer
//! begins another one: both may take effect.

mod search;
#[cfg(test)]
mod tests;
mod witness;

use self::search::{Outcome, Search};
pub use self::witness::explains;
use crate::register::Request;
use std::collections::BTreeSet;
use std::fmt;

/// How many steps the search for one key may take: some seconds, in a release build.
pub const STEPS_MAX: u64 = 2_000_000;

/// How many of the operations before the one that can't be explained are told.
const TOLD_MAX: usize = 16;

/// Something that a client asked for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Operation {
    /// Who asked; for the reader only.
    pub client: u32,
    /// Of which register.
    pub key: u32,
    /// The tick in which it was asked for.
    pub invoked: u32,
    /// What it asked for.
    pub request: Request,
    /// What came of it. Without one it took effect at some time since, or will, or never does.
    pub answer: Option<Answer>,
}

/// What a client was told.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Answer {
    /// In which tick, at or after the one in which it asked.
    pub tick: u32,
    /// The value before.
    pub found: u64,
}

/// Why a history does not pass.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Complaint {
    /// No order explains what the clients of one key saw.
    Unlinearizable {
        /// Which key.
        key: u32,
        /// The shortest beginning that has no order, by the ticks of its answers: what was begun
        /// until its last answer, which is the one that can't be explained.
        prefix: Vec<Operation>,
        /// What that last operation could have found instead.
        possible: Vec<u64>,
    },
    /// The search took too long: nothing is known about this key.
    Undecided {
        /// Which key.
        key: u32,
        /// How many steps it took.
        steps: u64,
    },
}

/// Checks every key of a history.
pub fn check(history: &[Operation]) -> Result<(), Complaint> {
    check_within(history, STEPS_MAX)
}

/// Checks every key of a history in at most so many steps for each.
pub fn check_within(history: &[Operation], steps_max: u64) -> Result<(), Complaint> {
    let keys: BTreeSet<u32> = history.iter().map(|operation| operation.key).collect();
    let mut undecided = Ok(());
    for key in keys {
        let of_key = |operation: &&Operation| operation.key == key;
        let operations: Vec<Operation> = history.iter().filter(of_key).cloned().collect();
        match Search::new(&operations, steps_max).run() {
            Outcome::Linearizable => {}
            // Another key may still be known to be wrong, which says more.
            Outcome::Undecided => undecided = Err(Complaint::Undecided { key, steps: steps_max }),
            Outcome::Unlinearizable => return Err(explain(key, &operations, steps_max)),
        }
    }
    undecided
}

/// Finds the shortest beginning that can't be explained. Beginnings of linearizable histories are
/// linearizable, so halving finds it.
fn explain(key: u32, operations: &[Operation], steps_max: u64) -> Complaint {
    let mut answers: Vec<usize> =
        (0..operations.len()).filter(|&at| operations[at].answer.is_some()).collect();
    answers.sort_by_key(|&at| operations[at].answer.map(|answer| answer.tick));
    let fails = |count: usize| {
        let prefix = prefix(operations, &answers[..count]);
        Search::new(&prefix, steps_max).run() == Outcome::Unlinearizable
    };
    let (mut passes, mut broken) = (0, answers.len());
    while passes + 1 < broken {
        let middle = passes + (broken - passes) / 2;
        if fails(middle) { broken = middle } else { passes = middle }
    }
    let prefix = prefix(operations, &answers[..broken]);
    let possible = possible(&prefix, steps_max);
    Complaint::Unlinearizable { key, prefix, possible }
}

/// What was begun until the last of these answers, which are the only ones; it comes last.
fn prefix(operations: &[Operation], answers: &[usize]) -> Vec<Operation> {
    let last = answers.last().and_then(|&at| operations[at].answer);
    let end = last.map_or(0, |answer| answer.tick);
    let mut prefix: Vec<(bool, Operation)> = Vec::new();
    for (at, operation) in operations.iter().enumerate() {
        if operation.invoked <= end {
            let answer = operation.answer.filter(|_| answers.contains(&at));
            let is_last = answers.last() == Some(&at);
            prefix.push((is_last, Operation { answer, ..operation.clone() }));
        }
    }
    prefix.sort_by_key(|(is_last, operation)| (*is_last, operation.invoked));
    prefix.into_iter().map(|(_, operation)| operation).collect()
}

/// Which of the values that ever played a part the last operation could have found.
fn possible(prefix: &[Operation], steps_max: u64) -> Vec<u64> {
    let mut values = BTreeSet::from([0]);
    for operation in prefix {
        let found = operation.answer.map(|answer| answer.found);
        values.extend(found);
        match operation.request {
            Request::Put(value) | Request::CompareAndSwap { new: value, .. } => {
                values.insert(value);
            }
            Request::Add(amount) => values.extend(found.map(|found| found.wrapping_add(amount))),
            Request::Get => {}
        }
    }
    let mut changed = prefix.to_vec();
    values.retain(|&value| {
        if let Some(answer) = changed.last_mut().and_then(|last| last.answer.as_mut()) {
            answer.found = value;
        }
        Search::new(&changed, steps_max / 100).run() == Outcome::Linearizable
    });
    values.into_iter().collect()
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, invoked, request, .. } = self;
        match self.answer {
            Some(Answer { tick, found }) => {
                write!(formatter, "ticks {invoked} to {tick}: client {client}: {request}: ")?;
                write!(formatter, "found {found}")
            }
            None => write!(formatter, "tick {invoked} on: client {client}: {request}: no answer"),
        }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, prefix, possible) = match self {
            Self::Undecided { key, steps } => {
                return write!(formatter, "key {key}: undecided after {steps} steps of search");
            }
            Self::Unlinearizable { key, prefix, possible } => (key, prefix, possible),
        };
        let Some((last, before)) = prefix.split_last() else {
            return write!(formatter, "key {key}: nothing happened and yet it is wrong");
        };
        writeln!(formatter, "key {key}: no order of operations explains this answer:")?;
        writeln!(formatter, "  {last}")?;
        let values: Vec<String> = possible.iter().map(u64::to_string).collect();
        match values.is_empty() {
            true => writeln!(formatter, "Nothing else would be right there.")?,
            false => writeln!(formatter, "Right would be {}.", values.join(" or "))?,
        }
        let untold = before.len().saturating_sub(TOLD_MAX);
        match untold {
            0 => write!(formatter, "Begun before or meanwhile:")?,
            _ => write!(formatter, "Begun before or meanwhile, after {untold} others:")?,
        }
        before[untold..].iter().try_for_each(|operation| write!(formatter, "\n  {operation}"))
    }
}
