//! A line between pseudo-terminals: whatever one of its plugs is sent, all others hear.
//!
//! Whole frames go one after the other, as if somebody saw to it who may speak. The line can be
//! noisy, and a plug can be pulled and put back, which makes another terminal of the same name.

#![allow(dead_code, reason = "each test file uses a part of it")]

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{read, write};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A line, which ends when it is dropped.
pub struct Wire {
    directory: PathBuf,
    common: Arc<Common>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Common {
    plugs: Mutex<Vec<Option<Plug>>>,
    /// One byte of so many is damaged, if it is not zero.
    noise: AtomicU32,
    damaged: AtomicU64,
    frames: AtomicU64,
    over: AtomicBool,
}

struct Plug {
    master: OwnedFd,
    /// The beginning of a frame.
    begun: Vec<u8>,
    /// Whether what it says is lost.
    mute: bool,
}

impl Wire {
    /// A line with so many plugs, whose ports are to be named in there.
    pub fn new(directory: &Path, plugs: usize) -> Self {
        std::fs::create_dir_all(directory).unwrap();
        let common = Arc::<Common>::default();
        let mut wire = Self { directory: directory.to_owned(), common, thread: None };
        wire.common.plugs.lock().unwrap().resize_with(plugs, || None);
        (0..plugs).for_each(|plug| wire.put(plug));
        let common = Arc::clone(&wire.common);
        wire.thread = Some(thread::spawn(move || common.carry()));
        wire
    }

    /// The name of a plug's port.
    pub fn port(&self, plug: usize) -> String {
        self.directory.join(plug.to_string()).to_str().unwrap().to_owned()
    }

    /// Pulls a plug: its port hangs up, and is no more.
    pub fn pull(&self, plug: usize) {
        std::fs::remove_file(self.port(plug)).unwrap();
        self.common.plugs.lock().unwrap()[plug] = None;
    }

    /// Puts a plug in.
    pub fn put(&self, plug: usize) {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        rustix::io::ioctl_fionbio(&master, true).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = std::ffi::OsString::from_vec(ptsname(&master, Vec::new()).unwrap().into_bytes());
        // It echoes at first, which no port does.
        let flags = OFlags::RDWR | OFlags::NOCTTY;
        let slave = open(&name, flags, Mode::empty()).unwrap();
        let mut settings = tcgetattr(&slave).unwrap();
        settings.make_raw();
        tcsetattr(&slave, OptionalActions::Now, &settings).unwrap();
        self.common.plugs.lock().unwrap()[plug] =
            Some(Plug { master, begun: Vec::new(), mute: false });
        symlink(&name, self.port(plug)).unwrap();
    }

    /// Has nobody hear what this plug says, or has it heard again.
    pub fn mute(&self, plug: usize, mute: bool) {
        if let Some(plug) = &mut self.common.plugs.lock().unwrap()[plug] {
            plug.mute = mute;
        }
    }

    /// Has one byte of so many damaged, or none if it is zero.
    pub fn set_noise(&self, rate: u32) {
        self.common.noise.store(rate, Ordering::SeqCst);
    }

    /// Lets all plugs hear this.
    pub fn inject(&self, bytes: &[u8]) {
        self.common.plugs.lock().unwrap().iter().flatten().for_each(|plug| plug.tell(bytes));
    }

    /// How many bytes were damaged.
    pub fn damaged(&self) -> u64 {
        self.common.damaged.load(Ordering::SeqCst)
    }

    /// How many frames were carried.
    pub fn frames(&self) -> u64 {
        self.common.frames.load(Ordering::SeqCst)
    }
}

impl Common {
    fn carry(&self) {
        let mut state = 0x9E37_79B9_u32;
        while !self.over.load(Ordering::SeqCst) {
            let mut plugs = self.plugs.lock().unwrap();
            for speaker in 0..plugs.len() {
                let Some(mut frames) = plugs[speaker].as_mut().map(Plug::hear) else { continue };
                frames.iter_mut().for_each(|byte| self.strike(byte, &mut state));
                for (hearer, plug) in plugs.iter().enumerate() {
                    if let Some(plug) = plug.as_ref().filter(|_| hearer != speaker) {
                        plug.tell(&frames);
                    }
                }
            }
            drop(plugs);
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn strike(&self, byte: &mut u8, state: &mut u32) {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.frames.fetch_add(u64::from(*byte == 0), Ordering::SeqCst);
        let rate = self.noise.load(Ordering::SeqCst);
        if rate > 0 && (*state >> 8).is_multiple_of(rate) {
            *byte ^= (*state >> 24) as u8 | 1;
            self.damaged.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Plug {
    /// The whole frames that came in.
    fn hear(&mut self) -> Vec<u8> {
        let mut buffer = [0; 4096];
        // Without anybody at the other end this fails.
        while let Ok(count @ 1..) = read(&self.master, &mut buffer) {
            self.begun.extend_from_slice(&buffer[..count]);
        }
        let end = self.begun.iter().rposition(|byte| *byte == 0).map_or(0, |at| at + 1);
        let frames: Vec<_> = self.begun.drain(..end).collect();
        if self.mute { Vec::new() } else { frames }
    }

    /// What does not fit is lost, as on any line.
    fn tell(&self, bytes: &[u8]) {
        write(&self.master, bytes).ok();
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.common.over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
        std::fs::remove_dir_all(&self.directory).ok();
    }
}
