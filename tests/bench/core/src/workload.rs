//! What the cluster does while its work is counted.
//!
//! Both workloads commit the same commands and see the same ticks. All of a commit is in them: the
//! followers' learning of it rides on the next append, and so is paid for once per commit too.

use crate::cluster::Cluster;

/// How many commands a batch has, and how many commits go by between two ticks.
pub const BATCH: u64 = 64;

/// One way to commit many commands.
#[derive(Clone, Copy)]
pub enum Workload {
    /// [`BATCH`] commands are proposed before anything is sent.
    Batches,
    /// A command is proposed when the one before it was applied.
    OneAtATime,
}

impl Workload {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Batches, Self::OneAtATime];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Batches => "batches",
            Self::OneAtATime => "one-at-a-time",
        }
    }

    /// Commits that many commands, whole batches of them; gives the bytes that were sent for it.
    pub fn run(self, commits: u64) -> u64 {
        assert!(commits.is_multiple_of(BATCH), "{commits} commits are not whole batches");
        let mut cluster = Cluster::elected();
        let before = cluster.sent_bytes();
        for _ in 0..commits / BATCH {
            cluster.tick();
            match self {
                Self::Batches => cluster.commit(BATCH),
                Self::OneAtATime => (0..BATCH).for_each(|_| cluster.commit(1)),
            }
        }
        let sent_bytes = cluster.sent_bytes() - before;
        cluster.settle();
        sent_bytes
    }
}
