//! The one place where a consensus thread sleeps, and what ends that from other threads.
//!
//! It sleeps on all of its sockets and one more thing to read, which [`Waker::wake`] makes
//! readable. Whoever wakes a thread that is awake makes no call of the system.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// It works, and will look at everything before it sleeps.
const AWAKE: u8 = 0;
/// It sleeps, or is about to.
const ASLEEP: u8 = 1;
/// Something has happened that it has not looked at.
const CALLED: u8 = 2;

/// Wakes one consensus thread. Copies wake the same one.
#[derive(Clone)]
pub struct Waker(Arc<Inner>);

struct Inner {
    state: AtomicU8,
    bell: bell::Bell,
}

impl Waker {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(Inner { state: AtomicU8::new(AWAKE), bell: bell::Bell::new()? })))
    }

    /// Makes the thread look at everything once more.
    pub fn wake(&self) {
        if self.0.state.swap(CALLED, Ordering::SeqCst) == ASLEEP {
            self.0.bell.ring();
        }
    }

    /// Sleeps until woken, until one of the sockets can be read, or for so long. Returns at once if
    /// [`wake`](Waker::wake) was called since this returned last. Says whether any of the sockets
    /// may have something to read.
    pub(crate) fn sleep(&self, sockets: &[BorrowedFd<'_>], most: Option<Duration>) -> bool {
        let mut readable = true;
        let state = &self.0.state;
        let free = state.compare_exchange(AWAKE, ASLEEP, Ordering::SeqCst, Ordering::SeqCst);
        if free.is_ok() {
            let bell = PollFd::from_borrowed_fd(self.0.bell.as_fd(), PollFlags::IN);
            let others = sockets.iter().map(|&fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
            let mut all: Vec<_> = std::iter::once(bell).chain(others).collect();
            let most = most.and_then(|most| Timespec::try_from(most).ok());
            let polled = poll(&mut all, most.as_ref());
            let mut told = all.iter().map(|it| !it.revents().is_empty());
            if told.next() == Some(true) {
                self.0.bell.hush();
            }
            // Whoever was interrupted knows nothing, and looks at everything.
            readable = polled.is_err() || told.any(|told| told);
        }
        state.store(AWAKE, Ordering::SeqCst);
        readable
    }
}

#[cfg(target_os = "linux")]
mod bell {
    //! A counter that can be slept on.

    use rustix::event::{EventfdFlags, eventfd};
    use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
    use std::io;

    pub(super) struct Bell(OwnedFd);

    impl Bell {
        pub(super) fn new() -> io::Result<Self> {
            Ok(Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
        }

        pub(super) fn ring(&self) {
            // It can only fail where it rings already.
            rustix::io::write(&self.0, &1_u64.to_ne_bytes()).ok();
        }

        pub(super) fn hush(&self) {
            rustix::io::read(&self.0, &mut [0; 8]).ok();
        }
    }

    impl AsFd for Bell {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.0.as_fd()
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod bell {
    //! A socket that sends to itself: every system has those.

    use rustix::fd::{AsFd, BorrowedFd};
    use std::io;
    use std::net::{Ipv4Addr, UdpSocket};

    pub(super) struct Bell(UdpSocket);

    impl Bell {
        pub(super) fn new() -> io::Result<Self> {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            socket.connect(socket.local_addr()?)?;
            socket.set_nonblocking(true)?;
            Ok(Self(socket))
        }

        pub(super) fn ring(&self) {
            // It can only fail where it rings already.
            self.0.send(&[1]).ok();
        }

        pub(super) fn hush(&self) {
            while self.0.recv(&mut [0; 8]).is_ok() {}
        }
    }

    impl AsFd for Bell {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.0.as_fd()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    const LONG: Option<Duration> = Some(Duration::from_secs(60));

    fn is_short<T>(sleep: impl FnOnce() -> T) -> bool {
        let start = Instant::now();
        sleep();
        start.elapsed() < Duration::from_secs(30)
    }

    #[test]
    fn a_call_ends_the_sleep_whether_it_comes_before_or_during() {
        let waker = Waker::new().unwrap();
        waker.wake();
        assert!(is_short(|| waker.sleep(&[], LONG)));
        let other = waker.clone();
        let thread = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            other.wake();
        });
        assert!(is_short(|| waker.sleep(&[], LONG)));
        thread.join().unwrap();
        // Neither call is left over.
        let start = Instant::now();
        waker.sleep(&[], Some(Duration::from_millis(30)));
        assert!(start.elapsed() >= Duration::from_millis(30));
    }

    #[test]
    fn a_socket_with_something_to_read_ends_it() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let waker = Waker::new().unwrap();
        assert!(!waker.sleep(&[socket.as_fd()], Some(Duration::from_millis(5))));
        socket.send_to(&[1], socket.local_addr().unwrap()).unwrap();
        assert!(is_short(|| assert!(waker.sleep(&[socket.as_fd()], LONG))));
        // Whoever was called did not look.
        waker.wake();
        assert!(waker.sleep(&[], LONG));
    }
}
