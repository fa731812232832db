//! What one node does in one tick: time, letters, and a turn of the loop that its owner wrote.
//!
//! The loop is the documented one: what is owed leaves, what is new is made durable, promises
//! leave, what is committed is applied, and then the node sleeps or spins.

use super::World;
use super::station::INBOX_MOST;
use crate::checkers::{Broken, Outcome, RegistryNode, Turn};
use crate::cluster::Letter;
use crate::faults;
use crate::network::Fate;
use crate::plan::Flushing;
use crate::registers::Shared;
use crate::tally::{Count, Tally};
use crate::words::Spoken;
use raft_core::{Event, Fault, Reply, RoleName};

/// What a piece of a snapshot begins with.
const CHUNK: u8 = 8;
/// The kind of a command on its way to whoever leads.
const FORWARD: u8 = 12;

impl World {
    /// A node's clock moves, if it has one; whoever sleeps or stands still is told later.
    pub(super) fn pass_time(&mut self, id: u8) -> Outcome {
        let tick = self.tick;
        let clock = self.plan.nodes[usize::from(id - self.plan.first_id)].clock;
        let station = self.station(id);
        station.phase += clock;
        let ticks = station.phase / 1000;
        station.phase %= 1000;
        station.slept += ticks;
        let sleeps = station.due > 0 && station.slept < station.due;
        if sleeps || !station.is_awake(tick) || self.cluster.node(id).is_err() {
            return Ok(());
        }
        self.wake(id)?;
        for letter in std::mem::take(&mut self.station(id).inbox) {
            self.hand_over(letter)?;
        }
        Ok(())
    }

    /// Tells a node of the time that has passed.
    pub(crate) fn wake(&mut self, id: u8) -> Outcome {
        let station = self.station(id);
        let ticks = std::mem::take(&mut station.slept);
        station.due = 0;
        if ticks == 0 {
            return Ok(());
        }
        match ticks {
            1 => self.node_mut(id)?.tick(),
            _ => self.node_mut(id)?.advance(ticks),
        }
        self.look(id)
    }

    pub(super) fn deliver_due(&mut self) -> Outcome {
        let mut letters = self.network.due(self.tick);
        for letter in letters.drain(..) {
            let to = letter.to;
            let tick = self.tick;
            let station = self.station(to);
            if !station.is_awake(tick) {
                if station.inbox.len() < INBOX_MOST {
                    station.inbox.push(letter);
                } else {
                    self.tally.add(Count::Overrun);
                    self.lose(letter, "nobody looked");
                }
                continue;
            }
            if self.cluster.node(to).is_ok() {
                self.wake(to)?;
            }
            self.hand_over(letter)?;
        }
        self.network.put_back(self.tick, letters);
        Ok(())
    }

    /// Gives a letter to whom it is for.
    fn hand_over(&mut self, letter: Letter) -> Outcome {
        let damaged = letter.damaged;
        if !damaged {
            self.checkers.announced(letter.to, letter.datagram(), &mut self.cluster)?;
        }
        match self.cluster.deliver(&letter) {
            Some(why) => {
                self.tally.add(if why == "cut off" { Count::Cut } else { Count::Lost });
                self.lose(letter, why);
            }
            None if damaged => {
                let words = format!("{} took a damaged letter", letter.to);
                return Err(Broken::new("damage is detected", words));
            }
            None => {
                let place = self.place(letter.to);
                self.recorder.received(place, letter.number, letter.from);
                let (from, to) = (letter.from, letter.to);
                let is_chunk = letter.datagram().first() == Some(&CHUNK);
                let hostile = !self.station(letter.from).spared;
                self.provoked += u64::from(hostile || letter.number <= self.peace_from);
                self.network.recycle(letter);
                if self.cluster.node(to).is_ok_and(|node| node.status().fault.is_some()) {
                    // A piece of a snapshot that could not be written.
                    faults::storage_failed(self, to)?;
                }
                if self.cluster.node(to).is_ok() {
                    self.look(to)?;
                }
                if is_chunk {
                    faults::meddle(self, from, to)?;
                }
            }
        }
        Ok(())
    }

    fn lose(&mut self, letter: Letter, why: &'static str) {
        let place = self.place(letter.from);
        self.recorder.lost(place, letter.number, why);
        self.network.recycle(letter);
    }

    /// One turn of a node's loop.
    pub(super) fn take_turn(&mut self, id: u8) -> Outcome {
        faults::repair(self, id)?;
        let (tick, place) = (self.tick, usize::from(id - self.plan.first_id));
        let every = self.plan.nodes[place].turn_every;
        if !self.station(id).is_awake(tick) || self.cluster.node(id).is_err() {
            return Ok(());
        }
        if self.station(id).flush_ends.is_some_and(|ends| tick >= ends) {
            self.wake(id)?;
            self.station(id).flush_ends = None;
            self.cluster.finish_flush(id).map_err(|words| Broken::new("simulator", words))?;
            self.look(id)?;
        }
        if self.station(id).due > 0 || !(tick + u32::from(id)).is_multiple_of(every) {
            return Ok(());
        }
        if self.node_mut(id)?.ticks_until_due() == 0 {
            self.work(id)?;
        }
        self.maintain(id)?;
        let sleeps = self.plan.nodes[place].sleeps && !self.has_upkeep(id);
        if sleeps && self.cluster.node(id).is_ok() {
            self.sleep(id)?;
        }
        Ok(())
    }

