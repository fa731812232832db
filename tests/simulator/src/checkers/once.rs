//! What a node had submitted is applied at most once, ever, and once if it is told so.
//!
//! Whether a command was applied is not taken from what sessions say: the registers behind them
//! count. Each place of the log is looked at whenever any node applies it, in any of its lives.

use super::{Book, Broken, Checkers, Outcome, Verdict};
use crate::registers::Output;
use raft_core::{Index, Reply, Submitted};

/// What is known of a command that a node submitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Deed {
    /// Where it was applied, and what it found.
    pub done: Option<(Index, u64)>,
    /// The node was told that nobody knows, and had applied so much: it never is done after that.
    over: Option<Index>,
}

const CHECKER: &str = "submitted commands are applied once";

impl Checkers {
    /// A node submits a command, which has a client's number and its own like any other.
    pub fn submitted(&mut self, client: u8, sequence: u32) {
        self.book.deeds.insert((client, sequence), Deed::default());
    }

    /// A node has applied what stands there, and the registers have seen so many commands more.
    pub fn applied(&mut self, id: u8, at: Index, reply: &Reply<Output>, seen: u64) -> Outcome {
        let verdict = applied(&mut self.book, at, reply, seen);
        verdict.map_err(|words| Broken::new(CHECKER, format!("{id} applies {}: {words}", at.0)))
    }

    /// A node that has applied so much says what became of its command.
    pub fn ended(
        &mut self,
        (client, sequence): (u8, u32),
        outcome: &Submitted<Output>,
        applied: Index,
    ) -> Outcome {
        let broken = |words: &str| {
            Err(Broken::new(CHECKER, format!("{client}.{sequence}: {words} {outcome:?}")))
        };
        let Some(deed) = self.book.deeds.get_mut(&(client, sequence)) else {
            return broken("nobody submitted it:");
        };
        let later = deed.done.is_some_and(|(index, _)| index > applied);
        match (outcome, deed.done) {
            (Submitted::Applied(_), None) => broken("it never was:"),
            _ if later => broken("it is applied later than this is told:"),
            (Submitted::Applied(Some(told)), Some((_, seen)))
                if *told != (Output { client, sequence, seen }) =>
            {
                broken("another command's output:")
            }
            (Submitted::Applied(_), _) => Ok(()),
            (Submitted::Unknown, _) => {
                deed.over = Some(applied);
                Ok(())
            }
        }
    }
}

fn applied(book: &mut Book, at: Index, reply: &Reply<Output>, seen: u64) -> Verdict {
    let meant = u64::from(matches!(reply, Reply::Bare(_) | Reply::Done { .. }));
    if seen != meant {
        return Err(format!("{seen} commands reach the registers with {reply:?}"));
    }
    match reply {
        Reply::Opened { session, .. } => drop(book.sessions.insert(*session)),
        Reply::Done { output, .. } => {
            let deed = book.deeds.get_mut(&(output.client, output.sequence));
            let deed = deed.ok_or_else(|| format!("nobody submitted {output:?}"))?;
            let (before, _) = *deed.done.get_or_insert((at, output.seen));
            if before != at {
                return Err(format!("{output:?} was applied at {} already", before.0));
            }
            if deed.over.is_some_and(|over| at > over) {
                return Err(format!("{output:?} was given up before"));
            }
        }
        Reply::Repeated { output: Some(output), .. } => {
            let deed = book.deeds.get(&(output.client, output.sequence));
            if deed.and_then(|deed| deed.done).is_none_or(|(_, seen)| seen != output.seen) {
                return Err(format!("it remembers {output:?}, which never was"));
            }
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkers() -> Checkers {
        let mut checkers = Checkers::new(core::iter::empty());
        checkers.submitted(128, 1);
        checkers
    }

    fn done(sequence: u32) -> Reply<Output> {
        let output = Output { client: 128, sequence, seen: 7 };
        Reply::Done { session: 1, sequence: 1, output }
    }

    #[test]
    fn whatever_is_applied_twice_or_without_being_asked_for_is_told() {
        let mut checkers = checkers();
        assert!(checkers.applied(1, Index(5), &done(2), 1).is_err(), "nobody submitted it");
        assert_eq!(checkers.applied(1, Index(5), &done(1), 1), Ok(()));
        assert_eq!(checkers.applied(2, Index(5), &done(1), 1), Ok(()), "by another node");
        assert!(checkers.applied(2, Index(6), &done(1), 1).is_err(), "twice");
        assert!(checkers.applied(2, Index(5), &done(1), 0).is_err(), "said and not done");
        let expired = Reply::Expired { session: 1, sequence: 1 };
        assert!(checkers.applied(2, Index(7), &expired, 1).is_err(), "done and not said");
        let output = Some(Output { client: 128, sequence: 1, seen: 8 });
        let repeated = Reply::Repeated { session: 1, sequence: 1, output };
        assert!(checkers.applied(2, Index(7), &repeated, 0).is_err(), "another output");
    }

    #[test]
    fn an_end_that_is_not_one_is_told() {
        let mut checkers = checkers();
        let told = Submitted::Applied(Some(Output { client: 128, sequence: 1, seen: 7 }));
        assert!(checkers.ended((128, 1), &told, Index(9)).is_err(), "it never was");
        assert_eq!(checkers.ended((128, 1), &Submitted::Unknown, Index(4)), Ok(()));
        assert!(checkers.applied(1, Index(5), &done(1), 1).is_err(), "after it was given up");
        assert_eq!(checkers.ended((128, 1), &told, Index(9)), Ok(()));
        let other = Submitted::Applied(Some(Output { client: 128, sequence: 1, seen: 8 }));
        assert!(checkers.ended((128, 1), &other, Index(9)).is_err(), "another output");
        assert!(checkers.ended((128, 1), &told, Index(4)).is_err(), "before it was applied");
    }
}
