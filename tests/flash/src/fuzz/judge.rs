//! What a start may find, and how it is looked at.

use super::game::{Error, Game};
use super::model::Model;
use crate::held::Held;
use crate::history::{Flash, Outcome};
use raft_core::{Entries, Loss, Part, Record, Snapshot, Storage};

impl<const WORD: usize, const SECTOR: usize> Game<'_, WORD, SECTOR> {
    /// Whether this may be found.
    pub(super) fn judge(&mut self, found: &Held) -> Outcome<()> {
        self.was_written(found)?;
        let told = !found.lost.is_empty();
        self.counts.told += u64::from(told);
        let is_known = |model: &Model| !model.log_unknown && !model.snapshot_unknown;
        if told && !self.rotten && self.allowed.iter().all(is_known) {
            return Err(format!("lost, and nothing rotted: {found:?}"));
        }
        let same_ballot = |model: &Model| {
            (model.held.identity, model.held.ballot) == (found.identity, found.ballot)
        };
        if self.rotten && (found.lost.contains(&Loss::Ballot) || told) {
            let ballot = found.lost.contains(&Loss::Ballot) || self.allowed.iter().any(same_ballot);
            return if ballot { Ok(()) } else { Err(format!("an older ballot: {found:?}")) };
        }
        // What rotted of a stage is found when it is whole.
        if self.rotten
            && let Some(stage) = &found.stage
        {
            self.written.stages.push(stage.clone());
        }
        let may_be = |model: &Model| match (&model.held.stage, &found.stage) {
            (Some((_, content)), Some((snapshot, part))) if self.rotten => {
                let length = part.len().min(content.len());
                let stage = Some((*snapshot, content[..length].to_vec()));
                part.len() == length && model.may_be(&Held { stage, ..found.clone() })
            }
            _ => model.may_be(found),
        };
        if self.allowed.iter().any(may_be) {
            return Ok(());
        }
        // What was written last and rotted can't be told from what was cut.
        let is_older = |model: &Model| {
            let ballot = self.allowed.iter().any(same_ballot);
            let mut held = model.held.clone();
            (held.identity, held.ballot) = (found.identity, found.ballot);
            ballot && may_be(&Model { held, ..model.clone() })
        };
        if self.rotten && self.older.iter().chain(&self.allowed).any(is_older) {
            return Ok(());
        }
        let (least, most) = (&self.allowed[0], &self.model);
        Err(format!("found    {found:?}\nflushed  {least:?}\nlast     {most:?}"))
    }

    /// Nothing is ever there that nobody wrote.
    fn was_written(&self, found: &Held) -> Outcome<()> {
        for (position, body) in &found.seen {
            let written = || self.written.entries.contains(&(*position, body.clone()));
            if !self.written.others && !written() {
                return Err(format!("nobody wrote the entry {position:?} {body:?}: {found:?}"));
            }
        }
        let staged = |snapshot: &Snapshot, content: &[u8]| {
            self.written.stages.iter().any(|it| it.0 == *snapshot && it.1.starts_with(content))
        };
        if found.snapshot != Snapshot::NONE && !staged(&found.snapshot, &found.content) {
            return Err(format!("nobody wrote such a snapshot: {found:?}"));
        }
        match &found.stage {
            // What rotted on a stage is found when it is whole.
            Some((snapshot, content)) if !self.rotten && !staged(snapshot, content) => {
                Err(format!("nobody wrote such a stage: {found:?}"))
            }
            _ => Ok(()),
        }
    }
}

/// A storage at its start: its reads are counted, and bytes that are no entries stand for a loss.
pub(super) struct Start<'f, const WORD: usize, const SECTOR: usize> {
    pub(super) flash: &'f mut Flash<WORD, SECTOR>,
    /// How often the byte was read that was read most often, and where it is.
    pub(super) most_reads: (u8, usize),
}

impl<const WORD: usize, const SECTOR: usize> Storage for Start<'_, WORD, SECTOR> {
    type Error = Error;

    fn recover(&mut self, each: &mut dyn FnMut(Record<'_>)) -> Result<(), Error> {
        self.flash.flash_mut().count_reads();
        let outcome = self.flash.recover(&mut |record| match record {
            Record::Entries { after, bytes, .. } if Entries::parse(after.term, bytes).is_none() => {
                each(Record::Lost(Loss::Entries));
            }
            record => each(record),
        });
        self.most_reads = self.flash.flash().most_reads();
        outcome
    }

    fn write(&mut self, record: Record<'_>) -> Result<(), Error> {
        self.flash.write(record)
    }

    fn read(&mut self, part: Part, offset: u32, buffer: &mut [u8]) -> Result<(), Error> {
        self.flash.read(part, offset, buffer)
    }

    fn snapshot_bytes_max(&self) -> u32 {
        self.flash.snapshot_bytes_max()
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.flash.flush()
    }
}
