//! Rehearsals on files: two disks of three are gone, or all; and who must not be heard then.

mod common;
#[path = "wal/scratch.rs"]
mod scratch;

use common::{CLUSTER, Command, Marks, PATIENCE, assert_once, marks, settings, wait_until};
use raft_std::transport::Network;
use raft_std::wal::{Wal, WalError, WalOptions};
use raft_std::{
    Alone, BackupFile, BadBackup, ClusterId, ForceError, NodeId, Restore, RestoreError, RoleName,
    Server, Settings, StartError, force_new_cluster, restore,
};
use scratch::Scratch;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const IDS: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];
const CONFIRMED: Alone = Alone::AcknowledgedCommandsMayBeLost;

/// How a blank disk begins.
#[derive(Clone, Copy)]
enum Begins {
    Founding,
    Joining(ClusterId),
    AsItIs,
}

/// Three nodes' disks, and the network between whoever runs.
struct Place {
    scratch: Scratch,
    network: Network,
}

impl Place {
    fn new(name: &str) -> Self {
        Self { scratch: Scratch::new(&format!("disaster-{name}")), network: Network::new() }
    }

    fn disk(&self, id: NodeId) -> PathBuf {
        self.scratch.path().join(id.0.to_string())
    }

    fn open(&self, id: NodeId) -> Result<Wal, WalError> {
        Wal::open(self.disk(id), WalOptions::default())
    }

    fn start(&self, id: NodeId, begins: Begins) -> Server<Marks> {
        let setup = Server::without_address(id).settings(small()).patience(PATIENCE);
        let setup = setup.transport(self.network.join(id));
        let setup = match begins {
            Begins::Founding => setup.found(CLUSTER, &IDS),
            Begins::Joining(cluster) => setup.join(cluster),
            Begins::AsItIs => setup,
        };
        setup.start(self.open(id).unwrap(), Marks::default()).unwrap()
    }

    fn start_all(&self, begins: Begins) -> [Server<Marks>; 3] {
        IDS.map(|id| self.start(id, begins))
    }

    /// The disk is gone for good.
    fn destroy(&self, id: NodeId) {
        fs::remove_dir_all(self.disk(id)).unwrap();
    }
}

/// Small logs, so that snapshots are taken too.
fn small() -> Settings {
    Settings { log_bytes: 16 * 1024, frame_bytes: 512, ..settings() }
}

fn mark(server: &Server<Marks>, numbers: std::ops::Range<u64>) {
    for number in numbers {
        server.propose(&Command::Mark(number, "some weight")).unwrap();
    }
}

fn leader(servers: &[Server<Marks>]) -> &Server<Marks> {
    wait_until("a leader", || {
        servers.iter().find(|server| server.status().unwrap().node.role == RoleName::Leader)
    })
}

