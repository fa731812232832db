//! Stories of what leases rest on, told with a time that goes on only when it is told to: three
//! hosts whose turns come one after the other, and a thread that stands still within one.

use super::*;
use crate::clock::own::pass;
use crate::server::Server;
use crate::settings::Settings;
use crate::storage::Memory;
use crate::ticket::Reading;
use crate::transport::{Local, Network, Transport, Unsent};
use crate::waker::Waker;
use raft_core::{
    ClusterId, Config, Identity, LoadError, Loader, Machine, MemoryStorageError, Part, Record,
    Saver, Storage, format,
};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

const CLUSTER: ClusterId = ClusterId(7);
const IDS: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];
const TICK: Duration = Settings::LAN.tick;
/// How long a thread stands still: longer than any wait.
const STILL: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(3600);

#[derive(Clone, Default)]
struct Total(u64);

impl Machine for Total {
    type Command<'a> = u64;
    type Output = u64;

    fn apply(&mut self, more: u64) -> u64 {
        self.0 += more;
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

/// Something that happens once.
type Happening = Mutex<Option<Box<dyn FnOnce() + Send>>>;

/// What a test does to one host.
#[derive(Default)]
struct Knobs {
    /// What happens in the next turn, before datagrams are taken in and afterwards.
    before: Happening,
    after: Happening,
    /// Whether flushes don't end.
    holds: AtomicBool,
    /// How many steps of upkeep its storage has to do.
    worn: AtomicU32,
}

struct Path(Local, Arc<Knobs>);

impl Transport for Path {
    fn start(&mut self, waker: &Waker) -> std::io::Result<()> {
        self.0.start(waker)
    }

    fn reaches(&self, peer: NodeId) -> bool {
        self.0.reaches(peer)
    }

    fn send(&mut self, to: NodeId, datagram: &[u8]) {
        self.0.send(to, datagram);
    }

    fn flush(&mut self) -> Unsent {
        self.0.flush()
    }

    fn receive(&mut self, each: &mut dyn FnMut(NodeId, &[u8])) {
        happen(&self.1.before);
        self.0.receive(each);
        happen(&self.1.after);
    }
}

fn happen(what: &Happening) {
    let what = what.lock().unwrap().take();
    what.into_iter().for_each(|what| what());
}

struct Disk(Memory, Arc<Knobs>);

impl Storage for Disk {
    type Error = MemoryStorageError;

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
        self.0.flush()
    }

    fn begin_flush(&mut self) -> Result<(), Self::Error> {
        self.0.begin_flush()
    }

    fn upkeep(&self) -> u32 {
        self.1.worn.load(Ordering::Relaxed).min(1)
    }

    fn maintain(&mut self) -> Result<(), Self::Error> {
        self.1.worn.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }
}

impl HostStorage for Disk {
    type Sheet = <Memory as HostStorage>::Sheet;

    fn sheet(&mut self) -> Self::Sheet {
        self.0.sheet()
    }

    fn place(&mut self, sheet: Self::Sheet) -> Result<(), Self::Error> {
        self.0.place(sheet)
    }

    fn on_flushed(&mut self, wake: Box<dyn Fn() + Send>) {
        self.0.on_flushed(wake);
    }

    fn poll_flushed(&mut self) -> Option<Result<(), Self::Error>> {
        if self.1.holds.load(Ordering::Relaxed) { None } else { self.0.poll_flushed() }
    }

    fn sync_time(&mut self) -> Duration {
        Duration::ZERO
    }
}

/// One host, and its callers' side.
struct One {
    host: Host<Disk, Total>,
    server: Arc<Server<Total>>,
    knobs: Arc<Knobs>,
}

impl One {
    fn new(id: NodeId, network: &Network) -> Self {
        let settings = Settings { lease_drift: Some(0), ..Settings::LAN };
        let shape = <Stack<Total> as Machine>::SHAPE;
        let config: Config =
            settings.config(id, u32::from(id.0), shape, Duration::ZERO, None).unwrap();
        let knobs = Arc::<Knobs>::default();
        let memory = Memory::new(settings.log_bytes, 4096).unwrap();
        let mut disk = Disk(memory, Arc::clone(&knobs));
        let identity = Identity::founder(CLUSTER, &config, &IDS);
        format(&mut disk, identity).unwrap();
        let shared = Arc::new(Shared::new(Waker::new().unwrap()));
        let path = Path(network.join(id), Arc::clone(&knobs));
        let mut links = Links::new(id, CLUSTER, settings.frame_bytes, vec![Box::new(path)]);
        links.start(&shared.waker).unwrap();
        let machine = Sessions::new(Batches(Total::default()), u64::from(id.0));
        let log = vec![0; settings.log_bytes];
        let node = Node::recover(config, log, disk, machine).unwrap();
        let most_bytes = settings.command_bytes_max();
        let host = Host::new(node, Arc::clone(&shared), links, TICK, most_bytes);
        let thread = std::thread::spawn(|| ());
        let server = Server::started(identity, shared, thread, PATIENCE, most_bytes);
        let server = Arc::new(server);
        Self { host, server, knobs }
    }

