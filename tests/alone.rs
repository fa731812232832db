//! Two of three disks are gone for good: the survivor goes on alone, loudly, and takes others in.

mod disaster;

use disaster::{Disk, FOUNDERS, LOG_BYTES, Member, NEW, OLD, blank, run};
use raft_core::wire::{ENVELOPE_BYTES, Envelope};
use raft_core::{
    Alone, AloneError, Ballot, Change, ClusterId, Config, Identity, Node, NodeId, Nonce, Packet,
    Recipient, Record, RoleName, Storage, Term, format, recover_alone,
};
use raft_simulator::words::Words;

fn config(id: u8) -> Config {
    Config::new(NodeId(id), 3)
}

fn make(id: u8, disk: Disk) -> Member {
    Node::recover(config(id), vec![0; LOG_BYTES], disk, Words::default()).unwrap()
}

/// A survivor of three that had agreed on two words, and the disk of another one.
fn survivor() -> (Disk, Disk) {
    let mut nodes: Vec<Member> = Vec::new();
    for id in FOUNDERS {
        let mut disk = blank();
        format(&mut disk, Identity::founder(OLD, &config(id.0), &FOUNDERS)).unwrap();
        nodes.push(make(id.0, disk));
    }
    nodes[0].campaign();
    run(&mut nodes, 5);
    nodes[0].propose(&"one").unwrap();
    run(&mut nodes, 5);
    nodes[0].compact().unwrap();
    nodes[0].propose(&"two").unwrap();
    run(&mut nodes, 5);
    let mut disks = nodes.into_iter().map(Node::into_storage);
    (disks.next().unwrap(), disks.next().unwrap())
}

fn go_alone(
    disk: &mut Disk,
    cluster: ClusterId,
) -> Result<(), AloneError<<Disk as Storage>::Error>> {
    let confirmed = Alone::AcknowledgedCommandsMayBeLost;
    recover_alone(&config(1), vec![0; LOG_BYTES], disk, cluster, confirmed)
}

#[test]
fn a_survivor_leads_a_cluster_of_its_own_and_keeps_what_it_had() {
    let (mut disk, _) = survivor();
    assert_eq!(go_alone(&mut disk, OLD), Err(AloneError::SameCluster));
    go_alone(&mut disk, NEW).unwrap();
    let mut nodes = vec![make(1, disk)];
    run(&mut nodes, 40);
    assert_eq!(nodes[0].status().role, RoleName::Leader);
    assert_eq!(nodes[0].machine().0, ["one", "two"]);
    // Another board comes in, and both agree.
    let mut second = blank();
    format(&mut second, Identity::newcomer(NEW, NodeId(2), Nonce(77))).unwrap();
    nodes.push(make(2, second));
    let change = Change::AddVoter { id: NodeId(2), nonce: Nonce(77) };
    nodes[0].change_membership(change).unwrap();
    run(&mut nodes, 40);
    nodes[0].propose(&"three").unwrap();
    run(&mut nodes, 10);
    assert_eq!(nodes[1].machine().0, ["one", "two", "three"]);
    assert!(nodes[1].status().admitted);
}

#[test]
fn the_settings_stay_those_of_the_cluster() {
    let (mut disk, _) = survivor();
    let confirmed = Alone::AcknowledgedCommandsMayBeLost;
    let other = Config { frame_bytes: 128, ..config(1) };
    assert_ne!(other.shared_digest(), config(1).shared_digest());
    recover_alone(&other, vec![0; LOG_BYTES], &mut disk, NEW, confirmed).unwrap();
    let mut nodes = vec![make(1, disk)];
    run(&mut nodes, 40);
    assert_eq!(nodes[0].status().role, RoleName::Leader);
    assert_eq!(nodes[0].machine().0, ["one", "two"]);
}

#[test]
fn the_others_of_before_are_not_heard_any_more() {
    let old = Envelope::new(OLD, NodeId(2));
    let mut new = Envelope::new(NEW, NodeId(1));
    let packet = Packet { to: Recipient::Peer(NodeId(1)), bytes: &[3, 0, 9, 1, 0] };
    let mut buffer = [0; 5 + ENVELOPE_BYTES];
    let whole = old.put_on(packet, &mut buffer).unwrap();
    assert_eq!((new.take_off(whole), new.refused), (None, 1));
}

/// At each byte the power may fail: what is there then is the old cluster's, or waits for the step
/// to be repeated, or is done. It never leads under the old name.
#[test]
fn a_power_cut_in_the_middle_leaves_no_half_of_it() {
    let (disk, _) = survivor();
    for kept in 0..200 {
        let mut cut = disk.clone();
        write_alone_and_fail(&mut cut, kept);
        let mut identity = None;
        let look = &mut |record: Record<'_>| {
            if let Record::Identity(it) = record {
                identity = Some(it);
            }
        };
        cut.recover(look).unwrap();
        let mut nodes = vec![make(1, cut.clone())];
        run(&mut nodes, 60);
        let leads = nodes[0].status().role == RoleName::Leader;
        assert!(!leads || identity.unwrap().cluster == NEW, "leads under the old name: {kept}");
        // Asked again, it comes to its end.
        let mut cut = nodes.pop().unwrap().into_storage();
        if !leads {
            go_alone(&mut cut, NEW).unwrap();
            let mut nodes = vec![make(1, cut)];
            run(&mut nodes, 60);
            assert_eq!(nodes[0].machine().0, ["one", "two"], "{kept}");
        }
    }
}

/// The step, and a power cut that leaves only so many bytes of it.
fn write_alone_and_fail(disk: &mut Disk, kept: usize) {
    struct Cut<'d>(&'d mut Disk);
    impl Storage for Cut<'_> {
        type Error = <Disk as Storage>::Error;
        fn recover(&mut self, each: &mut dyn FnMut(Record<'_>)) -> Result<(), Self::Error> {
            self.0.recover(each)
        }
        fn write(&mut self, record: Record<'_>) -> Result<(), Self::Error> {
            self.0.write(record)
        }
        fn read(
            &mut self,
            part: raft_core::Part,
            offset: u32,
            buffer: &mut [u8],
        ) -> Result<(), Self::Error> {
            self.0.read(part, offset, buffer)
        }
        fn snapshot_bytes_max(&self) -> u32 {
            self.0.snapshot_bytes_max()
        }
        // Nothing reaches the medium for certain.
        fn flush(&mut self) -> Result<(), Self::Error> {
            Ok(())
        }
    }
    let confirmed = Alone::AcknowledgedCommandsMayBeLost;
    recover_alone(&config(1), vec![0; LOG_BYTES], &mut Cut(disk), NEW, confirmed).unwrap();
    disk.crash(kept).unwrap();
}

#[test]
fn a_newcomer_that_knows_nobody_can_go_alone_too() {
    let mut disk = blank();
    format(&mut disk, Identity::newcomer(OLD, NodeId(1), Nonce(5))).unwrap();
    disk.write(Record::Ballot(Ballot { term: Term(4), vote: None, admitted: false, losses: 0 }))
        .unwrap();
    disk.flush().unwrap();
    go_alone(&mut disk, NEW).unwrap();
    let mut nodes = vec![make(1, disk)];
    run(&mut nodes, 60);
    assert_eq!(nodes[0].status().role, RoleName::Leader);
    assert!(nodes[0].status().term > Term(4));
}
