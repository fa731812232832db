//! A snapshot in other hands, such as a backup: whether it is whole, what is in it, and a
//! new cluster that begins with it.
//!
//! What a machine saved is nobody's promise, and so it may begin a cluster anew, where an old log,
//! an old ballot or an old name may not: whoever still holds those must not be heard.

use crate::configuration::Configuration;
use crate::machine::Machine;
use crate::quorum::MEMBERS_MAX;
use crate::snapshot::{HEAD_BYTES_MAX, LoadError, Loader, Saver, VERSION};
use crate::storage::{FormatError, Identity, Record, Storage};
use crate::types::{Index, Nonce, Snapshot, Term};

/// What goes through memory at once.
const PIECE_BYTES: usize = 128;

/// A snapshot that is not in a node's storage: the bytes that a storage held, and where to read
/// them.
pub struct Saved<F> {
    snapshot: Snapshot,
    source: F,
}

/// Why a cluster was not founded from a snapshot. Storage that failed in the middle holds a node
/// that neither votes nor leads, or nothing: erase it, and begin again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum FoundError<E> {
    /// The storage can't be formatted.
    Format(FormatError<E>),
    /// The snapshot is not what it should be, or can't be read.
    Snapshot(LoadError),
    /// The storage has no room for it.
    TooLarge {
        /// How long it would be.
        bytes: u32,
        /// How long it may be.
        most_bytes: u32,
    },
}

impl<F: FnMut(u32, &mut [u8]) -> Option<()>> Saved<F> {
    /// The snapshot of that length and checksum, whose bytes are filled in from an offset on by
    /// `source`, or not: then it says `None`.
    pub const fn new(snapshot: Snapshot, source: F) -> Self {
        Self { snapshot, source }
    }

    /// Reads all of it, and says whether it is what it should be.
    pub fn check(&mut self) -> Result<(), LoadError> {
        let checksum = self.loader().checksum().ok_or(LoadError::Unreadable)?;
        let Snapshot { last, checksum: expected, .. } = self.snapshot;
        let bounds = Index::ZERO < last.index && last.index < Index::LIMIT;
        let fits = bounds && last.term < Term::LIMIT && checksum == expected;
        if fits { Ok(()) } else { Err(LoadError::Content) }
    }

    /// The configuration that was in force at its last entry, and the format of what the machine
    /// saved.
    pub fn head(&mut self) -> Result<(Configuration, u16), LoadError> {
        let mut configuration = Configuration::default();
        let format = self.loader().head(&mut configuration)?;
        Ok((configuration, format))
    }

    /// Makes a machine what it was.
    pub fn restore<M: Machine>(&mut self, machine: &mut M) -> Result<(), LoadError> {
        let mut loader = self.loader();
        let format = loader.head(&mut Configuration::default())?;
        if format > M::FORMAT {
            return Err(LoadError::Format(format));
        }
        machine.restore(&mut loader, format)
    }

    /// Gives blank storage the identity of a founder whose cluster begins with this snapshot, as
    /// [`format`](crate::format) does for one that begins with nothing. All founders get the same
    /// snapshot and the same cluster, voters and settings, **once**; the cluster is not the one
    /// that it was taken in. Says which snapshot is there now: the members in it are others.
    pub fn found<S: Storage>(
        &mut self,
        storage: &mut S,
        founder: Identity,
    ) -> Result<Snapshot, FoundError<S::Error>> {
        let few = founder.membership.members().len() as usize <= MEMBERS_MAX;
        if !few || !founder.id.is_valid() || !founder.is_founder() {
            return Err(FoundError::Format(FormatError::BadMembership));
        }
        let failed = |error| FoundError::Format(FormatError::Storage(error));
        let mut blank = true;
        storage.recover(&mut |_| blank = false).map_err(failed)?;
        if !blank {
            return Err(FoundError::Format(FormatError::NotBlank));
        }
        self.check().map_err(FoundError::Snapshot)?;
        let members = Configuration::of_founders(founder.membership, founder.settings);
        let (bytes, checksum) = self
            .copy(&members, Saver::new(&mut |_, _| Some(())))
            .ok_or(FoundError::Snapshot(LoadError::Content))?;
        let most_bytes = storage.snapshot_bytes_max();
        if bytes > most_bytes {
            return Err(FoundError::TooLarge { bytes, most_bytes });
        }
        let snapshot = Snapshot { bytes, checksum, ..self.snapshot };
        // A founder's word counts from its first start on. Until the snapshot is there it is none,
        // or the power could make a founder of it that has forgotten everything.
        let nobody = Identity::newcomer(founder.cluster, founder.id, UNFINISHED);
        storage.write(Record::Identity(nobody)).map_err(failed)?;
        storage.write(Record::Stage { snapshot, held: 0 }).map_err(failed)?;
        let mut written = Ok(());
        let mut sink = |offset, bytes: &[u8]| {
            written = storage.write(Record::Chunk { offset, bytes });
            written.is_ok().then_some(())
        };
        let copied = self.copy(&members, Saver::new(&mut sink));
        written.map_err(failed)?;
        if copied != Some((bytes, checksum)) {
            // It has changed since it was read first.
            return Err(FoundError::Snapshot(LoadError::Unreadable));
        }
        storage.write(Record::Snapshot(snapshot)).map_err(failed)?;
        storage.write(Record::Identity(founder)).map_err(failed)?;
        storage.flush().map_err(failed)?;
        Ok(snapshot)
    }

    /// Saves it with other members; gives length and checksum.
    fn copy(&mut self, members: &Configuration, mut saver: Saver<'_>) -> Option<(u32, u32)> {
        let mut loader = self.loader();
        let format = loader.head(&mut Configuration::default()).ok()?;
        let mut head = [0; HEAD_BYTES_MAX];
        let (before, rest) = head.split_first_chunk_mut()?;
        let length = members.write(rest)?;
        *before = [VERSION, u8::try_from(length).ok()?];
        saver.write(head.get(..length + 2)?);
        saver.write(&format.to_le_bytes());
        let mut piece = [0; PIECE_BYTES];
        while loader.left() > 0 {
            let length = PIECE_BYTES.min(usize::try_from(loader.left()).unwrap_or(PIECE_BYTES));
            let part = piece.get_mut(..length)?;
            loader.read(part).ok()?;
            saver.write(part);
        }
        saver.finish()
    }

    fn loader(&mut self) -> Loader<'_> {
        Loader::new(&mut self.source, self.snapshot.bytes)
    }
}

/// The storage of a founder to be: no member has this one.
const UNFINISHED: Nonce = Nonce(u32::MAX);
