//! Everything that a seed draws before anything happens: plain data, so that it can be printed.
//!
//! What may be destroyed is bounded in `faults/churn.rs`, because members change.

mod boards;

use crate::flash::Board;
use crate::random::Random;
use raft_core::{Config, NodeId, wire::ENVELOPE_BYTES};
use std::ops::Range;

/// How much trouble a seed makes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Temper {
    /// Clocks drift, letters are late and some are lost, and that is all: work must go on.
    Calm,
    /// Something fails every few election timeouts.
    Rough,
    /// Something always fails.
    Cruel,
}

/// How a node makes things durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flushing {
    /// In every turn of its loop, at once.
    Prompt,
    /// In one turn of so many: promises wait for it.
    Lazy(u32),
    /// In the background, for at most so many ticks.
    Later(u32),
}

/// One node.
#[derive(Clone, Debug)]
pub struct Habits {
    /// Logs of unequal size: some followers are full before others.
    pub log_bytes: usize,
    /// With less it would be refused.
    pub least_bytes: usize,
    /// How fast its clock runs, in thousandths: within a tenth of the true time.
    pub clock: u32,
    /// Whether it sleeps until it is due or a letter comes: checks that deadlines are exact.
    pub sleeps: bool,
    /// It looks at its loop in one tick of so many: a slow follower.
    pub turn_every: u32,
    /// The most letters that leave in one turn: a radio's duty cycle.
    pub packets: u32,
    /// How full its log may become, in hundredths.
    pub compact: u32,
    /// How many applied entries stay behind a snapshot.
    pub keep: u32,
    /// How it flushes.
    pub flushing: Flushing,
    /// For how long it does other things before it gives its storage time again, if it ever does.
    pub maintains: Option<u32>,
    /// Where its election timeouts start: equal on all nodes of some clusters.
    pub seed: u32,
}

/// What the network does to letters; rates are in so many of 65,536.
#[derive(Clone, Debug, Default)]
pub struct Link {
    /// Lost without a trace.
    pub loss: u32,
    /// Arriving twice, the second time late.
    pub copies: u32,
    /// Late by much more than is usual: overtaken by hundreds of others.
    pub late: u32,
    /// Damaged in one to three bits, which the envelope's checksum always tells.
    pub damage: u32,
    /// Every letter takes one tick and up to so many more, each its own time: reordering.
    pub delay_most: u32,
    /// How late a late one is at most.
    pub late_most: u32,
}

/// How often something is done to the cluster in a tick, in so many of 65,536.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    /// The power of one node fails.
    pub crash: u32,
    /// The power of all nodes fails at once.
    pub outage: u32,
    /// The power fails inside a write.
    pub cut: u32,
    /// A node stands still and goes on later: clocks jump for it.
    pub pause: u32,
    /// A flush takes as long as erasing flash does.
    pub stall: u32,
    /// The network falls into parts, in one of many ways.
    pub partition: u32,
    /// A partition heals; zero means never before the end.
    pub heal: u32,
    /// A clock jumps.
    pub jump: u32,
    /// One call to storage fails, and the node is made anew.
    pub stumble: u32,
    /// Storage fails for good.
    pub wreck: u32,
    /// The ballot can't be read any more.
    pub rot: u32,
    /// Entries that were flushed can't be read any more.
    pub decay: u32,
    /// A disk is replaced by a blank one.
    pub wipe: u32,
    /// A node is told to stand for election.
    pub campaign: u32,
    /// A node's priority changes.
    pub priority: u32,
    /// A node is told to hand over, or to stop it.
    pub transfer: u32,
    /// Somebody wants other members.
    pub churn: u32,
    /// Leaders are asked for many commands at once.
    pub burst: u32,
    /// A letter from another cluster comes in.
    pub stray: u32,
    /// Of so many of 65,536 elections the winner fails within a few trips, in the middle of what a
    /// new leader does: that is when logs come to differ.
    pub ambush: u32,
    /// After so many of 65,536 pieces of a snapshot something happens to its sender or its taker.
    pub meddle: u32,
}