    fn work(&mut self, id: u8) -> Outcome {
        let (most, window) = {
            let habits = &self.plan.nodes[usize::from(id - self.plan.first_id)];
            (habits.packets, self.plan.window)
        };
        let peers = self.stations.len() as u32 - 1;
        let mut turn = Turn { node: id, peers, window, ..Turn::default() };
        // Appends leave before the leader's own flush, promises after it.
        self.send(id, most, &mut turn)?;
        let disk = self.node_mut(id)?.storage_mut();
        (disk.writes, disk.runs) = (0, 0);
        self.flush(id)?;
        let tick = self.tick;
        if self.cluster.node(id).is_err() || !self.station(id).is_awake(tick) {
            return Ok(());
        }
        let node = self.node_mut(id)?;
        (turn.writes, turn.runs) = (node.storage().writes, node.storage().runs);
        turn.last = node.log().last().index;
        let wrapped = u64::from(turn.runs > 1);
        self.tally.add_many(Count::Wraps, wrapped);
        self.send(id, most, &mut turn)?;
        self.apply(id, &mut turn)?;
        self.poll_reads(id)?;
        self.poll_submitted(id)?;
        self.count_quiet(id);
        let mut failed = false;
        while let Some(event) = self.node_mut(id)?.poll_event() {
            turn.events += 1;
            failed |= event == Event::Stopped(Fault::Storage);
        }
        if failed {
            // A piece of a snapshot that could not be read.
            return faults::storage_failed(self, id);
        }
        self.checkers.turn(&turn)
    }

    fn send(&mut self, id: u8, most: u32, turn: &mut Turn) -> Outcome {
        let mut sent = 0;
        while sent < most {
            let mut bytes = self.network.buffer();
            let to = self.cluster.transmit(id, &mut bytes);
            let Some(to) = to.map_err(|words| Broken::new("simulator", words))? else {
                self.network.recycle(Letter { number: 0, from: id, to: id, damaged: false, bytes });
                break;
            };
            sent += 1;
            let number = self.cluster.number_letter();
            let letter = Letter { number, from: id, to, damaged: false, bytes };
            self.checkers.sent(id, to, letter.datagram(), &self.cluster)?;
            let is_chunk = letter.datagram().first() == Some(&CHUNK);
            let is_forward = letter.datagram().first().is_some_and(|tag| tag & 0x1f == FORWARD);
            self.tally.add_many(Count::CommandsForwarded, is_forward.into());
            turn.chunks += u32::from(is_chunk);
            turn.packets += u32::from(!is_chunk);
            self.tally.add_many(Count::Chunks, u64::from(is_chunk));
            self.tally.add(Count::Letters);
            let tick = self.tick;
            let station = self.station(id);
            station.sent += 1;
            station.spoke[usize::from(to)] = tick;
            let place = self.place(id);
            self.recorder.sent(place, letter.number, to, letter.datagram());
            self.post(letter);
            if turn.packets + turn.chunks > 10_000 {
                return self.checkers.turn(turn);
            }
        }
        if sent > 0 { self.look(id) } else { Ok(()) }
    }

    fn post(&mut self, letter: Letter) {
        if !self.plan.ids().any(|id| id == letter.to) {
            return self.lose(letter, "for nobody");
        }
        let peaceful = self.station(letter.from).spared && self.station(letter.to).spared;
        let Self { network, tally, tick, .. } = self;
        match if peaceful { Fate::Arrives } else { network.fate() } {
            Fate::Arrives => network.carry(letter, *tick, peaceful, tally),
            Fate::Twice => {
                let number = self.cluster.number_letter();
                let copy = network.copy(&letter, number);
                tally.add(Count::Copied);
                let place = crate::recorder::Place { tick: *tick, node: letter.from };
                self.recorder.sent(place, number, letter.to, copy.datagram());
                network.carry(letter, *tick, false, tally);
                network.carry(copy, *tick, false, tally);
            }
            Fate::Lost => {
                tally.add(Count::Lost);
                self.lose(letter, "lost by chance");
            }
        }
    }

    /// Makes durable what is new, the way this node does it.
    fn flush(&mut self, id: u8) -> Outcome {
        let tick = self.tick;
        let habits = &self.plan.nodes[usize::from(id - self.plan.first_id)];
        let (habit, turn) = (habits.flushing, (tick + u32::from(id)) / habits.turn_every);
        let station = self.station(id);
        let (ends, blocks) = match (station.stall.take(), habit) {
            (Some((ticks, blocks)), _) => (tick + ticks, blocks),
            (None, Flushing::Prompt) => (tick, false),
            (None, Flushing::Lazy(every)) if turn.is_multiple_of(every) => (tick, false),
            (None, Flushing::Lazy(_)) => return Ok(()),
            (None, Flushing::Later(most)) => (tick + self.random.below(most + 1), false),
        };
        if ends == tick && self.station(id).flush_ends.is_none() {
            let flushed = self.cluster.flush(id);
            return self.flush_outcome(id, flushed.err());
        }
        match self.cluster.begin_flush(id) {
            Ok(true) => {
                self.tally.add(Count::Background);
                let station = self.station(id);
                station.flush_ends = Some(ends);
                if blocks {
                    station.busy_until = ends;
                }
                self.look(id)
            }
            Ok(false) => Ok(()),
            Err(error) => self.flush_outcome(id, Some(error)),
        }
    }

