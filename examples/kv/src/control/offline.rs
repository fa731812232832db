//! What is done to files, while no node works on them: backups are looked at and restored, a
//! survivor goes on alone, and a person sees what a directory amounts to.

use super::words::CONFIRMATION;
use super::{Control, Failed};
use crate::command::{Output, Query};
use crate::resp::Reply;
use crate::store::Store;
use raft_std::wal::{Finding, Verdict, Verified, Wal, WalOptions, inspect, verify};
use raft_std::{
    Alone, BackupFile, BackupHead, ClusterId, NodeId, Restore, Survivor, force_new_cluster,
    restore, survivor,
};
use std::error::Error;
use std::path::{Path, PathBuf};

/// Something to do without any node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Offline {
    /// Say what a backup holds, if it is whole.
    Check(PathBuf),
    /// Make a blank directory that of a founder of a new cluster, which begins with a backup.
    Restore {
        /// The backup.
        file: PathBuf,
        /// The directory.
        data: PathBuf,
        /// Which founder.
        id: NodeId,
        /// All of them.
        founders: Vec<NodeId>,
        /// Which time this is done.
        attempt: u32,
    },
    /// Make a survivor's directory that of a new cluster of one.
    Force {
        /// The directory.
        data: PathBuf,
        /// What the new cluster is called; a drawn number, if nothing is said.
        cluster: Option<ClusterId>,
        /// Whether the word was said.
        confirmed: bool,
    },
    /// Say what stands where in one file.
    Inspect(PathBuf),
    /// Say what a directory amounts to.
    Verify(PathBuf),
}

impl Control {
    pub(super) fn offline(&self, task: &Offline, tell: &mut dyn FnMut(&str)) -> Result<(), Failed> {
        match task {
            Offline::Check(file) => {
                let backup = open_backup(file)?;
                let store = backup.machine(Store::default()).map_err(|error| of(file, error))?;
                let (configuration, _) = backup.configuration().map_err(|bad| of(file, bad))?;
                let mut told = told(file, backup.head());
                add(&mut told, "members", &list(configuration.membership.members().iter()));
                add(&mut told, "keys", &keys(&store));
                tell(&self.render(&told));
            }
            Offline::Restore { file, data, id, founders, attempt } => {
                let plan = Restore {
                    id: *id,
                    founders: founders.clone(),
                    settings: None,
                    attempt: *attempt,
                };
                tell(&self.render(&restored(file, data, &plan)?));
            }
            Offline::Force { data, cluster, confirmed } => {
                self.force(data, *cluster, *confirmed, tell)?;
            }
            Offline::Inspect(file) => {
                let findings = inspect(file).map_err(|error| of(file, error))?;
                tell(&self.render(&Reply::List(findings.map(|it| finding(&it)).collect())));
            }
            Offline::Verify(data) => {
                if !data.is_dir() {
                    return Err(of(data, "it is no directory"));
                }
                return self.verify(data, &verify(data).map_err(|error| of(data, error))?, tell);
            }
        }
        Ok(())
    }

    fn force(
        &self,
        data: &Path,
        cluster: Option<ClusterId>,
        confirmed: bool,
        tell: &mut dyn FnMut(&str),
    ) -> Result<(), Failed> {
        if !data.is_dir() {
            return Err(of(data, "it is no directory"));
        }
        let mut wal = open(data)?;
        if !confirmed {
            let found = survivor(&mut wal).map_err(|error| of(data, error))?;
            tell(&self.render(&survived(&found)));
            return Err(Failed::Refused(format!(
                "nothing was done. What only the others had would be LOST for good, and they could \
                 never come\nback. If there are other survivors, take the one with the highest \
                 last_term, and among those\nthe highest last, and wipe the others. Then say \
                 --{CONFIRMATION}"
            )));
        }
        let confirmed = Alone::AcknowledgedCommandsMayBeLost;
        let forced = force_new_cluster(&mut wal, cluster, confirmed);
        let forced = forced.map_err(|error| of(data, error))?;
        if self.json {
            let mut told = survived(&forced.before);
            add(&mut told, "new_cluster", &number(forced.cluster.0));
            tell(&self.render(&told));
        } else {
            tell(&format!(
                "{forced}\nStart it with --cluster {0}; wipe the others, start them with --cluster \
                 {0} --join, and add them.",
                forced.cluster.0
            ));
        }
        Ok(())
    }

