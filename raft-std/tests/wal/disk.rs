//! A directory in memory that forgets as a real one does: of what was not synced, a power cut
//! leaves some sectors and a first part of the changes of names. Any operation can fail, or be the
//! last.

use raft_simulator::random::Random;
use raft_std::wal::{Contents, Files};
use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Result};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

const SECTOR_BYTES: usize = 512;
/// So long a thread waits that another is to overtake.
const PAUSE: Duration = Duration::from_micros(20);

/// The directory; clones are the same one.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<Inner>>);

#[derive(Clone, Default)]
struct Inner {
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    renamings: Vec<Naming>,
    files: Vec<Data>,
    /// How many operations that change anything there were.
    operations: u32,
    /// The operation that fails, and how; after a power cut all later ones do.
    fault: Option<(u32, Fault)>,
    /// Files that can't be read.
    unreadable: bool,
    /// Draws before which operations a thread waits.
    pauses: Option<Random>,
}

/// How an operation fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The power does, in the middle of it.
    Power,
    /// The disk is full: writing and creating fail.
    Full,
    /// It fails once. A sync that does so has lost what it was to make durable, and the next one
    /// knows nothing of that.
    Once,
}

#[derive(Clone)]
enum Naming {
    Create(String, usize),
    Rename(String, String),
    Remove(String),
}

#[derive(Clone, Default)]
struct Data {
    now: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<(usize, Vec<u8>)>,
}

struct Open(Disk, usize);

impl Disk {
    pub fn operations(&self) -> u32 {
        self.lock().operations
    }

    /// The operation of that number fails.
    pub fn fail(&self, operation: u32, fault: Fault) {
        self.lock().fault = Some((operation, fault));
    }

    /// Has now one thread be the slower one, now another: which one, the seed and the machine say.
    pub fn pause(&self, seed: u64) {
        self.lock().pauses = Some(Random::new(seed, 2));
    }

    pub fn set_unreadable(&self, unreadable: bool) {
        self.lock().unreadable = unreadable;
    }

    /// Another disk with the same on it: what another process would find.
    pub fn copy(&self) -> Self {
        let mut inner = self.lock().clone();
        inner.fault = None;
        Self(Arc::new(Mutex::new(inner)))
    }

    /// What the power leaves when it fails now.
    pub fn cut(&self, random: &mut Random) -> Self {
        let inner = self.lock().clone();
        let kept = random.below(inner.renamings.len() as u32 + 1) as usize;
        let mut names = inner.durable_names;
        inner.renamings.iter().take(kept).for_each(|naming| naming.carry_out(&mut names));
        // None of what was not synced, some of it, nearly all or all.
        let share = random.pick(&[0, 1 << 14, 1 << 15, 0xFF00, 1 << 16]);
        let files = inner.files.into_iter().map(|data| data.cut(share, random)).collect();
        let durable_names = names.clone();
        let rest = Inner { names, durable_names, files, ..Inner::default() };
        Self(Arc::new(Mutex::new(rest)))
    }

    pub fn names(&self) -> Vec<String> {
        self.lock().names.keys().cloned().collect()
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        let inner = self.lock();
        inner.files[inner.names[name]].now.clone()
    }

    /// Changes what is there, as rot or a person would.
    pub fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut inner = self.lock();
        let number = inner.names[name];
        let data = &mut inner.files[number];
        change(&mut data.now);
        data.durable.clone_from(&data.now);
    }

    pub fn remove(&self, name: &str) {
        let mut inner = self.lock();
        inner.names.remove(name);
        inner.durable_names.remove(name);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        let lock = || self.0.lock().expect("nothing panics in here");
        let mut inner = lock();
        if inner.pauses.as_mut().is_some_and(|random| random.below(4) == 0) {
            drop(inner);
            thread::sleep(PAUSE);
            inner = lock();
        }
        inner
    }

    /// Counts an operation. Says how it fails, if it does.
    fn operate(inner: &mut Inner) -> Option<Fault> {
        inner.operations += 1;
        let (at, fault) = inner.fault?;
        let hit =
            if fault == Fault::Once { inner.operations == at } else { inner.operations >= at };
        hit.then_some(fault)
    }

    fn rename(inner: &mut Inner, naming: Naming) -> Result<()> {
        let fault = Self::operate(inner);
        match fault {
            Some(Fault::Power | Fault::Once) => return Err(broken()),
            Some(Fault::Full) if matches!(naming, Naming::Create(..)) => return Err(full()),
            _ => {}
        }
        naming.carry_out(&mut inner.names);
        inner.renamings.push(naming);
        Ok(())
    }
}

