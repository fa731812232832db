//! Servers over serial lines, and over networks at the same time: lines that are noisy, that are
//! cut, and that are shared.

#![cfg(unix)]

#[path = "serial/board.rs"]
mod board;
mod common;
#[path = "serial/line.rs"]
mod line;

use board::Board;
use common::{CLUSTER, Command, Marks, PATIENCE, assert_once, marks, wait_until};
use line::Wire;
use raft_std::transport::{Serial, Transport, Udp};
use raft_std::{Memory, NodeId, Server, Settings, Setup, StartError};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const ONE: NodeId = NodeId(1);
const TWO: NodeId = NodeId(2);
const THREE: NodeId = NodeId(3);
const ALL: [NodeId; 3] = [ONE, TWO, THREE];
const BAUD: u32 = 460_800;

fn settings() -> Settings {
    Settings {
        frame_bytes: 256,
        election_timeout: Duration::from_millis(500),
        heartbeat: Duration::from_millis(80),
        ..Settings::LAN
    }
}

/// A directory that nobody else has.
fn directory() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::SeqCst);
    std::env::temp_dir().join(format!("raft-serial-{}-{number}", std::process::id()))
}

fn start(id: NodeId, with: impl FnOnce(Setup) -> Setup) -> Server<Marks> {
    let settings = settings();
    let storage = Memory::new(settings.log_bytes, 1 << 20).unwrap();
    let setup = Server::without_address(id).settings(settings).patience(PATIENCE);
    with(setup.found(CLUSTER, &ALL)).start(storage, Marks::default()).unwrap()
}

fn mark(server: &Server<Marks>, number: u64) {
    assert_eq!(server.propose(&Command::Mark(number, "")).unwrap().0, number);
}

fn leader(servers: &[Server<Marks>]) -> NodeId {
    wait_until("a leader", || {
        servers.iter().find_map(|server| {
            let node = server.status().ok()?.node;
            (node.leader == Some(node.id) && node.committed.0 > 0).then_some(node.id)
        })
    })
}

/// Has this one lead, however often it takes.
fn lead(servers: &[Server<Marks>], id: NodeId) {
    wait_until("its leadership", || {
        let now = leader(servers);
        if now != id {
            servers.iter().find(|server| server.id() == now)?.transfer(Some(id)).ok();
        }
        (leader(servers) == id).then_some(())
    });
}

fn agreed(servers: &[Server<Marks>], count: usize) {
    wait_until("agreement", || {
        let all: Vec<_> = servers.iter().map(marks).collect();
        let same = all.windows(2).all(|pair| pair[0] == pair[1]);
        (same && all[0].len() == count).then(|| assert_once(&all[0]))
    });
}

/// Nodes 1 and 2 share a network; node 3 has a cable to either, and nothing else.
#[test]
fn a_node_has_peers_on_a_network_and_at_cables_at_once() {
    let cables = [Wire::new(&directory(), 2), Wire::new(&directory(), 2)];
    let udp = || Udp::bind("127.0.0.1:0").unwrap();
    let (mut one, mut two) = (udp(), udp());
    one.learn(TWO, &two.local_address().unwrap().to_string());
    two.learn(ONE, &one.local_address().unwrap().to_string());
    let cable = |id, peer, number: usize, plug| {
        Serial::between(id, peer, &cables[number].port(plug), BAUD).unwrap()
    };
    let servers = [
        start(ONE, |setup| setup.transport(cable(ONE, THREE, 0, 0)).transport(one)),
        start(TWO, |setup| setup.transport(cable(TWO, THREE, 1, 0)).transport(two)),
        start(THREE, |setup| {
            setup.transport(cable(THREE, ONE, 0, 1)).transport(cable(THREE, TWO, 1, 1))
        }),
    ];
    let [_, _, third] = &servers;
    for (number, server) in (1..).zip(servers.iter().cycle().take(9)) {
        mark(server, number);
    }
    // All that node 3 says and hears goes over cables, its leadership too.
    lead(&servers, THREE);
    cables.iter().for_each(|cable| cable.inject(&[0x55; 700]));
    cables.iter().for_each(|cable| cable.inject(&[7, 0, 7, 7, 0, 9]));
    mark(third, 10);
    let garbled = |server: &Server<Marks>| server.status().unwrap().links.garbled;
    assert!(servers.iter().all(|server| garbled(server) > 0));
    // One cable is pulled at either end: the others go on, and it comes back by itself.
    cables[0].pull(0);
    cables[0].pull(1);
    for (number, server) in (11..).zip(&servers[1..]) {
        mark(server, number);
    }
    lead(&servers[1..], TWO);
    mark(third, 13);
    cables[0].put(0);
    cables[0].put(1);
    cables[1].pull(0);
    // The only way to node 3 is the one that is back.
    lead(&servers[..2], ONE);
    mark(third, 14);
    agreed(&servers, 14);
}

