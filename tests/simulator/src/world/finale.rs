//! How a history ends: faults stop for a quorum, and from then on there are deadlines.
//!
//! The rest stays hostile, behind partitions that never heal: some hear nothing, some are heard and
//! hear nothing themselves, which is what disturbs most, some hear and can't answer. A bug that
//! costs only progress is found here or nowhere. Deadlines are multiples of what the plan drew.

use super::World;
use super::station::{Repair, Station};
use crate::checkers::{Broken, Outcome};
use crate::faults;
use crate::plan::Temper;
use crate::registers::fingerprint;
use crate::tally::Count;
use raft_core::{Index, Kind, NodeId, RoleName, Status};

/// Every seed runs at least this long.
const TICKS_LEAST: u32 = 2000;

impl World {
    /// Peace for a quorum, and what must come of it.
    pub(super) fn end_well(&mut self) -> Outcome {
        self.check_floors()?;
        let mut spared = self.spare_a_quorum()?;
        match self.recover_in_peace(&mut spared) {
            Err(Broken { checker: "liveness", .. }) if self.reserve_is_used_up(&spared) => {
                self.tally.add(Count::UsedUp);
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Eight leaders, one after the other, each failed before it had committed anything, while the
    /// log was as full as clients may make it: there is no room for the first entry of a ninth.
    fn reserve_is_used_up(&self, spared: &[u8]) -> bool {
        spared.iter().filter_map(|&id| self.cluster.node(id).ok()).any(|node| {
            let (first, last) = (node.status().committed.0 + 1, node.log().last().index.0);
            let entries = (first..=last).filter_map(|index| node.log().get(Index(index)));
            entries.filter(|entry| entry.kind == Kind::NOOP).count() >= 8
        })
    }

    fn recover_in_peace(&mut self, spared: &mut Vec<u8>) -> Outcome {
        let timeout = self.election_timeout();
        let lost = |what: &str| Broken::new("liveness", what.to_owned());
        let leader = self.until(10 * timeout, |world| world.common_leader(spared).is_some())?;
        if !leader {
            return Err(lost("no leader after ten election timeouts"));
        }
        // A slow node never catches up with clients that fill the leader's pipe.
        self.clients.resting = true;
        let gathered = self.gather(spared)?;
        self.clients.resting = false;
        if !gathered {
            return Err(lost("members can't be changed as they should be"));
        }
        let start = self.tick;
        // Impatient clients fill a narrow pipe faster than it drains: that is not the cluster's.
        self.clients.patience = 2 * self.plan.base + self.catching_up(spared);
        let patience = 30 * self.clients.patience;
        let served = self.until(patience, |world| {
            let all = world.clients.all.iter().all(|it| it.served > start);
            all && world.readers.are_served(start) && world.submitters.are_served(spared, start)
        })?;
        if !served {
            return Err(lost("a client is stuck"));
        }
        self.clients.resting = true;
        let patience = 10 * timeout + 8 * self.clients.patience;
        let agreed = self.until(patience, |world| world.agree(spared))?;
        if !agreed {
            return Err(lost("healthy nodes do not come to agree"));
        }
        self.check_answers(spared)?;
        self.keep_quiet(spared)?;
        self.say_little(spared)?;
        self.change_leaders(spared)
    }

    /// The spared node that leads in the highest term.
    pub(super) fn leader_of(&self, spared: &[u8]) -> Option<u8> {
        let term = |id: u8| self.status(id).filter(|it| it.role == RoleName::Leader);
        let terms = spared.iter().filter_map(|&id| Some((term(id)?.term, id)));
        terms.max().map(|(_, id)| id)
    }

    pub(super) fn follow(&self, leader: u8, spared: &[u8]) -> bool {
        let follows = |&id: &u8| self.cluster.node(id).ok().and_then(|node| node.leader());
        spared.iter().all(|id| follows(id) == Some(NodeId(leader)))
    }

    /// A leader hands over, to somebody who is gone where there is one, and then to somebody who is
    /// there: whatever comes of it, before long somebody leads and takes commands.
    fn change_leaders(&mut self, spared: &[u8]) -> Outcome {
        let gone = self.stations.iter().find(|it| !it.spared).map(|it| NodeId(it.id));
        for to in [gone, None] {
            let Some(leader) = self.common_leader(spared) else { continue };
            self.wake(leader)?;
            let began = self.node_mut(leader)?.transfer(to).is_ok();
            self.tally.add_many(Count::Transfers, u64::from(began));
            self.look(leader)?;
            let patience = 10 * self.election_timeout();
            let ended = self.until(patience, |world| {
                let leader = world.common_leader(spared).and_then(|id| world.status(id));
                leader.is_some_and(|status| status.transferring.is_none())
            })?;
            if !ended {
                return Err(Broken::new("liveness", "a transfer never ends"));
            }
        }
        Ok(())
    }

    /// Steps until something is so, or for so many ticks; says whether it is so.
    pub(super) fn until(
        &mut self,
        ticks: u32,
        done: impl Fn(&Self) -> bool,
    ) -> Result<bool, Broken> {
        let end = self.tick + ticks;
        while self.tick < end {
            if done(self) {
                return Ok(true);
            }
            faults::strike(self)?;
            self.step()?;
        }
        Ok(done(self))
    }

    /// Chooses a quorum of members whose promises are whole, and ends their troubles.
    fn spare_a_quorum(&mut self) -> Result<Vec<u8>, Broken> {
        let mut whole: Vec<u8> =
            self.stations.iter().filter(|it| !it.lost).map(|it| it.id).collect();
        let set = |ids: &[u8]| ids.iter().map(|&id| NodeId(id)).collect();
        if !faults::sustains(self, set(&whole)) {
            let live: Vec<_> = self.checkers.live().collect();
            let words = format!("too much was destroyed: {whole:?} of {live:?}");
            return Err(Broken::new("simulator", words));
        }
        for _ in 0..self.random.below(whole.len() as u32) {
            let place = self.random.below(whole.len() as u32) as usize;
            let mut fewer = whole.clone();
            fewer.swap_remove(place);
            if faults::sustains(self, set(&fewer)) {
                whole = fewer;
            }
        }
        if self.random.below(2) == 0 {
            whole.extend(self.refilling());
        }
        whole.sort_unstable();
        self.tally.add(Count::Healed);
        self.tally.add_many(Count::Spared, u64::from(whole.len() < self.stations.len()));
        let rates = &mut self.plan.rates;
        (rates.partition, rates.heal, rates.burst, rates.churn) = (0, 0, 0, 0);
        for &id in &whole {
            self.end_troubles(id)?;
        }
        for from in self.plan.ids() {
            if whole.contains(&from) {
                self.cluster.cuts.retain(|&(sender, to)| sender != from || !whole.contains(&to));
            } else {
                self.keep_hostile(from, &whole);
            }
        }
        Ok(whole)
    }

    /// Those that are to be refilled, if only that must still happen for them to be whole members.
    fn refilling(&self) -> Vec<u8> {
        let named = |id: u8, nonce| self.checkers.live().all(|it| it.nonce(NodeId(id)) == nonce);
        let waits = |it: &&Station| {
            let spoilt = it.repair != Repair::None || faults::is_spoilt(self, it.id);
            it.refilling && !spoilt && named(it.id, Some(it.nonce))
        };
        self.stations.iter().filter(waits).map(|it| it.id).collect()
    }

    fn end_troubles(&mut self, id: u8) -> Outcome {
        let station = self.station(id);
        station.spared = true;
        station.busy_until = 0;
        station.stall = None;
        match &mut station.repair {
            Repair::None => {}
            Repair::Start(at) | Repair::Replace(at) | Repair::Remake(at) => *at = 0,
        }
        if let Ok(node) = self.cluster.node_mut(id) {
            let disk = node.storage_mut();
            disk.fail_after(None);
            disk.stumbles = false;
        }
        self.note_fault(id, 9, || "is left in peace from now on".to_owned());
        faults::repair(self, id)
    }

    /// One way or both, nothing passes between this node and the spared ones any more.
    fn keep_hostile(&mut self, id: u8, spared: &[u8]) {
        let stance = self.random.below(3);
        for &other in spared {
            self.cluster.cuts.remove(&(id, other));
            self.cluster.cuts.remove(&(other, id));
            if stance != 1 {
                faults::cut_off(self, id, other);
            }
            if stance != 2 {
                faults::cut_off(self, other, id);
            }
        }
        let stances = ["hears nothing and is not heard", "hears nothing", "is not heard"];
        let words = stances[stance as usize];
        self.note_fault(id, u64::from(stance) << 8 | 3, || format!("{words}, for good"));
    }

    /// The longest that any spared node waits before it stands, on the slowest clock.
    pub(super) fn election_timeout(&self) -> u32 {
        let extra = self.stations.iter().map(|it| it.extra_wait).max().unwrap_or(0);
        (2 * self.plan.base + 3 * self.plan.quiet + extra) * 10 / 9 + 1
    }

    pub(super) fn status(&self, id: u8) -> Option<Status> {
        self.cluster.node(id).ok().map(|node| node.status())
    }

    /// The spared node that all spared nodes take for their leader.
    pub(super) fn common_leader(&self, spared: &[u8]) -> Option<u8> {
        let leader = self.leader_of(spared)?;
        let now = self.cluster.node(leader).ok()?.configuration();
        let member = |&id: &u8| {
            let voters = now.membership.incoming;
            voters.contains(NodeId(id)) && faults::is_whole(self, NodeId(id), now)
        };
        let members: Vec<u8> = spared.iter().copied().filter(member).collect();
        self.follow(leader, &members).then_some(leader)
    }

    /// How long it may take until everyone has everything: at least one entry goes with each trip.
    pub(super) fn catching_up(&self, spared: &[u8]) -> u32 {
        let statuses = || spared.iter().filter_map(|&id| self.status(id));
        let last = statuses().map(|it| it.last.0).max().unwrap_or(0);
        let least = statuses().map(|it| it.committed.0).min().unwrap_or(0);
        (last.saturating_sub(least) as u32 + 20) * (self.plan.cycle + self.plan.heartbeat)
    }

    fn agree(&self, spared: &[u8]) -> bool {
        let mut states = spared.iter().map(|&id| {
            let node = self.cluster.node(id).ok()?;
            let status = node.status();
            // A transfer that began in the trouble may still make another one lead.
            let settled = status.applied == status.last && status.transferring.is_none();
            let settled = settled && !status.refilling;
            settled.then(|| (status.last, fingerprint(node.machine())))
        });
        let first = states.next().flatten();
        let led = self.common_leader(spared).is_some();
        let idle = self.clients.are_idle() && self.submitters.are_idle(spared);
        let tended = spared.iter().all(|&id| !self.has_upkeep(id));
        led && idle && tended && first.is_some() && states.all(|state| state == first)
    }

    /// Every command that was ever answered is in every healthy machine.
    fn check_answers(&self, spared: &[u8]) -> Outcome {
        let answered = self.checkers.answered_up_to();
        let missing = |&&id: &&u8| self.status(id).is_none_or(|it| it.applied < answered);
        match spared.iter().find(missing) {
            None => Ok(()),
            Some(id) => {
                let words = format!("{id} has not applied {}, which was answered", answered.0);
                Err(Broken::new("nothing acknowledged is lost", words))
            }
        }
    }

    /// When there is nothing to do, nodes say no more than heartbeats and answers to them, and
    /// nobody stands for election.
    fn keep_quiet(&mut self, spared: &[u8]) -> Outcome {
        // Whoever a leader of before asked to stand after it may still rightly do so, and what it
        // said then may arrive late.
        let stands = |world: &Self, id: &u8| {
            let status = world.status(*id).filter(|_| !spared.contains(id));
            status.is_some_and(|status| status.role == RoleName::Candidate)
        };
        let patience = 3 * self.election_timeout();
        self.until(patience, |world| !world.plan.ids().any(|id| stands(world, &id)))?;
        self.network.lose_letters_of(|from| !spared.contains(&from));
        let leader = self.common_leader(spared);
        self.let_disturb(leader, spared);
        let before = self.begin_peace();
        let ticks = (4 * self.plan.base).max(TICKS_LEAST.saturating_sub(self.tick));
        self.until(ticks, |_| false)?;
        if leader.is_none() || self.common_leader(spared) != leader {
            return Err(Broken::new("liveness", "another election, for no reason"));
        }
        self.check_budget(ticks, before)
    }

    /// Whoever is hostile and does not hear the leader may now talk to its followers: they hear the
    /// leader, and elect nobody else.
    fn let_disturb(&mut self, leader: Option<u8>, spared: &[u8]) {
        for id in self.plan.ids().filter(|id| !spared.contains(id)) {
            for &other in spared {
                let cut = Some(other) == leader;
                for way in [(id, other), (other, id)] {
                    self.cluster.cuts.remove(&way);
                    if cut {
                        faults::cut_off(self, way.0, way.1);
                    }
                }
            }
        }
    }

    /// Since `before`, so many ticks ago, the spared nodes have said no more than they had to.
    fn check_budget(&self, ticks: u32, before: (u64, u64)) -> Outcome {
        let (heard, said) = (self.provoked - before.0, self.letters() - before.1);
        // A round for each heartbeat and each question for a quorum, on the fastest clock; in each
        // a letter to every other node and its answer; and one for each that came from outside, or
        // from before.
        let plan = &self.plan;
        let fast = ticks * 11 / 10;
        let rounds = fast / plan.heartbeat + fast / plan.base + 3;
        let budget = u64::from(rounds) * 2 * (self.stations.len() as u64 - 1) + heard;
        if said > budget {
            let words = format!("{said} letters in {ticks} ticks of peace, {budget} at most");
            return Err(Broken::new("message budget", words));
        }
        Ok(())
    }

    /// From now on there is nothing to do: how many letters have come from outside until now, and
    /// how many the spared nodes have sent.
    pub(super) fn begin_peace(&mut self) -> (u64, u64) {
        self.peace_from = self.cluster.number_letter();
        (self.provoked, self.letters())
    }

    /// How many letters the spared nodes have sent.
    pub(super) fn letters(&self) -> u64 {
        self.stations.iter().filter(|it| it.spared).map(|it| it.sent).sum()
    }

    /// A calm seed elects seldom and commits often; less is a bug that costs only progress.
    fn check_floors(&self) -> Outcome {
        if self.plan.temper != Temper::Calm || self.plan.rates.churn > 0 {
            return Ok(());
        }
        let elections = self.tally.get(Count::Elections);
        let commits = self.checkers.commits();
        // Boards stand still most of the time.
        let least = if self.plan.board.is_some() { 1 } else { 60 };
        if elections == 0 || elections > 4 || commits < least {
            let words = format!("{elections} elections and {commits} commits in a calm seed");
            return Err(Broken::new("floors", words));
        }
        Ok(())
    }
}
