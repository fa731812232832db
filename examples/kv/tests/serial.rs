//! Three nodes, two of them on a network and the third at a cable to either.

#![cfg(unix)]

mod common;
#[path = "../../../raft-std/tests/serial/line.rs"]
mod line;

use common::{Cluster, Node, ask};
use line::Wire;
use raft_std::NodeId;

#[test]
fn a_node_without_a_network_is_one_of_the_cluster() {
    let directory = std::env::temp_dir().join(format!("kv-serial-{}", std::process::id()));
    let cables = ["one", "two"].map(|name| Wire::new(&directory.join(name), 2));
    let port = |cable: usize, plug| format!("serial:{}:921600", cables[cable].port(plug));
    let mut cluster = Cluster::start(3, |options| match options.id {
        Some(NodeId(3)) => {
            options.listen = None;
            options.peers = vec![(NodeId(1), port(0, 1)), (NodeId(2), port(1, 1))];
        }
        Some(NodeId(id)) => {
            options.peers.retain(|(peer, _)| *peer != NodeId(3));
            options.peers.push((NodeId(3), port(usize::from(id) - 1, 0)));
        }
        None => {}
    });
    cluster.leader();
    let mut clients: Vec<_> = cluster.running().map(Node::client).collect();
    for number in 1..=9 {
        assert_eq!(ask(&mut clients[number % 3], "INCR n"), number.to_string());
        for client in &mut clients {
            assert_eq!(ask(client, "GET n"), number.to_string());
        }
    }
    // Without one of the two the third is needed, and the other cable is all there is.
    cluster.node(1).kill();
    cluster.leader();
    assert_eq!(ask(&mut cluster.node(3).client(), "INCR n"), "10");
    assert_eq!(ask(&mut cluster.node(2).client(), "GET n"), "10");
    std::fs::remove_dir_all(directory).ok();
}