#[test]
fn three_servers_share_a_noisy_line() {
    let wire = Wire::new(&directory(), 3);
    let servers: Vec<_> = (0..)
        .zip(ALL)
        .map(|(plug, id)| {
            let line = Serial::shared(id, &ALL, &wire.port(plug), BAUD).unwrap();
            start(id, |setup| setup.transport(line))
        })
        .collect();
    leader(&servers);
    wire.set_noise(500);
    for (number, server) in (1..).zip(servers.iter().cycle().take(30)) {
        mark(server, number);
    }
    wire.set_noise(0);
    agreed(&servers, 30);
    let links: Vec<_> = servers.iter().map(|server| server.status().unwrap().links).collect();
    let bad: u64 = links.iter().map(|links| links.refused + links.garbled).sum();
    assert!(wire.frames() > 100 && wire.damaged() > 0 && bad > 0, "{links:?}");
    assert!(links.iter().all(|links| links.misaddressed == 0), "{links:?}");
}

#[test]
fn a_host_and_two_boards_are_a_cluster() {
    let wire = Wire::new(&directory(), 3);
    let boards = [Board::start(TWO, &wire.port(1)), Board::start(THREE, &wire.port(2))];
    let line = Serial::shared(ONE, &ALL, &wire.port(0), BAUD).unwrap();
    let host = [start(ONE, |setup| setup.transport(line))];
    let mut numbers = 1..;
    let mut write = |heard: &[Board]| {
        numbers.by_ref().take(20).for_each(|number| mark(&host[0], number));
        let all = marks(&host[0]);
        wait_until("agreement", || heard.iter().all(|board| board.marks() == all).then_some(()));
        all
    };
    // Whoever leads now, then the host, and at last with a single board.
    write(&boards);
    wait_until("its leadership", || {
        let leader = host[0].status().unwrap().node.leader?;
        // A board that leads gives way when it is not heard.
        (1..3).for_each(|plug| wire.mute(plug, plug + 1 == usize::from(leader.0)));
        (leader == ONE).then_some(())
    });
    write(&boards);
    wire.pull(2);
    assert!(write(&boards[..1]).into_iter().eq(1..=60));
}

#[test]
fn what_a_line_can_not_do_is_said() {
    let refused = |path: &str, baud| Serial::between(ONE, TWO, path, baud).err().unwrap();
    let error = refused("/dev/null", BAUD).to_string();
    assert!(error.starts_with("/dev/null: "), "{error}");
    assert!(refused("/dev/null", 0).to_string().contains("0 baud is no speed"));
    // A frame of such a length takes longer than a node would wait.
    let wire = Wire::new(&directory(), 2);
    let slow = Serial::between(ONE, TWO, &wire.port(0), 115_200).unwrap();
    let settings = Settings { frame_bytes: 256, ..Settings::LAN };
    let storage = Memory::new(settings.log_bytes, 1 << 20).unwrap();
    let setup = Server::without_address(ONE).settings(settings).transport(slow);
    let started = setup.found(CLUSTER, &ALL).start(storage, Marks::default());
    let Err(StartError::Setting(bad)) = started else { panic!("it was started") };
    assert_eq!(bad.key, "election_timeout");
    assert!(bad.allowed.starts_with("at least 330ms"), "{bad}");
    assert!(bad.allowed.contains("a frame of 256 bytes"), "{bad}");
}