#[test]
fn a_survivor_of_three_goes_on_with_all_it_had_and_takes_others_in() {
    let place = Place::new("survivor");
    let servers = place.start_all(Begins::Founding);
    mark(&servers[1], 0..300);
    // What was acknowledged is on the survivor's disk, too: no disk could know that by itself.
    assert_eq!(servers[0].read(|marks| marks.all.len()).unwrap(), 300);
    drop(servers);
    fs::rename(place.disk(NodeId(2)), place.scratch.path().join("found-again")).unwrap();
    place.destroy(NodeId(3));

    let forced = force_new_cluster(&mut place.open(NodeId(1)).unwrap(), None, CONFIRMED).unwrap();
    assert_eq!((forced.before.id, forced.before.cluster), (NodeId(1), CLUSTER));
    assert_eq!(forced.before.others, [NodeId(2), NodeId(3)]);
    let warning = forced.to_string();
    for word in ["ALONE", "is LOST", "nodes 2, 3", "NEVER", &forced.cluster.0.to_string()] {
        assert!(warning.contains(word), "{warning}");
    }
    let survivor = place.start(NodeId(1), Begins::AsItIs);
    assert_eq!(survivor.cluster(), forced.cluster);
    mark(&survivor, 300..310);
    let others = [4, 5].map(|id| place.start(NodeId(id), Begins::Joining(forced.cluster)));
    for other in &others {
        survivor.add(other.id(), other.nonce(), "").unwrap();
    }
    mark(&others[0], 310..320);
    for server in others.iter().chain([&survivor]) {
        let marks = server.read(|marks| marks.all.clone()).unwrap();
        assert_once(&marks);
        assert_eq!(marks.len(), 320, "node {}", server.id().0);
    }

    // A disk that was believed lost turns up, and its node looks for the others of before.
    fs::rename(place.scratch.path().join("found-again"), place.disk(NodeId(2))).unwrap();
    let ghost = place.start(NodeId(2), Begins::AsItIs);
    assert_eq!(ghost.cluster(), CLUSTER);
    wait_until("the ghost is refused", || {
        (survivor.status().unwrap().links.refused > 0).then_some(())
    });
    mark(&survivor, 320..330);
    let status = ghost.status().unwrap();
    assert_eq!((status.node.leader, marks(&ghost).len() <= 300), (None, true));
    assert_eq!(marks(&survivor).len(), 330);
}

#[test]
fn what_was_acknowledged_before_a_backup_is_there_when_all_disks_are_gone() {
    let place = Place::new("restored");
    let servers = place.start_all(Begins::Founding);
    let (told, ends) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let path = place.scratch.path().join("backup");
    let (head, before) = thread::scope(|scope| {
        for client in 0..4 {
            let (server, told, ends) = (&servers[client % 3], &told, &ends);
            scope.spawn(move || {
                for number in 1_000_000 * client as u64.. {
                    if ends.load(Ordering::Relaxed) {
                        return;
                    }
                    server.propose(&Command::Mark(number, "some weight")).unwrap();
                    told.lock().unwrap().push(number);
                }
            });
        }
        wait_until("some load", || (told.lock().unwrap().len() > 400).then_some(()));
        let before = told.lock().unwrap().clone();
        let leads = leader(&servers).id();
        let follower = servers.iter().find(|server| server.id() != leads).unwrap();
        let head = follower.backup_to(&path);
        // Load goes on meanwhile and afterwards, and has to end whatever came of the backup.
        let count = told.lock().unwrap().len();
        wait_until("more load", || (told.lock().unwrap().len() > count + 50).then_some(()));
        ends.store(true, Ordering::Relaxed);
        (head.unwrap(), before)
    });
    let told = told.into_inner().unwrap();
    drop(servers);
    IDS.into_iter().for_each(|id| place.destroy(id));

    let file = BackupFile::open(&path).unwrap();
    assert_eq!((*file.head(), head.cluster), (head, CLUSTER));
    assert_eq!(file.configuration().unwrap().0.membership.incoming, IDS.into_iter().collect());
    let clusters = IDS.map(|id| {
        let plan = Restore { id, founders: IDS.to_vec(), settings: None, attempt: 1 };
        let mut wal = place.open(id).unwrap();
        let restored = restore(&mut wal, &file, Marks::default(), &plan).unwrap();
        assert!(before.iter().all(|number| restored.machine.all.contains(number)));
        restored.cluster
    });
    assert!(clusters.iter().all(|cluster| *cluster == clusters[0] && *cluster != CLUSTER));
    let servers = place.start_all(Begins::AsItIs);
    mark(&servers[2], 77_000_000..77_000_010);
    for server in &servers {
        let marks = server.read(|marks| marks.all.clone()).unwrap();
        assert_once(&marks);
        assert!(before.iter().all(|number| marks.contains(number)), "all up to the backup");
        let old = marks.iter().filter(|number| **number < 77_000_000).count();
        assert!((before.len()..told.len()).contains(&old), "{} {old}", before.len());
        assert_eq!(marks.len(), old + 10);
    }
}

