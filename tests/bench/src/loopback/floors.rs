//! What this machine takes for the least that a commit needs: a datagram there and back between two
//! processes, and an addition to a file that is durable.
//!
//! A round trip is one of two very different numbers. Where both processes have the same core, the
//! one that sends hands the core over; where each has its own, a core that sleeps must be woken,
//! which in a virtual machine costs several times as much.

use super::child::Child;
use super::times::Times;
use rustix::thread::{CpuSet, sched_setaffinity};
use std::fs::File;
use std::net::UdpSocket;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// The hidden command that sends datagrams back.
pub const ECHO: &str = "loopback-echo";

/// About as long as an append of one 16-byte value.
const DATAGRAM_BYTES: usize = 48;
/// The least that a flush of the log adds.
const BATCH_BYTES: usize = 512;

/// What stands for any core in the place of a core's number.
pub const ANY_CORE: &str = "any";
/// The cores that processes are kept on.
pub const FIRST_CORE: &str = "0";
pub const SECOND_CORE: &str = "1";

/// In the process that sends datagrams back: does that, on this core.
pub fn echo(core: &str) -> Result<(), String> {
    stay_on(core)?;
    let failed = |error: std::io::Error| format!("an echo: {error}");
    let socket = UdpSocket::bind("127.0.0.1:0").map_err(failed)?;
    let port = socket.local_addr().map_err(failed)?.port();
    thread::spawn(move || {
        let mut buffer = [0; 2 * DATAGRAM_BYTES];
        while let Ok((bytes, from)) = socket.recv_from(&mut buffer) {
            socket.send_to(&buffer[..bytes], from).ok();
        }
    });
    super::child::say(&[f64::from(port)]);
    // Until nobody can ask any more.
    super::child::answer(|_| Err("an echo answers nothing".to_owned()))
}

/// Round trips of a datagram between this process, on the first core, and another one.
pub fn round_trips(other_core: &str, count: usize) -> Result<Times, String> {
    let mut echo = Child::start(&[ECHO, other_core])?;
    let port = echo.listen()?.first().map_or(0, |port| *port as u16);
    // Only that thread keeps to its core.
    let measured = thread::spawn(move || {
        stay_on(FIRST_CORE)?;
        ping(port, count).map_err(|error| format!("a round trip: {error}"))
    });
    measured.join().map_err(|_| "round trips end in a panic".to_owned())?
}

fn ping(port: u16, count: usize) -> std::io::Result<Times> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut buffer = [7; DATAGRAM_BYTES];
    let mut times = Times::default();
    for number in 0..count + count / 10 {
        let begun = Instant::now();
        socket.send(&buffer)?;
        socket.recv(&mut buffer)?;
        // The first ones find everything cold.
        if number >= count / 10 {
            times.add(begun.elapsed());
        }
    }
    Ok(times)
}

/// Additions to files, each file with a thread of its own that writes and syncs all the time. The
/// files are full of zeros before, as those of the log are: a sync need not make them longer.
pub fn syncs(directory: &Path, threads: usize, count: usize) -> Result<Times, String> {
    let names = (0..threads).map(|number| directory.join(format!("floor-{number}")));
    let running: Vec<_> =
        names.map(|name| thread::spawn(move || append_and_sync(&name, count))).collect();
    let mut times = Times::default();
    for thread in running {
        let measured = thread.join().map_err(|_| "syncs end in a panic".to_owned())?;
        times.append(measured.map_err(|error| format!("{}: {error}", directory.display()))?);
    }
    Ok(times)
}

fn append_and_sync(name: &Path, count: usize) -> std::io::Result<Times> {
    let file = File::create(name)?;
    file.write_all_at(&vec![0; count * BATCH_BYTES], 0)?;
    file.sync_all()?;
    let mut times = Times::default();
    for number in 0..count {
        let begun = Instant::now();
        file.write_all_at(&[1; BATCH_BYTES], (number * BATCH_BYTES) as u64)?;
        file.sync_data()?;
        times.add(begun.elapsed());
    }
    std::fs::remove_file(name)?;
    Ok(times)
}

/// Keeps the calling thread, and what it starts, on one core, if that is one.
pub fn stay_on(core: &str) -> Result<(), String> {
    if core == ANY_CORE {
        return Ok(());
    }
    let number: usize = core.parse().map_err(|_| format!("no core is called {core}"))?;
    let mut cores = CpuSet::new();
    cores.set(number);
    sched_setaffinity(None, &cores).map_err(|error| format!("core {core}: {error}"))
}
