//! Backups on their way to operators: each is asked for piece by piece, so that neither side ever
//! has more than a piece of it in memory.

use crate::resp::Reply;
use crate::store::Store;
use raft_std::{Backup, Server};
use std::io::Read;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many may be under way.
const UNDER_WAY_MAX: usize = 4;
/// For how long nobody may ask for the next piece.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a piece is.
const PIECE_BYTES: usize = 256 * 1024;

/// Those that are under way.
#[derive(Default)]
pub struct Backups(Mutex<List>);

#[derive(Default)]
struct List {
    /// How many there have been.
    count: i64,
    under_way: Vec<UnderWay>,
}

struct UnderWay {
    number: i64,
    backup: Backup,
    asked: Instant,
}

impl Backups {
    /// Takes a backup, and says by which number its pieces are asked for.
    pub fn begin(&self, server: &Server<Store>) -> Reply {
        self.forget_old();
        if self.lock().under_way.len() >= UNDER_WAY_MAX {
            return busy();
        }
        let backup = match server.begin_backup() {
            Ok(backup) => backup,
            Err(error) => return Reply::error(&error.to_string()),
        };
        let bytes = i64::try_from(backup.head().file_bytes()).unwrap_or(i64::MAX);
        let mut list = self.lock();
        // Others may have begun meanwhile.
        if list.under_way.len() >= UNDER_WAY_MAX {
            return busy();
        }
        list.count += 1;
        let number = list.count;
        list.under_way.push(UnderWay { number, backup, asked: Instant::now() });
        Reply::map([("backup", Reply::Number(number)), ("bytes", Reply::Number(bytes))])
    }

    /// The next piece of the backup of that number; an empty one when it is over.
    pub fn next(&self, number: i64) -> Reply {
        // Others go on while this one is read.
        let taken = {
            let mut list = self.lock();
            let place = list.under_way.iter().position(|it| it.number == number);
            place.map(|place| list.under_way.swap_remove(place))
        };
        let Some(mut under_way) = taken else {
            return Reply::error("no such backup is under way; begin another one");
        };
        let mut piece = Vec::new();
        let limit = PIECE_BYTES as u64;
        match under_way.backup.by_ref().take(limit).read_to_end(&mut piece) {
            Ok(0) => {}
            Ok(_) => {
                under_way.asked = Instant::now();
                self.lock().under_way.push(under_way);
            }
            Err(error) => return Reply::error(&format!("the backup can't be read: {error}")),
        }
        Reply::Bytes(piece.into())
    }

    /// Nobody has to say that a backup is not wanted any more.
    fn forget_old(&self) {
        self.lock().under_way.retain(|it| it.asked.elapsed() < PATIENCE);
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn busy() -> Reply {
    Reply::Error("TRYAGAIN too many backups are under way".to_owned())
}
