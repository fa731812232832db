//! The replicated machine: keys, their values, and how long each is kept.
//!
//! Every node applies the same commands in the same order and becomes the same store: there is no
//! clock in here but the ticks of the leader, and no order but that of the keys' hashes.

mod expiry;
mod glob;
mod notices;
mod shards;
mod snapshot;

pub use self::notices::{Noticed, Notices};
use self::shards::Shards;
use crate::bytes::{Bytes, Key};
use crate::command::{Command, Keep, Member, Output, Query, Refusal, Set, When};
use raft_std::{ClusterId, LoadError, Loader, Machine, Saver};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many keys one scan looks at, at most.
pub const SCAN_MAX: u32 = 1000;

/// The machine that nodes replicate.
#[derive(Clone, Default)]
pub struct Store {
    entries: Shards,
    /// The newest tick.
    time: u64,
    /// All entries with an [`Expiry::In`] are among these.
    unbegun: Vec<Key>,
    members: BTreeMap<u8, Member>,
    /// Whose members these are.
    cluster: u64,
    /// What others on this node want to know of it.
    notices: Arc<Notices>,
}

/// What is kept under a key.
#[derive(Clone, PartialEq, Debug)]
struct Entry {
    value: Bytes,
    expiry: Expiry,
}

/// When an entry is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Expiry {
    Never,
    /// So many milliseconds after the next tick.
    In(u64),
    At(u64),
}

impl Store {
    /// A blank store that tells these.
    pub fn new(notices: Arc<Notices>) -> Self {
        Self { notices, ..Self::default() }
    }

    /// The same in this cluster: where members of another one were, as a backup of it knows, says
    /// nothing about this one's.
    pub fn in_cluster(self, cluster: ClusterId) -> Self {
        Self { cluster: cluster.0, ..self }
    }

    /// Looks at what is there.
    pub fn ask(&self, query: &Query) -> Output {
        match query {
            Query::Get(key) => {
                self.entry(key).map_or(Output::Nothing, |entry| Output::Value(entry.value.clone()))
            }
            Query::GetMany(keys) => {
                let value = |key| self.entry(key).map(|entry| entry.value.clone());
                Output::Values(keys.iter().map(value).collect())
            }
            Query::Count(keys) => {
                count(keys.iter().filter(|key| self.entry(key).is_some()).count())
            }
            Query::MillisecondsLeft(key) => Output::Number(self.left(key)),
            Query::SecondsLeft(key) => match self.left(key) {
                none @ ..0 => Output::Number(none),
                // Rounded as others do it.
                left => Output::Number(left.saturating_add(500) / 1000),
            },
            Query::Scan { from, count, like } => self.scan(*from, *count, like.as_deref()),
            Query::Size => count(self.entries.count()),
        }
    }

    /// Who said where it is.
    pub const fn members(&self) -> &BTreeMap<u8, Member> {
        &self.members
    }

    /// What is kept under a key, unless it is over.
    fn entry(&self, key: &Key) -> Option<&Entry> {
        self.entries.get(key).filter(|entry| !self.is_over(entry))
    }

    fn scan(&self, from: u64, count: u32, like: Option<&[u8]>) -> Output {
        let first = Key::first_with(from);
        let mut rest = self.entries.from(&first);
        let (mut found, mut looked, mut last) = (Vec::new(), 0, None);
        let next = loop {
            let Some((key, entry)) = rest.next() else { break 0 };
            // Keys of one hash are on one page: there is no place between them.
            if looked >= count.clamp(1, SCAN_MAX) && last != Some(key.hash()) {
                break key.hash();
            }
            (looked, last) = (looked + 1, Some(key.hash()));
            if !self.is_over(entry) && like.is_none_or(|like| glob::matches(like, key.bytes())) {
                found.push(key.bytes().clone());
            }
        };
        Output::Page(next, found)
    }

