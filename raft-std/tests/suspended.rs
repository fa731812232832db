//! A process that is stopped, like a laptop that sleeps: what it says when it goes on.
//!
//! The leader is a process of its own, stopped for longer than others wait. When it goes on, only
//! its clock tells that there may be another leader: nothing is heard from there for a while. It
//! must serve nothing that is old by now, lease or not, and nobody is to be elected because of it.

#![cfg(unix)]

mod common;

use common::{Command, Marks, PATIENCE, Path, Weather, settings, wait_until};
use raft_std::transport::{Transport, Udp};
use raft_std::{Memory, NodeId, Read, Server, Settings};
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const IDS: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];
/// Where the process that is stopped finds the addresses of all.
const ADDRESSES: &str = "RAFT_TEST_ADDRESSES";

fn leases() -> Settings {
    Settings { lease_drift: Some(50), ..settings() }
}

fn start(id: NodeId, addresses: &[String], weather: &Arc<Weather>) -> Server<Marks> {
    let address = |id: NodeId| &addresses[usize::from(id.0) - 1];
    let mut udp = Udp::bind(address(id)).unwrap();
    for peer in IDS.into_iter().filter(|peer| *peer != id) {
        udp.learn(peer, address(peer));
    }
    let path = Path::new(id, Box::new(udp), Arc::clone(weather));
    let setup = Server::without_address(id).settings(leases()).patience(PATIENCE).transport(path);
    let storage = Memory::new(leases().log_bytes, 4096).unwrap();
    setup.found(common::CLUSTER, &IDS).start(storage, Marks::default()).unwrap()
}

/// A clock that both processes have.
fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()
}

/// Ends the process, however the test ends.
struct Process(Child);

impl Process {
    fn signal(&self, name: &str) {
        let id = self.0.id().to_string();
        let sent = std::process::Command::new("kill").args([name, &id]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// What the process says that is stopped: when a read was begun, and how many marks it saw.
fn reads(process: &mut Process) -> Arc<Mutex<Vec<(u128, usize)>>> {
    let reads = Arc::new(Mutex::new(Vec::new()));
    let (out, all) = (process.0.stdout.take().unwrap(), Arc::clone(&reads));
    thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            let Some((begun, seen)) = line.strip_prefix("read ").and_then(|it| it.split_once(' '))
            else {
                continue;
            };
            all.lock().unwrap().push((begun.parse().unwrap(), seen.parse().unwrap()));
        }
    });
    reads
}

/// Not a test by itself: what the process does that is stopped.
#[test]
fn process_that_reads_again_and_again() {
    let Ok(addresses) = std::env::var(ADDRESSES) else { return };
    let addresses: Vec<_> = addresses.split(' ').map(str::to_owned).collect();
    let server = start(NodeId(3), &addresses, &Arc::default());
    loop {
        let begun = now();
        if let Ok(seen) = server.read_with(Read::Lease, |marks| marks.all.len()) {
            println!("read {begun} {seen}");
        }
    }
}

#[test]
fn a_leader_that_was_stopped_serves_nothing_old() {
    let free = || Udp::bind("127.0.0.1:0").unwrap();
    let sockets = [free(), free(), free()];
    let addresses = sockets.each_ref().map(|it| it.local_address().unwrap().to_string());
    drop(sockets);
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "process_that_reads_again_and_again", "--nocapture"]);
    child.env(ADDRESSES, addresses.join(" ")).stdout(Stdio::piped());
    let mut process = Process(child.spawn().unwrap());
    let reads = reads(&mut process);
    let weather = Arc::default();
    let servers = [NodeId(1), NodeId(2)].map(|id| start(id, &addresses, &weather));
    for round in 0..5 {
        wait_until("the process to lead", || {
            servers.iter().for_each(|server| drop(server.transfer(Some(NodeId(3)))));
            (servers[0].status().unwrap().node.leader == Some(NodeId(3))).then_some(())
        });
        servers[0].propose(&Command::Mark(2 * round, "")).unwrap();
        let before = reads.lock().unwrap().len();
        wait_until("reads", || (reads.lock().unwrap().len() > before + 100).then_some(()));
        weather.cut(NodeId(3));
        process.signal("-STOP");
        wait_until("another leader", || {
            let leader = servers[0].status().unwrap().node.leader;
            leader.filter(|leader| *leader != NodeId(3))
        });
        let (_, seen) = servers[1].propose(&Command::Mark(2 * round + 1, "")).unwrap();
        let term = servers[1].status().unwrap().node.term;
        let gone_on = now();
        process.signal("-CONT");
        thread::sleep(Duration::from_millis(200));
        weather.heal();
        let later = || {
            let all = reads.lock().unwrap();
            let later: Vec<_> = all.iter().filter(|(begun, _)| *begun > gone_on).copied().collect();
            (later.len() > 20).then_some(later)
        };
        let later = wait_until("reads after it goes on", later);
        let old: Vec<_> = later.iter().filter(|(_, marks)| *marks < seen).collect();
        assert!(old.is_empty(), "of {seen} marks: {old:?}");
        // A busy machine may elect for reasons of its own, but not again and again.
        thread::sleep(Duration::from_millis(400));
        let elected = servers[1].status().unwrap().node.term.0 - term.0;
        assert!(elected < 3, "{elected} elections because of it");
    }
}
