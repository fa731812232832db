//! What is committed: on a quorum of disks, in every later leader's log, the same everywhere.

use super::{Book, Committed, Step, Verdict};
use crate::clients::Answer;
use crate::ledger::{Ledger, Stamp};
use crate::registers::Command;
use raft_core::{Configuration, Index, Kind, NodeId, NodeSet, Request, RoleName, Term};

/// What a node knew to be committed it still holds, and knows.
pub(super) fn commits_stay(_: &mut Book, step: &Step<'_>) -> Verdict {
    let before = step.before.committed;
    if step.status.committed < before {
        return Err(format!("{} forgot the commit of {}", step.id, before.0));
    }
    if step.kept < before {
        let kept = step.kept.0;
        return Err(format!("{} dropped what it knew to be committed, above {kept}", step.id));
    }
    Ok(())
}

/// Whatever is committed lies on the disks of a quorum, flushed: a power cut everywhere at once
/// would leave it there. The quorum is that of the configuration which the leader has; a member is
/// the disk that this names. One that was wiped, or lost entries, counts with what it held until
/// then, for its word may have been on its way; that it does not vote any more, or not until it is
/// refilled, is what the plan's budget is for.
pub(super) fn commits_need_durable_quorums(book: &mut Book, step: &Step<'_>) -> Verdict {
    let index = step.status.committed;
    if index.0 as usize <= book.committed.len() {
        return Ok(());
    }
    let stamp = step.before.log.get(index);
    let configuration = step.node.configuration();
    let mut holders = NodeSet::EMPTY;
    for (view, id) in step.views.iter().zip(step.first_id..) {
        let Some(nonce) = configuration.nonce(NodeId(id)) else { continue };
        let disk = step.cluster.disk(id).filter(|_| view.nonce == nonce);
        let holds = |ledger: &Ledger| stamp.is_some() && ledger.get(index) == stamp;
        if disk.is_some_and(|disk| holds(&disk.account.flushed))
            || view.graves.get(&nonce.0).is_some_and(holds)
        {
            holders.insert(NodeId(id));
        }
    }
    let membership = configuration.membership;
    if !membership.has_quorum(holders) {
        let (id, index) = (step.id, index.0);
        return Err(format!("{id} commits {index}, durable at {holders:?} of {membership:?}"));
    }
    remember(book, step, index)
}

/// Everything newly committed enters the book: each command was asked for at that very place.
fn remember(book: &mut Book, step: &Step<'_>, index: Index) -> Verdict {
    for index in book.committed.len() as u64 + 1..=index.0 {
        let stamp = step.before.log.get(Index(index));
        let entry = step.node.log().get(Index(index));
        let (Some(stamp), Some(entry)) = (stamp, entry) else {
            return Err(format!("{} commits {index}, which it does not hold", step.id));
        };
        book.committed.push(Committed { stamp, in_term: step.status.term });
        if entry.kind == Kind::CONFIGURATION {
            let configuration = Configuration::read(entry.body).ok_or("no configuration")?;
            book.confirmed(Index(index), configuration);
        }
        if entry.kind == Kind::COMMAND {
            asked_for(book, step, Index(index), entry.term)?;
        }
    }
    Ok(())
}

/// Nothing is committed that nobody asked for, or more often than it was asked for.
fn asked_for(book: &mut Book, step: &Step<'_>, index: Index, term: Term) -> Verdict {
    let body = step.node.log().get(index).map(|entry| entry.body).unwrap_or_default();
    let request: Request<Command<'_>> = postcard::from_bytes(body).map_err(|_| "no command")?;
    let command = match request {
        Request::Bare(command) => command,
        // As often as it was sent on, and it is for sessions to apply it once.
        Request::Numbered { command: Command { client, sequence, .. }, .. } => {
            let known = book.deeds.contains_key(&(client, sequence));
            let nobody = || format!("nobody submitted {client}.{sequence}, at {}", index.0);
            return known.then_some(()).ok_or_else(nobody);
        }
        Request::Open(life) => {
            let known = (1..=step.cluster.lives).contains(&life);
            return known.then_some(()).ok_or_else(|| format!("{} opens for {life}", index.0));
        }
    };
    let (client, sequence) = (command.client, command.sequence);
    let proposed = book.proposed.get(index.0 as usize);
    if !proposed.is_some_and(|all| all.contains(&(term, client, sequence))) {
        return Err(format!("nobody proposed {client}.{sequence} at {}:{}", index.0, term.0));
    }
    let times = book.applied.entry((client, sequence)).or_default();
    *times += 1;
    book.twice += u64::from(*times == 2);
    Ok(())
}

