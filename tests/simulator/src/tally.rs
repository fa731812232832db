//! What happened in a run, counted: a fault that never struck has tested nothing, and says so.

use raft_core::DropReason;
use std::fmt;

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // The table's rows say it in words.
pub enum Count {
    Ticks,
    NodeTicks,
    Elections,
    Commits,
    Answers,
    Retries,
    TwiceApplied,
    Burst,
    Full,
    NotLeader,
    Letters,
    Lost,
    Cut,
    Copied,
    Late,
    Damaged,
    Strays,
    Overrun,
    Truncations,
    Saved,
    Chunks,
    Installed,
    Resumed,
    GivenUp,
    StagingCrashes,
    SendingCrashes,
    StagingCuts,
    StagesRotten,
    SnapshotsRotten,
    Replaced,
    Wraps,
    Crashes,
    Torn,
    Outages,
    PowerCuts,
    Restarts,
    Pauses,
    Stalls,
    Background,
    Partitions,
    OneWay,
    Bridges,
    Ambushes,
    Jumps,
    Sleeps,
    SleepsCompared,
    Stumbles,
    Wrecks,
    Rotten,
    Decays,
    Refilled,
    Wiped,
    Campaigns,
    Priorities,
    Transfers,
    HandedOver,
    TransfersAborted,
    ReadsServed,
    Forwarded,
    LeaseReads,
    NoLease,
    ReadsRefused,
    ReadsFailed,
    Submitted,
    SubmitsApplied,
    SubmitsUnknown,
    SessionsEvicted,
    Repeated,
    CommandsForwarded,
    Quiet,
    Woken,
    QuietEnds,
    Changes,
    ChangesRefused,
    Joint,
    Admitted,
    Healed,
    Spared,
    Unnameable,
    UsedUp,
    Erases,
    Maintained,
    LeaderMaintained,
    MaintainWaits,
    FlashCuts,
    StartCuts,
}