    /// Says what a directory amounts to; that something is lost is a failure.
    fn verify(
        &self,
        data: &Path,
        verified: &Verified,
        tell: &mut dyn FnMut(&str),
    ) -> Result<(), Failed> {
        let files = verified.files.iter().map(|(name, findings)| {
            let count = |verdict| findings.iter().filter(|it| it.verdict == verdict).count();
            let number = |verdict| number(count(verdict) as u64);
            Reply::map([
                ("file", Reply::text(name)),
                ("bytes", self::number(findings.iter().map(|it| it.bytes).sum())),
                ("sound", number(Verdict::Sound)),
                ("damaged", number(Verdict::Damaged)),
                ("unused", number(Verdict::Unused)),
            ])
        });
        let files = Reply::List(files.collect());
        let identity = verified.identity;
        let snapshot = verified.snapshot.map(|snapshot| number(snapshot.last.index.0));
        let loss = verified.loss.map(|loss| format!("{loss:?}").to_ascii_lowercase());
        let mut told = Reply::map([
            ("id", identity.map_or(Reply::Nothing, |it| number(it.id.0.into()))),
            ("cluster", identity.map_or(Reply::Nothing, |it| number(it.cluster.0))),
            ("snapshot", snapshot.into()),
            ("base", number(verified.base.index.0)),
            ("last", number(verified.last.0)),
            ("lost", loss.as_deref().map(Reply::text).into()),
        ]);
        if self.json {
            add(&mut told, "files", &files);
            tell(&self.render(&told));
        } else {
            tell(&format!("{}\n\n{}", self.render(&told), self.render(&files)));
        }
        match loss {
            None => Ok(()),
            Some(loss) => Err(of(data, format!("something that was flushed is lost: {loss}"))),
        }
    }
}

fn restored(file: &Path, data: &Path, plan: &Restore) -> Result<Reply, Failed> {
    // Before a directory is made for it.
    let backup = open_backup(file)?;
    let mut wal = open(data)?;
    let restored = restore(&mut wal, &backup, Store::default(), plan);
    let restored = restored.map_err(|error| of(data, error))?;
    let cluster = restored.cluster.0;
    let next = format!(
        "do the same for each founder, then start all with --cluster {cluster}, without --bootstrap"
    );
    Ok(Reply::map([
        ("id", number(plan.id.0.into())),
        ("founders", list(plan.founders.iter().copied())),
        ("cluster", number(cluster)),
        ("last", number(restored.snapshot.last.index.0)),
        ("keys", keys(&restored.machine)),
        ("next", Reply::text(&next)),
    ]))
}

/// What a backup says of itself.
pub(super) fn told(file: &Path, head: &BackupHead) -> Reply {
    Reply::map([
        ("file", Reply::text(&file.to_string_lossy())),
        ("bytes", number(head.file_bytes())),
        ("cluster", number(head.cluster.0)),
        ("id", number(head.id.0.into())),
        ("taken", Reply::text(&moment(head.taken))),
        ("last_term", number(head.snapshot.last.term.0.into())),
        ("last", number(head.snapshot.last.index.0)),
    ])
}

/// Seconds since 1970 as ISO 8601 has them, in UTC.
fn moment(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days are counted from the first of March of the year 0, so that leap days come last.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) =
        (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = 400 * era + year + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

fn survived(survivor: &Survivor) -> Reply {
    Reply::map([
        ("id", number(survivor.id.0.into())),
        ("cluster", number(survivor.cluster.0)),
        ("others", list(survivor.others.iter().copied())),
        ("last_term", number(survivor.last.term.0.into())),
        ("last", number(survivor.last.index.0)),
        ("committed", number(survivor.committed.0)),
        ("rotten", Reply::text(if survivor.rotten { "yes" } else { "no" })),
    ])
}

fn finding(finding: &Finding) -> Reply {
    let verdict = match finding.verdict {
        Verdict::Sound => "sound",
        Verdict::Damaged => "damaged",
        Verdict::Unused => "unused",
    };
    Reply::map([
        ("offset", number(finding.offset)),
        ("bytes", number(finding.bytes)),
        ("verdict", Reply::text(verdict)),
        ("what", Reply::text(&finding.what)),
    ])
}

fn open_backup(file: &Path) -> Result<BackupFile, Failed> {
    BackupFile::open(file).map_err(|bad| of(file, bad))
}

fn open(data: &Path) -> Result<Wal, Failed> {
    Wal::open(data, WalOptions::default()).map_err(|error| of(data, error))
}

fn keys(store: &Store) -> Reply {
    match store.ask(&Query::Size) {
        Output::Number(keys) => Reply::Number(keys),
        _ => Reply::Nothing,
    }
}

fn list(ids: impl Iterator<Item = NodeId>) -> Reply {
    Reply::List(ids.map(|id| number(id.0.into())).collect())
}

fn number(number: u64) -> Reply {
    // A cluster may have any number.
    i64::try_from(number).map_or_else(|_| Reply::text(&number.to_string()), Reply::Number)
}

fn add(reply: &mut Reply, name: &str, value: &Reply) {
    if let Reply::Map(pairs) = reply {
        pairs.push((Reply::text(name), value.clone()));
    }
}

fn of(path: &Path, error: impl Into<Box<dyn Error + Send + Sync>>) -> Failed {
    Failed::Path(path.to_owned(), error.into())
}

#[cfg(test)]
mod tests {
    use super::moment;

    #[test]
    fn moments_are_said_as_people_do() {
        let moments = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (1_795_292_085, "2026-11-21T20:14:45Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ];
        for (seconds, said) in moments {
            assert_eq!(moment(seconds), said);
        }
    }
}
