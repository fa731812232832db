//! Three nodes and the wires between them: every datagram is bytes, and arrives or is lost at once.

use crate::gauge::{Call, Gauge};
use core::hint::black_box;
use lamp::{Command, Lamp};
use raft_core::{
    Change, ClusterId, Config, Frame, Identity, Index, MemoryStorage, Node, NodeId, ProposeError,
    ReadOutcome, Recipient, RoleName, format,
};

pub type Memory = &'static mut [u8];
pub type Member = Node<Memory, MemoryStorage<Memory>, Lamp>;

pub const NODES: usize = 3;
pub const MEMORY_BYTES: usize = 2048;
const FRAME_BYTES: usize = 128;
pub const VOTERS: [NodeId; NODES] = [NodeId(0), NodeId(1), NodeId(2)];

/// The nodes, by place, which is their id.
pub struct Cluster<'g> {
    nodes: [Option<Member>; NODES],
    /// Who neither hears nor is heard.
    cut_off: Option<usize>,
    reads_answered: u32,
    gauge: &'g mut Gauge,
}

impl<'g> Cluster<'g> {
    /// Founds a cluster. Each node takes three of the memories, and two small ones for snapshots.
    pub fn new(
        gauge: &'g mut Gauge,
        memories: &mut impl Iterator<Item = Memory>,
        slots: &mut impl Iterator<Item = Memory>,
    ) -> Self {
        let nodes = [const { None }; NODES];
        let mut cluster = Self { nodes, cut_off: None, reads_answered: 0, gauge };
        for (place, &id) in VOTERS.iter().enumerate() {
            let mut next = || memories.next().expect("three memories for each node");
            let storage = MemoryStorage::new(next(), next()).expect("memory for storage");
            let mut slot = || slots.next().expect("two slots for each node");
            let mut storage = storage.with_snapshots(slot(), slot());
            cluster.gauge.measure(Call::Format, || {
                let identity = Identity::founder(ClusterId(7), &config(id), &VOTERS);
                format(&mut storage, identity).expect("blank storage");
            });
            cluster.recover(place, next(), storage);
        }
        cluster
    }

    fn recover(&mut self, place: usize, log: Memory, storage: MemoryStorage<Memory>) {
        let Self { nodes, gauge, .. } = self;
        // The node comes to lie in this frame: it is weighed as RAM, not as stack.
        let recovered = gauge.measure(Call::Recover, || {
            Node::recover(config(VOTERS[place]), log, storage, Lamp::default())
        });
        nodes[place] = recovered.ok();
        assert!(self.nodes[place].is_some(), "a node was not made");
    }

    /// A power cut, and a new start in other memory.
    pub fn restart(&mut self, place: usize, log: Memory) {
        let node = self.nodes[place].take().expect("a node that runs");
        let mut storage = node.into_storage();
        storage.crash(0).expect("storage that holds what it was given");
        self.recover(place, log, storage);
    }

    /// Nobody hears that node, nor does it hear anyone.
    pub fn cut_off(&mut self, place: Option<usize>) {
        self.cut_off = place;
    }

    /// A client's command.
    pub fn propose(&mut self, place: usize, label: &str) -> Result<Index, ProposeError> {
        let Self { nodes, gauge, .. } = self;
        let node = node(nodes, place);
        gauge.measure(Call::Propose, || Ok(node.propose(&Command::Label(label))?.index))
    }

    /// Somebody wants to read what that node's machine has seen.
    pub fn read(&mut self, place: usize) {
        let node = node(&mut self.nodes, place);
        let asked = self.gauge.measure(Call::Read, || node.read().is_ok());
        assert!(asked, "there is room for a reader");
    }

    /// That node is to hand over to whoever is best.
    pub fn transfer(&mut self, place: usize) {
        let node = node(&mut self.nodes, place);
        let begun = self.gauge.measure(Call::Transfer, || node.transfer(None).is_ok());
        assert!(begun, "it leads, and somebody follows");
    }

    /// That node is asked for other members.
    pub fn change(&mut self, place: usize, change: Change) -> bool {
        let node = node(&mut self.nodes, place);
        self.gauge.measure(Call::Change, || node.change_membership(change).is_ok())
    }

