//! What storage keeps: all that was flushed, nothing that was not written, and the same each time.

use super::{Book, Registry, RegistryNode, Step, Verdict, View, log};
use raft_core::{Index, Term};

/// What a node takes for durable would be found on its disk if the power failed now.
pub(super) fn durable_means_durable(_: &mut Book, step: &Step<'_>) -> Verdict {
    let account = &step.node.storage().account;
    if account.misfits > 0 {
        return Err(format!("{} wrote a record that fits to nothing", step.id));
    }
    let durable = step.status.durable;
    if step.before.durable == durable && step.kept == step.last_before {
        return Ok(());
    }
    let flushed = account.flushed.get(durable);
    if flushed.is_none() || flushed != step.before.log.get(durable) {
        return Err(format!("{} takes {} for durable", step.id, durable.0));
    }
    Ok(())
}

/// After a power cut there is exactly what was flushed, and a first part of what was written later.
pub(super) fn storage_keeps_what_was_flushed(
    book: &Book,
    view: &mut View,
    id: u8,
    cluster: &mut Registry,
) -> Verdict {
    let node = cluster.node_mut(id)?;
    let mut found = log::ledger(node, book);
    found.ballot = node.storage_mut().found_ballot()?;
    let promised = node.storage().account.flushed.ballot;
    if !node.storage_mut().account.found(&found) {
        return Err(format!("{id} found another log, or another ballot, than it had flushed"));
    }
    node.storage_mut().started();
    let status = node.status();
    if status.durable != status.last {
        return Err(format!("{id} found {} and believes {}", status.last.0, status.durable.0));
    }
    let last = found.get(found.last()).map_or(Term::ZERO, |stamp| stamp.term);
    let graves = std::mem::take(&mut view.graves);
    *view = View { graves, ..View::new(view.nonce) };
    view.term = promised.term.max(last);
    view.ballot = promised;
    Ok(())
}

/// Making a node twice from one disk makes the same node twice.
pub(super) fn recovery_is_idempotent(id: u8, cluster: &Registry) -> Verdict {
    let Some(disk) = cluster.disk(id) else { return Ok(()) };
    let Ok(once) = cluster.recover(id, disk.clone()) else { return Ok(()) };
    let again = cluster.recover(id, once.clone().into_storage())?;
    if disk.flash.is_none() {
        return same(id, &once, &again);
    }
    // A start in flash writes everything anew, and only the next finds it as it will be from then
    // on: before that it may lie in the log's ring in another way.
    same(id, &again, &cluster.recover(id, again.clone().into_storage())?)?;
    let holds = |node: &RegistryNode| {
        let entries = node.log().entries().map(|it| (it.term, it.kind, it.body.to_vec()));
        (node.status(), node.storage().slots, entries.collect::<Vec<_>>(), node.machine().clone())
    };
    if holds(&once) == holds(&again) {
        return Ok(());
    }
    Err(format!("{id} holds something else the second time"))
}

/// Whether two nodes are the same in everything.
pub(super) fn same(id: u8, once: &RegistryNode, again: &RegistryNode) -> Verdict {
    if once == again { Ok(()) } else { Err(format!("{id} is another node the second time")) }
}

/// A node that counts again holds everything that it had flushed and that is committed.
pub(super) fn refilled_is_whole(book: &Book, view: &View, id: u8, cluster: &Registry) -> Verdict {
    let Some(before) = view.graves.get(&view.nonce.0) else {
        return Err(format!("{id} was refilled and had lost nothing"));
    };
    let disk = cluster.disk(id).ok_or("a node without a disk")?;
    let now = &disk.account.flushed;
    for (committed, index) in book.committed.iter().zip(1..).map(|(it, i)| (it.stamp, Index(i))) {
        let promised = before.get(index) == Some(committed) && index > before.base.index;
        if promised && index >= now.base.index && now.get(index) != Some(committed) {
            return Err(format!("{id} counts again, and lacks {} that it had", index.0));
        }
    }
    Ok(())
}
