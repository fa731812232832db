//! What a person may want to know of files: what stands where in one of them, and what a whole
//! directory amounts to. Nothing is changed, and nobody is kept out meanwhile.

use super::ballot;
use super::batch;
use super::error::WalError;
use super::files::{Directory, Files, read_all};
use super::item::{self, Numbered};
use super::look::{LOG, LogHead, Look};
use super::sector::{self, SECTOR_BYTES, Unfit};
use super::snapshot::{self, Content, SNAPSHOT, STAGE};
use raft_core::{Identity, Loss, Position, Snapshot};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::path::Path;

/// What stands at a place in a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Where it begins.
    pub offset: u64,
    /// How long it is.
    pub bytes: u64,
    /// Whether it is as it was written.
    pub verdict: Verdict,
    /// What it is, in words.
    pub what: String,
}

/// Whether something in a file is as it was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It matches its checksum.
    Sound,
    /// It can't be read, and something behind it can: it has rotted.
    Damaged,
    /// Nothing was written here, or not to the end, or not since the file was used again.
    Unused,
}

/// What a directory amounts to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verified {
    /// Whose it is; `None` if it is blank.
    pub identity: Option<Identity>,
    /// The files, by their names, with what is in them.
    pub files: Vec<(String, Vec<Finding>)>,
    /// The snapshot that counts.
    pub snapshot: Option<Snapshot>,
    /// The position before the first entry.
    pub base: Position,
    /// The number of the last entry.
    pub last: raft_core::Index,
    /// What a node that is started here will be told is lost.
    pub loss: Option<Loss>,
}

/// Looks at one file of a directory, whichever it is of them. Files of the log are read with what
/// the directory knows of them.
pub fn inspect(file: &Path) -> Result<impl Iterator<Item = Finding>, WalError> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let files = Directory::look(file.parent().unwrap_or(Path::new(".")));
    let salt = salt(&files)?;
    Ok(findings(&files, &name, salt)?.into_iter())
}

/// Looks at all files of a directory, and says what they amount to.
pub fn verify(directory: &Path) -> Result<Verified, WalError> {
    let files = Directory::look(directory);
    let look = Look::at(&files)?;
    let mut names = look.names.clone();
    names.sort_unstable();
    let mut found = Vec::new();
    for name in names {
        let findings = findings(&files, &name, look.salt)?;
        found.push((name, findings));
    }
    let state = &look.fold.state;
    Ok(Verified {
        identity: state.identity,
        files: found,
        snapshot: state.snapshot.map(|of| of.snapshot),
        base: state.base,
        last: state.last,
        loss: look.loss,
    })
}

fn salt(files: &dyn Files) -> Result<Option<u32>, WalError> {
    Ok(Look::at(files)?.salt)
}

fn findings(files: &dyn Files, name: &str, salt: Option<u32>) -> Result<Vec<Finding>, WalError> {
    let file = files.open(name).map_err(WalError::of("open", name))?;
    let bytes = read_all(&*file).map_err(WalError::of("read", name))?;
    if let Some(first) = snapshot::number(LOG, name) {
        return Ok(of_log(&bytes, salt, first));
    }
    let number = snapshot::number(STAGE, name).or_else(|| snapshot::number(SNAPSHOT, name));
    if let Some(number) = number {
        let content = Content::find(files, &[name.to_owned()], number)?;
        let sound = content.as_ref().map_or(Ok(false), Content::adds_up)?;
        return Ok(of_snapshot(&bytes, sound));
    }
    if name == ballot::NAME {
        let copy = |place| sector_at::<ballot::Slot>(sector::BALLOT, &bytes, place);
        return Ok(ballot::PLACES.map(copy).to_vec());
    }
    let what = "nothing that counts".to_owned();
    Ok(vec![Finding { offset: 0, bytes: bytes.len() as u64, verdict: Verdict::Unused, what }])
}

fn of_log(bytes: &[u8], salt: Option<u32>, first: u64) -> Vec<Finding> {
    let mut findings = vec![sector_at::<LogHead>(sector::LOG, bytes, 0)];
    let (mut at, mut next) = (SECTOR_BYTES, first);
    while let Some((place, batch)) = salt.and_then(|salt| batch::find(bytes, at, salt, next)) {
        if place > at {
            let what = format!("what stood before batch {}", batch.number);
            findings.push(finding(at, place - at, Verdict::Damaged, what));
        }
        let items = item::split(batch.items).unwrap_or_default();
        let items: Vec<_> = items.iter().map(|(item, _)| format!("{item:?}")).collect();
        let copy = if batch.from < batch.number { ", a copy" } else { "" };
        let what = format!("batch {}{copy}: {}", batch.number, items.join(", "));
        findings.push(finding(place, batch.bytes(), Verdict::Sound, what));
        (at, next) = (place + batch.bytes(), batch.number + 1);
    }
    if at < bytes.len() {
        let what = "nothing since".to_owned();
        findings.push(finding(at, bytes.len() - at, Verdict::Unused, what));
    }
    findings
}

fn of_snapshot(bytes: &[u8], sound: bool) -> Vec<Finding> {
    let head = sector_at::<Numbered>(sector::SNAPSHOT, bytes, 0);
    let verdict = if sound { Verdict::Sound } else { Verdict::Damaged };
    let what = if sound { "all of it" } else { "not all of it, or not as it was" };
    let length = bytes.len().saturating_sub(SECTOR_BYTES);
    vec![head, finding(SECTOR_BYTES, length, verdict, what.to_owned())]
}

fn sector_at<T: DeserializeOwned + Debug>(magic: [u8; 8], bytes: &[u8], place: u64) -> Finding {
    let at = usize::try_from(place).unwrap_or(usize::MAX);
    let (verdict, what) = match sector::read::<T>(magic, bytes.get(at..).unwrap_or_default()) {
        Ok(content) => (Verdict::Sound, format!("{content:?}")),
        Err(Unfit::Damaged) => (Verdict::Damaged, "a head that can't be read".to_owned()),
        Err(Unfit::Version(version)) => (Verdict::Unused, format!("format {version}, not known")),
    };
    finding(at, SECTOR_BYTES, verdict, what)
}

fn finding(offset: usize, bytes: usize, verdict: Verdict, what: String) -> Finding {
    Finding { offset: offset as u64, bytes: bytes as u64, verdict, what }
}