/// All that is heard until there is so much, and what was dropped meanwhile.
fn heard(line: &mut Serial, count: usize) -> Vec<(NodeId, Vec<u8>)> {
    let mut all = Vec::new();
    wait_until("datagrams", || {
        line.receive(&mut |from, bytes| all.push((from, bytes.to_vec())));
        (all.len() >= count).then_some(())
    });
    all
}

#[test]
fn a_line_carries_what_it_can_and_drops_the_rest() {
    let wire = Wire::new(&directory(), 2);
    let mut one = Serial::between(ONE, TWO, &wire.port(0), 38_400).unwrap();
    let mut two = Serial::between(TWO, ONE, &wire.port(1), 38_400).unwrap();
    // A second of them, of 38 bytes on the line each, all at once.
    let begin = Instant::now();
    for number in 0..100 {
        one.send(TWO, &[&[2, 1, number][..], &[7; 30], &[0; 5]].concat());
    }
    one.send(THREE, b"nobody there");
    let dropped = one.flush().dropped as usize;
    // However long this took meanwhile: what the line carries in that time, and what may wait.
    let carried = 101 - dropped;
    let most = 256 + 2 * 38 + (begin.elapsed().as_secs_f64() * 3840.0) as usize;
    assert!(dropped > 0 && carried > 5 && carried * 38 <= most, "{carried} were carried");
    let all = heard(&mut two, carried);
    assert!(all.iter().all(|(from, bytes)| *from == ONE && bytes.len() == 38));
    assert!(all.windows(2).all(|pair| pair[0].1[2] < pair[1].1[2]), "in their order");
    assert_eq!((two.garbled(), two.flush().dropped), (0, 0));
}

#[test]
fn a_port_that_comes_late_or_back_is_found() {
    let wire = Wire::new(&directory(), 2);
    wire.pull(0);
    let mut one = Serial::shared(ONE, &[TWO], &wire.port(0), BAUD).unwrap();
    let mut two = Serial::shared(TWO, &[ONE], &wire.port(1), BAUD).unwrap();
    let letter = |to| [to, 1, 9, 9, 0, 0, 0, 0];
    one.tend();
    one.send(TWO, &letter(2));
    assert_eq!((one.flush().dropped, one.socket().is_none()), (1, true));
    for round in 0..3 {
        wire.put(0);
        one.tend();
        one.send(TWO, &letter(2));
        // For others, from a stranger, and too short for either.
        wire.inject(&[9, 3, 1, 9, 9, 9, 9, 9, 9, 0, 9, 2, 3, 9, 9, 9, 9, 9, 9, 0, 2, 9, 0]);
        assert_eq!((one.flush().dropped, heard(&mut two, 1)), (0, vec![(ONE, letter(2).to_vec())]));
        assert!(one.send_to_all(&letter(255)));
        one.flush();
        assert_eq!(heard(&mut two, 1), [(ONE, letter(255).to_vec())]);
        assert_eq!((two.strangers(), two.garbled()), (round + 1, round + 1));
        wire.pull(0);
        one.receive(&mut |_, _| {});
        assert!(one.socket().is_none(), "it hung up");
    }
    // Another peer is found on it by the name of the port.
    assert!(!one.learn(THREE, "10.0.0.3:7000") && !one.reaches(THREE));
    assert!(one.learn(THREE, &format!("serial:{}", wire.port(0))) && one.reaches(THREE));
}