impl Naming {
    fn carry_out(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Create(name, number) => drop(names.insert(name.clone(), *number)),
            Self::Rename(from, to) => {
                let number = names.remove(from).expect("a name that was there");
                names.insert(to.clone(), number);
            }
            Self::Remove(name) => drop(names.remove(name)),
        }
    }
}

impl Data {
    fn write(bytes: &mut Vec<u8>, offset: usize, more: &[u8]) {
        let end = offset + more.len();
        bytes.resize(bytes.len().max(end), 0);
        bytes[offset..end].copy_from_slice(more);
    }

    fn cut(self, share: u32, random: &mut Random) -> Self {
        let mut left = self.durable;
        for (offset, bytes) in self.unsynced {
            let mut from = 0;
            while from < bytes.len() {
                let to = bytes
                    .len()
                    .min((offset + from) / SECTOR_BYTES * SECTOR_BYTES + SECTOR_BYTES - offset);
                // Now and then half a sector is new.
                let torn = random.below(8) == 0;
                let end = if torn { from + random.below((to - from) as u32) as usize } else { to };
                if random.chance(share) {
                    Self::write(&mut left, offset + from, &bytes[from..end]);
                }
                from = to;
            }
        }
        Self { now: left.clone(), durable: left, unsynced: Vec::new() }
    }
}

fn broken() -> Error {
    Error::other("the disk is broken")
}

fn full() -> Error {
    ErrorKind::StorageFull.into()
}

fn gone() -> Error {
    ErrorKind::NotFound.into()
}

impl Files for Disk {
    fn lock(&self) -> Result<()> {
        Ok(())
    }

    fn names(&self) -> Result<Vec<String>> {
        Ok(Self::names(self))
    }

    fn create(&self, name: &str) -> Result<Arc<dyn Contents>> {
        // In one go: the log's thread makes its next file ready while a stage is begun.
        let mut inner = self.lock();
        let number = inner.files.len();
        inner.files.push(Data::default());
        Self::rename(&mut inner, Naming::Create(name.to_owned(), number))?;
        Ok(Arc::new(Open(self.clone(), number)))
    }

    fn open(&self, name: &str) -> Result<Arc<dyn Contents>> {
        let number = *self.lock().names.get(name).ok_or_else(gone)?;
        Ok(Arc::new(Open(self.clone(), number)))
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let mut inner = self.lock();
        if !inner.names.contains_key(from) {
            return Err(gone());
        }
        Self::rename(&mut inner, Naming::Rename(from.to_owned(), to.to_owned()))
    }

    fn remove(&self, name: &str) -> Result<()> {
        let mut inner = self.lock();
        if !inner.names.contains_key(name) {
            return Err(gone());
        }
        Self::rename(&mut inner, Naming::Remove(name.to_owned()))
    }

    fn sync(&self) -> Result<()> {
        let mut inner = self.lock();
        if matches!(Self::operate(&mut inner), Some(Fault::Power | Fault::Once)) {
            return Err(broken());
        }
        inner.renamings.clear();
        inner.durable_names = inner.names.clone();
        Ok(())
    }
}

impl Contents for Open {
    fn bytes(&self) -> Result<u64> {
        Ok(self.0.lock().files[self.1].now.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let inner = self.0.lock();
        if inner.unreadable {
            return Err(broken());
        }
        let bytes = inner.files[self.1].now.get(offset as usize..).unwrap_or_default();
        let length = bytes.len().min(buffer.len());
        buffer[..length].copy_from_slice(&bytes[..length]);
        Ok(length)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let mut inner = self.0.lock();
        let fault = Disk::operate(&mut inner);
        if matches!(fault, Some(Fault::Full)) {
            return Err(full());
        }
        if matches!(fault, Some(Fault::Once)) {
            return Err(broken());
        }
        let data = &mut inner.files[self.1];
        Data::write(&mut data.now, offset as usize, bytes);
        data.unsynced.push((offset as usize, bytes.to_vec()));
        // The power fails while it is on its way.
        if fault.is_some() { Err(broken()) } else { Ok(()) }
    }

    fn sync(&self) -> Result<()> {
        let mut inner = self.0.lock();
        let fault = Disk::operate(&mut inner);
        let data = &mut inner.files[self.1];
        match fault {
            Some(Fault::Power) => return Err(broken()),
            Some(Fault::Once) => {
                data.unsynced.clear();
                return Err(broken());
            }
            _ => {}
        }
        let Data { now, durable, unsynced } = data;
        for (offset, bytes) in unsynced.drain(..) {
            Data::write(durable, offset, &bytes);
        }
        debug_assert!(durable.len() <= now.len());
        Ok(())
    }
}