/// A backup of a cluster of one.
fn backup(place: &Place) -> PathBuf {
    let setup = Server::without_address(NodeId(1)).settings(small()).patience(PATIENCE);
    let setup = setup.found(CLUSTER, &[NodeId(1)]);
    let server = setup.start(place.open(NodeId(1)).unwrap(), Marks::default()).unwrap();
    mark(&server, 0..20);
    let path = place.scratch.path().join("backup");
    server.backup_to(&path).unwrap();
    path
}

fn plan(id: u8, founders: &[u8]) -> Restore {
    let founders = founders.iter().map(|id| NodeId(*id)).collect();
    Restore { id: NodeId(id), founders, settings: None, attempt: 1 }
}

#[test]
fn a_file_that_can_not_be_restored_says_why() {
    let place = Place::new("bad");
    let path = backup(&place);
    let whole = fs::read(&path).unwrap();
    let open = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        BackupFile::open(&path).err().map(|bad| bad.to_string())
    };
    let (mut damaged, length) = (whole.clone(), whole.len());
    damaged[length - 3] ^= 1;
    assert_eq!(open(&damaged).unwrap(), "it is damaged: a checksum does not match");
    let short = format!("it is cut short: {} of {length} bytes are there", length - 1);
    assert_eq!(open(&whole[..length - 1]).unwrap(), short);
    assert_eq!(open(&[]).unwrap(), "this is no backup");
    let foreign = fs::read(place.disk(NodeId(1)).join("ballot")).unwrap();
    assert_eq!(open(&foreign).unwrap(), "this is no backup");
    let mut later = whole.clone();
    later[8] = 7;
    let sum = crc32fast::hash(&later[..508]).to_le_bytes();
    later[508..512].copy_from_slice(&sum);
    let said = "it is a backup of format 7, which this version does not know";
    assert_eq!(open(&later).unwrap(), said);
    // Of another application it is known by what its machine makes of it, or by its tables.
    assert_eq!(open(&whole), None);
    let file = BackupFile::open(&path).unwrap();
    let mut wal = place.open(NodeId(2)).unwrap();
    let refused = restore(&mut wal, &file, other::Other, &plan(2, &[2])).err();
    assert_eq!(refused, Some(RestoreError::Backup(BadBackup::OtherMachine)));
    let refused = restore(&mut wal, &file, other::Later, &plan(2, &[2])).err();
    assert_eq!(refused, Some(RestoreError::Backup(BadBackup::OtherMachine)));
    drop(wal);
    let setup = Server::without_address(NodeId(2)).settings(small());
    let blank = setup.start(place.open(NodeId(2)).unwrap(), Marks::default());
    assert!(matches!(blank, Err(StartError::Blank)));
}

#[test]
fn a_snapshot_that_has_rotted_is_no_backup() {
    let place = Place::new("rotten");
    let path = backup(&place);
    let before = fs::read(&path).unwrap();
    let server = place.start(NodeId(1), Begins::AsItIs);
    // Nothing is applied any more, so that this is the snapshot which a backup would be of.
    server.backup_to(&place.scratch.path().join("another")).unwrap();
    let names = |kind: &str| {
        let entries = fs::read_dir(place.disk(NodeId(1))).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(kind)).collect::<Vec<_>>()
    };
    // It is called a stage until the flush has ended that makes it count.
    wait_until("its name", || names("stage-").is_empty().then_some(()));
    let file = place.disk(NodeId(1)).join(names("snapshot-").into_iter().max().unwrap());
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    let error = server.backup_to(&path).unwrap_err().to_string();
    let said = "the node's snapshot can't be read: it is not as it was written";
    assert_eq!(error, said);
    assert_eq!(fs::read(&path).unwrap(), before, "the one before is still there");
}

