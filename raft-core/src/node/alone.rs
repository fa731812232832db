//! What is left when a quorum is lost for good: a survivor that goes on alone, under another name.
//!
//! This breaks the promise that everything else here is there to keep, and so nothing calls it but
//! a person who says so in as many words. Whatever only the lost members held is gone; what this
//! node held and nobody had committed comes to be. The new name keeps the others away, should they
//! come back: to them it is another cluster.

use super::{RecoverError, recovery};
use crate::config::Config;
use crate::configuration::Configuration;
use crate::log::{Kind, Log, UnfitMemory};
use crate::machine::Machine;
use crate::macros::note;
use crate::node_set::NodeSet;
use crate::quorum::Membership;
use crate::raft::Kept;
use crate::snapshot::{LoadError, Loader, Saver};
use crate::storage::{Identity, Record, Storage};
use crate::types::{Ballot, ClusterId, Term};

/// What whoever calls [`recover_alone`] has to say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Alone {
    /// The other members will never run again as they were, commands that clients were told of may
    /// be lost, and this is understood.
    AcknowledgedCommandsMayBeLost,
}

/// Why a survivor can't go on alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum AloneError<E> {
    /// The storage can't be recovered from at all.
    Recover(RecoverError<E>),
    /// The name is that of the cluster which is lost: draw another one.
    SameCluster,
    /// The log has no room for the one entry that this needs: give it more memory.
    LogFull,
    /// Terms have come to their end.
    NoTermLeft,
}

/// Makes the storage of a survivor that of a cluster of its own, called `cluster`, whose
/// only voter it is. Log, snapshot and machine stay. Then [`Node::recover`](crate::Node::recover)
/// makes the node, which leads after an election timeout and takes others in by
/// [`Node::change_membership`](crate::Node::change_membership); its links get the new name, too.
/// The settings stay those that the cluster had, whatever `config` says.
///
/// Of several survivors choose the one whose last entry has the highest term, and among these the
/// highest index, and wipe the others. Should the power fail meanwhile, call it again.
pub fn recover_alone<B, S>(
    config: &Config,
    log_memory: B,
    storage: &mut S,
    cluster: ClusterId,
    _: Alone,
) -> Result<(), AloneError<S::Error>>
where
    B: AsRef<[u8]> + AsMut<[u8]>,
    S: Storage,
{
    let unfit = |error: UnfitMemory| AloneError::Recover(RecoverError::Memory(error));
    let mut log = Log::new(log_memory).map_err(unfit)?;
    let mut kept = Kept::default();
    match recovery::load(config, &mut log, storage, &mut Unmoved, &mut kept) {
        Ok(()) | Err(RecoverError::UnequalSettings) => {}
        Err(error) => return Err(AloneError::Recover(error)),
    }
    let failed = |error| AloneError::Recover(RecoverError::Storage(error));
    let before =
        find_identity(storage).map_err(failed)?.ok_or(AloneError::Recover(RecoverError::Blank))?;
    let membership = Membership::of_voters(NodeSet::of(&[config.id]));
    let agreed = Some(&kept.configuration).filter(|it| !it.membership.members().is_empty());
    let settings = agreed.map_or_else(|| config.shared_digest(), |it| it.settings);
    let identity = Identity { cluster, membership, settings, ..before };
    // A first attempt may have got as far as the name, and is repeated.
    if before.cluster == cluster && before != identity {
        return Err(AloneError::SameCluster);
    }
    let last = log.last();
    let term = kept.ballot.term.max(last.term).next();
    if term >= Term::LIMIT {
        return Err(AloneError::NoTermLeft);
    }
    note!("node {} goes on ALONE, and what only others held is LOST", config.id.0);
    let nobody = Configuration::of_founders(Membership::default(), identity.settings);
    let none = NodeSet::EMPTY;
    let sets = [membership.incoming, none, none, none, none];
    let alone = nobody.with(&sets, Some((config.id, identity.nonce)));
    let mut body = [0; Configuration::BYTES_MAX];
    let length = alone.and_then(|alone| alone.write(&mut body));
    let body = length.and_then(|length| body.get(..length)).ok_or(AloneError::LogFull)?;
    let at = log.append(term, Kind::CONFIGURATION, body).map_err(|_| AloneError::LogFull)?;
    let entries = log.run(at.index, 1, usize::MAX).ok_or(AloneError::LogFull)?;
    let (base, after, bytes) = (log.base(), last, entries.bytes());
    let mut lost = kept.ballot;
    if kept.lost {
        lost = lost.lost_again();
    }
    let ballot = Ballot { term, vote: Some(config.id), admitted: true, ..lost.refilled() };
    // The name first: while it has the old one it must never count itself for a quorum. What rotted
    // is told of until a ballot says that it was; here nobody is left who could refill it.
    for record in [
        Record::Identity(identity),
        Record::Base(base),
        Record::Ballot(Ballot { admitted: false, ..lost }),
        Record::Ballot(ballot),
    ] {
        storage.write(record).map_err(failed)?;
    }
    let committed = kept.committed;
    let written = match log.pieces().filter(|_| storage.wants_renewal(bytes.len())) {
        Some(parts) => storage.renew(base, committed, parts),
        None => storage.write(Record::Entries { after, committed, bytes }),
    };
    written.and_then(|()| storage.flush()).map_err(failed)
}

fn find_identity<S: Storage>(storage: &mut S) -> Result<Option<Identity>, S::Error> {
    let mut found = None;
    storage.recover(&mut |record| {
        if let Record::Identity(identity) = record {
            found = Some(identity);
        }
    })?;
    Ok(found)
}

/// Stands for a machine where none is to be moved.
struct Unmoved;

impl Machine for Unmoved {
    type Command<'a> = ();
    type Output = ();

    const FORMAT: u16 = u16::MAX;

    fn apply(&mut self, (): ()) {}

    fn save(&self, _: &mut Saver<'_>) {}

    fn restore(&mut self, _: &mut Loader<'_>, _: u16) -> Result<(), LoadError> {
        Ok(())
    }
}
