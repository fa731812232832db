//! When a quorum of disks is lost for good: another cluster begins, with a backup or with a single
//! survivor. Both work on storage that no server runs on, and give it another cluster's identity,
//! so that nobody who comes back with an old disk is heard.

mod alone;
mod restore;

pub use self::alone::{ForceError, Forced, Survivor, force_new_cluster, survivor};
pub use self::restore::{Restore, RestoreError, Restored, restore};
