//! `sequential-storage` on the same flash: its queue with its cache, where old records give way or
//! are popped, and its map with its cache.

use crate::cost::{Cost, RECORDS, Start};
use crate::mock::{Mock, SECTOR_BYTES, Waiting};
use crate::{PAYLOAD_BYTES, SECTORS, payload};
use sequential_storage::cache::key_pointers::ArrayKeyPointers;
use sequential_storage::cache::page_pointers::ArrayPagePointers;
use sequential_storage::cache::page_states::ArrayPageStates;
use sequential_storage::cache::{Cache, Uncached};
use sequential_storage::map::{MapConfig, MapStorage};
use sequential_storage::queue::{QueueConfig, QueueStorage};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Keys of the map, one after the other.
const KEYS: u64 = 64;
/// How many records are in the queue while it is popped.
const QUEUED: u64 = 32;
const RANGE: std::ops::Range<u32> = 0..(SECTORS * SECTOR_BYTES) as u32;

type QueueCache = Cache<ArrayPageStates<SECTORS>, ArrayPagePointers<SECTORS>, Uncached>;
type MapCache =
    Cache<ArrayPageStates<SECTORS>, ArrayPagePointers<SECTORS>, ArrayKeyPointers<u16, 64>, u16>;

/// Runs what never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("memory has nothing to wait for"),
    }
}

/// What is done with the queue.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// The oldest records give way, a sector at a time.
    Overwrites,
    /// Each record is popped some time later.
    Pops,
}

fn queue(flash: Mock) -> QueueStorage<Waiting, QueueCache> {
    let cache = Cache::new(ArrayPageStates::new(), ArrayPagePointers::new(), Uncached);
    QueueStorage::new(Waiting(flash), QueueConfig::new(RANGE), cache)
}

fn map(flash: Mock) -> MapStorage<u16, Waiting, MapCache> {
    let cache =
        Cache::new(ArrayPageStates::new(), ArrayPagePointers::new(), ArrayKeyPointers::new());
    MapStorage::new(Waiting(flash), MapConfig::new(RANGE), cache)
}

/// Pushes so many records.
pub fn run_queue(kind: Queue, records: u64) -> Mock {
    let mut queue = queue(Mock::new(SECTORS));
    let mut buffer = [0; 64];
    for record in 0..records {
        now(queue.push(&payload(record), kind == Queue::Overwrites)).expect("memory");
        if kind == Queue::Pops && record >= QUEUED {
            now(queue.pop(&mut buffer)).expect("memory").expect("a record");
        }
    }
    queue.destroy().0.0
}

/// Stores so many values.
pub fn run_map(records: u64) -> Mock {
    let mut map = map(Mock::new(SECTORS));
    let mut buffer = [0; 64];
    for record in 0..records {
        let key = (record % KEYS) as u16;
        now(map.store_item(&mut buffer, &key, &payload(record))).expect("memory");
    }
    map.destroy().0.0
}

/// What records cost in the queue, and to look through it.
pub fn queue_cost(kind: Queue) -> Cost {
    let flash = run_queue(kind, RECORDS);
    let mut cost = Cost::between(&Mock::new(SECTORS), &flash, 0);
    let mut queue = queue(flash.clone());
    let mut buffer = [0; 64];
    let mut records = now(queue.iter()).expect("memory");
    while now(records.next(&mut buffer)).expect("memory").is_some() {}
    cost.start = Start::between(&flash, &queue.destroy().0.0);
    cost
}

/// What values cost in the map, and to look through it.
pub fn map_cost() -> Cost {
    let flash = run_map(RECORDS);
    let mut cost = Cost::between(&Mock::new(SECTORS), &flash, 0);
    let mut map = map(flash.clone());
    let mut buffer = [0; 64];
    let mut values = now(map.fetch_all_items(&mut buffer)).expect("memory");
    while now(values.next::<[u8; PAYLOAD_BYTES]>(&mut buffer)).expect("memory").is_some() {}
    cost.start = Start::between(&flash, &map.destroy().0.0);
    cost
}
