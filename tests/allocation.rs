//! The core allocates nothing, whatever happens: an allocator counts what this thread asks for.
//!
//! Memory for logs and storage is handed over before counting begins, as a board's linker does it.

use raft_core::{
    ClusterId, Config, Frame, Identity, Index, LoadError, Loader, Machine, MemoryStorage, Node,
    NodeId, Recipient, RoleName, Saver, format,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

/// The system's allocator, and a count of what it was asked for by threads that count.
struct Counting;

thread_local! {
    // Without a destructor and initialised at compile time: reaching them allocates nothing.
    static IS_COUNTING: Cell<bool> = const { Cell::new(false) };
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

impl Counting {
    fn note() {
        if IS_COUNTING.get() {
            ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        }
    }
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::note();
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::note();
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::note();
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often this thread asked the allocator for memory while it did that.
fn allocations_of(work: impl FnOnce()) -> u64 {
    ALLOCATIONS.set(0);
    IS_COUNTING.set(true);
    work();
    IS_COUNTING.set(false);
    ALLOCATIONS.get()
}

/// Adds numbers up.
#[derive(Default)]
struct Sum {
    total: u64,
    applied: u64,
}

impl Machine for Sum {
    type Command<'a> = u64;
    type Output = u64;

    fn apply(&mut self, number: u64) -> u64 {
        self.applied += 1;
        self.total += number;
        self.total
    }

    fn save(&self, saver: &mut Saver<'_>) {
        saver.value(&(self.total, self.applied));
    }

    fn restore(&mut self, loader: &mut Loader<'_>, _: u16) -> Result<(), LoadError> {
        (self.total, self.applied) = loader.value()?;
        Ok(())
    }
}

type Memory = &'static mut [u8];
type Member = Node<Memory, MemoryStorage<Memory>, Sum>;

const IDS: [NodeId; 3] = [NodeId(0), NodeId(1), NodeId(2)];
/// Holds every entry of 10,000 commits: nothing is dropped.
const LOG_BYTES: usize = 512 * 1024;

struct Cluster {
    nodes: [Member; 3],
    buffer: [u8; 256],
    /// A node that no datagram reaches or leaves.
    cut_off: Option<NodeId>,
}

impl Cluster {
    /// Logs so large that nothing is ever dropped.
    fn new() -> Self {
        Self { nodes: IDS.map(|id| member(id, LOG_BYTES, 0)), buffer: [0; 256], cut_off: None }
    }

    /// Logs of a kilobyte, and room for the snapshots that keep them so.
    fn compacting() -> Self {
        Self { nodes: IDS.map(|id| member(id, 1024, 128)), buffer: [0; 256], cut_off: None }
    }

    /// Each node's loop runs once, and a tick later again.
    fn turn(&mut self) {
        self.nodes.iter_mut().for_each(Member::tick);
        self.work();
    }

    /// Flushes, sends, receives and applies until there is nothing more to do.
    fn work(&mut self) {
        let mut busy = true;
        while busy {
            busy = false;
            for from in IDS {
                let node = &mut self.nodes[usize::from(from.0)];
                node.flush().unwrap();
                while node.apply().is_some() {}
                while node.poll_event().is_some() {}
                black_box(node.status());
                while self.send(from) {
                    busy = true;
                }
            }
        }
    }

    fn send(&mut self, from: NodeId) -> bool {
        let node = &mut self.nodes[usize::from(from.0)];
        let Some(packet) = node.transmit(&mut self.buffer) else { return false };
        let Recipient::Peer(to) = packet.to else { unreachable!("nodes address single peers") };
        if self.cut_off != Some(from) && self.cut_off != Some(to) {
            self.nodes[usize::from(to.0)].receive(Frame { from, bytes: packet.bytes });
        }
        true
    }

    /// Lets time pass until a node that can be reached leads; gives its place.
    fn elect(&mut self) -> usize {
        for _ in 0..1000 {
            let mut reachable = IDS.into_iter().filter(|id| Some(*id) != self.cut_off);
            let leads =
                |id: &NodeId| self.nodes[usize::from(id.0)].status().role == RoleName::Leader;
            if let Some(leader) = reachable.find(leads) {
                return usize::from(leader.0);
            }
            self.turn();
        }
        panic!("nobody was elected in 1000 ticks");
    }

    fn applied(&self) -> [u64; 3] {
        [0, 1, 2].map(|place| self.nodes[place].machine().applied)
    }
}

/// Memory for the rest of the program, as a static is on a board.
fn memory(bytes: usize) -> Memory {
    vec![0; bytes].leak()
}

fn member(id: NodeId, log_bytes: usize, snapshot_bytes: usize) -> Member {
    let journal = memory(2 * (log_bytes + snapshot_bytes) + 256);
    let storage = MemoryStorage::new(memory(log_bytes), journal).unwrap();
    let mut storage = storage.with_snapshots(memory(snapshot_bytes), memory(snapshot_bytes));
    let config = Config::new(id, 1);
    format(&mut storage, Identity::founder(ClusterId(1), &config, &IDS)).unwrap();
    Node::recover(config, memory(log_bytes), storage, Sum::default()).unwrap()
}

#[test]
fn what_allocates_is_counted() {
    let mut numbers: Vec<u64> = Vec::new();
    assert_eq!(allocations_of(|| numbers.push(black_box(1))), 1);
    assert_eq!(allocations_of(|| numbers.push(black_box(2))), 0, "there was room");
    assert_eq!(allocations_of(|| drop(black_box(vec![0_u8; 100]))), 1);
    let mut grown = String::from("a");
    assert_eq!(allocations_of(|| grown.push_str(black_box("longer than it was"))), 1);
}

#[test]
fn another_threads_allocations_are_its_own() {
    let thread = std::thread::spawn(|| {
        let before = ALLOCATIONS.get();
        black_box(vec![0_u8; 100]);
        ALLOCATIONS.get() - before
    });
    assert_eq!(thread.join().unwrap(), 0, "nobody counts in that thread");
}

#[test]
fn an_election_allocates_nothing() {
    let mut cluster = Cluster::new();
    let allocations = allocations_of(|| {
        cluster.elect();
    });
    assert_eq!(allocations, 0);
}

#[test]
fn ten_thousand_commits_allocate_nothing() {
    let mut cluster = Cluster::new();
    let leader = cluster.elect();
    let allocations = allocations_of(|| {
        for number in 0..10_000_u64 {
            cluster.nodes[leader].propose(&number).unwrap();
            cluster.work();
            // Heartbeats pass too.
            if number % 64 == 63 {
                cluster.turn();
            }
        }
        for _ in 0..6 {
            cluster.turn();
        }
    });
    assert_eq!(cluster.applied(), [10_000; 3]);
    assert_eq!(allocations, 0);
}

#[test]
fn losing_the_leader_and_finding_it_again_allocates_nothing() {
    let mut cluster = Cluster::new();
    let first = cluster.elect();
    let allocations = allocations_of(|| {
        cluster.cut_off = Some(IDS[first]);
        // It will never commit: it gives way when the old leader comes back.
        cluster.nodes[first].propose(&1_000_000).unwrap();
        let second = cluster.elect();
        for number in 0..10 {
            cluster.nodes[second].propose(&number).unwrap();
        }
        cluster.work();
        cluster.cut_off = None;
        for _ in 0..100 {
            cluster.turn();
        }
    });
    assert_eq!(cluster.applied(), [10; 3]);
    assert!(cluster.nodes.iter().all(|node| node.machine().total == 45));
    assert_eq!(allocations, 0);
}

#[test]
fn snapshots_taken_sent_and_installed_allocate_nothing() {
    let mut cluster = Cluster::compacting();
    let leader = cluster.elect();
    let away = (leader + 1) % 3;
    let allocations = allocations_of(|| {
        cluster.cut_off = Some(IDS[away]);
        for number in 0..500 {
            // While a snapshot is on its way the log fills up, and makes room when one is refused.
            while cluster.nodes[leader].propose(&number).is_err() {
                cluster.turn();
            }
            cluster.work();
        }
        cluster.nodes[leader].compact().unwrap();
        cluster.cut_off = None;
        for _ in 0..100 {
            cluster.turn();
        }
    });
    // More was dropped than any log holds, so that this one has it from a snapshot.
    assert!(cluster.nodes[away].status().snapshot >= Index(500));
    assert_eq!(cluster.applied(), [500; 3]);
    assert_eq!(allocations, 0);
}
