//! That nodes are processes which can be killed and stopped, and come back with what they had.

mod common;

use common::recipe;
use kv::resp::Reply;
use raft_trials::processes::{PATIENCE, Processes, within};

#[test]
fn what_was_told_is_there_after_a_kill_and_a_stop() {
    // Waits that a busy machine of two cores keeps.
    let recipe = recipe().say(&["--election-timeout=600", "--heartbeat=100"]);
    let mut cluster = Processes::found(recipe).unwrap();
    let leader = cluster.leader().unwrap();
    let told = cluster.client(leader).unwrap().call(&["SET", "key", "value"]).unwrap();
    assert_eq!(told, Reply::OK);
    cluster.stop(leader).unwrap();
    assert!(cluster.runs(leader) && !cluster.can_answer(leader));
    let next = cluster.leader().unwrap();
    assert_ne!(next, leader);
    cluster.kill(next).unwrap();
    assert!(!cluster.runs(next));
    cluster.go_on(leader).unwrap();
    assert_ne!(cluster.run_all().unwrap(), 0);
    for id in cluster.ids() {
        let mut client = cluster.client(id).unwrap();
        let value = within(PATIENCE, || client.call(&["GET", "key"]).ok());
        assert_eq!(value, Some(Reply::text("value")));
    }
    assert_eq!(cluster.dead().unwrap(), None);
    assert_eq!(cluster.terminate(1).unwrap().code(), Some(0), "{}", cluster.messages(1));
}
