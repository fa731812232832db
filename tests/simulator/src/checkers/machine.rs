//! What machines see: only what is committed and their own disk holds, everywhere the same.

use super::{Book, Step, Verdict};
use crate::registers::fingerprint;

/// A machine never outruns the commit, nor what its own disk would still have after a power cut.
pub(super) fn apply_follows_commit(_: &mut Book, step: &Step<'_>) -> Verdict {
    let status = step.status;
    let (applied, limit) = (status.applied, status.committed.min(status.durable));
    // A crash takes the machine back to its first state; a life only moves it on.
    if applied < step.before.applied {
        return Err(format!("{} took back what it applied", step.id));
    }
    if applied > step.before.applied && applied > limit {
        return Err(format!(
            "{} applied {}, and may not yet above {}",
            step.id, applied.0, limit.0
        ));
    }
    Ok(())
}

/// Machines that have applied the same number of entries are in the same state.
pub(super) fn machines_agree(book: &mut Book, step: &Step<'_>) -> Verdict {
    let applied = step.status.applied;
    if applied == step.before.applied {
        return Ok(());
    }
    let place = applied.0 as usize;
    if book.digests.len() <= place {
        book.digests.resize(place + 1, None);
    }
    let digest = fingerprint(step.node.machine());
    if *book.digests[place].get_or_insert(digest) != digest {
        return Err(format!("{}'s machine is in another state at {place}", step.id));
    }
    Ok(())
}
