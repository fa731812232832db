//! What must be true after every step, one short function for each property, with Raft's name.
//!
//! A step is one call of one node. What it changed is found by comparing the node with what it was
//! before, entry by entry for the new entries only, so that a step costs what it did and not what
//! the log is long. What was seen once is remembered across crashes: that is where promises break.

mod commit;
#[cfg(test)]
mod controls;
mod election;
mod log;
mod machine;
mod membership;
mod once;
mod promise;
mod storage;
mod work;

use crate::cluster::{Cluster, ClusterNode};
use crate::disk::Disk;
use crate::ledger::{Ledger, Stamp};
use crate::registers::Shared;
use raft_core::wire::{Chunk, Datagram, Message, decode};
use raft_core::{Ballot, Configuration, Index, NodeId, Nonce, RoleName, Status, Term};
use std::collections::{BTreeMap, BTreeSet};

pub use work::Turn;

/// A cluster of the histories.
pub type Registry = Cluster<Shared>;
/// One of its nodes.
pub type RegistryNode = ClusterNode<Shared>;

/// A promise that was not kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broken {
    /// Which property.
    pub checker: &'static str,
    /// What was seen.
    pub words: String,
}

impl Broken {
    /// Says so.
    pub fn new(checker: &'static str, words: impl Into<String>) -> Self {
        Self { checker, words: words.into() }
    }
}

/// What a checker gives: nothing, or what it saw.
type Verdict = Result<(), String>;

/// What a step, or a run of them, gives.
pub type Outcome = Result<(), Broken>;

/// A node as it was when it was last looked at.
#[derive(Clone, Debug)]
pub struct View {
    /// What it was.
    pub role: RoleName,
    /// In which term; after a crash, the term that its disk kept.
    pub term: Term,
    /// What it knew to be committed.
    pub committed: Index,
    /// What its machine had seen.
    pub applied: Index,
    durable: Index,
    /// Up to where its snapshot went.
    snapshot: Index,
    /// The last ballot that it gave to its disk.
    ballot: Ballot,
    /// The stamps of its log.
    log: Ledger,
    /// Which disk it has.
    pub nonce: Nonce,
    /// Whether its word counts.
    pub admitted: bool,
    /// Where the latest configuration stands that it has.
    configured_at: Index,
    configuration: Configuration,
    /// What its disks of before held durably: its word from then may still be on its way.
    graves: BTreeMap<u32, Ledger>,
    /// Whether its storage was made to fail.
    pub may_stop: bool,
}

impl View {
    fn new(nonce: Nonce) -> Self {
        Self {
            role: RoleName::Follower,
            term: Term::ZERO,
            committed: Index::ZERO,
            applied: Index::ZERO,
            durable: Index::ZERO,
            snapshot: Index::ZERO,
            ballot: Ballot::default(),
            log: Ledger::default(),
            nonce,
            admitted: false,
            configured_at: Index::ZERO,
            configuration: Configuration::default(),
            graves: BTreeMap::new(),
            may_stop: false,
        }
    }
}

/// An entry that somebody has called committed.
#[derive(Clone, Copy, Debug)]
struct Committed {
    stamp: Stamp,
    /// The term of the leader that committed it, which may be later than its own.
    in_term: Term,
}

/// All that was ever seen.
#[derive(Clone, Debug, Default)]
pub struct Book {
    /// A ghost leader for each term.
    leaders: BTreeMap<u32, u8>,
    /// Whom each node voted for in each term, by what it sent.
    votes: BTreeMap<(u8, u32, u32), NodeId>,
    /// By index: every entry that any log ever held there, one for each term.
    entries: Vec<Vec<Stamp>>,
    /// By index: which command each leader took there.
    proposed: Vec<Vec<(Term, u8, u32)>>,
    committed: Vec<Committed>,
    /// The founders', and every one that was committed.
    configurations: Vec<(Index, Configuration)>,
    /// Every other that any log ever held, above the last of these.
    proposals: Vec<(Index, Configuration)>,
    /// How many joint configurations there were.
    pub joint: u64,
    /// Newcomers whose word came to count, by id and nonce.
    pub admitted: BTreeSet<(u8, u32)>,
    /// By index: the digest of a machine that has applied so much.
    digests: Vec<Option<u64>>,
    /// How often each command was applied, by client and number, as the committed log has it.
    applied: BTreeMap<(u8, u32), u32>,
    /// The highest place of a command that a client was told of.
    answered: Index,
    /// What nodes submitted, by client and number.
    pub deeds: BTreeMap<(u8, u32), once::Deed>,
    /// Every session that was ever opened.
    pub sessions: BTreeSet<u64>,
    /// Commands that were committed twice, because they were asked for twice.
    pub twice: u64,
}