/// What one seed does.
#[derive(Clone, Debug)]
pub struct Plan {
    /// All that follows is drawn from it.
    pub seed: u64,
    /// How much trouble there is.
    pub temper: Temper,
    /// The first node's id: ids end below 32, and zero is one.
    pub first_id: u8,
    /// For how many ticks there is trouble, before it ends for a quorum.
    pub ticks: u32,
    /// The transmit buffer: what is left of an MTU of 51 to 1,400 bytes.
    pub frame: usize,
    /// The base timeout, no less than three heartbeats and three cycles of the link.
    pub base: u32,
    /// Ticks between heartbeats.
    pub heartbeat: u32,
    /// The longest that question and answer take when nothing is wrong.
    pub cycle: u32,
    /// Entries on their way to one follower.
    pub window: u32,
    /// Bytes on their way to one follower.
    pub window_bytes: u32,
    /// Bytes of snapshots that a leader sends in a tick.
    pub snapshot_pace: u32,
    /// Whether logs are so small that they fill up.
    pub crowded: bool,
    /// The nodes, 1 to 9.
    pub nodes: Vec<Habits>,
    /// The network.
    pub link: Link,
    /// The faults.
    pub rates: Rates,
    /// How many of the nodes found the cluster; the others may be added later.
    pub founders: u8,
    /// How many clients there are, eight at most: three bits of a value name its client.
    pub clients: u8,
    /// How long a client thinks between two requests, about.
    pub pace: u32,
    /// How long a client waits for an answer before it asks again.
    pub patience: u32,
    /// Commands carry up to so many bytes that mean nothing.
    pub ballast: u32,
    /// How many there are that read machines, and not through the log.
    pub readers: u8,
    /// Those that submit commands of their own.
    pub submitters: Vec<u8>,
    /// How long a leader's lease lasts, for clocks within a tenth of the true time; mostly zero,
    /// for none. Where there are leases, the clocks of followers do not jump ahead: against that
    /// nothing helps.
    pub lease: u32,
    /// How far apart heartbeats are where everyone has everything, or zero. Where they are, clients
    /// do nothing every other while.
    pub quiet: u32,
    /// The flash of every node, where they are boards.
    pub board: Option<Board>,
}

/// How many ticks there is trouble; the end brings every seed beyond 2,000.
const TROUBLE_TICKS: u32 = 1700;

