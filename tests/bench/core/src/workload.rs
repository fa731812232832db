//! What the cluster does while its work is counted.
//!
//! Both workloads commit the same commands and see the same ticks. All of a commit is in them: the
//! followers' learning of it rides on the next append, and so is paid for once per commit too.

use crate::callgrind;
use crate::cluster::Cluster;

/// How many commands a batch has, and how many commits go by between two ticks.
pub const BATCH: u64 = 64;

/// Enough commits for every buffer to be warm and every kind of tick to have passed.
pub const FEW_COMMITS: u64 = 50 * BATCH;
pub const MANY_COMMITS: u64 = 350 * BATCH;

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

    /// The instructions that a whole cluster takes for one commit.
    pub fn instructions_per_commit(self) -> Result<f64, String> {
        callgrind::instructions_each(self.name(), FEW_COMMITS, MANY_COMMITS)
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
