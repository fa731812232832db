//! Takes up a directory: looks at it, refuses what is not its own, and puts in order what a power
//! cut left behind, before anything that was found counts as durable.

use super::WalOptions;
use super::ballot::Slot;
use super::batch::HEAD_BYTES;
use super::error::WalError;
use super::files::Files;
use super::item::{self, Gap, State};
use super::journal::{Job, Journal, push_state, remove};
use super::look::Look;
use super::snapshot::{self, SNAPSHOT, STAGE};
use raft_core::{Index, Loss};
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;

/// Looks at a directory, and makes a journal that goes on where it ends.
pub(super) fn open(
    files: &Arc<dyn Files>,
    options: &WalOptions,
) -> Result<(Look, Journal), WalError> {
    let look = Look::at(&**files)?;
    let found = look.fold.state.identity.map(|identity| identity.cluster);
    if let (Some(expected), Some(found)) = (options.cluster, found)
        && expected != found
    {
        return Err(WalError::ForeignCluster { expected, found });
    }
    let salt = look.salt.unwrap_or_else(draw);
    let mut journal = Journal::new(Arc::clone(files), salt, options.segment_bytes());
    if look.loss != Some(Loss::Ballot) {
        let (segments, next) = (look.segments.clone(), look.fold.next);
        journal.resume(segments, look.end, next, look.slots.exist)?;
        tidy(&**files, &look)?;
        if look.fold.state.identity.is_some() {
            secure(&mut journal, &look)?;
        }
    }
    Ok((look, journal))
}

/// What may be in the memory of the operating system only is written once more, and durable before
/// anything counts on it: a sync that failed before would not fail again.
fn secure(journal: &mut Journal, look: &Look) -> Result<(), WalError> {
    let before = look.before();
    if let Some(last) = &look.last
        && !last.is_seal
    {
        if last.number + 1 == look.fold.next {
            journal.append_copy(copy(last.from, &last.news(), &before))?;
        }
        journal.append_seal(&before)?;
    }
    let State { identity, ballot, .. } = before.0;
    let sound = |copy: &Option<Slot>| {
        copy.is_some_and(|slot| slot.identity == identity && slot.ballot == ballot)
    };
    if !look.slots.copies.iter().all(sound) {
        // What it says is in the log, or has been in this file before.
        let (salt, number) = (journal.salt(), journal.next() - 1);
        journal.write_ballot(&Slot { salt, number, identity, ballot })?;
    }
    Ok(())
}

/// The last batch once more, behind what everything together amounts to.
fn copy(from: u64, news: &[(item::Item, &[u8])], before: &(State, Vec<Gap>)) -> Job {
    let mut items = vec![0; HEAD_BYTES];
    let mut highest = Index::ZERO;
    // Everything was read from a batch, and fits into one.
    push_state(&mut items, before);
    for (item, entries) in news {
        if let item::Item::Entries { after, .. } = item {
            let last = super::runs::last_of(*after, entries);
            highest = highest.max(last.map_or(Index::ZERO, |last| last.index));
        }
        item::push(&mut items, item, entries);
    }
    Job { items, repeats: Some(from), highest, ..Job::nothing(before.clone()) }
}

/// Finishes what was renamed by half, and removes what nothing refers to.
fn tidy(files: &dyn Files, look: &Look) -> Result<(), WalError> {
    let State { snapshot, stage, .. } = look.fold.state;
    let (snapshot, stage) = (snapshot.map(|of| of.number), stage.map(|(of, _)| of.number));
    for name in &look.names {
        if let Some(number) = snapshot::number(STAGE, name) {
            if snapshot == Some(number) {
                let to = snapshot::name(SNAPSHOT, number);
                files.rename(name, &to).map_err(WalError::of("rename", name))?;
            } else if stage != Some(number) {
                remove(files, name)?;
            }
        } else if let Some(number) = snapshot::number(SNAPSHOT, name)
            && snapshot != Some(number)
            && look.loss.is_none()
        {
            // After a loss what is left of them may still be of use to a person.
            remove(files, name)?;
        }
    }
    for content in look.snapshot.iter().chain(look.stage.iter().map(|(content, _)| content)) {
        content.file.sync().map_err(WalError::of("sync", "a snapshot"))?;
    }
    files.sync().map_err(WalError::of("sync", "the directory"))
}

/// A number that nobody knows.
fn draw() -> u32 {
    (RandomState::new().hash_one(std::process::id()) >> 32) as u32
}