impl Plan {
    /// Draws the plan of a seed.
    pub fn draw(seed: u64) -> Self {
        let random = &mut Random::new(seed, 1);
        let temper = random.pick(&[
            Temper::Calm,
            Temper::Calm,
            Temper::Rough,
            Temper::Rough,
            Temper::Rough,
            Temper::Cruel,
            Temper::Cruel,
        ]);
        // Three and five are what people run; the others are where counting goes wrong.
        let count = random.pick(&[1, 2, 3, 3, 3, 3, 4, 5, 5, 5, 6, 7, 8, 9]);
        let first_id = random.pick(&[0, 1, 1, 1, NodeId::LIMIT - count]);
        let link = Link::draw(random, temper);
        let (short, any) = (random.between(51, 130), random.between(51, 1400));
        let mtu = random.pick(&[51, short, 256, any, 1400]);
        let frame = mtu as usize - ENVELOPE_BYTES;
        let crowded = random.below(6) == 0;
        let ballast = if mtu < 120 { 0 } else { random.pick(&[0, 0, 8, 40]) };
        let clients = random.between(1, 8) as u8;
        let mut nodes = draw_nodes(random, count, frame, crowded, ballast);
        let (snapshot_pace, meddle) = draw_snapshots(&mut nodes, seed);
        let slowest = nodes.iter().map(|node| node.turn_every).max().unwrap_or(1);
        let flush = nodes.iter().map(|node| node.flushing.most_ticks()).max().unwrap_or(0);
        // A radio that sends few letters in a turn comes round to the last peer late.
        let packets = nodes.iter().map(|node| node.packets).min().unwrap_or(1);
        let round = u32::from(count).div_ceil(packets);
        // Two ways, a turn at either end, and the flush before a promise.
        let cycle = 2 * (1 + link.delay_most) + (1 + round + flush) * slowest;
        let heartbeat = random.between(1, 1 + cycle / 2);
        let others = 3 * heartbeat.max(cycle) + random.below(cycle);
        let (board, base) = boards::draw(seed, others, cycle + heartbeat, &mut nodes);
        let reads = &mut Random::new(seed, 13);
        let readers = reads.pick(&[0, 1, 3, 3, 6]);
        let lease = Config::lease_for_drift(base, 100) * u32::from(reads.below(2) == 0);
        let calm = &mut Random::new(seed, 15);
        let often = (heartbeat * calm.between(2, 9)).max(cycle);
        let quiet = if calm.below(4) == 0 { often } else { 0 };
        // A stream of its own, so that the rest of the plan stays what it was.
        let random_12 = &mut Random::new(seed, 12);
        let churn = if random_12.below(2) == 0 { 0 } else { random_12.below(65_536 / base) };
        Self {
            seed,
            temper,
            first_id,
            readers,
            submitters: draw_submitters(seed, first_id..first_id + count, frame),
            lease,
            quiet,
            ticks: TROUBLE_TICKS + random.below(300),
            frame,
            base,
            heartbeat,
            cycle,
            window: random.pick(&[1, 2, 4, 16, 256]),
            window_bytes: random.pick(&[1, 64, 1024, 16 * 1024]),
            snapshot_pace,
            crowded,
            founders: if churn > 0 { random_12.between(1, u32::from(count)) as u8 } else { count },
            nodes,
            rates: Rates { churn, ..Rates::draw(random, (seed, temper), base, meddle) }.on(board),
            board,
            link,
            clients,
            pace: u32::from(clients) * random.between(2, 8),
            patience: cycle + random.below(2 * base),
            ballast,
        }
    }

    /// The ids of those that found the cluster.
    pub fn founders(&self) -> Range<u8> {
        self.first_id..self.first_id + self.founders
    }

    /// The ids of the nodes.
    pub fn ids(&self) -> impl Iterator<Item = u8> + use<> {
        self.first_id..self.first_id + self.nodes.len() as u8
    }
}

impl Flushing {
    /// How long a flush may keep a promise back, in turns.
    fn most_ticks(self) -> u32 {
        match self {
            Self::Prompt => 0,
            Self::Lazy(most) | Self::Later(most) => most,
        }
    }
}

/// When nodes take snapshots; gives how fast these are sent, and how often trouble meddles.
fn draw_snapshots(nodes: &mut [Habits], seed: u64) -> (u32, u32) {
    let random = &mut Random::new(seed, 11);
    let (hasty, frugal) = (random.pick(&[1, 3, 10, 75]), random.pick(&[0, 2, 32]));
    for node in nodes {
        node.compact = random.pick(&[hasty, hasty, 75, 100]);
        node.keep = random.pick(&[frugal, frugal, 200]);
    }
    (random.pick(&[1, 40, 4096]), random.pick(&[0, 2_048, 8_192, 16_384]))
}

/// Of these nodes none, or so many in eight. What a session adds to a command grows with the log:
/// in the smallest frames there is no room for it in the end.
fn draw_submitters(seed: u64, nodes: Range<u8>, frame: usize) -> Vec<u8> {
    let random = &mut Random::new(seed, 14);
    let share = random.pick(&[0, 0, 2, 5, 8]) * u32::from(frame >= 56);
    nodes.filter(|_| random.below(8) < share).collect()
}

