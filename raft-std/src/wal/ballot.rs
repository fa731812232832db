//! The file `ballot`: twice the newest ballot, beside the one in the log.
//!
//! It is written when the log is durable up to there, so that it tells which batches there were:
//! whatever is missing up to its number has rotted. Each copy is a sector of its own, 4096 bytes
//! apart, so that no block of a disk holds both.

use super::batch::NUMBER_LIMIT;
use super::error::WalError;
use super::files::{Files, read_up_to};
use super::item::BallotForm;
use super::sector::{self, SECTOR_BYTES, Unfit};
use raft_core::Identity;
use serde::{Deserialize, Serialize};

pub(super) const NAME: &str = "ballot";
/// Where the copies stand.
pub(super) const PLACES: [u64; 2] = [0, 4096];

/// What each copy says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Slot {
    /// What checksums in this directory begin with.
    pub(super) salt: u32,
    /// The batch in which the ballot stands in the log.
    pub(super) number: u64,
    pub(super) identity: Option<Identity>,
    pub(super) ballot: BallotForm,
}

/// What the file says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Slots {
    /// Whether there is such a file.
    pub(super) exist: bool,
    pub(super) copies: [Option<Slot>; 2],
}

impl Slots {
    /// What the newer of the copies says.
    pub(super) fn newest(&self) -> Option<Slot> {
        self.copies.into_iter().flatten().max_by_key(|slot| slot.number)
    }
}

pub(super) fn read(files: &dyn Files, names: &[String]) -> Result<Slots, WalError> {
    if !names.iter().any(|name| name == NAME) {
        return Ok(Slots::default());
    }
    let file = files.open(NAME).map_err(WalError::of("open", NAME))?;
    let mut slots = Slots { exist: true, copies: [None; 2] };
    for (copy, place) in slots.copies.iter_mut().zip(PLACES) {
        let bytes = read_up_to(&*file, place, SECTOR_BYTES);
        match sector::read(sector::BALLOT, &bytes.map_err(WalError::of("read", NAME))?) {
            Ok(slot) => *copy = Some(slot).filter(|slot: &Slot| slot.number < NUMBER_LIMIT),
            Err(Unfit::Damaged) => {}
            Err(Unfit::Version(version)) => {
                return Err(WalError::UnknownFormat { file: NAME.to_owned(), version });
            }
        }
    }
    Ok(slots)
}

/// Writes both copies; they are durable when this returns.
pub(super) fn write(files: &dyn Files, slot: &Slot, exists: bool) -> Result<(), WalError> {
    let sector = sector::write(sector::BALLOT, slot);
    let sector = sector.ok_or(WalError::BadRecord("an identity that is longer than any"))?;
    let file = if exists { files.open(NAME) } else { files.create(NAME) };
    let file = file.map_err(WalError::of("open", NAME))?;
    for place in PLACES {
        file.write_at(place, &sector).map_err(WalError::of("write", NAME))?;
    }
    file.sync().map_err(WalError::of("sync", NAME))?;
    if !exists {
        files.sync().map_err(WalError::of("sync the directory of", NAME))?;
    }
    Ok(())
}