#[test]
fn only_a_blank_disk_that_nobody_works_on_is_restored_to() {
    let place = Place::new("refused");
    let file = BackupFile::open(&backup(&place)).unwrap();
    let restored = |wal: &mut Wal, plan: &Restore| {
        restore(wal, &file, Marks::default(), plan).map(|restored| restored.cluster)
    };
    let refused = restored(&mut place.open(NodeId(1)).unwrap(), &plan(1, &[1]));
    assert_eq!(refused, Err(RestoreError::NotBlank));
    let mut blank = place.open(NodeId(2)).unwrap();
    assert_eq!(place.open(NodeId(2)).err(), Some(WalError::Locked));
    let alone = force_new_cluster(&mut blank, None, CONFIRMED);
    assert_eq!(alone, Err(ForceError::Blank));
    let ten: Vec<_> = (0..10).collect();
    for founders in [&[1, 3][..], &[2, 32], &[2, 200], &[], &ten] {
        let refused = restored(&mut blank, &plan(2, founders));
        assert_eq!(refused, Err(RestoreError::Founders), "{founders:?}");
    }
    let slow = Settings { tick: PATIENCE, ..small() };
    let bad = Restore { settings: Some(slow), ..plan(2, &[2]) };
    assert!(matches!(restored(&mut blank, &bad), Err(RestoreError::Setting(_))));
    restored(&mut blank, &plan(2, &[2, 3])).unwrap();
    assert_eq!(restored(&mut blank, &plan(2, &[2, 3])), Err(RestoreError::NotBlank));
}

#[test]
fn founders_that_were_told_different_things_are_of_different_clusters() {
    let place = Place::new("different");
    let file = BackupFile::open(&backup(&place)).unwrap();
    let mut clusters = Vec::new();
    let longer = Settings { frame_bytes: 600, ..small() };
    let plans = [
        plan(2, &[2, 3]),
        plan(3, &[2, 3, 4]),
        Restore { attempt: 2, ..plan(4, &[2, 3, 4]) },
        Restore { settings: Some(longer.clone()), ..plan(5, &[5]) },
    ];
    for plan in &plans {
        let mut wal = place.open(plan.id).unwrap();
        clusters.push(restore(&mut wal, &file, Marks::default(), plan).unwrap().cluster);
    }
    clusters.push(CLUSTER);
    clusters.sort_unstable_by_key(|cluster| cluster.0);
    clusters.dedup();
    assert_eq!(clusters.len(), 5);
    // Settings can be changed on this occasion, and only then.
    let start = |settings: &Settings| {
        let setup = Server::without_address(NodeId(5)).settings(settings.clone());
        setup.patience(PATIENCE).start(place.open(NodeId(5)).unwrap(), Marks::default())
    };
    assert!(matches!(start(&small()), Err(StartError::UnequalSettings)));
    let server = start(&longer).unwrap();
    assert_eq!(server.read(|marks| marks.all.len()).unwrap(), 20);
}

/// Machines of other applications.
mod other {
    use raft_std::{LoadError, Loader, Machine, Saver};

    /// One that understands nothing of what the others save.
    #[derive(Clone)]
    pub struct Other;

    /// One with other tables.
    #[derive(Clone)]
    pub struct Later;

    impl Machine for Other {
        type Command<'a> = ();
        type Output = ();
        fn apply(&mut self, (): ()) {}
        fn save(&self, _: &mut Saver<'_>) {}
        fn restore(&mut self, loader: &mut Loader<'_>, _: u16) -> Result<(), LoadError> {
            if loader.left() == 0 { Ok(()) } else { Err(LoadError::Content) }
        }
    }

    impl Machine for Later {
        type Command<'a> = ();
        type Output = ();
        const SHAPE: u32 = 7;
        fn apply(&mut self, (): ()) {}
        fn save(&self, _: &mut Saver<'_>) {}
        fn restore(&mut self, _: &mut Loader<'_>, _: u16) -> Result<(), LoadError> {
            Ok(())
        }
    }
}