impl Book {
    /// The stamp of what is committed at an index.
    fn stamp(&self, index: Index) -> Option<Stamp> {
        self.committed.get((index.0 as usize).checked_sub(1)?).map(|it| it.stamp)
    }

    /// Somebody has a configuration in its log.
    fn configured(&mut self, at: Index, configuration: &Configuration) {
        let seen = (at, configuration.clone());
        let is_new = self.configurations.last().is_none_or(|(last, _)| at > *last);
        if is_new && !self.proposals.contains(&seen) {
            self.proposals.push(seen);
        }
    }

    /// One of them is committed: those before it decide nothing any more.
    fn confirmed(&mut self, at: Index, configuration: Configuration) {
        self.proposals.retain(|(index, _)| *index > at);
        self.configurations.push((at, configuration));
    }
}

/// One step of one node.
struct Step<'a> {
    id: u8,
    node: &'a RegistryNode,
    status: &'a Status,
    /// What the node was before; its log is already that of now.
    before: &'a View,
    /// The last index at which the log of before and that of now agree.
    kept: Index,
    /// The last index of the log of before.
    last_before: Index,
    cluster: &'a Registry,
    views: &'a [View],
    first_id: u8,
}

impl Step<'_> {
    /// Whether the node leads now and did not before, or not in this term.
    fn begins_to_lead(&self) -> bool {
        let (before, now) = (self.before, self.status);
        now.role == RoleName::Leader && (before.role, before.term) != (now.role, now.term)
    }
}

/// What a look at a node found, for whoever keeps the history.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Change {
    /// It has another role or term.
    pub became: Option<(RoleName, Term)>,
    /// It knows of a later commit.
    pub committed: Option<Index>,
    /// Its log lost everything above this.
    pub truncated: Option<Index>,
    /// It has a snapshot of its own machine.
    pub saved: bool,
    /// It had one up to here before.
    pub saved_after: Option<Index>,
    /// Its machine comes from a leader's snapshot.
    pub installed: bool,
    /// So many entries are committed that were not before, anywhere.
    pub commits: u64,
}

