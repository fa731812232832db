//! Time: a node that sleeps until it is due misses nothing and never wakes for nothing.

use raft_core::RoleName;
use raft_simulator::{Cluster, Settings};

/// A small generator: the same steps on every machine.
struct Steps(u64);

impl Steps {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % limit
    }
}

/// A node's clone, a long sleep and as many single ticks come out the same, and something is to be
/// done then and was not a tick before.
fn assert_exact(cluster: &Cluster, id: u8) -> bool {
    let node = cluster.node(id).expect("it runs");
    let due = node.ticks_until_due();
    if due == 0 || due == u32::MAX {
        return false;
    }
    let (mut slept, mut ticked) = (node.clone(), node.clone());
    slept.advance(due);
    for _ in 1..due {
        ticked.tick();
        assert!(ticked.transmit(&mut [0; 256]).is_none(), "early: due in {due}");
    }
    let before = (ticked.status().role, ticked.status().term);
    assert_eq!(ticked.ticks_until_due(), 1, "of {due}");
    ticked.tick();
    assert!(slept == ticked, "asleep and awake differ after {due} ticks");
    let changed = before != (ticked.status().role, ticked.status().term);
    assert!(changed || ticked.ticks_until_due() == 0, "woke for nothing after {due} ticks");
    true
}

#[test]
fn a_sleeping_node_is_exactly_due() {
    let mut looked = 0;
    for seed in 0..200 {
        let mut steps = Steps(seed);
        let size = 1 + steps.below(5) as u8;
        let voters: Vec<u8> = (1..=size).collect();
        let settings = Settings { seed: seed as u32, ..Settings::default() };
        let mut cluster = Cluster::found(&voters, &settings).expect("a cluster");
        for _ in 0..60 {
            let id = 1 + steps.below(u64::from(size)) as u8;
            match steps.below(4) {
                0 => cluster.node_mut(id).expect("it runs").advance(steps.below(12) as u32),
                1 => {
                    cluster.cuts.insert((id, 1 + steps.below(u64::from(size)) as u8));
                }
                2 => cluster.cuts.clear(),
                _ => {}
            }
            cluster.settle().expect("quiet in the end");
            cluster.ids().into_iter().for_each(|id| drop(cluster.apply(id)));
            looked += cluster.ids().iter().filter(|&&id| assert_exact(&cluster, id)).count();
        }
    }
    assert!(looked > 10_000, "only {looked} sleeps were looked at");
}

#[test]
fn a_year_of_sleep_makes_one_election_and_no_burst() {
    let mut cluster = Cluster::found(&[1, 2, 3], &Settings::default()).expect("a cluster");
    cluster.node_mut(1).expect("it runs").campaign();
    cluster.settle().expect("quiet in the end");
    let term = cluster.node(1).expect("it runs").status().term;
    for id in [1, 2, 3] {
        cluster.node_mut(id).expect("it runs").advance(u32::MAX);
        cluster.node_mut(id).expect("it runs").advance(u32::MAX);
    }
    assert_ne!(cluster.node(1).expect("it runs").status().role, RoleName::Leader);
    cluster.settle().expect("quiet in the end");
    let later = cluster.node(1).expect("it runs").status().term;
    assert!(later.0 <= term.0 + 1, "{later:?} after {term:?}");
}

#[test]
fn one_seed_on_two_nodes_ties_no_more_often_than_two_seeds() {
    // Both nodes ask at the same tick only if they drew the same timeout: one draw in ten does.
    let mut ties = 0;
    for seed in 0..500 {
        let settings = Settings { seed, ..Settings::default() };
        let cluster = Cluster::found(&[1, 2], &settings).expect("a cluster");
        let due = |id| cluster.node(id).expect("it runs").ticks_until_due();
        ties += u32::from(due(1) == due(2));
    }
    assert!((25..90).contains(&ties), "{ties} ties in 500 elections");
}
