//! Where parts that were built apart meet: what an attack found there, and how it comes out now.
//!
//! What a script can say stands among the scenarios.

use raft_core::wire::{self, Message, Standing, VoteRequest};
use raft_core::{
    Change, ClusterId, CompactError, Config, Frame, Identity, LoadError, Loader, Machine,
    MemoryStorage, Node, NodeId, Nonce, Recipient, RecoverError, RoleName, Saver, Sessions,
    SubmitError, format,
};
use raft_simulator::Settings;
use raft_simulator::cluster::ClusterNode;
use raft_simulator::forge::forge;
use raft_simulator::words::Words;

type Cluster = raft_simulator::cluster::Cluster<Words>;

/// What a node owes, for whom.
fn sent(node: &mut ClusterNode<Words>) -> Vec<(u8, Vec<u8>)> {
    let (mut letters, mut buffer) = (Vec::new(), [0; 256]);
    while let Some(packet) = node.transmit(&mut buffer) {
        let Recipient::Peer(to) = packet.to else { unreachable!() };
        letters.push((to.0, packet.bytes.to_vec()));
    }
    letters
}

/// What one node owes another reaches it; the rest is lost.
fn pass(from: &mut ClusterNode<Words>, to: &mut ClusterNode<Words>) {
    let (sender, receiver) = (from.status().id, to.status().id);
    from.flush().unwrap();
    for (for_whom, bytes) in sent(from) {
        if for_whom == receiver.0 {
            to.receive(Frame { from: sender, bytes: &bytes });
        }
    }
    to.flush().unwrap();
}

/// Three founders, and after that another board under the id of the third, whose old board, as it
/// was, is out of reach. The new one has not heard anything yet.
fn two_boards() -> (Cluster, ClusterNode<Words>) {
    let mut cluster = Cluster::found(&[1, 2, 3], &Settings::default()).unwrap();
    cluster.node_mut(1).unwrap().campaign();
    cluster.settle().unwrap();
    for _ in 0..4 {
        cluster.tick_and_settle().unwrap();
    }
    // The old board, as it is from now on; it is out of reach.
    let disk = cluster.disk(3).unwrap().clone();
    let old = cluster.recover(3, disk).unwrap();
    cluster.wipe(3, Some(7)).unwrap();
    cluster.node_mut(1).unwrap().change_membership(Change::Remove(NodeId(3))).unwrap();
    cluster.settle().unwrap();
    for _ in 0..50 {
        cluster.tick_and_settle().unwrap();
    }
    cluster.start(3).unwrap();
    let add = Change::AddVoter { id: NodeId(3), nonce: Nonce(7) };
    cluster.node_mut(1).unwrap().change_membership(add).unwrap();
    (cluster, old)
}

/// A founder's board is removed, and another one takes its id under a new nonce. The old board has
/// only been out of reach, and hears late what was sent to that id: it takes the new board's place
/// in the newest configuration not for its own, or there would be two leaders of one term.
#[test]
fn two_boards_of_one_id_never_lead_in_one_term() {
    let (mut cluster, mut old) = two_boards();
    // The new board catches up. What goes to it is heard by whoever has that id, sooner or later.
    let mut late = Vec::new();
    let votes = |cluster: &Cluster, id| {
        let configuration = cluster.node(id).unwrap().configuration().clone();
        configuration.membership.incoming.contains(NodeId(3))
    };
    'catches_up: for _ in 0..60 {
        for id in 1..=3 {
            cluster.node_mut(id).unwrap().tick();
        }
        for _ in 0..4 {
            for id in [1, 2, 3] {
                for letter in cluster.send(id, usize::MAX).unwrap() {
                    if letter.to == 3 {
                        late.push((letter.from, letter.datagram().to_vec()));
                    }
                    // Where it votes, nobody hears of it but node 2, and nobody answers.
                    if !votes(&cluster, 1) || letter.to == 2 {
                        cluster.deliver(&letter);
                    }
                }
                cluster.flush(id).unwrap();
                cluster.flight.clear();
                if votes(&cluster, 2) {
                    break 'catches_up;
                }
            }
        }
    }
    assert!(votes(&cluster, 2) && cluster.node(3).unwrap().status().admitted);
    cluster.flush(1).unwrap();
    // All of it reaches the old board at once.
    for (from, bytes) in &late {
        old.receive(Frame { from: NodeId(*from), bytes });
    }
    old.flush().unwrap();
    assert_eq!(old.log().last(), cluster.node(2).unwrap().log().last());
    assert!(old.status().admitted, "by the founders' configuration, which is three older");

    both_want_to_lead(cluster, old);
}

