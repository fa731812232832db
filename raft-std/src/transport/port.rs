//! A serial port of the system: opened raw, never waited for, and gone when its adapter is.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::termios::{
    ControlModes, OptionalActions, QueueSelector, SpecialCodeIndex, ioctl_tiocexcl, tcflush,
    tcgetattr, tcsetattr,
};
use std::io;

/// An open port. What was not sent when it is dropped is forgotten.
pub(super) struct Port(OwnedFd);

impl Port {
    /// Opens a port for this process alone: eight bits, no parity, one stop bit, no flow control.
    pub(super) fn open(path: &str, baud: u32) -> io::Result<Self> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{path}: {error}"));
        Self::open_raw(path, baud).map_err(named)
    }

    fn open_raw(path: &str, baud: u32) -> io::Result<Self> {
        // Without waiting for a carrier, and without becoming the terminal of this process.
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let port = open(path, flags, Mode::empty())?;
        let mut settings = tcgetattr(&port)?;
        ioctl_tiocexcl(&port)?;
        settings.make_raw();
        let flow = ControlModes::CRTSCTS | ControlModes::PARENB | ControlModes::CSTOPB;
        settings.control_modes.remove(flow | ControlModes::HUPCL);
        settings.control_modes.insert(ControlModes::CLOCAL | ControlModes::CREAD);
        settings.special_codes[SpecialCodeIndex::VMIN] = 1;
        settings.special_codes[SpecialCodeIndex::VTIME] = 0;
        settings.set_speed(baud).map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("{baud} baud is no speed for it"))
        })?;
        tcsetattr(&port, OptionalActions::Now, &settings)?;
        Ok(Self(port))
    }

    /// Reads what has come in: nothing, if there is nothing. An error is the end of the port.
    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match rustix::io::read(&self.0, buffer) {
            Ok(0) => Err(io::ErrorKind::BrokenPipe.into()),
            Ok(count) => Ok(count),
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes as much as the system takes now. An error is the end of the port.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match rustix::io::write(&self.0, bytes) {
            Ok(count) => Ok(count),
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Port {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        // The system would wait until it is sent.
        tcflush(&self.0, QueueSelector::OFlush).ok();
    }
}
