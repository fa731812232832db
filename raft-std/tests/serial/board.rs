//! A board at a line: the core without anything of this crate around it, in the loop of a firmware.
//!
//! Its machine is what a host's is beneath its server: sessions of the same shape, around commands
//! that come several at once.

use crate::common::{CLUSTER, Command, Marks};
use crate::{ALL, settings};
use raft_core::serial::{Line, Receiver, Sender};
use raft_core::{
    Config, Identity, LoadError, Loader, Machine, MemoryStorage, Node, NodeId, Saver, Sessions,
    format,
};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{read, write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const FRAME_BYTES: usize = 256;
const MEMORY_BYTES: usize = FRAME_BYTES + 6;
const TICK: Duration = Duration::from_millis(10);

/// Commands as servers put them into entries.
#[derive(Default)]
struct Several(Marks);

impl Machine for Several {
    type Command<'a> = Vec<Command<'a>>;
    type Output = Vec<(u64, usize)>;

    fn apply(&mut self, commands: Vec<Command<'_>>) -> Vec<(u64, usize)> {
        commands.into_iter().map(|command| self.0.apply(command)).collect()
    }

    fn save(&self, saver: &mut Saver<'_>) {
        self.0.save(saver);
    }

    fn restore(&mut self, loader: &mut Loader<'_>, format: u16) -> Result<(), LoadError> {
        self.0.restore(loader, format)
    }
}

type Shared = Sessions<Several, 16, 64, FRAME_BYTES>;

/// A board that runs, until this is dropped.
pub struct Board {
    /// What it has applied.
    marks: Arc<Mutex<Vec<u64>>>,
    off: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Board {
    /// A founder whose port is this one.
    pub fn start(id: NodeId, port: &str) -> Self {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK;
        let port = open(port, flags, Mode::empty()).unwrap();
        let (marks, off) = (Arc::<Mutex<Vec<u64>>>::default(), Arc::<AtomicBool>::default());
        let (seen, over) = (Arc::clone(&marks), Arc::clone(&off));
        let run = move || {
            let mut firmware = Firmware::new(id, port);
            while !over.load(Ordering::SeqCst) {
                firmware.turn();
                seen.lock().unwrap().clone_from(&firmware.node.machine().inner().0.all);
            }
        };
        Self { marks, off, thread: Some(thread::spawn(run)) }
    }

    pub fn marks(&self) -> Vec<u64> {
        self.marks.lock().unwrap().clone()
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.off.store(true, Ordering::SeqCst);
        self.thread.take().map(JoinHandle::join);
    }
}

struct Firmware {
    node: Node<[u8; 8192], MemoryStorage<Vec<u8>>, Shared>,
    sender: Sender<[u8; MEMORY_BYTES]>,
    receiver: Receiver<[u8; MEMORY_BYTES]>,
    port: OwnedFd,
    ticked: Instant,
}

impl Firmware {
    fn new(id: NodeId, port: OwnedFd) -> Self {
        let ticks = |time: Duration| (time.as_millis() / TICK.as_millis()) as u32;
        let config = Config {
            base_timeout_ticks: ticks(settings().election_timeout),
            heartbeat_ticks: ticks(settings().heartbeat),
            link_cycle_ticks: 8,
            window_bytes: FRAME_BYTES as u32,
            frame_bytes: FRAME_BYTES as u32,
            machine_shape: Shared::SHAPE,
            tick_micros: TICK.as_micros() as u32,
            ..Config::new(id, u32::from(id.0))
        };
        let memory = || vec![0; 16 * 1024];
        let mut storage = MemoryStorage::new(memory(), memory()).unwrap();
        format(&mut storage, Identity::founder(CLUSTER, &config, &ALL)).unwrap();
        let storage = storage.with_snapshots(vec![0; 4096], vec![0; 4096]);
        let machine = Sessions::new(Several::default(), id.0.into());
        Self {
            node: Node::recover(config, [0; 8192], storage, machine).unwrap(),
            sender: Sender::new(CLUSTER, id, Line::Shared, [0; MEMORY_BYTES]),
            receiver: Receiver::new(CLUSTER, id, Line::Shared, [0; MEMORY_BYTES]),
            port,
            ticked: Instant::now(),
        }
    }

    /// Once round the loop of a board.
    fn turn(&mut self) {
        while self.ticked.elapsed() >= TICK {
            self.ticked += TICK;
            self.node.tick();
        }
        let (mut received, mut buffer, mut transfer) = ([0; 64], [0; FRAME_BYTES], [0; 16]);
        while let Ok(count @ 1..) = read(&self.port, &mut received) {
            for &byte in &received[..count] {
                if let Some(frame) = self.receiver.push(byte) {
                    self.node.receive(frame);
                }
            }
        }
        self.node.flush().unwrap();
        while self.node.apply().is_some() {}
        if self.sender.is_idle()
            && let Some(packet) = self.node.transmit(&mut buffer)
        {
            assert!(self.sender.send(packet));
        }
        while let count @ 1.. = self.sender.fill(&mut transfer) {
            // What a port does not take is lost, as it is without a port.
            write(&self.port, &transfer[..count]).ok();
        }
        thread::sleep(Duration::from_millis(1));
    }
}