/// What was committed in a term is in the log of every leader of a later one. The term is that of
/// the leader which committed: an entry's own term may be older than leaders that never had it.
pub(super) fn leader_completeness(book: &mut Book, step: &Step<'_>) -> Verdict {
    if step.begins_to_lead() {
        let in_term = step.status.term;
        let earlier = |committed: &Committed| committed.in_term < in_term;
        let index = book.committed.iter().rposition(earlier).map_or(0, |place| place + 1);
        let stamp = index.checked_sub(1).map(|place| book.committed[place].stamp);
        let held = step.before.log.get(Index(index as u64));
        let compacted = (index as u64) < step.before.log.base.index.0;
        if stamp.is_some() && held != stamp && !compacted {
            let term = step.status.term.0;
            return Err(format!("{} leads in term {term} without {index}", step.id));
        }
    }
    // A leader of before may commit when a later one is at work already.
    let newly = step.status.committed;
    if step.status.role != RoleName::Leader || newly.0 as usize <= book.committed.len() {
        return Ok(());
    }
    let stamp = step.before.log.get(newly);
    let later = step.views.iter().zip(step.first_id..).find(|(view, _)| {
        let leads = view.role == RoleName::Leader && view.term > step.status.term;
        leads && view.log.get(newly) != stamp
    });
    match later {
        Some((view, id)) => {
            Err(format!("{} commits {}, which {id} of {:?} lacks", step.id, newly.0, view.term))
        }
        None => Ok(()),
    }
}

/// A leader counts copies only of entries of its own term; older ones are committed with them. One
/// of an earlier term may lie on a quorum of disks and still give way to another leader's.
pub(super) fn leaders_commit_in_their_own_term(_: &mut Book, step: &Step<'_>) -> Verdict {
    let (before, now) = (step.before, step.status);
    if now.role != RoleName::Leader || now.committed <= before.committed {
        return Ok(());
    }
    match step.before.log.get(now.committed) {
        Some(stamp) if stamp.term == now.term => Ok(()),
        stamp => Err(format!("{} of {:?} commits by counting {stamp:?}", step.id, now.term)),
    }
}

/// No two nodes ever know different entries to be committed at one index.
pub(super) fn state_machine_safety(book: &mut Book, step: &Step<'_>) -> Verdict {
    let index = step.status.committed;
    if index <= step.before.committed {
        return Ok(());
    }
    let first: Option<Stamp> = book.committed.get(index.0 as usize - 1).map(|it| it.stamp);
    if first.is_none() || first != step.before.log.get(index) {
        return Err(format!("{} has another entry at or below {}", step.id, index.0));
    }
    Ok(())
}

/// What a client was told of is committed, at the place where its command stands.
pub(super) fn nothing_acknowledged_is_lost(book: &mut Book, answer: &Answer) -> Verdict {
    let Answer { position, client, sequence } = *answer;
    let place = position.index.0 as usize;
    let committed = book.committed.get(place.wrapping_sub(1)).map(|it| it.stamp.term);
    let asked = book.proposed.get(place);
    let asked = asked.is_some_and(|all| all.contains(&(position.term, client, sequence)));
    if committed != Some(position.term) || !asked {
        return Err(format!("{client}.{sequence} was answered and is not committed at {place}"));
    }
    book.answered = book.answered.max(position.index);
    Ok(())
}
