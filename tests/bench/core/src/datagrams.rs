//! How long datagrams are, taken from nodes in the middle of a cluster's life.
//!
//! Terms, indices and rounds take more bytes the higher they are, so the nodes are first brought
//! to a high one of each: by their storage, and by letting time pass.

use crate::cluster::{Cluster, FIRST_COMMAND, FOLLOWERS, LEADER, TERM};
use raft_core::wire::{self, Acknowledge, Append, Datagram, Heartbeat, Message};
use raft_core::{Index, Round};

/// The bytes of a datagram, without what a link puts around it.
pub struct Sizes {
    pub heartbeat: usize,
    pub heartbeat_answer: usize,
    /// With one 16-byte command.
    pub append: usize,
    pub acknowledgement: usize,
    /// What each further 16-byte command adds to an append.
    pub further_entry: usize,
}

/// How many heartbeats a leader has sent, by the time that it is listened to.
const ROUND: Round = Round(100_000);

/// Listens to a leader and its followers.
pub fn measure() -> Sizes {
    let mut cluster = Cluster::elected();
    let heartbeat = first_heartbeat_of(&mut cluster, ROUND);
    let heartbeat_answer = answers(&mut cluster, FIRST_COMMAND.previous());

    cluster.propose();
    let append = appends(&mut cluster, FIRST_COMMAND.previous(), 1);
    let acknowledgement = answers(&mut cluster, FIRST_COMMAND);
    cluster.every_turn();

    cluster.propose();
    cluster.propose();
    let longer = appends(&mut cluster, FIRST_COMMAND, 2);
    cluster.settle();
    Sizes { heartbeat, heartbeat_answer, append, acknowledgement, further_entry: longer - append }
}

/// Lets an idle leader speak until that round; gives the length of its heartbeat.
fn first_heartbeat_of(cluster: &mut Cluster, round: Round) -> usize {
    loop {
        cluster.tick();
        let Some(bytes) = cluster.send(LEADER) else { continue };
        let length = bytes.len();
        let Message::Heartbeat(Heartbeat { round: now, .. }) = message(bytes) else {
            panic!("an idle leader sends heartbeats")
        };
        if now == round {
            assert_eq!(cluster.send(LEADER).map(<[u8]>::len), Some(length), "to both alike");
            return length;
        }
        cluster.every_turn();
    }
}

/// The leader's appends of that many entries after `previous`, to each follower one.
fn appends(cluster: &mut Cluster, previous: Index, count: u32) -> usize {
    let lengths = FOLLOWERS.map(|_| {
        let bytes = cluster.send(LEADER).expect("an append for each follower");
        match message(bytes) {
            Message::Append(Append { previous: after, entries, .. }) => {
                assert_eq!((after.index, entries.len()), (previous, count));
            }
            other => panic!("an append, not {other:?}"),
        }
        bytes.len()
    });
    same(lengths)
}

/// The followers' answers, each of which says that everything up to `index` is held.
fn answers(cluster: &mut Cluster, index: Index) -> usize {
    let lengths = FOLLOWERS.map(|follower| {
        cluster.flush(follower);
        let bytes = cluster.send(follower).expect("an answer of each follower");
        match message(bytes) {
            Message::Acknowledge(Acknowledge { index: held, .. }) => assert_eq!(held.get(), index),
            other => panic!("an acknowledgement, not {other:?}"),
        }
        bytes.len()
    });
    same(lengths)
}

fn message(bytes: &[u8]) -> Message<'_> {
    let Datagram { term, message, .. } = wire::decode(bytes).expect("nodes send what can be read");
    assert_eq!(term, TERM);
    message
}

fn same([one, other]: [usize; 2]) -> usize {
    assert_eq!(one, other, "to both followers, or from both, alike");
    one
}
