//! A store as it is saved.
//!
//! ```text
//! time      u64      all numbers as postcard has them
//! cluster   u64      whose members follow; not there in format 0
//! members   count, of each its id, address and client address
//! entries   count, of each its key, value and expiry: 0 never, 1 in, 2 at, then milliseconds
//! ```
//!
//! What is read is believed as far as there are bytes for it.

use super::{Expiry, Store};
use crate::bytes::{Bytes, Key};
use crate::command::Member;
use raft_std::{LoadError, Loader, Saver};
use std::sync::Arc;

/// The layout that is written, and the latest that is read.
pub(super) const FORMAT: u16 = 1;

pub(super) fn save(store: &Store, saver: &mut Saver<'_>) {
    saver.value(&(store.time, store.cluster));
    saver.value(&store.members.len());
    for member in store.members.values() {
        saver.value(member);
    }
    saver.value(&store.entries.count());
    for (key, entry) in store.entries.iter() {
        saver.value(key);
        saver.value(&entry.value);
        saver.value(&match entry.expiry {
            Expiry::Never => (0_u8, 0),
            Expiry::In(milliseconds) => (1, milliseconds),
            Expiry::At(at) => (2, at),
        });
    }
}

/// What was saved, in the place and the cluster of a store.
pub(super) fn restore(
    before: &Store,
    loader: &mut Loader<'_>,
    format: u16,
) -> Result<Store, LoadError> {
    let own = before.cluster;
    let (time, cluster) = (loader.value()?, if format == 0 { own } else { loader.value()? });
    let mut store = Store { time, cluster: own, ..Store::new(Arc::clone(&before.notices)) };
    for _ in 0..loader.value::<usize>()? {
        let (id, address, client) = (loader.value()?, text(loader)?, text(loader)?);
        if cluster == own {
            store.members.insert(id, Member { id, address, client });
        }
    }
    for _ in 0..loader.value::<usize>()? {
        let (key, value) = (Key::from(bytes(loader)?), bytes(loader)?);
        let expiry = match loader.value()? {
            (0_u8, 0_u64) => Expiry::Never,
            (1, milliseconds) => Expiry::In(milliseconds),
            (2, at) => Expiry::At(at),
            _ => return Err(LoadError::Content),
        };
        store.keep(key, value, expiry);
    }
    Ok(store)
}

/// Bytes of any length: [`Loader::value`] takes short ones only.
fn bytes(loader: &mut Loader<'_>) -> Result<Bytes, LoadError> {
    let length: u32 = loader.value()?;
    if length > loader.left() {
        return Err(LoadError::Content);
    }
    let mut bytes = vec![0; length as usize];
    loader.read(&mut bytes)?;
    Ok(bytes.into())
}

fn text(loader: &mut Loader<'_>) -> Result<String, LoadError> {
    String::from_utf8(bytes(loader)?.to_vec()).map_err(|_| LoadError::Content)
}
