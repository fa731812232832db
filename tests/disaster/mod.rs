//! A little cluster whose disks can be taken away, for the stories of what comes after that.

use raft_core::{ClusterId, Frame, MemoryStorage, Node, NodeId, Recipient};
use raft_simulator::words::Words;

pub type Disk = MemoryStorage<Vec<u8>>;
pub type Member = Node<Vec<u8>, Disk, Words>;

pub const LOG_BYTES: usize = 4096;
pub const OLD: ClusterId = ClusterId(1);
pub const NEW: ClusterId = ClusterId(2);
pub const FOUNDERS: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];

pub fn blank() -> Disk {
    let disk = Disk::new(vec![0; LOG_BYTES], vec![0; 4 * LOG_BYTES]).unwrap();
    disk.with_snapshots(vec![0; 1024], vec![0; 1024])
}

/// Everything that these nodes owe each other arrives, tick by tick.
pub fn run(nodes: &mut [Member], ticks: u32) {
    for _ in 0..ticks {
        nodes.iter_mut().for_each(Node::tick);
        for _ in 0..4 {
            let mut letters = Vec::new();
            for node in nodes.iter_mut() {
                node.flush().unwrap();
                let mut buffer = [0; 256];
                while let Some(packet) = node.transmit(&mut buffer) {
                    letters.push((node.status().id, packet.to, packet.bytes.to_vec()));
                }
                while node.apply().is_some() {}
            }
            for (from, to, bytes) in letters {
                let here = |node: &&mut Member| Recipient::Peer(node.status().id) == to;
                if let Some(node) = nodes.iter_mut().find(here) {
                    node.receive(Frame { from, bytes: &bytes });
                }
            }
        }
    }
}
