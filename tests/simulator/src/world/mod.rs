//! One history: the plan of a seed, carried out tick by tick on real nodes.
//!
//! In every tick faults strike, clocks move, letters arrive, every node takes a turn of its loop,
//! and clients ask. After each call of a node the checkers look at it. Nothing but the seed decides
//! what happens.

mod finale;
mod gather;
mod quiet;
mod station;
mod still;
mod turn;

use crate::checkers::{Broken, Change, Checkers, Outcome, Registry, RegistryNode};
use crate::clients::Clients;
use crate::cluster::Settings;
use crate::faults::{self, Wounds};
use crate::flash::Board;
use crate::linearizability::Operation;
use crate::network::Network;
use crate::plan::Plan;
use crate::random::Random;
use crate::readers::Readers;
use crate::recorder::{Place, Recorder};
use crate::registers::{SESSIONS, Shared};
use crate::submitters::Submitters;
use crate::tally::{Count, Tally};
use crate::words::Spoken;
use raft_core::{ClusterId, Identity, Machine, NodeId, Nonce, Request, RoleName};
use std::mem::take;

pub(crate) use station::Repair;
pub use station::Station;
pub(crate) use turn::count_drops;

/// A history under way.
pub struct World {
    /// What was drawn for it.
    pub plan: Plan,
    /// The nodes.
    pub cluster: Registry,
    /// The clock that no node sees.
    pub tick: u32,
    /// What happens around each node.
    pub stations: Vec<Station>,
    /// What is between them.
    pub network: Network,
    /// Who uses them.
    pub clients: Clients,
    /// Who reads their machines.
    pub readers: Readers,
    /// Which of them are clients themselves.
    pub submitters: Submitters,
    /// Who watches them.
    pub checkers: Checkers,
    /// What is kept of it.
    pub recorder: Recorder,
    /// What is counted.
    pub tally: Tally,
    /// What faults are under way.
    pub wounds: Wounds,
    /// Letters that spared nodes got from others, or that are older than this one of peace.
    pub provoked: u64,
    /// The number of the last letter before there was nothing to do.
    pub peace_from: u32,
    /// What decides about faults.
    pub random: Random,
}

/// What is left of a history.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The hash of every moment.
    pub hash: u64,
    /// What was counted.
    pub tally: Tally,
    /// What clients saw.
    pub operations: Vec<Operation>,
    /// The order in which it happened, as the log has it.
    pub order: Vec<usize>,
    /// How it ended.
    pub outcome: Outcome,
}

/// What a snapshot of the registers takes at most.
pub(crate) const SNAPSHOT_BYTES: usize = 512;

impl World {
    /// The beginning of a plan's history.
    pub fn new(plan: Plan, recorder: Recorder) -> Result<Self, Broken> {
        let random = |stream| Random::new(plan.seed, stream);
        let mut cluster = Registry::default();
        let founders: Vec<NodeId> = plan.founders().map(NodeId).collect();
        let name = Self::cluster_name(plan.seed);
        let nonce =
            |id: u8| Nonce(if plan.founders().contains(&id) { 0 } else { 1 + u32::from(id) });
        for (habits, id) in plan.nodes.iter().zip(plan.ids()) {
            let settings = Settings {
                base: plan.base,
                heartbeat: plan.heartbeat,
                cycle: plan.cycle,
                log_bytes: habits.log_bytes,
                frame: plan.frame,
                window: plan.window,
                window_bytes: plan.window_bytes,
                least_log: plan.nodes.iter().map(|node| node.log_bytes).min().unwrap_or(0) as u32,
                compact: habits.compact,
                keep: habits.keep,
                pace: plan.snapshot_pace,
                snapshot_bytes: SNAPSHOT_BYTES,
                cluster: name,
                seed: habits.seed,
                lease: plan.lease,
                quiet: plan.quiet,
                shape: <Shared as Machine>::SHAPE,
                board: plan.board.map(|it| Board { seed: it.seed ^ u64::from(id) << 32, ..it }),
            };
            let identity = match nonce(id) {
                Nonce::FOUNDER => {
                    let config = settings.config(NodeId(id));
                    Identity::founder(ClusterId(name), &config, &founders)
                }
                nonce => Identity::newcomer(ClusterId(name), NodeId(id), nonce),
            };
            let added = cluster.add(identity, &settings);
            added.map_err(|words| Broken::new("simulator", words))?;
        }
        let mut checkers = Checkers::new(plan.ids().map(|id| (id, nonce(id))));
        let founded = cluster.node(plan.first_id).map(|node| node.configuration());
        checkers.founded(founded.map_err(|words| Broken::new("simulator", words))?);
        Ok(Self {
            cluster,
            tick: 0,
            stations: plan.ids().map(|id| Station::new(id, nonce(id))).collect(),
            network: Network::new(plan.link.clone(), random(3)),
            clients: Clients::new(&plan, random(4)),
            readers: Readers::new(&plan, random(113)),
            submitters: Submitters::new(&plan, random(114)),
            checkers,
            recorder,
            tally: Tally::default(),
            wounds: Wounds::default(),
            provoked: 0,
            peace_from: u32::MAX,
            random: random(5),
            plan,
        })
    }

