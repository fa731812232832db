//! A record that was flushed can't be read any more: whichever it is, the node knows, counts for
//! nothing until a leader has refilled it, and then holds what it held.

#[path = "rot/tape.rs"]
mod tape;

use raft_core::{
    Alone, Ballot, ClusterId, Config, Event, Frame, Identity, Index, Loss, Node, NodeId, Position,
    Recipient, Record, RecoverError, RoleName, Storage, Term, format, recover_alone,
};
use raft_simulator::random::Random;
use raft_simulator::words::Words;
use tape::{Owned, Tape};

type Member = Node<Vec<u8>, Tape, Words>;

const LOG_BYTES: usize = 1536;
const FOUNDERS: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];

fn config(id: u8, life: u32) -> Config {
    // A short log, so that there are snapshots; whoever is behind is sent one.
    Config { compact_percent: 30, keep_entries: 2, ..Config::new(NodeId(id), life) }
}

fn make(id: u8, life: u32, tape: Tape) -> Result<Member, RecoverError<()>> {
    Node::recover(config(id, life), vec![0; LOG_BYTES], tape, Words::default())
}

fn founded() -> Vec<Member> {
    let found = |id: NodeId| {
        let mut tape = Tape::default();
        let identity = Identity::founder(ClusterId(1), &config(id.0, 1), &FOUNDERS);
        format(&mut tape, identity).unwrap();
        make(id.0, 1, tape).unwrap()
    };
    FOUNDERS.map(found).into()
}

/// What these nodes owe each other arrives, except between those that are cut off.
fn run(nodes: &mut [Member], ticks: u32, cut_off: Option<NodeId>) {
    for _ in 0..ticks {
        nodes.iter_mut().for_each(Node::tick);
        for _ in 0..3 {
            let mut letters = Vec::new();
            for node in nodes.iter_mut() {
                node.flush().unwrap();
                let mut buffer = [0; 200];
                while let Some(packet) = node.transmit(&mut buffer) {
                    letters.push((node.status().id, packet.to, packet.bytes.to_vec()));
                }
                while node.apply().is_some() {}
            }
            for (from, to, bytes) in letters {
                let here = |node: &&mut Member| Recipient::Peer(node.status().id) == to;
                if let Some(node) = nodes.iter_mut().find(here)
                    && cut_off.is_none_or(|id| id != from && id != node.status().id)
                {
                    node.receive(Frame { from, bytes: &bytes });
                }
            }
        }
    }
}

fn leader(nodes: &[Member]) -> Option<usize> {
    let leading = nodes.iter().enumerate().filter(|it| it.1.status().role == RoleName::Leader);
    leading.max_by_key(|it| it.1.status().term).map(|it| it.0)
}

fn restart(nodes: &mut Vec<Member>, place: usize, life: u32, change: impl FnOnce(&mut Tape)) {
    let id = nodes[place].status().id.0;
    let mut tape = nodes.remove(place).into_storage();
    change(&mut tape);
    nodes.insert(place, make(id, life, tape).unwrap());
}

fn agree(nodes: &[Member]) -> bool {
    let state =
        |node: &Member| (node.log().last(), node.status().applied, node.machine().0.clone());
    nodes.windows(2).all(|pair| state(&pair[0]) == state(&pair[1]))
}

/// Nodes that were cut off and came back, so that tapes hold entries that gave way to others.
fn history(random: &mut Random) -> Vec<Member> {
    let mut nodes = founded();
    let mut words = 0..;
    for _ in 0..12 {
        let cut_off = (random.below(2) == 0).then(|| FOUNDERS[random.below(3) as usize]);
        for _ in 0..random.between(2, 6) {
            let takers: Vec<usize> =
                (0..3).filter(|&at| nodes[at].status().role == RoleName::Leader).collect();
            for taker in takers {
                let word = format!("{}", words.next().unwrap_or(0));
                nodes[taker].propose(&word.as_str()).ok();
            }
            run(&mut nodes, 1, cut_off);
        }
        run(&mut nodes, random.below(60), cut_off);
    }
    run(&mut nodes, 60, None);
    nodes
}

/// Whether entries of this tape took the place of others.
fn gives_way(tape: &Tape) -> bool {
    let after = |record: &Owned| match record {
        Owned::Entries(after, ..) => Some(after.index),
        _ => None,
    };
    let places: Vec<Index> = tape.records.iter().filter_map(after).collect();
    places.windows(2).any(|pair| pair[1] <= pair[0])
}