/// Every count with its row's words, in the order of the table.
const ROWS: [(Count, &str); 86] = [
    (Count::Ticks, "ticks"),
    (Count::NodeTicks, "node-ticks"),
    (Count::Elections, "leaders elected"),
    (Count::Commits, "entries committed"),
    (Count::Answers, "commands answered"),
    (Count::Retries, "commands asked for again"),
    (Count::TwiceApplied, "commands applied twice, having been asked for twice"),
    (Count::Burst, "commands that came in bursts"),
    (Count::Full, "refusals of a full log"),
    (Count::NotLeader, "refusals of a node that does not lead"),
    (Count::Letters, "datagrams sent"),
    (Count::Lost, "datagrams lost"),
    (Count::Cut, "datagrams cut off"),
    (Count::Copied, "datagrams doubled"),
    (Count::Late, "datagrams very late"),
    (Count::Damaged, "datagrams damaged"),
    (Count::Strays, "datagrams of another cluster"),
    (Count::Overrun, "datagrams for a node that was busy too long"),
    (Count::Truncations, "logs truncated"),
    (Count::Saved, "snapshots taken"),
    (Count::Chunks, "pieces of snapshots sent"),
    (Count::Installed, "snapshots installed"),
    (Count::Resumed, "snapshots installed that were on their way before a crash"),
    (Count::GivenUp, "snapshots given up by their leader half-way"),
    (Count::StagingCrashes, "crashes in the middle of taking one in"),
    (Count::SendingCrashes, "crashes in the middle of sending one"),
    (Count::StagingCuts, "power cuts inside a write of one that is taken in"),
    (Count::StagesRotten, "stages that rotted"),
    (Count::SnapshotsRotten, "snapshots that rotted"),
    (Count::Replaced, "of them replaced before a restart found out"),
    (Count::Wraps, "rings wrapped"),
    (Count::Crashes, "crashes"),
    (Count::Torn, "crashes that kept a part of what was not flushed"),
    (Count::Outages, "crashes of all nodes at once"),
    (Count::PowerCuts, "power cuts inside a write"),
    (Count::Restarts, "restarts"),
    (Count::Pauses, "pauses"),
    (Count::Stalls, "stalls of storage"),
    (Count::Background, "flushes in the background"),
    (Count::Partitions, "partitions"),
    (Count::OneWay, "partitions one way only"),
    (Count::Bridges, "partitions with a bridge"),
    (Count::Ambushes, "leaders that failed soon after their election"),
    (Count::Jumps, "jumps of a clock"),
    (Count::Sleeps, "sleeps"),
    (Count::SleepsCompared, "sleeps compared with staying awake"),
    (Count::Stumbles, "storage errors that pass"),
    (Count::Wrecks, "storage errors that stay"),
    (Count::Rotten, "ballots that rotted"),
    (Count::Decays, "disks that lost flushed entries"),
    (Count::Refilled, "of them refilled"),
    (Count::Wiped, "disks wiped"),
    (Count::Campaigns, "campaigns on request"),
    (Count::Priorities, "changes of priority"),
    (Count::Transfers, "transfers of leadership"),
    (Count::HandedOver, "transfers that made the other one lead"),
    (Count::TransfersAborted, "transfers given up on request"),
    (Count::ReadsServed, "reads served"),
    (Count::Forwarded, "reads served by a node that does not lead"),
    (Count::LeaseReads, "reads that a lease allowed"),
    (Count::NoLease, "refusals of a node without a lease"),
    (Count::ReadsRefused, "refusals of a node at which others wait to read"),
    (Count::ReadsFailed, "reads that nobody answered in time"),
    (Count::Submitted, "commands submitted by nodes"),
    (Count::SubmitsApplied, "of them known to be applied, once"),
    (Count::SubmitsUnknown, "of them of which nobody knows any more"),
    (Count::SessionsEvicted, "sessions that made way for others"),
    (Count::Repeated, "commands of a session that came again, at some node"),
    (Count::CommandsForwarded, "datagrams with a command for whoever leads"),
    (Count::Quiet, "quiet times"),
    (Count::Woken, "quiet times that ended"),
    (Count::QuietEnds, "ends that became quiet, lost their leader and woke"),
    (Count::Changes, "changes of membership"),
    (Count::ChangesRefused, "changes of membership that a leader refused"),
    (Count::Joint, "joint configurations"),
    (Count::Admitted, "newcomers admitted"),
    (Count::Healed, "ends in which a quorum was left in peace"),
    (Count::Spared, "ends with others that stayed hostile"),
    (Count::Unnameable, "ends in which a frame could not hold all nonces"),
    (Count::UsedUp, "ends without room for another leader's first entry"),
    (Count::Erases, "erases of flash that a node stood still for"),
    (Count::Maintained, "steps of upkeep"),
    (Count::LeaderMaintained, "of them taken by a leader"),
    (Count::MaintainWaits, "steps of upkeep that waited"),
    (Count::FlashCuts, "power cuts inside an operation of flash"),
    (Count::StartCuts, "power cuts inside a start from flash"),
];

/// The counts of a seed, or of many.
#[derive(Clone, Debug)]
pub struct Tally {
    counts: [u64; ROWS.len()],
    drops: [u64; DropReason::ALL.len()],
}

impl Default for Tally {
    fn default() -> Self {
        Self { counts: [0; ROWS.len()], drops: [0; DropReason::ALL.len()] }
    }
}

impl Tally {
    /// One more.
    pub fn add(&mut self, count: Count) {
        self.add_many(count, 1);
    }

    /// So many more.
    pub fn add_many(&mut self, count: Count, number: u64) {
        self.counts[count as usize] += number;
    }

    /// What a node dropped in one life.
    pub fn add_drops(&mut self, counters: &raft_core::Counters) {
        for (drops, reason) in self.drops.iter_mut().zip(DropReason::ALL) {
            *drops += u64::from(counters.dropped(reason));
        }
    }

    /// Another seed's.
    pub fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(other.counts).for_each(|(here, there)| *here += there);
        self.drops.iter_mut().zip(other.drops).for_each(|(here, there)| *here += there);
    }

    /// How many.
    pub fn get(&self, count: Count) -> u64 {
        self.counts[count as usize]
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |words: &str, count: u64| match count {
            0 => writeln!(f, "  {words:.<60} never happened"),
            _ => writeln!(f, "  {words:.<60} {count:>14}"),
        };
        ROWS.iter().try_for_each(|(count, words)| row(words, self.get(*count)))?;
        for (reason, &count) in DropReason::ALL.iter().zip(&self.drops) {
            row(&format!("dropped by a node: {reason:?}"), count)?;
        }
        // What the core can't do yet has its row, so that nobody takes silence for a test.
        Ok(())
    }
}