    fn flush_outcome(&mut self, id: u8, error: Option<String>) -> Outcome {
        match error {
            None => self.look(id),
            Some(_) => faults::storage_failed(self, id),
        }
    }

    fn apply(&mut self, id: u8, turn: &mut Turn) -> Outcome {
        loop {
            let before = self.node_mut(id)?.machine().inner().count;
            let Some(applied) = self.node_mut(id)?.apply() else { break };
            turn.applied += 1;
            self.look(id)?;
            let (place, tick) = (self.place(id), self.tick);
            let node = self.cluster.node(id).map_err(|words| Broken::new("simulator", words))?;
            let registers = node.machine().inner();
            let (index, digest, seen) =
                (applied.position.index, registers.digest, registers.count - before);
            let body = || node.log().get(index).and_then(|entry| Shared::say(entry.body));
            self.recorder.applied(place, index, digest, || body().unwrap_or_default());
            self.checkers.applied(id, index, &applied.output, seen)?;
            let output = match applied.output {
                Reply::Bare(output) => Some(output),
                Reply::Repeated { .. } => {
                    self.tally.add(Count::Repeated);
                    None
                }
                _ => None,
            };
            if let Some(answer) = self.clients.applied(id, applied.position, output, tick) {
                self.tally.add(Count::Answers);
                self.checkers.answered(&answer)?;
            }
        }
        self.look(id)
    }

    /// Counts the times in which a leader says little.
    fn count_quiet(&mut self, id: u8) {
        let status = self.cluster.node(id).map(|node| node.status());
        let quiet = status.is_ok_and(|it| it.quiet && it.role == RoleName::Leader);
        let before = std::mem::replace(&mut self.station(id).quiet, quiet);
        self.tally.add_many(Count::Quiet, u64::from(quiet && !before));
        self.tally.add_many(Count::Woken, u64::from(before && !quiet));
    }

    /// Goes to sleep until it is due; now and then compares that with staying awake.
    fn sleep(&mut self, id: u8) -> Outcome {
        let node = self.node_mut(id)?;
        let due = node.ticks_until_due();
        if due < 2 {
            return Ok(());
        }
        self.tally.add(Count::Sleeps);
        self.station(id).due = due;
        if due < u32::MAX && self.random.below(64) == 0 {
            self.tally.add(Count::SleepsCompared);
            return self.sleep_exactly(id, due);
        }
        Ok(())
    }

    /// A long sleep and as many single ticks come out the same, and something is to be done then
    /// that was not a tick before.
    fn sleep_exactly(&mut self, id: u8, due: u32) -> Outcome {
        let frame = self.plan.frame;
        let node = self.node_mut(id)?;
        let (mut slept, mut ticked) = (node.clone(), node.clone());
        let mut buffer = vec![0; frame];
        let wrong = |words: String| Err(Broken::new("deadlines are exact", words));
        slept.advance(due);
        for passed in 1..due {
            ticked.tick();
            if ticked.transmit(&mut buffer).is_some() {
                return wrong(format!("{id} was due in {due} ticks and spoke after {passed}"));
            }
        }
        let face = |node: &RegistryNode| {
            let status = node.status();
            (status.role, status.term, status.leader, status.transferring, status.peers.len())
        };
        let before = face(&ticked);
        ticked.tick();
        if slept != ticked {
            return wrong(format!("{id} is another node after a sleep of {due} ticks"));
        }
        let changed = before != face(&ticked);
        if !changed && ticked.ticks_until_due() > 0 {
            return wrong(format!("{id} woke for nothing after {due} ticks"));
        }
        Ok(())
    }
}

/// Counts what a node dropped before it is gone.
pub(crate) fn count_drops(tally: &mut Tally, cluster: &crate::checkers::Registry, id: u8) {
    if let Ok(node) = cluster.node(id) {
        tally.add_drops(&node.status().counters);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::recorder::Recorder;

    #[test]
    fn a_damaged_letter_that_a_node_takes_is_told() {
        let plan = (0..).map(Plan::draw).find(|plan| plan.nodes.len() > 1).expect("a plan");
        let (from, to, name) = (plan.first_id, plan.first_id + 1, World::cluster_name(plan.seed));
        let mut world = World::new(plan, Recorder::default()).expect("a cluster");
        // A heartbeat.
        let sound = world.cluster.forge(from, to, name, &[3, 0, 1, 1, 0]);
        assert_eq!(world.hand_over(sound.clone()), Ok(()));
        let broken = world.hand_over(Letter { damaged: true, ..sound }).expect_err("it is silent");
        assert_eq!(broken.checker, "damage is detected");
    }
}