    fn turn(&mut self) {
        self.host.turn().unwrap();
    }

    fn leads(&self) -> bool {
        self.host.node.leader() == Some(self.host.id)
    }
}

fn three() -> Vec<One> {
    pass(Duration::from_secs(1));
    let network = Network::new();
    IDS.map(|id| One::new(id, &network)).into()
}

/// Lets time pass, tick by tick, until something is so.
fn until(hosts: &mut [One], is_so: impl Fn(&[One]) -> bool) {
    for _ in 0..1000 {
        if is_so(hosts) {
            return;
        }
        pass(TICK);
        hosts.iter_mut().for_each(One::turn);
    }
    panic!("it never came to that");
}

/// Somebody leads, and leases are held; that one stands first.
fn led() -> Vec<One> {
    let mut hosts = three();
    until(&mut hosts, |hosts| hosts.iter().any(One::leads));
    for _ in 0..20 {
        pass(TICK);
        hosts.iter_mut().for_each(One::turn);
    }
    let leader = hosts.iter().position(One::leads).unwrap();
    hosts.swap(0, leader);
    hosts
}

#[test]
fn a_leader_is_heard_when_its_datagram_is_looked_at_and_not_before() {
    let mut hosts = led();
    let leader = hosts[0].host.id;
    // There is a heartbeat for the second one, whose thread stands still before it looks.
    pass(Settings::LAN.heartbeat);
    hosts[0].turn();
    *hosts[1].knobs.before.lock().unwrap() = Some(Box::new(|| pass(STILL)));
    hosts[1].turn();
    // By now it has echoed the round, and nobody else may lead for some time.
    hosts[1].turn();
    assert_eq!(hosts[1].host.node.leader(), Some(leader));
}

#[test]
fn a_lease_that_ended_while_the_thread_stood_still_shows_nothing_old_even_later() {
    let mut hosts = led();
    // What the others have made durable is committed, and the leader has not applied it.
    hosts[0].knobs.holds.store(true, Ordering::Relaxed);
    let first = hosts[0].server.begin(&5);
    for _ in 0..10 {
        pass(TICK);
        hosts.iter_mut().for_each(One::turn);
    }
    let status = hosts[0].host.node.status();
    assert!(status.committed > status.applied && first.poll().is_none());
    // Its thread stands still. Meanwhile another one leads and does more, and then somebody reads.
    let others = Arc::new(Mutex::new(hosts.split_off(1)));
    let reading = Arc::<Mutex<Option<Reading<Total, u64>>>>::default();
    let server = Arc::clone(&hosts[0].server);
    let (busy, read) = (Arc::clone(&others), Arc::clone(&reading));
    *hosts[0].knobs.after.lock().unwrap() = Some(Box::new(move || {
        let mut others = busy.lock().unwrap();
        until(&mut others, |others| others.iter().any(One::leads));
        let leader = others.iter().position(One::leads).unwrap();
        let second = others[leader].server.begin(&7);
        until(&mut others, |_| matches!(second.poll(), Some(Ok(12))));
        *read.lock().unwrap() = Some(server.begin_read(Read::Lease, |total| total.0));
    }));
    hosts[0].turn();
    // Now it has on disk what it had committed.
    hosts[0].knobs.holds.store(false, Ordering::Relaxed);
    hosts[0].turn();
    hosts.append(&mut others.lock().unwrap());
    let reading = reading.lock().unwrap().take().unwrap();
    let seen = Mutex::new(None);
    until(&mut hosts, |_| {
        let mut seen = seen.lock().unwrap();
        *seen = seen.take().or_else(|| reading.poll());
        seen.is_some()
    });
    assert_eq!(seen.into_inner().unwrap(), Some(Ok(12)));
}

#[test]
fn storage_is_given_its_time_and_a_leader_speaks_before() {
    let mut hosts = led();
    for one in &hosts {
        one.knobs.worn.store(2, Ordering::Relaxed);
    }
    let left = |hosts: &[One]| {
        hosts.iter().map(|one| one.knobs.worn.load(Ordering::Relaxed)).collect::<Vec<_>>()
    };
    hosts.iter_mut().for_each(One::turn);
    assert_eq!(left(&hosts), [2, 1, 1]);
    assert_eq!(hosts[0].host.node.ticks_until_due(), 0);
    hosts.iter_mut().for_each(One::turn);
    assert_eq!(left(&hosts), [1, 0, 0]);
    until(&mut hosts, |hosts| left(hosts) == [0, 0, 0]);
    assert!(hosts[0].leads());
}
