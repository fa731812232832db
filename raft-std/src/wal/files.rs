//! The seam between what is written and where: the few things that a log asks of a directory.
//!
//! [`Directory`] is the real one. Tests put one there whose power can be cut.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A directory with files, and no directories in it.
///
/// **When the power fails**, of what was done to names since the last [`sync`](Files::sync) a first
/// part was done; of what was written to a file since its last [`sync`](Contents::sync) any sectors
/// were, in any order, the last of them perhaps by half.
pub trait Files: Send + Sync {
    /// Keeps other processes out until this value is gone; `WouldBlock` if one is in.
    fn lock(&self) -> io::Result<()>;
    /// The names of all files.
    fn names(&self) -> io::Result<Vec<String>>;
    /// Makes an empty file, in the place of one of the same name.
    fn create(&self, name: &str) -> io::Result<Arc<dyn Contents>>;
    /// Opens a file that is there.
    fn open(&self, name: &str) -> io::Result<Arc<dyn Contents>>;
    /// Gives a file another name, in the place of one that had it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Returns when everything done to names survives a power cut.
    fn sync(&self) -> io::Result<()>;
}

/// An open file.
pub trait Contents: Send + Sync {
    /// How long it is.
    fn bytes(&self) -> io::Result<u64>;
    /// Fills the buffer with what stands at an offset, as far as the file goes; says how far.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// Writes at an offset, and makes the file longer if it ends before.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Returns when everything written survives a power cut.
    fn sync(&self) -> io::Result<()>;
}

/// Reads from an offset on, so much or as far as the file goes.
pub(super) fn read_up_to(file: &dyn Contents, offset: u64, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; most];
    let length = file.read_at(offset, &mut bytes)?;
    bytes.truncate(length);
    Ok(bytes)
}

/// Reads a whole file.
pub(super) fn read_all(file: &dyn Contents) -> io::Result<Vec<u8>> {
    let bytes = usize::try_from(file.bytes()?).map_err(|_| io::ErrorKind::FileTooLarge)?;
    read_up_to(file, 0, bytes)
}

/// A directory of the operating system.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    /// Whether files are opened for writing, too.
    writes: bool,
    lock: Mutex<Option<File>>,
}

impl Directory {
    /// The directory of that name, which is made if there is none.
    pub fn open(path: &Path) -> io::Result<Self> {
        let is_made = |path: &&Path| !path.as_os_str().is_empty() && !path.is_dir();
        let made: Vec<_> = path.ancestors().take_while(is_made).collect();
        fs::create_dir_all(path)?;
        // Each of the names that are new stands in the directory above it.
        for name in made {
            let above = name.parent().filter(|above| !above.as_os_str().is_empty());
            sync_names(above.unwrap_or(Path::new(".")))?;
        }
        Ok(Self { path: path.to_owned(), writes: true, lock: Mutex::new(None) })
    }

    /// The directory of that name, which is only looked at.
    pub fn look(path: &Path) -> Self {
        Self { path: path.to_owned(), writes: false, lock: Mutex::new(None) }
    }
}

impl Files for Directory {
    fn lock(&self) -> io::Result<()> {
        let path = self.path.join("lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
        Ok(())
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn Contents>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        Ok(Arc::new(options.open(self.path.join(name))?))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn Contents>> {
        let path = self.path.join(name);
        // Whoever may write everywhere is told of the mark all the same.
        if self.writes && fs::metadata(&path)?.permissions().readonly() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(Arc::new(OpenOptions::new().read(true).write(self.writes).open(path)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync(&self) -> io::Result<()> {
        sync_names(&self.path)
    }
}

/// Elsewhere the file system keeps names by itself.
#[cfg(not(unix))]
fn sync_names(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn sync_names(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(unix)]
fn read_some(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(unix)]
fn write_some(file: &File, offset: u64, bytes: &[u8]) -> io::Result<usize> {
    std::os::unix::fs::FileExt::write_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_some(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

#[cfg(windows)]
fn write_some(file: &File, offset: u64, bytes: &[u8]) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_write(file, bytes, offset)
}

impl Contents for File {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match read_some(self, offset + done as u64, &mut buffer[done..]) {
                Ok(0) => break,
                Ok(more) => done += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut done = 0;
        while done < bytes.len() {
            match write_some(self, offset + done as u64, &bytes[done..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(more) => done += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