    /// Who votes, as that node knows.
    pub fn voters(&mut self, place: usize) -> u32 {
        node(&mut self.nodes, place).configuration().membership.voters().len()
    }

    /// Up to where that node's snapshot goes.
    pub fn snapshot(&mut self, place: usize) -> Index {
        node(&mut self.nodes, place).status().snapshot
    }

    /// Up to where its log is gone.
    pub fn base(&mut self, place: usize) -> Index {
        node(&mut self.nodes, place).log().base().index
    }

    /// How many reads have come to be answered.
    pub const fn reads_answered(&self) -> u32 {
        self.reads_answered
    }

    /// A tick for everyone, and what comes of it.
    pub fn step(&mut self) {
        for place in 0..NODES {
            let node = node(&mut self.nodes, place);
            self.gauge.measure(Call::Advance, || node.advance(1));
            self.flush(place);
            self.send(place);
            self.take_outputs(place);
        }
    }

    fn flush(&mut self, place: usize) {
        let node = node(&mut self.nodes, place);
        self.gauge.measure(Call::Flush, || {
            // Storage that finishes later is there for one of them.
            if place > 0 {
                node.flush().expect("storage that works");
            } else if let Some(token) = node.begin_flush().expect("storage that works") {
                node.storage_mut().finish_flush();
                node.flushed(token);
            }
        });
    }

    fn send(&mut self, from: usize) {
        let mut buffer = [0; FRAME_BYTES];
        loop {
            let sender = node(&mut self.nodes, from);
            let sent = self.gauge.measure(Call::Transmit, || {
                let packet = sender.transmit(&mut buffer)?;
                Some((packet.to, packet.bytes.len()))
            });
            let Some((to, length)) = sent else { return };
            let Recipient::Peer(to) = to else { continue };
            let to = usize::from(to.0);
            if self.cut_off == Some(from) || self.cut_off == Some(to) {
                continue;
            }
            let receiver = node(&mut self.nodes, to);
            let frame = Frame { from: VOTERS[from], bytes: &buffer[..length] };
            self.gauge.measure(Call::Receive, || receiver.receive(frame));
        }
    }

    fn take_outputs(&mut self, place: usize) {
        let node = node(&mut self.nodes, place);
        while self.gauge.measure(Call::Apply, || black_box(node.apply()).is_some()) {}
        let ready = |node: &mut Member| matches!(node.poll_read(), Some(ReadOutcome::Ready(_)));
        self.reads_answered += u32::from(self.gauge.measure(Call::Read, || ready(node)));
        while self.gauge.measure(Call::PollEvent, || black_box(node.poll_event()).is_some()) {}
    }

    /// Looks at the node from outside: it must be well.
    pub fn look(&mut self, place: usize) {
        let node = node(&mut self.nodes, place);
        let well = self.gauge.measure(Call::Status, || {
            black_box((node.ticks_until_due(), node.leader()));
            let status = black_box(node.status());
            status.fault.is_none() && status.apply_fault.is_none()
        });
        assert!(well, "a node stopped");
    }

    /// Whether it believes to lead.
    pub fn leads(&mut self, place: usize) -> bool {
        let node = node(&mut self.nodes, place);
        self.gauge.measure(Call::Status, || node.status().role == RoleName::Leader)
    }

    /// The last entry that its machine has seen.
    pub fn applied(&mut self, place: usize) -> Index {
        let node = node(&mut self.nodes, place);
        self.gauge.measure(Call::Status, || node.status().applied)
    }

    /// Whether all hold the same entries.
    pub fn logs_agree(&self) -> bool {
        let mut logs = self.nodes.iter().flatten().map(|node| node.log());
        let Some(first) = logs.next() else { return false };
        logs.all(|log| log.last() == first.last() && log.entries().eq(first.entries()))
    }
}

fn node(nodes: &mut [Option<Member>; NODES], place: usize) -> &mut Member {
    nodes[place].as_mut().expect("a node that runs")
}

fn config(id: NodeId) -> Config {
    // Snapshots early and no tail, so that whoever was away is sent one.
    Config { frame_bytes: 128, compact_percent: 60, keep_entries: 0, ..Config::new(id, 7) }
}
