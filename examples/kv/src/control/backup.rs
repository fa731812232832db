//! A backup that comes from a node piece by piece, and goes into a file as it comes.

use super::{Client, Control, Failed, field};
use crate::resp::{BadAnswer, Reply};
use raft_std::save_backup;
use std::io::{self, Cursor, Read};
use std::path::Path;
use std::time::Duration;

/// How long a node may take to save a large store.
const PATIENCE: Duration = Duration::from_secs(90);

impl Control {
    /// Has the node at hand take a backup, and keeps it in a file.
    pub(super) fn backup(&self, file: &Path) -> Result<Reply, Failed> {
        let failed = |error| Failed::Node(self.server.clone(), error);
        let client = Client::connect(&self.server, self.password.as_deref(), PATIENCE);
        let mut client = client.map_err(failed)?;
        let begun = match client.call(&["RAFT.BACKUP"]).map_err(failed)? {
            Reply::Error(error) => return Err(Failed::Refused(error)),
            reply => reply,
        };
        let Some(Reply::Number(number)) = field(&begun, "backup") else {
            return Err(Failed::Refused("ERR this node takes no backups".to_owned()));
        };
        let number = number.to_string();
        let mut pieces = Pieces { client, number, piece: Cursor::default() };
        let head = save_backup(file, &mut pieces).map_err(Failed::Backup)?;
        Ok(super::offline::told(file, &head))
    }
}

/// The bytes of a backup, as they come.
struct Pieces {
    client: Client,
    number: String,
    piece: Cursor<Vec<u8>>,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.piece.read(buffer)?;
        if count > 0 || buffer.is_empty() {
            return Ok(count);
        }
        let piece = match self.client.call(&["RAFT.BACKUP.NEXT", &self.number]) {
            Ok(Reply::Bytes(piece)) => piece,
            Ok(Reply::Error(error)) => return Err(io::Error::other(error)),
            Ok(_) => return Err(io::Error::other("an answer that is no piece")),
            Err(BadAnswer::Connection(error)) => return Err(error),
            Err(error) => return Err(io::Error::other(error.to_string())),
        };
        self.piece = Cursor::new(piece.to_vec());
        self.piece.read(buffer)
    }
}
