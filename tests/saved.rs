//! All disks are gone, and a snapshot in other hands is left: a new cluster begins with it.

mod disaster;

use disaster::{Disk, FOUNDERS, LOG_BYTES, Member, NEW, OLD, blank, run};
use raft_core::{
    Config, Configuration, FormatError, FoundError, Identity, LoadError, Node, NodeId, Nonce, Part,
    Record, RoleName, Saved, Snapshot, Storage, format,
};
use raft_simulator::words::Words;

/// Of those before only one is there again.
const SUCCESSORS: [NodeId; 3] = [NodeId(3), NodeId(4), NodeId(5)];

fn config(id: NodeId) -> Config {
    Config::new(id, 3)
}

fn make(id: NodeId, disk: Disk) -> Member {
    Node::recover(config(id), vec![0; LOG_BYTES], disk, Words::default()).unwrap()
}

/// What a cluster that had agreed on two words left behind.
fn legacy() -> (Snapshot, Vec<u8>) {
    let mut nodes: Vec<Member> = Vec::new();
    for id in FOUNDERS {
        let mut disk = blank();
        format(&mut disk, Identity::founder(OLD, &config(id), &FOUNDERS)).unwrap();
        nodes.push(make(id, disk));
    }
    nodes[0].campaign();
    run(&mut nodes, 5);
    for word in ["one", "two"] {
        nodes[0].propose(&word).unwrap();
        run(&mut nodes, 5);
    }
    nodes[0].compact().unwrap();
    let snapshot = nodes[0].snapshot();
    let mut bytes = vec![0; snapshot.bytes as usize];
    nodes[0].storage_mut().read(Part::Snapshot, 0, &mut bytes).unwrap();
    (snapshot, bytes)
}

fn founder(id: NodeId) -> Identity {
    Identity::founder(NEW, &config(id), &SUCCESSORS)
}

fn found(
    disk: &mut impl Storage,
    founder: Identity,
    (snapshot, bytes): &(Snapshot, Vec<u8>),
) -> Result<Snapshot, String> {
    let source = &mut |offset, buffer: &mut [u8]| {
        let bytes = bytes.get(offset as usize..)?.get(..buffer.len())?;
        buffer.copy_from_slice(bytes);
        Some(())
    };
    let found = Saved::new(*snapshot, source).found(disk, founder);
    found.map_err(|error| format!("{error:?}"))
}

fn records(disk: &mut Disk) -> usize {
    let mut count = 0;
    disk.recover(&mut |_| count += 1).unwrap();
    count
}

#[test]
fn founders_of_a_new_cluster_begin_with_what_the_old_one_had() {
    let legacy = legacy();
    let mut nodes = Vec::new();
    for id in SUCCESSORS {
        let mut disk = blank();
        found(&mut disk, founder(id), &legacy).unwrap();
        nodes.push(make(id, disk));
    }
    assert!(nodes.iter().all(|node| node.machine().0 == ["one", "two"]), "before any leads");
    assert!(nodes.iter().all(|node| node.status().admitted));
    assert!(nodes.windows(2).all(|pair| pair[0].snapshot() == pair[1].snapshot()));
    run(&mut nodes, 60);
    let leads = |node: &&mut Member| node.status().role == RoleName::Leader;
    let leader = nodes.iter_mut().find(leads).unwrap();
    assert!(leader.status().term > legacy.0.last.term);
    let position = leader.propose(&"three").unwrap();
    assert!(position.index > legacy.0.last.index, "places go on where they ended");
    run(&mut nodes, 10);
    for node in &nodes {
        assert_eq!(node.machine().0, ["one", "two", "three"]);
        assert_eq!(node.configuration().membership.incoming, SUCCESSORS.into_iter().collect());
    }
}

#[test]
fn it_says_what_is_in_it_and_becomes_a_machine() {
    let (snapshot, bytes) = legacy();
    let source = &mut |offset, buffer: &mut [u8]| {
        buffer.copy_from_slice(bytes.get(offset as usize..)?.get(..buffer.len())?);
        Some(())
    };
    let mut saved = Saved::new(snapshot, source);
    assert_eq!(saved.check(), Ok(()));
    let (configuration, format): (Configuration, u16) = saved.head().unwrap();
    assert_eq!(configuration.membership.incoming, FOUNDERS.into_iter().collect());
    assert_eq!((configuration.settings, format), (config(NodeId(1)).shared_digest(), 0));
    let mut words = Words::default();
    saved.restore(&mut words).unwrap();
    assert_eq!(words.0, ["one", "two"]);
}