fn draw_nodes(
    random: &mut Random,
    count: u8,
    frame: usize,
    crowded: bool,
    ballast: u32,
) -> Vec<Habits> {
    // What the core asks for at least: a command that fits a frame must fit the log.
    let least = ((frame + 240) * 26 / 18 + 40).max(512);
    let entry_bytes = (16 + ballast as usize) * 26 / 18 + 4;
    let same_seed = random.below(4) == 0;
    let (slow, lazy) = (random.below(4) == 0, random.pick(&[0, 0, 1, 2, 3]));
    let packets = random.pick(&[u32::MAX, u32::MAX, u32::MAX, 1, 3]);
    let draw = |_| {
        let roomy = (least + 1200 * entry_bytes) << random.below(2);
        let tight = least + random.below(120 * entry_bytes as u32) as usize;
        Habits {
            log_bytes: if crowded { tight } else { roomy },
            least_bytes: least,
            clock: random.between(900, 1100),
            sleeps: random.below(3) == 0,
            turn_every: if slow { random.between(1, 3) } else { 1 },
            packets: random.pick(&[u32::MAX, packets]),
            flushing: match lazy {
                0 => Flushing::Prompt,
                most => random.pick(&[
                    Flushing::Prompt,
                    Flushing::Lazy(1 + most),
                    Flushing::Later(most),
                    Flushing::Later(most),
                ]),
            },
            maintains: None,
            compact: 75,
            keep: 32,
            seed: if same_seed { 7 } else { random.next() as u32 },
        }
    };
    (0..count).map(draw).collect()
}

impl Link {
    fn draw(random: &mut Random, temper: Temper) -> Self {
        let percent = 655;
        let (loss, rare) = match temper {
            Temper::Calm => (random.below(2 * percent), random.below(percent)),
            Temper::Rough => (random.below(10 * percent), random.below(3 * percent)),
            Temper::Cruel => (random.below(30 * percent), random.below(8 * percent)),
        };
        Self {
            loss: random.pick(&[0, loss, loss]),
            copies: random.pick(&[0, rare, rare]),
            late: random.pick(&[0, rare, rare]),
            damage: random.pick(&[0, rare, rare]),
            delay_most: random.pick(&[0, 0, 1, 1, 3]),
            late_most: random.pick(&[8, 60, 500]),
        }
    }
}

impl Rates {
    fn draw(random: &mut Random, (seed, temper): (u64, Temper), base: u32, meddle: u32) -> Self {
        if temper == Temper::Calm {
            return Self { stray: 200, ..Self::default() };
        }
        // About once in so many base timeouts, at most; a kind of fault is often missing.
        let mut once_in = |timeouts: u32| {
            let often = if temper == Temper::Cruel { 3 } else { 1 };
            let most = often * 65_536 / (timeouts * base);
            if random.below(3) == 0 { 0 } else { random.below(most + 1) }
        };
        let mut rates = Self {
            crash: once_in(3),
            outage: once_in(20),
            cut: once_in(6),
            pause: once_in(4),
            stall: once_in(3),
            partition: once_in(2),
            heal: once_in(2),
            jump: once_in(6),
            stumble: once_in(20),
            wreck: once_in(50),
            rot: once_in(50),
            decay: Random::new(seed, 16).pick(&[0, 0, 1, 3]) * 65_536 / (20 * base),
            wipe: once_in(50),
            campaign: once_in(3),
            priority: once_in(10),
            transfer: once_in(2),
            churn: 0,
            burst: once_in(1),
            stray: once_in(4),
            ambush: 0,
            meddle,
        };
        rates.ambush = random.pick(&[0, 16_384, 49_152]);
        // Now and then a partition stays until the end; mostly long enough for another leader.
        if rates.heal == 0 && random.below(4) > 0 {
            rates.heal = 65_536 / (4 * base);
        }
        rates
    }
}
