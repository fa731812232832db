//! How logs grow: a leader's only at its end, and any two alike wherever they share an entry.

use super::{Book, RegistryNode, Step, Verdict};
use crate::ledger::{Ledger, Stamp};
use raft_core::{Index, RoleName};

/// A leader never overwrites or deletes entries of its own log.
pub(super) fn leader_append_only(_: &mut Book, step: &Step<'_>) -> Verdict {
    let (before, now) = (step.before, step.status);
    let led = before.role == RoleName::Leader && before.term == now.term;
    if led && step.kept < step.last_before {
        let (kept, last) = (step.kept.0, step.last_before.0);
        return Err(format!("{} led, and dropped {} to {last}", step.id, kept + 1));
    }
    Ok(())
}

/// If two logs hold an entry of the same term at the same index, all entries up to it are the same.
pub(super) fn log_matching(book: &mut Book, step: &Step<'_>) -> Verdict {
    for index in step.kept.0 + 1..=step.status.last.0 {
        let Some(here) = step.before.log.get(Index(index)) else { continue };
        let place = index as usize;
        if book.entries.len() <= place {
            book.entries.resize(place + 1, Vec::new());
        }
        let known = &mut book.entries[place];
        match known.iter().find(|stamp| stamp.term == here.term) {
            None => known.push(here),
            Some(there) if *there == here => {}
            Some(_) => {
                let term = here.term.0;
                return Err(format!("{}: another log behind {index}:{term}", step.id));
            }
        }
    }
    Ok(())
}

/// Brings the stamps of a log up to date; gives the last index that stayed as it was.
pub(super) fn follow(log: &mut Ledger, node: &RegistryNode, book: &Book) -> Index {
    let now = node.log();
    if now.base() != log.base && !log.rebase(now.base(), book.stamp(now.base().index)) {
        // A snapshot stands in the place of all that was here.
        append(log, node);
        return now.base().index;
    }
    let mut kept = log.last().min(now.last().index);
    while kept > now.base().index && log.get(kept).map(|stamp| stamp.term) != now.term(kept) {
        kept = kept.previous();
    }
    log.truncate(kept);
    append(log, node);
    kept
}

/// The stamps of a node's whole log.
pub(super) fn ledger(node: &RegistryNode, book: &Book) -> Ledger {
    let mut ledger = Ledger::default();
    ledger.snapshot = node.status().snapshot;
    let base = node.log().base();
    if base != ledger.base {
        ledger.rebase(base, book.stamp(base.index));
    }
    append(&mut ledger, node);
    ledger
}

fn append(ledger: &mut Ledger, node: &RegistryNode) {
    let mut stamp = ledger.get(ledger.last()).unwrap_or_default();
    for index in ledger.last().0 + 1..=node.log().last().index.0 {
        let Some(entry) = node.log().get(Index(index)) else { return };
        stamp = Stamp::next(stamp, entry.term, entry.kind, entry.body);
        ledger.push(stamp);
    }
}
