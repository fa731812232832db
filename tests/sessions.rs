//! Commands that are submitted at any node are applied exactly once, whatever happens to datagrams,
//! leaders and the table that remembers them.

use raft_core::{
    ClusterId, Config, Identity, LoadError, Loader, Machine, MemoryStorage, Node, NodeId,
    Recipient, RoleName, Saver, Sessions, SubmitError, Submitted, format,
};
use std::collections::BTreeMap;

/// Adds numbers up, and remembers each that it was told.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Sum(Vec<u32>);

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

type Memory = Vec<u8>;
type Member = Node<Memory, MemoryStorage<Memory>, Sessions<Sum, 2, 8, 16>>;

const LOG_BYTES: usize = 1024;

/// Three nodes, what is on its way between them, and how often each was born.
struct Cluster {
    nodes: BTreeMap<u8, Member>,
    lives: u64,
    /// Whom nobody hears.
    silent: Option<u8>,
    /// Of 64 datagrams so many are lost or come twice.
    trouble: usize,
    sent: usize,
}

impl Cluster {
    fn new(trouble: usize) -> Self {
        let (nodes, silent) = (BTreeMap::new(), None);
        let mut cluster = Self { nodes, lives: 0, silent, trouble, sent: 0 };
        let ids = [NodeId(1), NodeId(2), NodeId(3)];
        for id in ids {
            let memory = || vec![0; LOG_BYTES];
            let storage = MemoryStorage::new(memory(), vec![0; 8 * LOG_BYTES]).unwrap();
            let mut storage = storage.with_snapshots(memory(), memory());
            let founder = Identity::founder(ClusterId(3), &Self::config(id), &ids);
            format(&mut storage, founder).unwrap();
            cluster.start(id.0, storage);
        }
        cluster
    }

    fn config(id: NodeId) -> Config {
        let machine_shape = <Sessions<Sum, 2, 8, 16> as Machine>::SHAPE;
        Config { frame_bytes: 128, machine_shape, ..Config::new(id, 5) }
    }

    fn start(&mut self, id: u8, storage: MemoryStorage<Memory>) {
        self.lives += 1;
        let config = Self::config(NodeId(id));
        let machine = Sessions::new(Sum::default(), self.lives);
        let node = Node::recover(config, vec![0; LOG_BYTES], storage, machine).unwrap();
        self.nodes.insert(id, node);
    }

    fn restart(&mut self, id: u8) {
        let mut storage = self.nodes.remove(&id).unwrap().into_storage();
        storage.crash(0).unwrap();
        self.start(id, storage);
    }

    /// Time passes, and what is sent arrives; gives what became of what was submitted.
    fn run(&mut self, ticks: u32) -> Vec<(u8, Submitted<u32>)> {
        let mut ended = Vec::new();
        let mut buffer = [0; 128];
        for _ in 0..ticks {
            self.nodes.values_mut().for_each(Node::tick);
            for _ in 0..4 {
                let mut letters = Vec::new();
                for (&id, node) in &mut self.nodes {
                    node.flush().unwrap();
                    while let Some(packet) = node.transmit(&mut buffer) {
                        let Recipient::Peer(to) = packet.to else { unreachable!() };
                        letters.push((id, to.0, packet.bytes.to_vec()));
                    }
                    while node.apply().is_some() {}
                    ended.extend(node.poll_submit().map(|submitted| (id, submitted)));
                }
                for (from, to, bytes) in letters {
                    self.sent += 1;
                    // Bits that are not the same in each round.
                    let chance = (self.sent.wrapping_mul(0x9E37_79B9) >> 7) % 64;
                    let odd = chance < self.trouble;
                    let lost = odd && chance.is_multiple_of(2);
                    if lost || [Some(from), Some(to)].contains(&self.silent) {
                        continue;
                    }
                    for _ in 0..if odd { 2 } else { 1 } {
                        let frame = raft_core::Frame { from: NodeId(from), bytes: &bytes };
                        self.nodes.get_mut(&to).unwrap().receive(frame);
                    }
                }
            }
        }
        ended
    }

    fn leader(&self) -> u8 {
        let leads = |(_, node): &(&u8, &Member)| node.status().role == RoleName::Leader;
        *self.nodes.iter().filter(leads).max_by_key(|(_, node)| node.status().term).unwrap().0
    }

    fn followers(&self) -> Vec<u8> {
        self.nodes.keys().copied().filter(|&id| id != self.leader()).collect()
    }

    /// What every machine was told, which is the same.
    fn told(&self) -> Vec<u32> {
        let mut machines = self.nodes.values().map(|node| node.machine().inner().0.clone());
        let first = machines.next().unwrap();
        assert!(machines.all(|machine| machine == first));
        first
    }
}

#[test]
fn what_any_node_submits_is_applied_once_over_a_bad_link() {
    let mut cluster = Cluster::new(12);
    cluster.run(100);
    let mut expected = Vec::new();
    for round in 0..60 {
        let node = [1, 2, 3][round as usize % 3];
        // Two sessions for three clients: somebody always makes way, idle, and comes back.
        cluster.nodes.get_mut(&node).unwrap().submit(&round).unwrap();
        let ended = cluster.run(200);
        expected.push(round);
        let [(by, Submitted::Applied(Some(total)))] = ended[..] else {
            panic!("{round}: {ended:?}")
        };
        assert_eq!((by, total), (node, expected.iter().sum()));
    }
    cluster.trouble = 0;
    cluster.run(100);
    assert_eq!(cluster.told(), expected);
    let compacted = cluster.nodes.values().all(|node| node.status().snapshot.0 > 0);
    assert!(compacted, "the table went through snapshots");
}

#[test]
fn a_retry_at_the_next_leader_is_not_applied_twice() {
    let mut cluster = Cluster::new(0);
    cluster.run(100);
    let (first, others) = (cluster.leader(), cluster.followers());
    let submitter = others[0];
    cluster.nodes.get_mut(&submitter).unwrap().submit(&1).unwrap();
    cluster.run(20);
    assert_eq!(cluster.told(), [1]);
    // The leader takes the next one and hands it on, and nobody hears that it is committed.
    cluster.nodes.get_mut(&submitter).unwrap().submit(&2).unwrap();
    assert_eq!(cluster.nodes.get_mut(&submitter).unwrap().submit(&3), Err(SubmitError::Busy));
    while cluster.nodes[&others[1]].log().last() == cluster.nodes[&first].log().last() {
        cluster.run(1);
        cluster.silent = Some(first);
        if cluster.nodes[&submitter].machine().inner().0.len() > 1 {
            break;
        }
        cluster.silent = None;
    }
    cluster.silent = Some(first);
    let ended = cluster.run(200);
    assert!(cluster.leader() != first);
    assert!(ended.len() <= 1);
    cluster.silent = None;
    cluster.run(200);
    assert_eq!(cluster.told(), [1, 2]);
}

#[test]
fn another_life_is_another_client() {
    let mut cluster = Cluster::new(0);
    cluster.run(100);
    let node = cluster.followers()[0];
    cluster.nodes.get_mut(&node).unwrap().submit(&7).unwrap();
    cluster.run(1);
    cluster.restart(node);
    cluster.run(100);
    let before = cluster.told();
    assert!(before.len() <= 1, "applied once, or never");
    cluster.nodes.get_mut(&node).unwrap().submit(&8).unwrap();
    let ended = cluster.run(100);
    assert!(matches!(ended[..], [(_, Submitted::Applied(Some(_)))]));
    assert_eq!(cluster.told().len(), before.len() + 1);
}
