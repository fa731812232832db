//! Three nodes of a cluster on one shared line that damages some of what it carries.

use raft_core::serial::{Line, Receiver, Sender};
use raft_core::{
    ClusterId, Config, Identity, LoadError, Loader, Machine, MemoryStorage, Node, NodeId, Saver,
    format,
};

const CLUSTER: ClusterId = ClusterId(7);
const FRAME_BYTES: usize = 64;
const MEMORY_BYTES: usize = FRAME_BYTES + 6;
const VOTERS: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];
/// One byte of so many is damaged.
const RATE: u32 = 300;

#[derive(Default)]
struct Sum(u32);

impl Machine for Sum {
    type Command<'a> = u32;
    type Output = u32;

    fn apply(&mut self, amount: u32) -> u32 {
        self.0 += amount;
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

struct Board {
    node: Node<[u8; 2048], MemoryStorage<[u8; 4096]>, Sum>,
    sender: Sender<[u8; MEMORY_BYTES]>,
    receiver: Receiver<[u8; MEMORY_BYTES]>,
    buffer: [u8; FRAME_BYTES],
}

impl Board {
    fn new(id: NodeId) -> Self {
        let frame_bytes = FRAME_BYTES as u32;
        let config = Config { frame_bytes, ..Config::new(id, u32::from(id.0)) };
        let storage = MemoryStorage::new([0; 4096], [0; 4096]).unwrap();
        let mut storage = storage.with_snapshots([0; 4096], [0; 4096]);
        format(&mut storage, Identity::founder(CLUSTER, &config, &VOTERS)).unwrap();
        Self {
            node: Node::recover(config, [0; 2048], storage, Sum::default()).unwrap(),
            sender: Sender::new(CLUSTER, id, Line::Shared, [0; MEMORY_BYTES]),
            receiver: Receiver::new(CLUSTER, id, Line::Shared, [0; MEMORY_BYTES]),
            buffer: [0; FRAME_BYTES],
        }
    }

    fn hear(&mut self, byte: u8) {
        if let Some(frame) = self.receiver.push(byte) {
            self.node.receive(frame);
        }
    }

    /// What it has to say next.
    fn speak(&mut self) -> Vec<u8> {
        self.node.flush().unwrap();
        while self.node.apply().is_some() {}
        let (mut stream, mut piece) = (Vec::new(), [0; 5]);
        if let Some(packet) = self.node.transmit(&mut self.buffer) {
            assert!(self.sender.send(packet));
        }
        while !self.sender.is_idle() {
            let count = self.sender.fill(&mut piece);
            stream.extend_from_slice(&piece[..count]);
        }
        stream
    }
}

/// Everyone speaks in turn, and everyone hears all of it, the speaker too.
fn round(boards: &mut [Board], state: &mut u32, damaged: &mut u32) {
    for speaker in 0..boards.len() {
        for byte in boards[speaker].speak() {
            *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let strikes = *state >> 8 & 0xFFFF < 0x1_0000 / RATE;
            *damaged += u32::from(strikes);
            let byte = if strikes { byte ^ (*state >> 24) as u8 } else { byte };
            boards.iter_mut().for_each(|board| board.hear(byte));
        }
    }
}

#[test]
fn a_cluster_lives_on_a_shared_line_that_damages_bytes() {
    let mut boards: Vec<_> = VOTERS.map(Board::new).into();
    let (mut state, mut damaged, mut proposed) = (1, 0, 0);
    for _ in 0..20_000 {
        boards.iter_mut().for_each(|board| board.node.tick());
        for _ in 0..4 {
            round(&mut boards, &mut state, &mut damaged);
        }
        if proposed < 200 && boards.iter_mut().any(|it| it.node.propose(&1).is_ok()) {
            proposed += 1;
        }
        if boards.iter().all(|board| board.node.machine().0 == 200) {
            break;
        }
    }
    // What a leader that is overthrown took is lost, and then there are not so many.
    assert_eq!(boards.iter().map(|board| board.node.machine().0).min(), Some(200));
    let refused: u32 = boards.iter().map(|board| board.receiver.refused()).sum();
    let torn: u32 = boards.iter().map(|board| board.receiver.losses().torn).sum();
    assert!(damaged > 20 && refused > 20 && torn > 20, "{damaged} {refused} {torn}");
}
