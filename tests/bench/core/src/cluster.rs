//! Three nodes on one desk: everything they say is encoded, handed over and decoded.
//!
//! The link is free of charge: a datagram is received out of the very buffer that it was written
//! to, so that what is measured is the nodes and nothing around them.

use raft_core::{
    Ballot, ClusterId, Config, Frame, Identity, Index, LoadError, Loader, Machine, MemoryStorage,
    Node, NodeId, Position, Recipient, Record, RoleName, Saver, Snapshot, Storage, Term, format,
};

/// The command that everything is measured with: 16 bytes, encoded as just those.
pub type Command = [u8; 16];

/// Counts commands, and folds them into a number that depends on each of them and their order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    pub applied: u64,
    digest: u64,
}

impl Machine for Tally {
    type Command<'a> = Command;
    type Output = u64;

    fn apply(&mut self, command: Command) -> u64 {
        let whole = u128::from_le_bytes(command);
        let halves = [whole as u64, (whole >> 64) as u64];
        for half in halves {
            // Odd, and with bits everywhere: the golden ratio.
            self.digest = (self.digest ^ half).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(31);
        }
        self.applied += 1;
        self.applied
    }

    fn save(&self, saver: &mut Saver<'_>) {
        saver.value(&(self.applied, self.digest));
    }

    fn restore(&mut self, loader: &mut Loader<'_>, _: u16) -> Result<(), LoadError> {
        (self.applied, self.digest) = loader.value()?;
        Ok(())
    }
}

/// The term in which the cluster is led while it is measured.
pub const TERM: Term = Term(300);
/// Where its first command stands; the leader's own first entry is before it.
pub const FIRST_COMMAND: Index = Index(1_000_000);

/// The node that is elected.
pub const LEADER: NodeId = NodeId(0);
/// The others.
pub const FOLLOWERS: [NodeId; 2] = [NodeId(1), NodeId(2)];
const MEMBERS: [NodeId; 3] = [LEADER, FOLLOWERS[0], FOLLOWERS[1]];

const MTU: usize = 1400;
/// Longer than the longest election timeout and a few heartbeats.
const SETTLING_TICKS: u32 = 40;
/// The log keeps every entry of a run: 26 bytes each.
const LOG_BYTES: usize = 4 << 20;

/// Never full in a run: what it takes to fold it into the storage's image is not counted.
const JOURNAL_BYTES: usize = LOG_BYTES;

/// What a tally of nothing, in a cluster of the three, is saved as: see "Snapshots" in `WIRE.md`.
fn saved(settings: u32) -> Vec<u8> {
    let mut configuration = vec![0b111];
    let mut left = settings;
    while left >= 0x80 {
        configuration.push(left as u8 | 0x80);
        left >>= 7;
    }
    // Three voters that founded it.
    configuration.extend([left as u8, 1, 1, 1]);
    let head = [0, configuration.len() as u8];
    [&head[..], &configuration, &[0; 4]].concat()
}

/// The CRC-32 that snapshots are known by.
fn checksum(bytes: &[u8]) -> u32 {
    let shift = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
    let byte = |crc, &byte: &u8| (0..8).fold(crc ^ u32::from(byte), |crc, _| shift(crc));
    !bytes.iter().fold(u32::MAX, byte)
}

type Member = Node<Vec<u8>, MemoryStorage<Vec<u8>>, Tally>;

/// A cluster that has elected its first node.
pub struct Cluster {
    /// Each at the place of its id.
    nodes: [Member; 3],
    buffer: [u8; MTU],
    proposed: u64,
    sent_bytes: u64,
}

impl Cluster {
    /// Elects [`LEADER`] in [`TERM`]. The logs begin where indices take three bytes on the wire, as
    /// they do for most of a cluster's life.
    pub fn elected() -> Self {
        let nodes = MEMBERS.map(member);
        let mut cluster = Self { nodes, buffer: [0; MTU], proposed: 0, sent_bytes: 0 };
        cluster.settle();
        let status = cluster.node(LEADER).status();
        assert_eq!((status.role, status.term), (RoleName::Leader, TERM));
        assert_eq!(status.last.next(), FIRST_COMMAND);
        cluster
    }

    /// One tick passes everywhere.
    pub fn tick(&mut self) {
        self.nodes.iter_mut().for_each(Member::tick);
    }

