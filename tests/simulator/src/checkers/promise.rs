//! What leaves a node: whatever it promises is on its disk at that moment, and said only once.

use super::{Book, Registry, Verdict, View};
use crate::words;
use raft_core::wire::{
    self, Acknowledge, Answer, Counted, Message, Reject, Standing, VoteAnswer, VoteRequest,
};
use raft_core::{Ballot, Index, NodeId, Position};

/// Everything that a datagram promises would survive a power cut now, and no vote is given twice.
pub(super) fn promises_are_durable(
    book: &mut Book,
    view: &View,
    id: u8,
    to: u8,
    bytes: &[u8],
    cluster: &Registry,
) -> Verdict {
    let datagram = wire::decode(bytes).map_err(|error| format!("{id} sends {error:?}"))?;
    let disk = cluster.disk(id).ok_or("a datagram of nobody")?;
    let kept = &disk.account.flushed;
    let said = || words::datagram::<crate::registers::Shared>(&datagram);
    let promised = match datagram.message {
        Message::VoteRequest(VoteRequest { last, .. }) => Some(last.get()),
        // What is below the base is committed, and in the snapshot.
        Message::Acknowledge(Acknowledge { index, standing: Counted::Yes, .. })
            if index.get() >= kept.base.index.max(view.log.base.index) =>
        {
            let index = index.get();
            let stamp = view.log.get(index).ok_or_else(|| format!("{id} lacks: {}", said()))?;
            Some(Position { term: stamp.term, index })
        }
        _ => None,
    };
    if let Some(Position { term, index }) = promised {
        let held = kept.get(index);
        let same = held.is_some_and(|stamp| stamp.term == term);
        if index > Index::ZERO && (!same || held != view.log.get(index)) {
            return Err(format!("not on {id}'s disk: {}", said()));
        }
    }
    let vote = match datagram.message {
        Message::VoteAnswer(VoteAnswer { answer: Answer::Granted(_), .. }) => NodeId(to),
        Message::VoteRequest(VoteRequest {
            standing: Standing::Real(_) | Standing::HandedOver(_),
            ..
        }) => NodeId(id),
        Message::Acknowledge(Acknowledge { standing: Counted::Yes, .. })
        | Message::Reject(Reject { standing: Counted::Yes, .. })
            if kept.ballot.term != datagram.term || !kept.ballot.counts() =>
        {
            return Err(format!("{id}'s disk is of term {}: {}", kept.ballot.term.0, said()));
        }
        _ => return Ok(()),
    };
    let first = *book.votes.entry((id, view.nonce.0, datagram.term.0)).or_insert(vote);
    if first != vote {
        return Err(format!("{id} voted for {} in that term: {}", first.0, said()));
    }
    let Ballot { term, vote: given, .. } = kept.ballot;
    if (term, given) != (datagram.term, Some(vote)) || !kept.ballot.counts() {
        return Err(format!("{:?} is on {id}'s disk: {}", kept.ballot, said()));
    }
    Ok(())
}
