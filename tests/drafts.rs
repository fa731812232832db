//! Snapshots that are saved beside the node: what a draft is of, what becomes of it while the node
//! goes on, and what is not adopted.

use raft_core::{
    ClusterId, CompactError, Config, Draft, Event, Frame, Identity, Index, LoadError, Loader,
    Machine, MemoryStorage, Node, NodeId, Part, Position, Recipient, RoleName, Saver, Snapshot,
    Storage, Term, format,
};

/// Every number it was told; saved beside its node, or by it.
#[derive(Clone, Default, PartialEq, Debug)]
struct Numbers<const BESIDE: bool>(Vec<u32>);

impl<const BESIDE: bool> Machine for Numbers<BESIDE> {
    type Command<'a> = u32;
    type Output = ();
    const SAVED_BESIDE: bool = BESIDE;

    fn apply(&mut self, number: u32) {
        self.0.push(number);
    }

    fn save(&self, saver: &mut Saver<'_>) {
        saver.value(&self.0.len());
        self.0.iter().for_each(|number| saver.value(number));
    }

    fn restore(&mut self, loader: &mut Loader<'_>, _: u16) -> Result<(), LoadError> {
        let count: usize = loader.value()?;
        self.0 = (0..count).map(|_| loader.value()).collect::<Result<_, _>>()?;
        Ok(())
    }
}

type Single<const BESIDE: bool> = Node<Vec<u8>, MemoryStorage<Vec<u8>>, Numbers<BESIDE>>;

const LOG_BYTES: usize = 4096;

fn config() -> Config {
    Config { keep_entries: 0, ..Config::new(NodeId(1), 7) }
}

fn recover<const BESIDE: bool>(storage: MemoryStorage<Vec<u8>>) -> Single<BESIDE> {
    let mut node =
        Node::recover(config(), vec![0; LOG_BYTES], storage, Numbers::default()).unwrap();
    while node.status().role != RoleName::Leader || node.status().applied < node.status().last {
        node.advance(node.ticks_until_due());
        settle(&mut node);
    }
    node
}

/// A node that leads alone, with room for snapshots of so many bytes.
fn leader<const BESIDE: bool>(snapshot_bytes: usize) -> Single<BESIDE> {
    let storage = MemoryStorage::new(vec![0; LOG_BYTES], vec![0; 16 * 1024]).unwrap();
    let (one, other) = (vec![0; snapshot_bytes], vec![0; snapshot_bytes]);
    let mut storage = storage.with_snapshots(one, other);
    let identity = Identity::founder(ClusterId(9), &config(), &[NodeId(1)]);
    format(&mut storage, identity).unwrap();
    recover(storage)
}

fn settle<const BESIDE: bool>(node: &mut Single<BESIDE>) {
    node.flush().unwrap();
    while node.apply().is_some() {}
}

fn tell<const BESIDE: bool>(node: &mut Single<BESIDE>, numbers: std::ops::Range<u32>) {
    for number in numbers {
        node.propose(&number).unwrap();
        settle(node);
    }
}

/// Saves the machine as it is now, as another thread would.
fn save(draft: &Draft, machine: &Numbers<true>) -> (Snapshot, Vec<u8>) {
    let mut bytes = Vec::new();
    let mut sink = |offset: u32, piece: &[u8]| {
        assert_eq!(offset as usize, bytes.len());
        bytes.extend_from_slice(piece);
        Some(())
    };
    (draft.save(machine, &mut sink).unwrap(), bytes)
}

fn adopt(
    node: &mut Single<true>,
    (snapshot, bytes): (Snapshot, &[u8]),
) -> Result<bool, CompactError<raft_core::MemoryStorageError>> {
    node.adopt(snapshot, |storage| {
        storage.write(raft_core::Record::Stage { snapshot, held: 0 })?;
        storage.write(raft_core::Record::Chunk { offset: 0, bytes })
    })
}