    /// Proposes commands, and works until the leader has applied all of them. What the followers
    /// still have to learn they learn from the next append.
    pub fn commit(&mut self, commands: u64) {
        for _ in 0..commands {
            self.propose();
        }
        while self.node(LEADER).machine().applied < self.proposed {
            self.every_turn();
        }
    }

    /// Proposes the next command to the leader.
    pub fn propose(&mut self) {
        let mut command = [0x5A; 16];
        command[..8].copy_from_slice(&self.proposed.to_le_bytes());
        self.node(LEADER).propose(&command).expect("a leader with room in its log");
        self.proposed += 1;
    }

    /// Lets time pass until nothing is left to do, and makes sure that all nodes have come to the
    /// same.
    pub fn settle(&mut self) {
        for _ in 0..SETTLING_TICKS {
            self.tick();
            self.every_turn();
        }
        let leader = self.node(LEADER).status();
        let expected = *self.node(LEADER).machine();
        assert_eq!(expected.applied, self.proposed, "every command is applied once");
        for node in &self.nodes {
            assert_eq!(node.status().applied, leader.last, "every entry is applied");
            assert_eq!(*node.machine(), expected, "all machines have come to the same");
        }
    }

    /// Each node's loop runs once. A leader's appends leave before its own flush, a follower's
    /// acknowledgements after it, and what has come of them the leader applies.
    pub fn every_turn(&mut self) {
        self.send_all(LEADER);
        self.flush(LEADER);
        for follower in FOLLOWERS {
            self.flush(follower);
            self.send_all(follower);
            self.apply_all(follower);
        }
        self.apply_all(LEADER);
    }

    /// Sends one datagram of this node and has it received; gives it.
    pub fn send(&mut self, from: NodeId) -> Option<&[u8]> {
        let packet = self.nodes[usize::from(from.0)].transmit(&mut self.buffer)?;
        let Recipient::Peer(to) = packet.to else { unreachable!("nodes address single peers") };
        self.nodes[usize::from(to.0)].receive(Frame { from, bytes: packet.bytes });
        self.sent_bytes += packet.bytes.len() as u64;
        Some(packet.bytes)
    }

    /// This node makes durable what it has received.
    pub fn flush(&mut self, node: NodeId) {
        self.node(node).flush().expect("storage as large as the log");
    }

    /// How many bytes of datagrams the nodes have sent to each other.
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    fn send_all(&mut self, from: NodeId) {
        while self.send(from).is_some() {}
    }

    fn apply_all(&mut self, node: NodeId) {
        while self.node(node).apply().is_some() {}
    }

    fn node(&mut self, id: NodeId) -> &mut Member {
        &mut self.nodes[usize::from(id.0)]
    }
}

/// A founder whose storage says that it has lived for a long time.
fn member(id: NodeId) -> Member {
    let (image, journal) = (vec![0; LOG_BYTES], vec![0; JOURNAL_BYTES]);
    let storage = MemoryStorage::new(image, journal).expect("memory for a log");
    let mut storage = storage.with_snapshots(vec![0; 64], vec![0; 64]);
    // The others wait longer, so that the leader is elected at the first attempt.
    let extra_wait_ticks = if id == LEADER { 0 } else { SETTLING_TICKS };
    let config = Config { frame_bytes: MTU as u32, extra_wait_ticks, ..Config::new(id, 1) };
    let identity = Identity::founder(ClusterId(1), &config, &MEMBERS);
    format(&mut storage, identity).expect("blank storage");
    let term = Term(TERM.0 - 1);
    let last = Position { term, index: Index(FIRST_COMMAND.0 - 2) };
    let saved = saved(config.shared_digest());
    let (bytes, checksum) = (saved.len() as u32, checksum(&saved));
    let snapshot = Snapshot { last, bytes, checksum };
    for record in [
        Record::Ballot(Ballot { term, vote: None, admitted: true, losses: 0 }),
        Record::Stage { snapshot, held: 0 },
        Record::Chunk { offset: 0, bytes: &saved },
        Record::Snapshot(snapshot),
    ] {
        storage.write(record).expect("room for a record");
    }
    storage.flush().expect("room for these records");
    Node::recover(config, vec![0; LOG_BYTES], storage, Tally::default()).expect("a sound storage")
}