/// The leader restarts, and two nodes want to be the next. They hear what is said here.
fn both_want_to_lead(mut cluster: Cluster, mut old: ClusterNode<Words>) {
    cluster.crash(1, usize::MAX).unwrap();
    cluster.start(1).unwrap();
    let mut take = |id: u8| -> ClusterNode<Words> { cluster.node_mut(id).unwrap().clone() };
    let (mut one, mut two, mut new) = (take(1), take(2), take(3));
    for node in [&mut one, &mut two, &mut new, &mut old] {
        node.advance(10);
    }
    for (candidate, voter) in [(&mut old, &mut one), (&mut two, &mut new)] {
        candidate.campaign();
        for _ in 0..4 {
            pass(candidate, voter);
            pass(voter, candidate);
        }
    }
    let (old, two) = (old.status(), two.status());
    assert_eq!(two.role, RoleName::Leader);
    assert!(old.role != RoleName::Leader, "{old:?}");
}

/// Both boards want to lead at once, and each hears what is meant for the other. What is given to
/// one is no use to the other: its log lacks what was committed since it was removed.
#[test]
fn a_vote_for_one_board_is_not_one_for_the_other_of_that_id() {
    let (mut cluster, mut old) = two_boards();
    for _ in 0..100 {
        cluster.tick_and_settle().unwrap();
    }
    assert!(cluster.node(3).unwrap().status().admitted);
    cluster.crash(1, 0).unwrap();
    let (mut elected, mut stood) = (0, 0);
    for turn in 0..2000 {
        cluster.node_mut(2).unwrap().tick();
        cluster.node_mut(3).unwrap().tick();
        old.tick();
        if turn % 4 == 0 {
            cluster.node_mut(3).unwrap().campaign();
            old.campaign();
        }
        for _ in 0..3 {
            old.flush().unwrap();
            let from_old = sent(&mut old);
            // Somebody would have it lead, or a leader wanted the other board to.
            for question in pre_votes(&from_old) {
                let number = format!("number={question}");
                let term = format!("term={}", old.status().term.0);
                let bytes = forge(&["pre-grant", &term, &number]).unwrap();
                old.receive(Frame { from: NodeId(2), bytes: &bytes });
            }
            let two = cluster.node_mut(2).unwrap();
            two.flush().unwrap();
            let from_two = sent(two);
            cluster.flush(3).unwrap();
            pass_on(sent(cluster.node_mut(3).unwrap()), 3, cluster.node_mut(2).unwrap());
            pass_on(from_old, 3, cluster.node_mut(2).unwrap());
            pass_on(from_two.clone(), 2, cluster.node_mut(3).unwrap());
            pass_on(from_two, 2, &mut old);
            stood += u32::from(old.status().role == RoleName::Candidate);
            assert_ne!(old.status().role, RoleName::Leader, "in turn {turn}: {:?}", old.status());
        }
        let leads = |id| cluster.node(id).unwrap().status().role == RoleName::Leader;
        if leads(2) || leads(3) {
            // All begin anew, with their first question.
            elected += 1;
            for id in [2, 3] {
                cluster.crash(id, 0).unwrap();
                cluster.start(id).unwrap();
            }
            old = cluster.recover(3, old.into_storage()).unwrap();
        }
    }
    assert!(elected > 20 && stood > 20, "{elected} {stood}");
}