#[test]
fn a_machine_that_is_saved_beside_its_node_is_never_saved_by_it() {
    let mut node = leader::<true>(1024);
    let mut next = 0;
    while node.propose(&next).is_ok() {
        next += 1;
        settle(&mut node);
    }
    assert!(node.wants_draft(), "there is no room any more");
    assert_eq!(node.status().snapshot, Index::ZERO);
    let draft = node.draft().unwrap().unwrap();
    assert_eq!(draft.last().index, node.applied());
    let (snapshot, bytes) = save(&draft, node.machine());
    assert_eq!(adopt(&mut node, (snapshot, &bytes)), Ok(true));
    assert!(!node.wants_draft() && node.draft().unwrap().is_none());
    tell(&mut node, next..next + 10);
    assert_eq!(node.machine().0, (0..next + 10).collect::<Vec<_>>());
}

#[test]
fn what_was_applied_meanwhile_is_behind_the_snapshot_after_a_power_cut_too() {
    let mut node = leader::<true>(1024);
    tell(&mut node, 0..20);
    let (draft, copy) = (node.draft().unwrap().unwrap(), node.machine().clone());
    tell(&mut node, 20..25);
    let (snapshot, bytes) = save(&draft, &copy);
    assert_eq!(adopt(&mut node, (snapshot, &bytes)), Ok(true));
    assert_eq!(node.snapshot(), snapshot);
    for flushed in [false, true] {
        let mut node = node.clone();
        if flushed {
            node.flush().unwrap();
        }
        let mut storage = node.into_storage();
        storage.crash(0).unwrap();
        let node = recover::<true>(storage);
        assert_eq!(node.machine().0, (0..25).collect::<Vec<_>>());
        let expected = if flushed { snapshot } else { Snapshot::NONE };
        assert_eq!(node.snapshot(), expected, "it counts when it is flushed");
    }
}

#[test]
fn it_says_just_what_the_node_itself_would_save() {
    let (mut one, mut other) = (leader::<true>(1024), leader::<false>(1024));
    tell(&mut one, 0..30);
    tell(&mut other, 0..30);
    let (snapshot, bytes) = save(&one.draft().unwrap().unwrap(), one.machine());
    assert_eq!(other.compact(), Ok(true));
    assert_eq!(other.snapshot(), snapshot);
    let mut held = vec![0; snapshot.bytes as usize];
    other.storage_mut().read(Part::Snapshot, 0, &mut held).unwrap();
    assert_eq!(held, bytes);
}

#[test]
fn what_is_no_news_or_of_another_log_is_not_adopted() {
    let mut node = leader::<true>(1024);
    tell(&mut node, 0..5);
    let (early, copy) = (node.draft().unwrap().unwrap(), node.machine().clone());
    tell(&mut node, 5..10);
    let (late, bytes) = save(&node.draft().unwrap().unwrap(), node.machine());
    let never = |_: &mut MemoryStorage<Vec<u8>>| panic!("it takes the place of nothing");
    let Position { term, index } = late.last;
    for last in [
        Position { term, index: index.next() },
        Position { term: Term(term.0 + 1), index },
        Position { term, index: Index(1 << 40) },
    ] {
        assert_eq!(node.adopt(Snapshot { last, ..late }, never), Ok(false), "{last:?}");
    }
    assert_eq!(adopt(&mut node, (late, &bytes)), Ok(true));
    let (early, _) = save(&early, &copy);
    assert_eq!(node.adopt(early, never), Ok(false), "a later one is there");
    assert_eq!(node.adopt(late, never), Ok(false), "it is there already");
}

#[test]
fn one_that_is_too_large_is_told_of_once_for_each_position() {
    let mut node = leader::<true>(40);
    let mut next = 0;
    while !node.wants_draft() {
        tell(&mut node, next..next + 1);
        next += 1;
    }
    while node.poll_event().is_some() {}
    let draft = node.draft().unwrap().unwrap();
    let (snapshot, bytes) = save(&draft, node.machine());
    assert!(snapshot.bytes > draft.most_bytes() && bytes.len() <= draft.most_bytes() as usize);
    let refused = adopt(&mut node, (snapshot, &bytes));
    let (bytes, most_bytes) = (snapshot.bytes, 40);
    assert_eq!(refused, Err(CompactError::TooLarge { bytes, most_bytes }));
    assert_eq!(node.poll_event(), Some(Event::SnapshotTooLarge(bytes)));
    assert_eq!(node.poll_event(), None);
    assert!(!node.wants_draft(), "it would be as large again");
    tell(&mut node, next..next + 1);
    assert!(node.wants_draft(), "and now it may be smaller");
}

