//! Three processes on one machine: with the distribution's Redis tools, killed, and started again.

#[path = "programs/processes.rs"]
mod processes;
#[path = "common/wait.rs"]
mod wait;

use kv::resp::Reply;
use processes::{Processes, tool};
use wait::wait_until;

#[test]
fn redis_tools_work_with_every_node() {
    let Some(redis) = tool("redis-cli", "redis-tools") else { return };
    let benchmark = tool("redis-benchmark", "redis-tools").expect("it comes with redis-cli");
    let cluster = Processes::start();
    let cli = |id: usize, words: &str| {
        let (port, words) = (cluster.client_port(id), words.split(' '));
        processes::output(redis().args(["-p", &port]).args(words))
    };
    for id in [1, 2, 3] {
        assert_eq!(cli(id, &format!("SET k{id} {id} EX 1000")), "OK\n");
        assert_eq!(cli(id, "INCR n"), format!("{id}\n"));
        assert_eq!(cli(id, "-3 PING"), "PONG\n");
    }
    assert_eq!(cli(2, "MGET k1 k2 k3 none"), "1\n2\n3\n\n");
    let scanned = cli(3, "--scan --pattern k*");
    let mut keys: Vec<_> = scanned.lines().collect();
    keys.sort_unstable();
    assert_eq!(keys, ["k1", "k2", "k3"]);
    assert!(cli(1, "INFO").contains("raft_role:"));
    assert!(cli(1, "COMMAND COUNT").trim().parse::<u32>().is_ok());
    assert!(cli(1, "GET").starts_with("ERR wrong number of arguments"));
    for id in [1, 2, 3] {
        let load = ["-n", "1500", "-c", "16", "-P", "4", "-q", "-t", "ping,set,get,incr,mset"];
        let told = processes::output(benchmark().args(["-p", &cluster.client_port(id)]).args(load));
        assert_eq!(told.matches("requests per second").count(), 6, "{told}");
        assert!(!told.contains("ERR"), "{told}");
    }
}

#[test]
fn what_was_acknowledged_survives_every_kill() {
    let mut cluster = Processes::start();
    let mut acknowledged = Vec::new();
    for number in 0..150_usize {
        let (id, key) = (1 + number % 3, format!("key-{number}"));
        match number {
            // Whoever leads, and then somebody, in the middle of it.
            30 | 90 => {
                let victim = if number == 30 { cluster.leader() } else { 1 };
                cluster.kill(victim);
            }
            60 | 120 => cluster.start_all(),
            _ => {}
        }
        let answer = cluster
            .client(id)
            .and_then(|mut client| client.call(&["SET", &key, &number.to_string()]).ok());
        if answer == Some(Reply::OK) {
            acknowledged.push((key, number));
        }
    }
    assert!(acknowledged.len() >= 90, "{} were acknowledged", acknowledged.len());
    // The power fails for all of them.
    (1..=3).for_each(|id| cluster.kill(id));
    cluster.start_all();
    for id in 1..=3 {
        let mut client = wait_until("a client", || cluster.client(id));
        for (key, number) in &acknowledged {
            let value = wait_until("an answer", || {
                let answer = client.call(&["GET", key]).ok()?;
                (!matches!(answer, Reply::Error(_))).then_some(answer)
            });
            assert_eq!(value, Reply::text(&number.to_string()), "{key} at node {id}");
        }
    }
}

#[test]
fn a_signal_ends_a_node_in_good_order_and_raftctl_sees_it() {
    let mut cluster = Processes::start();
    let leader = cluster.leader();
    // Soon everyone has said where it is.
    let status = wait_until("all addresses", || {
        let status = cluster.raftctl(1, "status").unwrap();
        (!status.contains("its address is not known")).then_some(status)
    });
    assert_eq!(status.lines().count(), 4, "{status}");
    assert_eq!(status.matches("leader").count(), 1, "{status}");
    assert_eq!(status.matches("follower").count(), 2, "{status}");
    assert_eq!(cluster.raftctl(2, "watch --count 2").unwrap().lines().count(), 8);
    let json = cluster.raftctl(3, "--json status").unwrap();
    assert!(json.starts_with("[{\"id\":") && json.ends_with("]\n"), "{json}");
    assert_eq!(cluster.raftctl(3, "snapshot").unwrap(), "OK\n");
    let said = cluster.raftctl(1, "remove 77").unwrap_err();
    assert_eq!(said, "raftctl: ERR id is 77; allowed is 0 to 31\n");
    cluster.terminate(leader);
    let other = if leader == 1 { 2 } else { 1 };
    let next = cluster.leader();
    assert_ne!(next, leader);
    let status = cluster.raftctl(other, "status").unwrap();
    assert_eq!(status.matches("leader").count(), 1, "{status}");
    assert!(status.contains("refused"), "{status}");
    cluster.start_all();
    (1..=3).for_each(|id| cluster.terminate(id));
}

#[test]
fn what_can_not_start_says_why() {
    let (code, said) = processes::refused("--id 1 --memory --client 0.0.0.0:0");
    assert_eq!(code, 2);
    assert!(said.starts_with("kv: client is 0.0.0.0:0; allowed is an address of this"), "{said}");
    let memory = "--id 1 --memory --client 127.0.0.1:0 --listen 127.0.0.1:0";
    let (code, said) = processes::refused(memory);
    assert_eq!(code, 1);
    assert!(said.contains("kv: the storage is blank"), "{said}");
    let (code, said) = processes::refused(&format!("{memory} --bootstrap --heartbeat 100"));
    assert_eq!(code, 1);
    assert!(said.contains("kv: election_timeout is 150ms; allowed is at least 300ms"), "{said}");
}