    fn carry_out(&mut self, command: Command) -> Output {
        match command {
            Command::Tick(time) => {
                self.tick(time);
                Output::Done
            }
            Command::Set(set) => self.set(set),
            Command::SetMany(pairs) => {
                for (key, value) in pairs {
                    self.keep(key, value, Expiry::Never);
                }
                Output::Done
            }
            Command::Delete(keys) => {
                count(keys.iter().filter(|key| self.take(key).is_some()).count())
            }
            Command::Add(key, amount) => self.add(key, amount),
            Command::ExpireIn(key, milliseconds) => match self.take(&key) {
                None => Output::Number(0),
                Some(entry) => {
                    if milliseconds > 0 {
                        self.keep(key, entry.value, Expiry::In(milliseconds));
                    }
                    Output::Number(1)
                }
            },
            Command::Persist(key) => match self.take(&key) {
                None => Output::Number(0),
                Some(entry) => {
                    let news = entry.expiry != Expiry::Never;
                    self.keep(key, entry.value, Expiry::Never);
                    Output::Number(news.into())
                }
            },
            Command::Ask(query) => self.ask(&query),
            Command::Announce(member) => {
                // Where one node is, another one was: else nobody could tell whom they hear there.
                let address = &member.address;
                self.members.retain(|_, it| it.address != *address || address.is_empty());
                self.members.insert(member.id, member);
                self.notices.tell_members(&self.members);
                Output::Done
            }
        }
    }

    fn set(&mut self, set: Set) -> Output {
        // Most are like this, and there is nothing to look at first.
        if let Set { key, value, keep: Keep::Always, when: When::Always, get: false } = set {
            self.keep(key, value, Expiry::Never);
            return Output::Done;
        }
        let before = self.take(&set.key);
        let refused = match set.when {
            When::Always => false,
            When::Absent => before.is_some(),
            When::Present => before.is_none(),
        };
        let expiry = match (set.keep, &before) {
            (Keep::For(milliseconds), _) => Expiry::In(milliseconds),
            (Keep::AsBefore, Some(before)) => before.expiry,
            (Keep::Always | Keep::AsBefore, _) => Expiry::Never,
        };
        let shown = before.as_ref().filter(|_| set.get).map(|entry| entry.value.clone());
        match (refused, before) {
            (false, _) => self.keep(set.key, set.value, expiry),
            (true, Some(before)) => self.keep(set.key, before.value, before.expiry),
            (true, None) => {}
        }
        match (set.get, refused) {
            (true, _) => shown.map_or(Output::Nothing, Output::Value),
            (false, true) => Output::Nothing,
            (false, false) => Output::Done,
        }
    }

    fn add(&mut self, key: Key, amount: i64) -> Output {
        let (before, expiry) = match self.entry(&key) {
            None => (Some(0), Expiry::Never),
            Some(entry) => (number(&entry.value), entry.expiry),
        };
        let Some(before) = before else { return Output::Refused(Refusal::NoNumber) };
        let Some(sum) = before.checked_add(amount) else {
            return Output::Refused(Refusal::Overflow);
        };
        self.take(&key);
        self.keep(key, sum.to_string().as_str().into(), expiry);
        Output::Number(sum)
    }
}

impl Machine for Store {
    type Command<'a> = Vec<Command>;
    type Output = Vec<Output>;

    const FORMAT: u16 = snapshot::FORMAT;

    fn apply(&mut self, commands: Vec<Command>) -> Vec<Output> {
        let outputs = commands.into_iter().map(|command| self.carry_out(command)).collect();
        self.notices.tell_expiring(self.is_expiring());
        outputs
    }

    fn save(&self, saver: &mut Saver<'_>) {
        snapshot::save(self, saver);
    }

    fn restore(&mut self, loader: &mut Loader<'_>, format: u16) -> Result<(), LoadError> {
        *self = snapshot::restore(self, loader, format)?;
        self.notices.tell_members(&self.members);
        self.notices.tell_expiring(self.is_expiring());
        Ok(())
    }
}

fn count(count: usize) -> Output {
    Output::Number(i64::try_from(count).unwrap_or(i64::MAX))
}

/// The number that a value spells, in the one way in which it is written.
fn number(value: &[u8]) -> Option<i64> {
    let number: i64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    (number.to_string().as_bytes() == value).then_some(number)
}

#[cfg(test)]
mod tests;
