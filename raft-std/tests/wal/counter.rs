//! A machine that remembers all it was told, and a node that runs over files.

use raft_core::{
    ClusterId, Config, FlushError, FormatError, Identity, LoadError, Loader, Machine, Node, NodeId,
    RoleName, Saver, format,
};
use raft_std::wal::{Wal, WalError};
use std::time::{Duration, Instant};

pub type Member = Node<Vec<u8>, Wal, Heard>;

const LOG_BYTES: usize = 1024;

/// The numbers that it was told, in their order.
#[derive(Clone, Default)]
pub struct Heard(pub Vec<u64>);

impl Machine for Heard {
    type Command<'a> = u64;
    type Output = u64;

    fn apply(&mut self, number: u64) -> u64 {
        self.0.push(number);
        number
    }

    fn save(&self, saver: &mut Saver<'_>) {
        self.0.iter().for_each(|number| saver.write(&number.to_le_bytes()));
    }

    fn restore(&mut self, loader: &mut Loader<'_>, _: u16) -> Result<(), LoadError> {
        self.0.clear();
        while loader.left() > 0 {
            let mut number = [0; 8];
            loader.read(&mut number)?;
            self.0.push(u64::from_le_bytes(number));
        }
        Ok(())
    }
}

pub fn config(id: u8) -> Config {
    Config { keep_entries: 4, ..Config::new(NodeId(id), 5) }
}

/// Makes files those of a founder if they are blank.
pub fn found(wal: &mut Wal, id: u8, voters: &[NodeId]) -> Result<(), WalError> {
    let identity = Identity::founder(ClusterId(1), &config(id), voters);
    match format(wal, identity) {
        Err(FormatError::Storage(error)) => Err(error),
        Err(FormatError::NotBlank) | Ok(()) => Ok(()),
        Err(FormatError::BadMembership) => panic!("voters that can't be"),
    }
}

pub fn recover(wal: Wal, id: u8) -> Member {
    Node::recover(config(id), vec![0; LOG_BYTES], wal, Heard::default()).expect("a sound storage")
}

/// What a flush that fails says of the disk.
pub fn of_disk<T>(outcome: Result<T, FlushError<WalError>>) -> Result<T, WalError> {
    outcome.map_err(|error| match error {
        FlushError::Storage(error) => error,
        FlushError::Stopped(fault) => panic!("{fault:?}"),
    })
}

/// A node that is alone leads, and has applied everything, with a last flush behind that: one which
/// is always stopped before would fill its log with the first entries of its terms.
pub fn lead(node: &mut Member) -> Result<(), WalError> {
    for _ in 0..1000 {
        let status = node.status();
        if status.role == RoleName::Leader && status.applied == status.last {
            return of_disk(node.flush());
        }
        node.advance(node.ticks_until_due());
        of_disk(node.flush())?;
        while node.apply().is_some() {}
    }
    panic!("it does not come to lead: {:?}", node.status());
}

/// Makes everything durable, on the storage's thread or on this one.
pub fn flush(node: &mut Member, on_thread: bool) -> Result<(), WalError> {
    if !on_thread {
        return of_disk(node.flush());
    }
    let Some(token) = of_disk(node.begin_flush())? else { return Ok(()) };
    ended(node.storage_mut())?;
    node.flushed(token);
    Ok(())
}

/// Waits for the flush that was begun, and not for ever.
pub fn ended(wal: &mut Wal) -> Result<(), WalError> {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(60) {
        match wal.poll_flushed() {
            Some(outcome) => return outcome,
            None => std::thread::yield_now(),
        }
    }
    panic!("a flush does not end");
}
