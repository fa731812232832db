//! Who the members are: one step at a time, each committed before the next, and nobody counted who
//! was not let in.

use super::{Book, Step, Verdict};
use raft_core::{Index, Nonce, RoleName};

/// A leader changes the members one voter at a time or jointly, when what was there before is
/// committed, and when it has committed something in its own term.
pub(super) fn one_change_at_a_time(book: &mut Book, step: &Step<'_>) -> Verdict {
    let (before, now) = (step.before, step.status);
    let led = before.role == RoleName::Leader && now.role == RoleName::Leader;
    if !led || before.term != now.term || now.configured_at == before.configured_at {
        return Ok(());
    }
    let (was, is) = (&before.configuration, step.node.configuration());
    let mid = before.committed.max(now.committed);
    let own = step.before.log.get(mid).is_some_and(|stamp| stamp.term == now.term);
    if before.configured_at > mid || !own {
        let (at, before) = (now.configured_at.0, before.configured_at.0);
        return Err(format!("{} changes the members at {at} after {before}", step.id));
    }
    let (old, new) = (was.membership, is.membership);
    let moved = old.incoming.without(new.incoming).union(new.incoming.without(old.incoming));
    let joint = new.outgoing == old.incoming && old.outgoing.is_empty();
    let single = moved.len() <= 1 && new.outgoing.is_empty();
    book.joint += u64::from(!new.outgoing.is_empty());
    if single || joint { Ok(()) } else { Err(format!("{} goes from {old:?} to {new:?}", step.id)) }
}

/// Whoever counts was named, with its very disk, by a configuration that is committed.
pub(super) fn nobody_counts_unadmitted(book: &mut Book, step: &Step<'_>) -> Verdict {
    if !step.status.admitted || step.before.admitted {
        return Ok(());
    }
    let named = |it: &(Index, raft_core::Configuration)| {
        it.1.nonce(step.status.id) == Some(step.before.nonce)
    };
    if book.configurations.iter().any(named) {
        if step.before.nonce != Nonce::FOUNDER {
            book.admitted.insert((step.id, step.before.nonce.0));
        }
        return Ok(());
    }
    Err(format!("{} takes itself for admitted with {:?}", step.id, step.before.nonce))
}