/// The numbers of the questions whether there would be votes.
fn pre_votes(letters: &[(u8, Vec<u8>)]) -> Vec<u64> {
    let asked =
        letters.iter().filter_map(|(_, bytes)| match wire::decode(bytes).unwrap().message {
            Message::VoteRequest(VoteRequest { standing: Standing::Pre, attempt, .. }) => {
                Some(attempt.0)
            }
            _ => None,
        });
    asked.collect()
}

/// What one node owes reaches another that has the id it is for.
fn pass_on(letters: Vec<(u8, Vec<u8>)>, from: u8, to: &mut ClusterNode<Words>) {
    let id = to.status().id.0;
    for (_, bytes) in letters.iter().filter(|(for_whom, _)| *for_whom == id) {
        to.receive(Frame { from: NodeId(from), bytes });
    }
}

/// Remembers how many letters it was told.
#[derive(Clone, Default)]
struct Letters(u32);

impl Machine for Letters {
    type Command<'a> = &'a str;
    type Output = u32;

    fn apply(&mut self, word: &str) -> u32 {
        self.0 += word.len() as u32;
        self.0
    }

    fn save(&self, saver: &mut Saver<'_>) {
        saver.value(&self.0);
    }

    fn restore(&mut self, loader: &mut Loader<'_>, _: u16) -> Result<(), LoadError> {
        self.0 = loader.value()?;
        Ok(())
    }
}

/// A command that fits into the room for one, and into no frame, would be asked for and for ever.
#[test]
fn a_command_that_no_frame_takes_is_refused_at_once() {
    type Patient = Sessions<Letters, 2, 8, 200>;
    let shape = <Patient as Machine>::SHAPE;
    let config = Config { frame_bytes: 100, machine_shape: shape, ..Config::new(NodeId(1), 1) };
    let mut storage = MemoryStorage::new(vec![0; 1024], vec![0; 4096]).unwrap();
    format(&mut storage, Identity::founder(ClusterId(1), &config, &[NodeId(1)])).unwrap();
    let machine = Patient::new(Letters::default(), 1);
    let mut node = Node::recover(config, vec![0; 1024], storage, machine).unwrap();
    let word = "x".repeat(150);
    assert_eq!(node.submit(&word.as_str()), Err(SubmitError::TooLarge));
    assert_eq!(node.submit(&"short"), Ok(()));
}

/// Runs three nodes over a link that takes one tick each way, and loses what is sent in one tick.
/// Says whether the leader leads on.
fn leads_on(quiet: u32, lost_at: u32) -> bool {
    let settings = Settings { quiet, cycle: 3, ..Settings::default() };
    let mut cluster = Cluster::found(&[1, 2, 3], &settings).unwrap();
    cluster.node_mut(1).unwrap().campaign();
    cluster.settle().unwrap();
    let mut mail = Vec::new();
    for now in 0..300 {
        for id in 1..=3 {
            cluster.node_mut(id).unwrap().tick();
        }
        for letter in std::mem::take(&mut mail) {
            cluster.deliver(&letter);
        }
        for id in 1..=3 {
            cluster.flush(id).unwrap();
            cluster.send(id, usize::MAX).unwrap();
            cluster.apply(id).unwrap();
        }
        let sent = std::mem::take(&mut cluster.flight);
        if now != lost_at {
            mail = sent;
        }
    }
    let status = cluster.node(1).unwrap().status();
    status.role == RoleName::Leader && status.term.0 == 1
}

/// A leader in quiet mode whose one heartbeat is lost speaks again, and waits as long for answers
/// as if it had never been quiet.
#[test]
fn a_quiet_leader_survives_a_lost_heartbeat() {
    for quiet in [0, 20] {
        let deposed = (100..200).filter(|&at| !leads_on(quiet, at)).count();
        assert_eq!(deposed, 0, "quiet for {quiet}");
    }
}

#[test]
fn a_log_that_is_smaller_than_all_are_said_to_be_is_refused() {
    let config = Config { least_log_bytes: 4096, ..Config::new(NodeId(1), 1) };
    let mut storage = MemoryStorage::new(vec![0; 1024], vec![0; 4096]).unwrap();
    format(&mut storage, Identity::founder(ClusterId(1), &config, &[NodeId(1)])).unwrap();
    let made = Node::recover(config, vec![0; 1024], storage, Letters::default());
    assert!(matches!(made.err(), Some(RecoverError::LogBelowLeast { least_bytes: 4096 })));
}

