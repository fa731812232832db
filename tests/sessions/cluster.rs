//! Three nodes with sessions, and what is on its way between them.

use raft_core::{
    ClusterId, Config, Frame, Identity, LoadError, Loader, Machine, MemoryStorage, Node, NodeId,
    Recipient, Request, RoleName, Saver, Sessions, Submitted, format,
};
use std::collections::{BTreeMap, BTreeSet};

/// Adds numbers up, and remembers each that it was told.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sum(pub Vec<u32>);

impl Machine for Sum {
    type Command<'a> = u32;
    type Output = u32;

    fn apply(&mut self, number: u32) -> u32 {
        self.0.push(number);
        self.0.iter().sum()
    }

    fn save(&self, saver: &mut Saver<'_>) {
        saver.value(&self.0.len());
        self.0.iter().for_each(|number| saver.value(number));
    }

    fn restore(&mut self, loader: &mut Loader<'_>, _: u16) -> Result<(), LoadError> {
        let length = loader.value::<usize>()?;
        self.0 = (0..length).map(|_| loader.value()).collect::<Result<_, _>>()?;
        Ok(())
    }
}

pub type Memory = Vec<u8>;
pub type Storage = MemoryStorage<Memory>;
pub type Member = Node<Memory, Storage, Sessions<Sum, 2, 8, 16>>;

pub const LOG_BYTES: usize = 1024;
/// What a command on its way to whoever leads begins with.
pub const FORWARD: u8 = 12;

/// A datagram: from whom, to whom, and what.
pub type Letter = (u8, u8, Vec<u8>);

/// Three nodes, what is on its way between them, and how often each was born.
pub struct Cluster {
    pub nodes: BTreeMap<u8, Member>,
    lives: u64,
    /// Whom nobody hears, and who hears nobody.
    pub silent: Option<u8>,
    /// Pairs, sender first, between which nothing arrives.
    pub cuts: BTreeSet<(u8, u8)>,
    /// Whose commands do not get through: they wait until somebody lets them.
    pub holds: Option<u8>,
    pub held: Vec<Letter>,
    /// Whether anybody asks what became of what was submitted.
    pub polls: bool,
    /// Of 64 datagrams so many are lost or come twice.
    pub trouble: usize,
    sent: usize,
}

/// A blank storage that a founder gets.
pub fn founded(id: NodeId) -> Storage {
    let ids = [NodeId(1), NodeId(2), NodeId(3)];
    let memory = || vec![0; LOG_BYTES];
    let storage = MemoryStorage::new(memory(), vec![0; 8 * LOG_BYTES]).unwrap();
    let mut storage = storage.with_snapshots(memory(), memory());
    format(&mut storage, Identity::founder(ClusterId(3), &config(id), &ids)).unwrap();
    storage
}

pub fn config(id: NodeId) -> Config {
    let machine_shape = <Sessions<Sum, 2, 8, 16> as Machine>::SHAPE;
    Config { frame_bytes: 128, machine_shape, ..Config::new(id, 5) }
}

impl Cluster {
    pub fn new(trouble: usize) -> Self {
        let (nodes, silent, cuts) = (BTreeMap::new(), None, BTreeSet::new());
        let (holds, held, polls, lives, sent) = (None, Vec::new(), true, 0, 0);
        let mut cluster = Self { nodes, lives, silent, cuts, holds, held, polls, trouble, sent };
        for id in 1..=3 {
            cluster.start(id, founded(NodeId(id)));
        }
        cluster
    }

    pub fn start(&mut self, id: u8, storage: Storage) {
        self.lives += 1;
        let machine = Sessions::new(Sum::default(), self.lives);
        let node = Node::recover(config(NodeId(id)), vec![0; LOG_BYTES], storage, machine).unwrap();
        self.nodes.insert(id, node);
    }

    pub fn restart(&mut self, id: u8) {
        let mut storage = self.nodes.remove(&id).unwrap().into_storage();
        storage.crash(0).unwrap();
        self.start(id, storage);
    }

    pub fn node(&mut self, id: u8) -> &mut Member {
        self.nodes.get_mut(&id).unwrap()
    }

    /// Time passes, and what is sent arrives; gives what became of what was submitted.
    pub fn run(&mut self, ticks: u32) -> Vec<(u8, Submitted<u32>)> {
        let mut ended = Vec::new();
        for _ in 0..ticks {
            self.nodes.values_mut().for_each(Node::tick);
            ended.extend(self.exchange(4));
        }
        ended
    }

    /// What is sent arrives, and what is sent then, so many times, while no time passes.
    pub fn exchange(&mut self, times: u32) -> Vec<(u8, Submitted<u32>)> {
        let mut ended = Vec::new();
        let mut buffer = [0; 128];
        for _ in 0..times {
            let mut letters = Vec::new();
            for (&id, node) in &mut self.nodes {
                node.flush().unwrap();
                while let Some(packet) = node.transmit(&mut buffer) {
                    let Recipient::Peer(to) = packet.to else { unreachable!() };
                    letters.push((id, to.0, packet.bytes.to_vec()));
                }
                while node.apply().is_some() {}
                let outcome = if self.polls { node.poll_submit() } else { None };
                ended.extend(outcome.map(|submitted| (id, submitted)));
            }
            letters.into_iter().for_each(|letter| self.carry(letter));
        }
        ended
    }

    fn carry(&mut self, letter: Letter) {
        let (from, to, ref bytes) = letter;
        self.sent += 1;
        // Bits that are not the same in each round.
        let chance = (self.sent.wrapping_mul(0x9E37_79B9) >> 7) % 64;
        let odd = chance < self.trouble;
        let lost = odd && chance.is_multiple_of(2);
        let silent = [Some(from), Some(to)].contains(&self.silent);
        if lost || silent || self.cuts.contains(&(from, to)) {
            return;
        }
        if bytes[0] == FORWARD && self.holds == Some(from) {
            self.held.push(letter);
            return;
        }
        for _ in 0..if odd { 2 } else { 1 } {
            let frame = Frame { from: NodeId(from), bytes };
            self.nodes.get_mut(&to).unwrap().receive(frame);
        }
    }

    /// What was held back arrives at whoever leads now, soundly addressed and very late.
    pub fn let_through(&mut self) {
        let leader = self.leader();
        self.holds = None;
        for (from, _, bytes) in std::mem::take(&mut self.held) {
            self.node(leader).receive(Frame { from: NodeId(from), bytes: &bytes });
        }
    }

    pub fn leader(&self) -> u8 {
        let leads = |(_, node): &(&u8, &Member)| node.status().role == RoleName::Leader;
        *self.nodes.iter().filter(leads).max_by_key(|(_, node)| node.status().term).unwrap().0
    }

    pub fn followers(&self) -> Vec<u8> {
        self.nodes.keys().copied().filter(|&id| id != self.leader()).collect()
    }

    /// What every machine was told, which is the same.
    pub fn told(&self) -> Vec<u32> {
        let mut machines = self.nodes.values().map(|node| node.machine().inner().0.clone());
        let first = machines.next().unwrap();
        assert!(machines.all(|machine| machine == first));
        first
    }

    /// How often a log holds a command of some session.
    pub fn copies(&self, id: u8, number: u32) -> usize {
        let requests = self.nodes[&id].log().entries().filter_map(|entry| {
            let request: Request<u32> = postcard::from_bytes(entry.body).ok()?;
            matches!(request, Request::Numbered { command, .. } if command == number).then_some(())
        });
        requests.count()
    }
}