#[test]
fn whatever_record_rots_the_node_is_refilled_and_stays_so() {
    let (mut refilled, mut gave_way, mut by_snapshot, mut truncated) = (0, 0, 0, 0);
    for seed in 0..60 {
        let random = &mut Random::new(seed, 1);
        let mut nodes = history(random);
        assert!(agree(&nodes), "seed {seed}");
        let victim = random.below(3) as usize;
        let tape = nodes[victim].storage_mut().clone();
        truncated += u32::from(gives_way(&tape));
        for place in (0..tape.records.len()).filter(|&at| tape.records[at].may_rot()) {
            let mut nodes = nodes.clone();
            let before = nodes[victim].log().last();
            restart(&mut nodes, victim, 2, |tape| tape.records[place] = Owned::Rotten);
            let status = nodes[victim].status();
            if !status.refilling {
                // Only pieces of a snapshot that another one took the place of.
                let stage = matches!(tape.records[place], Owned::Stage(_) | Owned::Chunk(..));
                assert!(stage, "seed {seed}, {place}: {:?}", tape.records[place]);
                continue;
            }
            assert!(!status.admitted && nodes[victim].poll_event() == Some(Event::EntriesLost));
            gave_way += u32::from(status.last > Index(0) && status.last < before.index);
            let base = nodes[victim].log().base();
            run(&mut nodes, 200, None);
            let status = nodes[victim].status();
            assert!(!status.refilling && status.admitted, "seed {seed}, {place}");
            assert!(agree(&nodes), "seed {seed}, {place}");
            by_snapshot += u32::from(status.snapshot > base.index && base == Position::ZERO);
            // The next start finds all of it, though what rotted is still there.
            let log = nodes[victim].log().entries().map(|it| it.body.to_vec()).collect::<Vec<_>>();
            restart(&mut nodes, victim, 3, |_| {});
            let found = nodes[victim].log().entries().map(|it| it.body.to_vec());
            assert_eq!(found.collect::<Vec<_>>(), log, "seed {seed}, {place}");
            assert!(!nodes[victim].status().refilling, "seed {seed}, {place}");
            run(&mut nodes, 100, None);
            assert!(agree(&nodes), "seed {seed}, {place}");
            refilled += 1;
        }
    }
    assert!(
        refilled > 500 && gave_way > 100 && by_snapshot > 10 && truncated > 20,
        "{refilled} {gave_way} {by_snapshot} {truncated}"
    );
}

#[test]
fn what_rots_after_a_refilling_is_another_loss() {
    let random = &mut Random::new(7, 1);
    let mut nodes = history(random);
    let last = |tape: &Tape| tape.records.iter().rposition(Owned::may_rot).unwrap_or(0);
    for life in 2..5 {
        let victim = (leader(&nodes).unwrap() + 1) % 3;
        restart(&mut nodes, victim, life, |tape| {
            let at = last(tape);
            tape.records[at] = Owned::Rotten;
        });
        assert!(nodes[victim].status().refilling);
        // The power fails before anything of it is flushed, and again in the middle.
        restart(&mut nodes, victim, life + 10, |_| {});
        assert!(nodes[victim].status().refilling);
        run(&mut nodes, 3, None);
        restart(&mut nodes, victim, life + 20, |_| {});
        run(&mut nodes, 200, None);
        assert!(!nodes[victim].status().refilling && agree(&nodes));
        let leading = leader(&nodes).unwrap();
        nodes[leading].propose(&"more").unwrap();
        run(&mut nodes, 20, None);
    }
}

#[test]
fn a_node_that_lost_its_ballot_is_not_made() {
    let mut tape = founded().remove(0).into_storage();
    struct Doubtful(Tape);
    impl Storage for Doubtful {
        type Error = ();
        fn recover(&mut self, each: &mut dyn FnMut(Record<'_>)) -> Result<(), ()> {
            self.0.recover(each)?;
            each(Record::Lost(Loss::Ballot));
            Ok(())
        }
        fn write(&mut self, record: Record<'_>) -> Result<(), ()> {
            self.0.write(record)
        }
        fn read(&mut self, _: raft_core::Part, _: u32, _: &mut [u8]) -> Result<(), ()> {
            Err(())
        }
        fn snapshot_bytes_max(&self) -> u32 {
            0
        }
        fn flush(&mut self) -> Result<(), ()> {
            Ok(())
        }
    }
    let ballot = Ballot { term: Term(4), vote: None, admitted: true, losses: 0 };
    tape.write(Record::Ballot(ballot)).unwrap();
    let made = Node::recover(config(1, 1), vec![0; LOG_BYTES], Doubtful(tape), Words::default());
    assert_eq!(made.err(), Some(RecoverError::BallotLost));
}

#[test]
fn a_survivor_that_lost_entries_goes_on_alone() {
    let random = &mut Random::new(3, 1);
    let mut nodes = history(random);
    let mut tape = nodes.remove(0).into_storage();
    let at = tape.records.iter().rposition(Owned::may_rot).unwrap();
    tape.records[at] = Owned::Rotten;
    let confirmed = Alone::AcknowledgedCommandsMayBeLost;
    recover_alone(&config(1, 2), vec![0; LOG_BYTES], &mut tape, ClusterId(2), confirmed).unwrap();
    let mut nodes = vec![make(1, 3, tape).unwrap()];
    run(&mut nodes, 60, None);
    assert_eq!(nodes[0].status().role, RoleName::Leader);
    assert!(!nodes[0].status().refilling);
    nodes[0].propose(&"after").unwrap();
    run(&mut nodes, 2, None);
    assert_eq!(nodes[0].machine().0.last().map(String::as_str), Some("after"));
    restart(&mut nodes, 0, 4, |_| {});
    run(&mut nodes, 60, None);
    assert_eq!(nodes[0].machine().0.last().map(String::as_str), Some("after"));
}
