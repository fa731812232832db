//! At most one leader in each term, votes that are kept, and terms that only grow.

use super::{Book, Step, Verdict};

/// Whoever leads in a term is the only one that ever did, whatever has crashed since.
pub(super) fn election_safety(book: &mut Book, step: &Step<'_>) -> Verdict {
    if !step.begins_to_lead() {
        return Ok(());
    }
    let term = step.status.term;
    let leader = *book.leaders.entry(term.0).or_insert(step.id);
    if leader == step.id && step.status.admitted {
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

/// Whoever leads has voted for itself, and its disk knows.
pub(super) fn leaders_have_durable_votes(_: &mut Book, step: &Step<'_>) -> Verdict {
    let flushed = step.node.storage().account.flushed.ballot;
    let own = (step.status.term, Some(step.status.id));
    if !step.begins_to_lead() || flushed.counts() && (flushed.term, flushed.vote) == own {
        return Ok(());
    }
    Err(format!("{} leads, and {flushed:?} is on its disk", step.id))
}

/// A vote once written stays what it is until the term is over, crashes or not.
pub(super) fn votes_are_kept(_: &mut Book, step: &Step<'_>) -> Verdict {
    let (before, now) = (step.before.ballot, step.node.storage().account.written.ballot);
    let kept = before.vote.is_none() || before.vote == now.vote;
    if now.term > before.term || (now.term == before.term && kept) {
        return Ok(());
    }
    Err(format!("{} wrote {now:?} after {before:?}", step.id))
}
