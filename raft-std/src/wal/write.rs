//! Takes in what a node writes: each record becomes an item of the next batch, or bytes of a stage.

use super::Wal;
use super::error::WalError;
use super::item::{self, Held, Item, Numbered};
use super::journal::{Tidying, push_state};
use super::sheet::WalSheet;
use super::snapshot::{Content, Stage};
use super::terms::Terms;
use raft_core::{Ballot, Entries, Record, Snapshot};
use std::sync::Arc;

const TOO_LONG: WalError = WalError::BadRecord("something longer than any");

impl Wal {
    pub(super) fn take(&mut self, record: Record<'_>) -> Result<(), WalError> {
        self.found = None;
        match record {
            Record::Identity(identity) => {
                self.pending.ballot = true;
                self.push(&Item::Identity(identity), &[])
            }
            Record::Ballot(ballot) => self.take_ballot(ballot),
            Record::Base(base) => {
                self.terms.rebase(base);
                self.push(&Item::Base(base), &[])
            }
            Record::Entries { after, committed, bytes } => {
                let entries = Entries::parse(after.term, bytes);
                let entries = entries.ok_or(WalError::BadRecord("bytes that are no entries"))?;
                if self.terms.term(after.index) != Some(after.term) {
                    return Err(WalError::BadRecord("entries that follow none"));
                }
                self.terms.truncate(after);
                self.terms.extend(entries);
                self.pending.highest = self.pending.highest.max(self.terms.last().index);
                let length = u32::try_from(bytes.len());
                let length = length.map_err(|_| WalError::BadRecord("entries without end"))?;
                self.push(&Item::Entries { after, committed, bytes: length }, bytes)
            }
            Record::Stage { snapshot, .. } => self.begin_stage(snapshot),
            Record::Chunk { offset, bytes } => {
                let stage = self.stage.as_mut().filter(|stage| {
                    let room = stage.content.of.snapshot.bytes.saturating_sub(offset);
                    stage.bytes() == offset && bytes.len() as u64 <= u64::from(room)
                });
                stage.ok_or(WalError::BadRecord("a chunk that does not follow"))?.add(bytes)
            }
            Record::Snapshot(snapshot) => self.switch(snapshot),
            Record::Lost(_) => Err(WalError::BadRecord("a loss is only recovered")),
        }
    }

    fn take_ballot(&mut self, ballot: Ballot) -> Result<(), WalError> {
        self.pending.ballot = true;
        let Some(gaps) = self.lost.take_if(|_| ballot.is_refilling()) else {
            return self.push(&Item::Ballot(ballot.into()), &[]);
        };
        // From here on the log is what the node has made of it, and these gaps are no news.
        self.known = gaps;
        self.state.ballot = ballot.into();
        let pushed = push_state(&mut self.pending.items, &(self.state, self.known.clone()));
        pushed.ok_or(TOO_LONG)
    }

    /// What another thread has written is the stage now. The log hears of it when it counts.
    pub(super) fn put(&mut self, sheet: WalSheet) -> Result<(), WalError> {
        self.found = None;
        let stage = sheet.into_stage();
        let stage = stage.ok_or(WalError::BadRecord("a sheet that is not finished"))?;
        self.drop_stage();
        self.pending.named = true;
        self.stage = Some(stage);
        Ok(())
    }

    fn drop_stage(&mut self) {
        if let Some(before) = self.stage.take() {
            self.pending.after.push(Tidying::DropStage(before.content.of.number));
        }
    }

    fn begin_stage(&mut self, snapshot: Snapshot) -> Result<(), WalError> {
        self.drop_stage();
        let of = Numbered { number: self.next_number, snapshot };
        self.next_number += 1;
        let content = Content::create(&*self.files, of)?;
        self.pending.touched.push(Arc::clone(&content.file));
        self.pending.named = true;
        self.stage = Some(Stage::resume(content, Held::nothing(of.number)));
        self.push(&Item::Stage(of), &[])
    }

    fn switch(&mut self, snapshot: Snapshot) -> Result<(), WalError> {
        self.mark_stage()?;
        let stage = self.stage.take().filter(|stage| {
            let held = stage.held();
            let whole = (held.bytes, held.checksum) == (snapshot.bytes, snapshot.checksum);
            whole && stage.content.of.snapshot == snapshot
        });
        let content = stage.ok_or(WalError::BadRecord("a snapshot that is not whole"))?.content;
        let (of, last) = (content.of, snapshot.last);
        let restarts = self.terms.term(last.index) != Some(last.term);
        if restarts {
            self.terms = Terms::new(last);
        }
        self.pending.after.push(Tidying::Promote(of.number));
        if let Some(before) = self.snapshot.replace(content) {
            self.pending.after.push(Tidying::DropSnapshot(before.of.number));
        }
        self.push(&Item::Snapshot { of, restarts }, &[])
    }

    /// Has the log say how much of the stage there is.
    pub(super) fn mark_stage(&mut self) -> Result<(), WalError> {
        let Some(stage) = &mut self.stage else { return Ok(()) };
        stage.write()?;
        let Some(held) = stage.mark() else { return Ok(()) };
        self.pending.touched.push(Arc::clone(&stage.content.file));
        self.push(&Item::Held(held), &[])
    }

    fn push(&mut self, item: &Item, entries: &[u8]) -> Result<(), WalError> {
        self.state.take(item);
        self.state.last = self.terms.last().index;
        item::push(&mut self.pending.items, item, entries).ok_or(TOO_LONG)
    }
}