#[test]
fn what_is_not_as_it_was_is_refused_and_leaves_the_storage_blank() {
    let legacy = legacy();
    let refused = |legacy: &(Snapshot, Vec<u8>)| {
        let mut disk = blank();
        let error = found(&mut disk, founder(NodeId(3)), legacy).unwrap_err();
        assert_eq!(records(&mut disk), 0);
        error
    };
    let content = format!("{:?}", FoundError::<()>::Snapshot(LoadError::Content));
    for at in 0..legacy.1.len() {
        let mut damaged = legacy.clone();
        damaged.1[at] ^= 1;
        assert_eq!(refused(&damaged), content, "byte {at}");
    }
    let mut short = legacy.clone();
    short.1.pop();
    assert_eq!(refused(&short), "Snapshot(Unreadable)");
    let none = (Snapshot::NONE, Vec::new());
    assert_eq!(refused(&none), content, "there is nothing to begin with");
}

#[test]
fn only_blank_storage_with_room_becomes_that_of_a_founder() {
    let legacy = legacy();
    let mut disk = blank();
    let stranger = Identity { id: NodeId(1), ..founder(NodeId(3)) };
    let bad = format!("{:?}", FoundError::<()>::Format(FormatError::BadMembership));
    assert_eq!(found(&mut disk, stranger, &legacy), Err(bad.clone()));
    let newcomer = Identity::newcomer(NEW, NodeId(3), Nonce(9));
    assert_eq!(found(&mut disk, newcomer, &legacy), Err(bad));
    let mut small = Disk::new(vec![0; LOG_BYTES], vec![0; LOG_BYTES]).unwrap();
    let error = found(&mut small, founder(NodeId(3)), &legacy).unwrap_err();
    assert!(error.starts_with("TooLarge") && error.ends_with("most_bytes: 0 }"), "{error}");
    format(&mut disk, newcomer).unwrap();
    let taken = format!("{:?}", FoundError::<()>::Format(FormatError::NotBlank));
    assert_eq!(found(&mut disk, founder(NodeId(3)), &legacy), Err(taken));
}

/// Nothing reaches the medium for certain.
struct Cut<'d>(&'d mut Disk);

impl Storage for Cut<'_> {
    type Error = <Disk as Storage>::Error;
    fn recover(&mut self, each: &mut dyn FnMut(Record<'_>)) -> Result<(), Self::Error> {
        self.0.recover(each)
    }
    fn write(&mut self, record: Record<'_>) -> Result<(), Self::Error> {
        self.0.write(record)
    }
    fn read(&mut self, part: Part, offset: u32, buffer: &mut [u8]) -> Result<(), Self::Error> {
        self.0.read(part, offset, buffer)
    }
    fn snapshot_bytes_max(&self) -> u32 {
        self.0.snapshot_bytes_max()
    }
    fn flush(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// At each byte the power may fail. Then there is nothing, or somebody who never leads nor votes,
/// or all of it: a founder that has forgotten what the cluster begins with would be the worst.
#[test]
fn a_power_cut_in_the_middle_makes_no_founder_that_lacks_something() {
    let (legacy, mut seen) = (legacy(), [0; 3]);
    let mut whole = blank();
    found(&mut Cut(&mut whole), founder(NodeId(3)), &legacy).unwrap();
    for kept in 0..=whole.unflushed_bytes() {
        let mut disk = whole.clone();
        disk.crash(kept).unwrap();
        if records(&mut disk) == 0 {
            seen[0] += 1;
            found(&mut disk, founder(NodeId(3)), &legacy).unwrap();
            continue;
        }
        let mut nodes = vec![make(NodeId(3), disk)];
        if nodes[0].status().admitted {
            seen[2] += 1;
            assert_eq!(nodes[0].machine().0, ["one", "two"], "{kept}");
            continue;
        }
        seen[1] += 1;
        for id in [NodeId(4), NodeId(5)] {
            let mut disk = blank();
            format(&mut disk, founder(id)).unwrap();
            nodes.push(make(id, disk));
        }
        // Another one is switched off, so that it would have to take part.
        nodes.pop();
        run(&mut nodes, 120);
        let leads = |node: &Member| node.status().role == RoleName::Leader;
        assert!(!nodes.iter().any(leads), "its vote counts: {kept}");
    }
    assert!(seen[0] > 10 && seen[1] > 100 && seen[2] == 1, "{seen:?}");
}
