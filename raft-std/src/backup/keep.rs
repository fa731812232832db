//! Puts a backup into a file: under another name until it is whole, checked and durable.

use super::check::BackupHead;
use super::take::BackupError;
use super::{Checker, PIECE_BYTES};
use crate::wal::{Directory, Files};
use std::io::{self, Read};
use std::path::Path;

/// Keeps a backup that comes out of `source` in a file, in the place of one that has this name:
/// there is all of it, or nothing of it, and when this returns it survives a power cut.
pub fn save_backup(path: &Path, source: &mut impl Read) -> Result<BackupHead, BackupError> {
    let shown = path.to_string_lossy();
    let no_name = || io::Error::other("a backup goes into a file");
    let failed = |error| BackupError::Write { file: shown.clone().into_owned(), error };
    let name = path.file_name().ok_or_else(no_name).map_err(failed)?;
    let parent = path.parent().filter(|it| !it.as_os_str().is_empty());
    let directory = Directory::look(parent.unwrap_or(Path::new(".")));
    save_backup_in(&directory, &name.to_string_lossy(), source)
}

/// The same over anything that holds files.
pub fn save_backup_in(
    files: &dyn Files,
    name: &str,
    source: &mut impl Read,
) -> Result<BackupHead, BackupError> {
    // Two that save under the same name at once must not mix.
    let partial = format!("{name}.{}.partial", std::process::id());
    let failed = |error| BackupError::Write { file: name.to_owned(), error };
    let file = files.create(&partial).map_err(failed)?;
    let mut at = 0;
    let write = &mut |bytes: &[u8]| {
        file.write_at(at, bytes)?;
        at += bytes.len() as u64;
        Ok(())
    };
    let kept = copy(source, write, name).and_then(|head| {
        file.sync().and_then(|()| files.rename(&partial, name)).map_err(failed)?;
        Ok(head)
    });
    match kept {
        Ok(head) => files.sync().map_err(failed).map(|()| head),
        Err(error) => {
            drop(file);
            // What is left where even that fails says by its name that it is nothing.
            files.remove(&partial).ok();
            Err(error)
        }
    }
}

/// Hands a backup on, piece by piece, and sees that it is one.
pub(super) fn copy(
    source: &mut impl Read,
    write: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    to: &str,
) -> Result<BackupHead, BackupError> {
    let (mut checker, mut piece) = (Checker::default(), vec![0; PIECE_BYTES]);
    loop {
        let count = match source.read(&mut piece) {
            Ok(0) => return checker.finish().map_err(BackupError::Bad),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(BackupError::Source(error)),
        };
        let bytes = piece.get(..count).unwrap_or_default();
        checker.take(bytes).map_err(BackupError::Bad)?;
        write(bytes).map_err(|error| BackupError::Write { file: to.to_owned(), error })?;
    }
}