    /// What the cluster of a seed is called.
    fn cluster_name(seed: u64) -> u64 {
        Random::new(seed, 2).next()
    }

    /// Lets it all happen.
    pub fn run(mut self) -> (Ended, Recorder) {
        let outcome = self.live();
        if let Err(broken) = &outcome {
            let words = format!("{}: {}", broken.checker, broken.words);
            self.recorder.broken(Place { tick: self.tick, node: self.plan.first_id }, words);
        }
        for id in self.plan.ids() {
            if let Ok(node) = self.cluster.node(id) {
                self.tally.add_drops(&node.status().counters);
            }
        }
        self.tally.add_many(Count::Commits, self.checkers.commits());
        self.tally.add_many(Count::Joint, self.checkers.book.joint);
        self.tally.add_many(Count::Admitted, self.checkers.book.admitted.len() as u64);
        self.tally.add_many(Count::TwiceApplied, self.checkers.book.twice);
        let (hash, checkers) = (self.recorder.hash, &self.checkers);
        let evicted = checkers.book.sessions.len().saturating_sub(SESSIONS);
        self.tally.add_many(Count::SessionsEvicted, evicted as u64);
        let deed = |(tag, operation)| {
            let deed = checkers.book.deeds.get(&tag).and_then(|deed| deed.done);
            (deed.map(|(index, _)| index), operation)
        };
        let submitted = self.submitters.operations.into_iter().map(deed).collect();
        let is_committed = |at| checkers.is_committed(at);
        let (operations, order) =
            self.clients.operations(self.readers.seen, submitted, is_committed);
        (Ended { hash, tally: self.tally, operations, order, outcome }, self.recorder)
    }

    fn live(&mut self) -> Outcome {
        while self.tick < self.plan.ticks {
            faults::strike(self)?;
            // Where heartbeats may become rare, there are times for it.
            let quiet = self.plan.quiet > 0;
            self.clients.resting = quiet && (self.tick / (16 * self.plan.base)) % 2 == 1;
            self.step()?;
        }
        self.clients.resting = false;
        self.end_well()
    }

    /// One tick.
    pub(crate) fn step(&mut self) -> Outcome {
        self.tick += 1;
        self.tally.add(Count::Ticks);
        self.tally.add_many(Count::NodeTicks, self.stations.len() as u64);
        for id in self.plan.ids() {
            self.pass_time(id)?;
        }
        self.deliver_due()?;
        for id in self.plan.ids() {
            self.take_turn(id)?;
        }
        self.let_clients_ask()?;
        self.let_readers_ask()?;
        self.let_nodes_submit()?;
        if self.tick.is_multiple_of(256) {
            for id in self.plan.ids().filter(|&id| self.cluster.node(id).is_ok()) {
                self.checkers.look_deep(id, &self.cluster)?;
            }
        }
        Ok(())
    }