/// What every storage must have room for is agreed on: a node whose storage has less is not made,
/// and one whose machine needs more says so, instead of sending what some could not take.
#[test]
fn the_longest_snapshot_is_agreed_on() {
    let made = |agreed| {
        let config = Config { snapshot_bytes_max: agreed, ..Config::new(NodeId(1), 1) };
        let memory = || vec![0; 1024];
        let storage = MemoryStorage::new(memory(), vec![0; 4096]).unwrap();
        let mut storage = storage.with_snapshots(memory(), memory());
        format(&mut storage, Identity::founder(ClusterId(1), &config, &[NodeId(1)])).unwrap();
        Node::recover(config, memory(), storage, Letters::default())
    };
    let refused = made(1025).err();
    assert_eq!(refused, Some(RecoverError::SnapshotExceedsStorage { most_bytes: 1024 }));
    for (agreed, is_taken) in [(0, true), (1024, true), (4, false)] {
        let mut node = made(agreed).unwrap();
        while node.status().applied.0 == 0 {
            node.advance(node.ticks_until_due());
            node.flush().unwrap();
            while node.apply().is_some() {}
        }
        match node.compact() {
            Ok(taken) => assert!(taken && is_taken, "{agreed}"),
            Err(CompactError::TooLarge { most_bytes, .. }) => {
                assert_eq!((most_bytes, is_taken), (agreed, false));
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// Nodes that mean another time by a tick are in no cluster together.
#[test]
fn the_length_of_a_tick_is_agreed_on() {
    let config = Config::new(NodeId(1), 1);
    let slow = Config { tick_micros: 20_000, ..config.clone() };
    let short = Config { snapshot_bytes_max: 512, ..config.clone() };
    let digests = [&config, &slow, &short].map(Config::shared_digest);
    assert!(digests[0] != digests[1] && digests[0] != digests[2] && digests[1] != digests[2]);
    let mut storage = MemoryStorage::new(vec![0; 1024], vec![0; 4096]).unwrap();
    format(&mut storage, Identity::founder(ClusterId(1), &config, &[NodeId(1)])).unwrap();
    let made = Node::recover(slow, vec![0; 1024], storage, Letters::default());
    assert!(matches!(made.err(), Some(RecoverError::UnequalSettings)));
}

/// Whoever watches a node sees a snapshot come in piece by piece, and then none on its way.
#[test]
fn a_snapshot_that_comes_in_can_be_watched() {
    let settings = Settings { frame: 64, snapshot_bytes: 4096, ..Settings::default() };
    let mut cluster = Cluster::found(&[1, 2, 3], &settings).unwrap();
    cluster.node_mut(1).unwrap().campaign();
    cluster.settle().unwrap();
    cluster.crash(3, 0).unwrap();
    for number in 0..100 {
        let word = format!("a word with the number {number}");
        cluster.node_mut(1).unwrap().propose(&word.as_str()).unwrap();
        cluster.settle().unwrap();
        cluster.apply(1).unwrap();
    }
    cluster.start(3).unwrap();
    let mut held = Vec::new();
    for _ in 0..200 {
        for id in 1..=3 {
            cluster.node_mut(id).unwrap().tick();
            cluster.flush(id).unwrap();
            cluster.send(id, usize::MAX).unwrap();
        }
        for letter in std::mem::take(&mut cluster.flight) {
            cluster.deliver(&letter);
            if let Some((now, whole)) = cluster.node(3).unwrap().incoming_snapshot() {
                assert!(now <= whole && held.last() <= Some(&now));
                held.push(now);
            }
        }
    }
    held.dedup();
    assert!(held.len() > 1, "it was seen to grow: {held:?}");
    let node = cluster.node(3).unwrap();
    assert_eq!((node.incoming_snapshot(), node.status().snapshot.0 > 0), (None, true));
}
