//! What the command line of `raftctl` says.

use super::{Control, Offline, Task};
use lexopt::{Arg, Error, Parser};
use raft_std::{ClusterId, NodeId};
use std::ffi::OsString;
use std::path::PathBuf;

/// Everything that may be said beside a command.
#[derive(Default)]
struct Said {
    json: bool,
    learner: bool,
    count: Option<u32>,
    data: Option<PathBuf>,
    id: Option<NodeId>,
    founders: Vec<NodeId>,
    attempt: Option<u32>,
    cluster: Option<ClusterId>,
    confirmed: bool,
}

/// The word without which no survivor goes on alone.
pub const CONFIRMATION: &str = "yes-i-lose-what-others-had";

impl Control {
    /// What the words behind the program's name say; nothing if they ask for help.
    pub fn read<I>(words: I) -> Result<Option<Self>, Error>
    where
        I: IntoIterator<Item: Into<OsString>>,
    {
        let (mut words, mut options) = (Vec::new(), Parser::from_args(words));
        let (mut server, mut password) =
            ("127.0.0.1:6379".to_owned(), std::env::var("KV_PASSWORD").ok());
        let mut said = Said::default();
        while let Some(option) = options.next()? {
            match option {
                Arg::Short('h') | Arg::Long("help") => return Ok(None),
                Arg::Long("server") => server = options.value()?.into_string()?,
                Arg::Long("password") => password = Some(options.value()?.into_string()?),
                Arg::Long(name) => {
                    let name = name.to_owned();
                    if !said.take(&name, &mut options)? {
                        return Err(Arg::Long(&name).unexpected());
                    }
                }
                Arg::Value(word) => words.push(word),
                option => return Err(option.unexpected()),
            }
        }
        let json = said.json;
        let task = said.task(&words)?;
        Ok(Some(Self { server, password, json, task }))
    }
}

impl Said {
    /// Takes an option. Says whether there is such a one.
    fn take(&mut self, name: &str, options: &mut Parser) -> Result<bool, Error> {
        let mut value = || options.value()?.into_string().map_err(Error::from);
        match name {
            "json" => self.json = true,
            "learner" => self.learner = true,
            CONFIRMATION => self.confirmed = true,
            "count" => self.count = Some(number(name, &value()?)?),
            "attempt" => self.attempt = Some(number(name, &value()?)?),
            "cluster" => self.cluster = Some(ClusterId(number(name, &value()?)?)),
            "id" => self.id = Some(node(name, &value()?)?),
            "founder" => self.founders.push(node(name, &value()?)?),
            "data" => self.data = Some(options.value()?.into()),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn task(self, words: &[OsString]) -> Result<Task, Error> {
        let known: Vec<_> = words.iter().map(|word| word.to_str().unwrap_or_default()).collect();
        let file = |at: usize| words.get(at).map(PathBuf::from).unwrap_or_default();
        let say = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Ok(match known[..] {
            ["status"] => Task::Status,
            ["watch"] => Task::Watch(self.count),
            ["add", client] => Task::Add { client: client.to_owned(), learner: self.learner },
            ["promote", id] => Task::Lead(say(&["RAFT.PROMOTE", id])),
            ["remove", id] => Task::Lead(say(&["RAFT.REMOVE", id])),
            ["transfer"] => Task::Lead(say(&["RAFT.TRANSFER"])),
            ["transfer", id] => Task::Lead(say(&["RAFT.TRANSFER", id])),
            ["snapshot"] => Task::Here(say(&["RAFT.SNAPSHOT"])),
            ["backup", _] => Task::Backup(file(1)),
            ["check", _] => Task::Offline(Offline::Check(file(1))),
            ["restore", _] => self.restore(file(1))?,
            ["force-new-cluster"] => {
                let Self { cluster, confirmed, data, .. } = self;
                let data = data.ok_or("data is missing: say --data DIR")?;
                Task::Offline(Offline::Force { data, cluster, confirmed })
            }
            ["wal", "inspect", _] => Task::Offline(Offline::Inspect(file(2))),
            ["wal", "verify", _] => Task::Offline(Offline::Verify(file(2))),
            [] => return Err("a command is missing".into()),
            _ => return Err(format!("{} is no command", known.join(" ")).into()),
        })
    }

    fn restore(self, file: PathBuf) -> Result<Task, Error> {
        let data = self.data.ok_or("data is missing: say --data DIR")?;
        let id = self.id.ok_or("id is missing: say --id ID, which founder this one is")?;
        let founders = if self.founders.is_empty() { vec![id] } else { self.founders };
        let attempt = self.attempt.unwrap_or(1);
        Ok(Task::Offline(Offline::Restore { file, data, id, founders, attempt }))
    }
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, Error> {
    value.parse().map_err(|_| format!("{name} is {value}; allowed is a number").into())
}

fn node(name: &str, value: &str) -> Result<NodeId, Error> {
    let node = value.parse().ok().map(NodeId).filter(|node| node.is_valid());
    node.ok_or_else(|| format!("{name} is {value}; allowed is 0 to 31").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &str) -> Result<Task, String> {
        let control = Control::read(words.split(' ')).map_err(|error| error.to_string())?;
        Ok(control.expect("no help was asked for").task)
    }

    #[test]
    fn what_is_missing_or_can_not_be_is_named() {
        let missing = "data is missing: say --data DIR";
        assert_eq!(read("restore b --id 1"), Err(missing.to_owned()));
        assert_eq!(read("force-new-cluster"), Err(missing.to_owned()));
        let missing = read("restore b --data d").unwrap_err();
        assert!(missing.starts_with("id is missing"), "{missing}");
        assert_eq!(
            read("restore b --data d --id 32"),
            Err("id is 32; allowed is 0 to 31".to_owned())
        );
        assert_eq!(read("wal"), Err("wal is no command".to_owned()));
        assert_eq!(read("status --yes"), Err("invalid option '--yes'".to_owned()));
    }

    #[test]
    fn who_restores_for_one_founder_need_not_list_them() {
        let restore = |founders: &[u8], attempt| {
            let founders = founders.iter().map(|id| NodeId(*id)).collect();
            let (file, data) = (PathBuf::from("b"), PathBuf::from("d"));
            Task::Offline(Offline::Restore { file, data, id: NodeId(2), founders, attempt })
        };
        assert_eq!(read("restore b --data d --id 2"), Ok(restore(&[2], 1)));
        let words = "restore b --data d --id 2 --founder 2 --founder=3 --attempt 4";
        assert_eq!(read(words), Ok(restore(&[2, 3], 4)));
    }
}
