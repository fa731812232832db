//! The files of a node, over a directory in memory whose power fails, and over the real one.

#[path = "wal/backups.rs"]
mod backups;
#[path = "wal/counter.rs"]
mod counter;
#[path = "wal/cuts.rs"]
mod cuts;
#[path = "wal/disk.rs"]
mod disk;
#[path = "wal/doors.rs"]
mod doors;
#[path = "wal/history.rs"]
mod history;
#[path = "wal/kill.rs"]
mod kill;
#[path = "wal/model.rs"]
mod model;
#[path = "wal/nodes.rs"]
mod nodes;
#[path = "wal/rot.rs"]
mod rot;
#[path = "wal/scratch.rs"]
mod scratch;
