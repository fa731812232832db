//! A record that was flushed can't be read any more: whichever it is, the node knows, counts for
//! nothing until a leader has refilled it, and then holds what it held.

#[path = "rot/tape.rs"]
mod tape;

use raft_core::{
    Alone, Ballot, ClusterId, Config, Event, Frame, Identity, Index, Loss, Node, NodeId, Position,
    Recipient, Record, RecoverError, RoleName, Status, Storage, Term, format, recover_alone,
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

fn founded(most_records: Option<usize>) -> Vec<Member> {
    let found = |id: NodeId| {
        let mut tape = Tape { most_records, ..Tape::default() };
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
    // Every other tape is now and then written anew.
    let most_records = (random.below(2) == 0).then_some(30);
    let mut nodes = founded(most_records);
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
    let mut renewals = 0;
    for seed in 0..80 {
        let random = &mut Random::new(seed, 1);
        let mut nodes = history(random);
        assert!(agree(&nodes), "seed {seed}");
        let victim = random.below(3) as usize;
        let tape = nodes[victim].storage_mut().clone();
        truncated += u32::from(gives_way(&tape));
        renewals += tape.renewals;
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
        refilled > 500 && gave_way > 100 && by_snapshot > 5 && truncated > 20 && renewals > 40,
        "{refilled} {gave_way} {by_snapshot} {truncated} {renewals}"
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

/// What a node lost is put back while leaders come and go, and then something else of all that its
/// tape holds rots: before, between and behind the ballots that tell of the first loss.
#[test]
fn what_rots_beside_an_earlier_loss_is_noticed() {
    let (mut noticed, mut harmless) = (0, 0);
    for seed in 0..60 {
        let random = &mut Random::new(seed, 2);
        let mut nodes = history(random);
        let victim = random.below(3) as usize;
        for life in 0..2 {
            let tape = nodes[victim].storage_mut().clone();
            // Mostly one that takes no entry along: then none need come back.
            let is_base = |at: &usize| matches!(tape.records[*at], Owned::Base(_));
            let bare = random.below(4) > 0;
            let rots = |at: &usize| if bare { is_base(at) } else { tape.records[*at].may_rot() };
            let places: Vec<usize> = (0..tape.records.len()).filter(rots).collect();
            if places.is_empty() {
                continue;
            }
            let place = places[random.below(places.len() as u32) as usize];
            restart(&mut nodes, victim, 10 * life, |tape| tape.records[place] = Owned::Rotten);
            for step in 1..=random.below(3) {
                run(&mut nodes, random.between(1, 4), None);
                let leading = leader(&nodes).filter(|&at| at != victim);
                restart(&mut nodes, leading.unwrap_or((victim + 1) % 3), 10 * life + step, |_| {});
                run(&mut nodes, random.between(20, 40), Some(FOUNDERS[victim]));
            }
            run(&mut nodes, 200, None);
            assert!(!nodes[victim].status().refilling && agree(&nodes), "seed {seed}");
        }
        let before = (nodes[victim].log().last(), nodes[victim].storage_mut().clone());
        for place in (0..before.1.records.len()).filter(|&at| before.1.records[at].may_rot()) {
            let mut nodes = nodes.clone();
            restart(&mut nodes, victim, 30, |tape| tape.records[place] = Owned::Rotten);
            if nodes[victim].status().refilling {
                noticed += 1;
            } else {
                harmless += 1;
                assert_eq!(nodes[victim].log().last(), before.0, "seed {seed}, {place}");
            }
            run(&mut nodes, 200, None);
            assert!(!nodes[victim].status().refilling && agree(&nodes), "seed {seed}, {place}");
        }
    }
    assert!(noticed > 300 && harmless > 50, "{noticed} {harmless}");
}

/// Entries that lost bases dropped come back, and those behind them find no room.
#[test]
fn bases_that_rot_leave_more_than_there_is_room_for() {
    let mut nodes = founded(None);
    run(&mut nodes, 60, None);
    let word = "a word that takes some room in a short log";
    for _ in 0..60 {
        let leading = leader(&nodes).unwrap();
        nodes[leading].propose(&word).unwrap();
        run(&mut nodes, 3, None);
    }
    let victim = (leader(&nodes).unwrap() + 1) % 3;
    restart(&mut nodes, victim, 2, |tape| {
        for record in tape.records.iter_mut().filter(|it| matches!(it, Owned::Base(_))) {
            *record = Owned::Rotten;
        }
    });
    assert!(nodes[victim].status().refilling);
    nodes[victim].flush().unwrap();
    // Storage that keeps a log like the node's is told to drop the same.
    let (base, last) = (nodes[victim].log().base(), nodes[victim].log().last());
    match &nodes[victim].storage_mut().records[..] {
        [.., Owned::Base(told), Owned::Entries(after, _, none), Owned::Ballot(ballot)] => {
            assert_eq!((*told, *after, none.len(), ballot.losses), (base, last, 0, 1));
        }
        _ => panic!("it was told something else"),
    }
    run(&mut nodes, 200, None);
    assert!(!nodes[victim].status().refilling && agree(&nodes));
}

/// A node that is being refilled compacts its log and hears of a new term in one flush, and then
/// the snapshot rots: the ballot behind it tells of an earlier loss.
#[test]
fn a_snapshot_that_rots_before_a_ballot_of_an_earlier_loss() {
    let random = &mut Random::new(5, 1);
    let mut nodes = history(random);
    let victim = (leader(&nodes).unwrap() + 1) % 3;
    let Status { term, .. } = nodes[victim].status();
    let ballot = |term| Owned::Ballot(Ballot { term, vote: None, admitted: true, losses: 1 });
    restart(&mut nodes, victim, 2, |tape| {
        let snapshot = |it: &Owned| matches!(it, Owned::Snapshot(_));
        let at = tape.records.iter().position(snapshot).unwrap();
        assert!(matches!(tape.records[at + 1], Owned::Base(_)), "in one flush");
        tape.records.truncate(at + 2);
        tape.records[at] = Owned::Rotten;
        tape.records.insert(at + 1, ballot(term));
        tape.records.insert(2, ballot(Term(1)));
    });
    assert!(nodes[victim].status().refilling);
    run(&mut nodes, 200, None);
    assert!(!nodes[victim].status().refilling && agree(&nodes));
}

#[test]
fn a_node_that_lost_its_ballot_is_not_made() {
    let mut tape = founded(None).remove(0).into_storage();
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
