//! How long a node of the key-value store hears nobody while a snapshot of it is taken.
//!
//!     cargo run --release -p kv --example turns
//!
//! One node on files in a temporary directory holds 430,000 keys, or as many as are given. A client
//! writes to it all the while; then a snapshot is asked for, once.

#![forbid(unsafe_code)]

use kv::command::{Command, Keep, Set, When};
use kv::store::Store;
use raft_std::{ClusterId, Machine, NodeId, Server, Settings, Wal, WalOptions};
use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Room for whatever is written meanwhile: no other snapshot is due.
const LOG_BYTES: usize = 256 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let keys = std::env::args().nth(1).map_or(Ok(430_000), |keys| keys.parse::<u32>())?;
    let directory = std::env::temp_dir().join(format!("kv-turns-{}", std::process::id()));
    let measured = measure(keys, Wal::open(&directory, WalOptions::default())?);
    std::fs::remove_dir_all(directory)?;
    measured
}

fn measure(keys: u32, wal: Wal) -> Result<(), Box<dyn Error>> {
    let mut store = Store::default();
    for number in 0..keys {
        store.apply(vec![set(number)]);
    }
    let settings = Settings { log_bytes: LOG_BYTES, ..Settings::LAN };
    let server = Server::without_address(NodeId(1))
        .found(ClusterId(1), &[NodeId(1)])
        .settings(settings)
        .patience(Duration::from_secs(100))
        .start(wal, store)
        .map_err(|error| error.to_string())?;
    // Before it leads nobody can write, and that is not the question.
    server.propose(&vec![set(0)]).map_err(|error| format!("{error:?}"))?;
    let ended = AtomicBool::new(false);
    let (before, after, took, waits) = thread::scope(|scope| {
        let client = scope.spawn(|| write(&server, keys, &ended));
        thread::sleep(Duration::from_secs(2));
        let before = server.status();
        let begun = Instant::now();
        let taken = server.compact();
        let took = begun.elapsed();
        thread::sleep(Duration::from_secs(1));
        ended.store(true, Ordering::Relaxed);
        assert_eq!(taken, Ok(true));
        (before, server.status(), took, client.join())
    });
    let (before, after) = (said(before)?, said(after)?);
    let waits = waits.map_err(|_| "the client panicked")?;
    println!("{keys} keys; a snapshot of them took {took:.1?}");
    println!("longest turn of the consensus thread before: {before:.1?}");
    println!("longest turn of all, the snapshot's among them: {after:.1?}");
    let longest = waits.iter().max().copied().unwrap_or_default();
    println!("{} writes in three seconds and that; the longest took {longest:.1?}", waits.len());
    Ok(())
}

/// Writes to one key after the other, and gives how long each write took.
fn write(server: &Server<Store>, keys: u32, ended: &AtomicBool) -> Vec<Duration> {
    let mut waits = Vec::new();
    let mut number = 0_u32;
    while !ended.load(Ordering::Relaxed) {
        // Far from the one before, wherever that was.
        number = number.wrapping_add(0x9E37_79B1);
        let begun = Instant::now();
        if server.propose(&vec![set(number % keys)]).is_ok() {
            waits.push(begun.elapsed());
        }
    }
    waits
}

fn set(number: u32) -> Command {
    let (key, value) = (format!("key:{number:012}"), format!("the value of number {number}"));
    let (key, value) = (kv::bytes::Bytes::from(key.as_str()).into(), value.as_str().into());
    Command::Set(Set { key, value, keep: Keep::Always, when: When::Always, get: false })
}

fn said(status: Result<raft_std::HostStatus, raft_std::Stopped>) -> Result<Duration, String> {
    status.map(|status| status.longest_turn).map_err(|stopped| stopped.to_string())
}