#[test]
fn a_sink_that_takes_no_more_makes_no_snapshot() {
    let mut node = leader::<true>(1024);
    tell(&mut node, 0..30);
    let draft = node.draft().unwrap().unwrap();
    assert_eq!(draft.save(node.machine(), &mut |offset, _| (offset < 32).then_some(())), None);
}

/// Three founders that have elected a leader; says which one.
fn three() -> (Vec<Single<true>>, usize) {
    let ids = [NodeId(1), NodeId(2), NodeId(3)];
    let mut nodes: Vec<_> = ids
        .iter()
        .map(|&id| {
            let config = Config { pace_bytes: 1, ..Config::new(id, 7 + u32::from(id.0)) };
            let storage = MemoryStorage::new(vec![0; LOG_BYTES], vec![0; 32 * 1024]).unwrap();
            let mut storage = storage.with_snapshots(vec![0; 4096], vec![0; 4096]);
            let config = Config { keep_entries: 0, ..config };
            format(&mut storage, Identity::founder(ClusterId(9), &config, &ids)).unwrap();
            Node::recover(config, vec![0; LOG_BYTES], storage, Numbers::default()).unwrap()
        })
        .collect();
    for _ in 0..10_000 {
        round(&mut nodes, None);
        let leads = |node: &Single<true>| {
            let status = node.status();
            status.role == RoleName::Leader && status.applied == status.last
        };
        if let Some(place) = nodes.iter().position(leads) {
            return (nodes, place);
        }
    }
    panic!("nobody leads");
}

/// A tick for everyone; nothing reaches whoever is cut off.
fn round(nodes: &mut [Single<true>], cut_off: Option<usize>) {
    let mut letters = Vec::new();
    let reached = |place: usize| cut_off != Some(place);
    for (place, node) in nodes.iter_mut().enumerate() {
        node.tick();
        settle(node);
        let mut buffer = [0; 256];
        while let Some(packet) = node.transmit(&mut buffer) {
            letters.push((place, packet.to, packet.bytes.to_vec()));
        }
    }
    for (from, to, bytes) in letters {
        for (place, node) in nodes.iter_mut().enumerate() {
            let id = node.status().id;
            if Recipient::Peer(id) == to && reached(place) && reached(from) {
                node.receive(Frame { from: NodeId(from as u8 + 1), bytes: &bytes });
            }
        }
    }
}

fn save_here(node: &mut Single<true>) {
    let (snapshot, bytes) = save(&node.draft().unwrap().unwrap(), node.machine());
    assert_eq!(adopt(node, (snapshot, &bytes)), Ok(true));
}

#[test]
fn an_adoption_waits_for_the_end_of_a_stream_unless_somebody_insists() {
    for insists in [false, true] {
        let (mut nodes, leader) = three();
        let away = (leader + 1) % 3;
        for number in 0..1500 {
            nodes[leader].propose(&number).unwrap();
            round(&mut nodes, Some(away));
            for node in nodes.iter_mut().filter(|node| node.wants_draft()) {
                assert!(!node.adoption_waits());
                save_here(node);
            }
        }
        let mut waited = false;
        for _ in 0..10_000 {
            round(&mut nodes, None);
            if nodes[away].machine() == nodes[leader].machine() {
                break;
            }
            if nodes[leader].adoption_waits() && nodes[away].adoption_waits() && !waited {
                assert!(nodes[away].incoming_snapshot().is_some());
                waited = true;
                if insists {
                    nodes[leader].propose(&7).unwrap();
                    while nodes[leader].applied() < nodes[leader].status().last {
                        round(&mut nodes, None);
                    }
                    save_here(&mut nodes[leader]);
                    assert!(!nodes[leader].adoption_waits(), "that was the end of it");
                }
            }
        }
        assert!(waited);
        assert_eq!(nodes[away].machine(), nodes[leader].machine());
        (0..50).for_each(|_| round(&mut nodes, None));
        assert!(nodes.iter().all(|node| !node.adoption_waits()));
    }
}