    fn count_snapshots(&mut self, id: u8, change: &Change) -> Outcome {
        self.tally.add_many(Count::Saved, u64::from(change.saved));
        self.tally.add_many(Count::Installed, u64::from(change.installed));
        let disk = self.node_mut(id)?.storage_mut();
        let (resumes, replaced) = (take(&mut disk.resumes), take(&mut disk.replaced));
        self.tally.add_many(Count::Resumed, resumes.into());
        self.tally.add_many(Count::Replaced, replaced.into());
        let before = change.saved_after;
        let takes_in = |id: &u8| {
            let slots = self.cluster.disk(*id).map(|disk| disk.slots);
            let stage = slots.and_then(|slots| slots.stage);
            stage.is_some_and(|(of, held)| Some(of.last.index) == before && held < of.bytes)
        };
        let leads = self.checkers.view(id).role == RoleName::Leader;
        let given_up = leads && before.is_some() && self.plan.ids().any(|id| takes_in(&id));
        self.tally.add_many(Count::GivenUp, given_up.into());
        Ok(())
    }

    /// What surrounds a node.
    pub(crate) fn station(&mut self, id: u8) -> &mut Station {
        &mut self.stations[usize::from(id - self.plan.first_id)]
    }

    /// Where a moment of this tick happens.
    pub(crate) fn place(&self, node: u8) -> Place {
        Place { tick: self.tick, node }
    }

    /// Looks at a node after one of its calls.
    pub(crate) fn look(&mut self, id: u8) -> Outcome {
        self.stand_still(id);
        if self.station(id).refilling
            && let Ok(node) = self.cluster.node(id)
            && !node.status().refilling
        {
            self.checkers.refilled(id, &self.cluster)?;
            let lost = faults::is_spoilt(self, id);
            let station = self.station(id);
            (station.lost, station.refilling) = (lost, false);
            self.tally.add(Count::Refilled);
        }
        let change = self.checkers.look(id, &self.cluster)?;
        if change == Change::default() {
            return Ok(());
        }
        let place = self.place(id);
        if let Some(index) = change.truncated {
            self.tally.add(Count::Truncations);
            self.recorder.truncated(place, index);
        }
        if let Some((role, term)) = change.became {
            self.recorder.became(place, role, term);
            faults::count_heirs(self, id, role, term);
            if role == RoleName::Leader {
                self.tally.add(Count::Elections);
                faults::may_ambush(self, id);
            }
        }
        self.count_snapshots(id, &change)?;
        if let Some(index) = change.committed {
            self.recorder.committed(place, index);
        }
        Ok(())
    }

    /// Something is done to a node.
    pub(crate) fn note_fault(&mut self, id: u8, number: u64, words: impl FnOnce() -> String) {
        self.recorder.fault(self.place(id), number, words);
    }

    fn let_clients_ask(&mut self) -> Outcome {
        for client in 0..self.clients.all.len() {
            let Some((id, command)) = self.clients.wish(client, self.tick) else { continue };
            let tick = self.tick;
            let awake = self.station(id).is_awake(tick);
            if !awake || self.cluster.node(id).is_err() {
                self.clients.told(client, self.tick, None);
                continue;
            }
            self.wake(id)?;
            let node = self.node_mut(id)?;
            let request = Request::Bare(command);
            let outcome = node.propose(&request);
            let place = self.place(id);
            self.recorder.proposed(place, outcome.ok().map(|at| at.index), || {
                let mut body = [0; 128];
                let body = postcard::to_slice(&request, &mut body).unwrap_or_default();
                let words = Shared::say(body).unwrap_or_default();
                (words, outcome.map(|at| at.index).map_err(|error| format!("{error:?}")))
            });
            match outcome {
                Ok(at) => {
                    self.checkers.proposed(at, command.client, command.sequence);
                    let retry = self.clients.is_retry(client);
                    self.tally.add_many(Count::Retries, u64::from(retry));
                }
                Err(raft_core::ProposeError::Full) => self.tally.add(Count::Full),
                Err(raft_core::ProposeError::NotLeader(_)) => self.tally.add(Count::NotLeader),
                Err(_) => {}
            }
            self.clients.told(client, self.tick, Some(outcome));
            self.look(id)?;
        }
        Ok(())
    }

    /// A running node; that it runs is known where this is called.
    pub(crate) fn node_mut(&mut self, id: u8) -> Result<&mut RegistryNode, Broken> {
        self.cluster.node_mut(id).map_err(|words| Broken::new("simulator", words))
    }
}
