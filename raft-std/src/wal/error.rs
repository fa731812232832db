//! What can go wrong with files, in words that a person can act on.

use raft_core::ClusterId;
use std::fmt;
use std::io;

/// Why the files of a node can't be used, or not any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WalError {
    /// Another process works in this directory: stop it first.
    Locked,
    /// The directory belongs to a node of another cluster.
    ForeignCluster {
        /// The cluster that was asked for.
        expected: ClusterId,
        /// The one whose node wrote the files.
        found: ClusterId,
    },
    /// A file is written in a format of another version, and was left as it is.
    UnknownFormat {
        /// Which file.
        file: String,
        /// What its format is called.
        version: u16,
    },
    /// There is no room left: free some, then start the node again.
    DiskFull {
        /// What could not become longer.
        file: String,
    },
    /// A file or the file system may not be written to.
    ReadOnly {
        /// What was to be written.
        file: String,
    },
    /// Nobody knows what this node has promised: wipe the directory, and add the node anew.
    BallotLost,
    /// A record that no node writes, and why.
    BadRecord(&'static str),
    /// The operating system refused something.
    System {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        file: String,
        /// What kind of refusal it was.
        kind: io::ErrorKind,
        /// How the system puts it.
        cause: String,
    },
}

impl WalError {
    /// Names what was tried when the system refused it.
    pub(super) fn of(doing: &'static str, file: &str) -> impl FnOnce(io::Error) -> Self {
        let file = file.to_owned();
        move |error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { file },
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                Self::ReadOnly { file }
            }
            kind => Self::System { doing, file, kind, cause: error.to_string() },
        }
    }
}

impl fmt::Display for WalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked => write!(f, "another process works in this directory: stop it first"),
            Self::ForeignCluster { expected, found } => write!(
                f,
                "the directory belongs to cluster {:016x}, not to {:016x}",
                found.0, expected.0
            ),
            Self::UnknownFormat { file, version } => {
                write!(f, "{file} is of format {version}, which this version does not know")
            }
            Self::DiskFull { file } => write!(f, "no room left for {file}: free some and restart"),
            Self::ReadOnly { file } => write!(f, "{file} may not be written to"),
            Self::BallotLost => write!(
                f,
                "what this node has promised is lost: wipe its directory and add it as a new node"
            ),
            Self::BadRecord(why) => write!(f, "no node writes this: {why}"),
            Self::System { doing, file, cause, .. } => write!(f, "can't {doing} {file}: {cause}"),
        }
    }
}

impl std::error::Error for WalError {}