/// A property that is looked at after each step.
type Check = fn(&mut Book, &Step<'_>) -> Verdict;

/// Every one of them. The order matters only where one fills the book for the next.
const CHECKS: [(&str, Check); 17] = [
    ("terms are monotonic", election::terms_are_monotonic),
    ("election safety", election::election_safety),
    ("votes are kept", election::votes_are_kept),
    ("leaders have durable votes", election::leaders_have_durable_votes),
    ("one change at a time", membership::one_change_at_a_time),
    ("nobody counts unadmitted", membership::nobody_counts_unadmitted),
    ("leader append-only", log::leader_append_only),
    ("log matching", log::log_matching),
    ("durable means durable", storage::durable_means_durable),
    ("leader completeness", commit::leader_completeness),
    ("commits stay", commit::commits_stay),
    ("leaders commit in their own term", commit::leaders_commit_in_their_own_term),
    ("commits need durable quorums", commit::commits_need_durable_quorums),
    ("state-machine safety", commit::state_machine_safety),
    ("apply only what is committed and durable", machine::apply_follows_commit),
    ("machines agree", machine::machines_agree),
    ("no fault latched", work::no_fault_latched),
];

/// The checkers of a history.
pub struct Checkers {
    /// What they remember of all.
    pub book: Book,
    /// What they remember of each node.
    pub views: Vec<View>,
    first_id: u8,
}

impl Checkers {
    /// Nothing seen yet of these nodes.
    pub fn new(nodes: impl Iterator<Item = (u8, Nonce)>) -> Self {
        let (ids, views): (Vec<u8>, Vec<View>) =
            nodes.map(|(id, nonce)| (id, View::new(nonce))).unzip();
        Self { book: Book::default(), views, first_id: ids.first().copied().unwrap_or(0) }
    }

    /// A cluster begins with this.
    pub fn founded(&mut self, configuration: &Configuration) {
        self.book.configurations.push((Index::ZERO, configuration.clone()));
    }

    /// Every configuration that may still decide something.
    pub fn live(&self) -> impl Iterator<Item = &Configuration> {
        let last = self.book.configurations.last();
        last.into_iter().chain(&self.book.proposals).map(|(_, configuration)| configuration)
    }

    /// What was last seen of a node.
    pub fn view(&mut self, id: u8) -> &mut View {
        &mut self.views[usize::from(id - self.first_id)]
    }

    /// A node has made a step.
    pub fn look(&mut self, id: u8, cluster: &Registry) -> Result<Change, Broken> {
        let node = cluster.node(id).map_err(|words| Broken::new("simulator", words))?;
        let status = node.status();
        let place = usize::from(id - self.first_id);
        let view = &mut self.views[place];
        let last_before = view.log.last();
        let same_log = view.log.get(last_before).map(|stamp| stamp.term)
            == Some(node.log().last().term)
            && status.last == last_before
            && node.log().base() == view.log.base;
        if same_log
            && (view.role, view.term, view.committed)
                == (status.role, status.term, status.committed)
            && (view.applied, view.durable) == (status.applied, status.durable)
            && view.snapshot == status.snapshot
            && view.ballot == node.storage().account.written.ballot
            && view.admitted == status.admitted
            && (status.fault.is_none() || view.may_stop)
            && status.apply_fault.is_none()
        {
            return Ok(Change::default());
        }
        if (view.configured_at, &view.configuration) != (status.configured_at, node.configuration())
        {
            self.book.configured(status.configured_at, node.configuration());
        }
        let kept =
            if same_log { last_before } else { log::follow(&mut view.log, node, &self.book) };
        let commits_before = self.book.committed.len();
        let step = Step {
            id,
            node,
            status: &status,
            before: &self.views[place],
            kept,
            last_before,
            cluster,
            views: &self.views,
            first_id: self.first_id,
        };
        for (checker, check) in CHECKS {
            check(&mut self.book, &step).map_err(|words| Broken::new(checker, words))?;
        }
        let before = step.before;
        let saved = status.snapshot > before.snapshot && status.snapshot <= before.applied;
        let change = Change {
            became: ((before.role, before.term) != (status.role, status.term))
                .then_some((status.role, status.term)),
            committed: (status.committed > before.committed).then_some(status.committed),
            truncated: (kept < last_before).then_some(kept),
            saved,
            saved_after: saved.then_some(before.snapshot),
            installed: status.snapshot > before.snapshot && status.snapshot > before.applied,
            commits: (self.book.committed.len() - commits_before) as u64,
        };
        let view = &mut self.views[place];
        (view.role, view.term, view.committed) = (status.role, status.term, status.committed);
        (view.applied, view.durable) = (status.applied, status.durable);
        view.snapshot = status.snapshot;
        view.ballot = node.storage().account.written.ballot;
        (view.admitted, view.configured_at) = (status.admitted, status.configured_at);
        view.configuration.clone_from(node.configuration());
        Ok(change)
    }

    /// Looks at a whole log, in case a step changed what lies below its end.
    pub fn look_deep(&self, id: u8, cluster: &Registry) -> Outcome {
        let view = &self.views[usize::from(id - self.first_id)];
        let node = cluster.node(id).map_err(|words| Broken::new("simulator", words))?;
        let found = log::ledger(node, &self.book);
        if (found.base.index.0..=found.last().0)
            .any(|i| found.get(Index(i)) != view.log.get(Index(i)))
        {
            return Err(Broken::new("log matching", format!("{id} changed entries in place")));
        }
        Ok(())
    }

    /// A node has just put a datagram on its way.
    pub fn sent(&mut self, id: u8, to: u8, bytes: &[u8], cluster: &Registry) -> Outcome {
        let view = &self.views[usize::from(id - self.first_id)];
        let verdict = promise::promises_are_durable(&mut self.book, view, id, to, bytes, cluster);
        verdict.map_err(|words| Broken::new("promises are durable", words))
    }

    /// A letter is about to arrive: if it begins a snapshot, that holds only what is committed.
    pub fn announced(&mut self, id: u8, bytes: &[u8], cluster: &mut Registry) -> Outcome {
        let Ok(Datagram { message: Message::Chunk(Chunk { begins, .. }), .. }) = decode(bytes)
        else {
            return Ok(());
        };
        let (Some(snapshot), Ok(node)) = (begins, cluster.node_mut(id)) else { return Ok(()) };
        let last = snapshot.last;
        let Some(stamp) = self.book.stamp(last.index).filter(|stamp| stamp.term == last.term)
        else {
            let words = format!("{id} is sent one up to {last:?}, which is not committed");
            return Err(Broken::new("snapshots hold what is committed", words));
        };
        let announced = &mut node.storage_mut().account.announced;
        if announced.iter().all(|(position, _)| *position != last) {
            announced.push((last, stamp));
        }
        Ok(())
    }

    /// A leader has taken a command.
    pub fn proposed(&mut self, at: raft_core::Position, client: u8, sequence: u32) {
        let place = at.index.0 as usize;
        let proposed = &mut self.book.proposed;
        proposed.resize(proposed.len().max(place + 1), Vec::new());
        proposed[place].push((at.term, client, sequence));
    }

    /// A client was told that its command was applied.
    pub fn answered(&mut self, answer: &crate::clients::Answer) -> Outcome {
        let verdict = commit::nothing_acknowledged_is_lost(&mut self.book, answer);
        verdict.map_err(|words| Broken::new("nothing acknowledged is lost", words))
    }

    /// A node of that term allowed a read by its lease: nobody may lead in a later one meanwhile,
    /// or it would not see what that one commits.
    pub fn lease_granted(&self, id: u8, term: Term) -> Outcome {
        match self.book.leaders.last_key_value() {
            Some((&later, leader)) if later > term.0 => {
                let words = format!("{id} of term {} has one, {leader} leads in {later}", term.0);
                Err(Broken::new("leases end before others lead", words))
            }
            _ => Ok(()),
        }
    }

    /// A node is back from its disk.
    pub fn restarted(&mut self, id: u8, cluster: &mut Registry) -> Outcome {
        let place = usize::from(id - self.first_id);
        storage::storage_keeps_what_was_flushed(&self.book, &mut self.views[place], id, cluster)
            .map_err(|words| Broken::new("storage says what was flushed", words))?;
        self.look(id, cluster)?;
        self.look_deep(id, cluster)
    }

    /// Looks whether recovering twice gives the same node, before one is really made.
    pub fn recovery(&self, id: u8, cluster: &Registry) -> Outcome {
        let verdict = storage::recovery_is_idempotent(id, cluster);
        verdict.map_err(|words| Broken::new("recovery is idempotent", words))
    }

    /// A node's promises are about to be destroyed with its disk.
    pub fn buried(&mut self, id: u8, disk: &Disk, nonce: Nonce) {
        let view = self.view(id);
        let mut graves = std::mem::take(&mut view.graves);
        // What it held before it lost some of it says more than what was left in the end.
        graves.entry(view.nonce.0).or_insert_with(|| disk.account.flushed.clone());
        *view = View { graves, ..View::new(nonce) };
    }

    /// A disk has lost some of what it held durably: the node's word from before may be on its way.
    pub fn decayed(&mut self, id: u8, before: Ledger) {
        let view = self.view(id);
        view.graves.entry(view.nonce.0).or_insert(before);
    }

    /// A node says that all it had lost is back.
    pub fn refilled(&mut self, id: u8, cluster: &Registry) -> Outcome {
        let view = &self.views[usize::from(id - self.first_id)];
        storage::refilled_is_whole(&self.book, view, id, cluster)
            .map_err(|words| Broken::new("refilled is whole", words))?;
        let view = self.view(id);
        view.graves.remove(&view.nonce.0);
        Ok(())
    }

    /// What a turn of a node's loop took.
    pub fn turn(&self, turn: &Turn) -> Outcome {
        work::no_step_over_its_bound(turn).map_err(|words| Broken::new("bounded work", words))
    }

    /// The last place of a command that a client was told of.
    pub fn answered_up_to(&self) -> Index {
        self.book.answered
    }

    /// Whether what stands there is committed.
    pub fn is_committed(&self, at: raft_core::Position) -> bool {
        let committed = self.book.committed.get((at.index.0 as usize).wrapping_sub(1));
        committed.is_some_and(|it| it.stamp.term == at.term)
    }

    /// How many entries were ever committed.
    pub fn commits(&self) -> u64 {
        self.book.committed.len() as u64
    }
}
