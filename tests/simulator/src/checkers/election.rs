//! At most one leader in each term, and terms that only grow.

use super::{Book, Step, Verdict};

/// Whoever leads in a term is the only one that ever did, whatever has crashed since.
pub(super) fn election_safety(book: &mut Book, step: &Step<'_>) -> Verdict {
    if !step.begins_to_lead() {
        return Ok(());
    }
    let term = step.status.term;
    let leader = *book.leaders.entry(term.0).or_insert(step.id);
    if leader == step.id && !step.before.lost {
        return Ok(());
    }
    Err(format!("{leader} and {} both lead in term {}", step.id, term.0))
}

/// A node's term never falls; after a crash it is at least what the disk kept.
pub(super) fn terms_are_monotonic(_: &mut Book, step: &Step<'_>) -> Verdict {
    let (before, now) = (step.before.term, step.status.term);
    if now >= before {
        return Ok(());
    }
    Err(format!("{} fell from term {} to {}", step.id, before.0, now.0))
}
