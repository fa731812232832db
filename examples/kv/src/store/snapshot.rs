//! A store as it is saved.
//!
//! ```text
//! time      u64      all numbers as postcard has them
//! members   count, of each its id, address and client address
//! entries   count, of each its key, value and expiry: 0 never, 1 in, 2 at, then milliseconds
//! ```
//!
//! What is read is believed as far as there are bytes for it.

use super::{Expiry, Notices, Store};
use crate::bytes::{Bytes, Key};
use crate::command::Member;
use raft_std::{LoadError, Loader, Saver};
use std::sync::Arc;

pub(super) fn save(store: &Store, saver: &mut Saver<'_>) {
    saver.value(&store.time);
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

pub(super) fn restore(loader: &mut Loader<'_>, notices: Arc<Notices>) -> Result<Store, LoadError> {
    let mut store = Store { time: loader.value()?, ..Store::new(notices) };
    for _ in 0..loader.value::<usize>()? {
        let (id, address, client) = (loader.value()?, text(loader)?, text(loader)?);
        store.members.insert(id, Member { id, address, client });
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
