//! A snapshot of the node's own, written to a file by another thread.
//!
//! Such a file has the name of a stage and a number that no other ever had. Nothing in the log
//! speaks of it before it is whole and durable, so that whoever opens the directory clears it away
//! until then. Its name becomes durable with the flush that says that it counts, and not here:
//! whoever syncs a directory may be the only one to hear that this failed, and that must be the
//! log.

use super::error::WalError;
use super::files::Files;
use super::item::Held;
use super::snapshot::{Content, Stage};
use crate::storage::Sheet;
use raft_core::Snapshot;
use std::sync::Arc;

/// How much is written between two syncs: what a flush of the log may find in its way.
const UNSYNCED_BYTES: usize = 1 << 20;

/// A file of its own for a snapshot that a [`Wal`](super::Wal) does not hold yet. It is removed
/// when this is dropped before.
pub struct WalSheet {
    files: Arc<dyn Files>,
    number: u64,
    /// There is none before something is written.
    stage: Option<Stage>,
    unsynced: usize,
    finished: bool,
}

impl WalSheet {
    pub(super) fn new(files: Arc<dyn Files>, number: u64) -> Self {
        Self { files, number, stage: None, unsynced: 0, finished: false }
    }

    /// The stage that it has become, if it is finished.
    pub(super) fn into_stage(mut self) -> Option<Stage> {
        if self.finished { self.stage.take() } else { None }
    }

    fn stage(&mut self) -> Result<&mut Stage, WalError> {
        match &mut self.stage {
            Some(stage) => Ok(stage),
            none => {
                let content = Content::begin(&*self.files, self.number)?;
                Ok(none.insert(Stage::resume(content, Held::nothing(self.number))))
            }
        }
    }
}

impl Sheet for WalSheet {
    type Error = WalError;

    fn write(&mut self, bytes: &[u8]) -> Result<(), WalError> {
        self.stage()?.add(bytes)?;
        self.unsynced += bytes.len();
        if self.unsynced >= UNSYNCED_BYTES {
            self.unsynced = 0;
            let stage = self.stage()?;
            stage.write()?;
            stage.content.sync()?;
        }
        Ok(())
    }

    fn finish(&mut self, snapshot: Snapshot) -> Result<(), WalError> {
        let stage = self.stage()?;
        stage.write()?;
        stage.content.name(snapshot)?;
        stage.content.sync()?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for WalSheet {
    fn drop(&mut self) {
        if let Some(stage) = &self.stage {
            // What is not removed now is when the directory is opened next.
            stage.content.remove(&*self.files).ok();
        }
    }
}
