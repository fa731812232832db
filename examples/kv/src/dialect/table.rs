//! Every command there is, and what clients may know of it.

use super::{Reply, Request, Understood, Words, operators, sessions, values};

/// One command.
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// How many words it has with its name; negative if it may have more.
    pub words: i32,
    /// Whether it changes anything.
    writes: bool,
    /// Which of its words are keys: the first, the last (from behind if negative), and the step.
    keys: (i64, i64, i64),
    /// What its words mean.
    pub(super) understand: fn(Words) -> Understood,
}

const READS: bool = false;
const WRITES: bool = true;
const NO_KEYS: (i64, i64, i64) = (0, 0, 0);
const ONE_KEY: (i64, i64, i64) = (1, 1, 1);
const ALL_KEYS: (i64, i64, i64) = (1, -1, 1);

/// In the order of their names.
const ROWS: [Row; 38] = [
    row("auth", -2, READS, NO_KEYS, sessions::password),
    row("client", -2, READS, NO_KEYS, sessions::client),
    row("command", -1, READS, NO_KEYS, command),
    row("config", -2, READS, NO_KEYS, sessions::config),
    row("dbsize", 1, READS, NO_KEYS, values::size),
    row("decr", 2, WRITES, ONE_KEY, |words| values::add(words, -1)),
    row("decrby", 3, WRITES, ONE_KEY, |words| values::add_by(words, true)),
    row("del", -2, WRITES, ALL_KEYS, values::delete),
    row("echo", 2, READS, NO_KEYS, sessions::echo),
    row("exists", -2, READS, ALL_KEYS, values::exists),
    row("expire", 3, WRITES, ONE_KEY, |words| values::expire(words, 1000)),
    row("get", 2, READS, ONE_KEY, values::get),
    row("hello", -1, READS, NO_KEYS, sessions::hello),
    row("incr", 2, WRITES, ONE_KEY, |words| values::add(words, 1)),
    row("incrby", 3, WRITES, ONE_KEY, |words| values::add_by(words, false)),
    row("info", -1, READS, NO_KEYS, operators::info),
    row("mget", -2, READS, ALL_KEYS, values::get_many),
    row("mset", -3, WRITES, (1, -1, 2), values::set_many),
    row("persist", 2, WRITES, ONE_KEY, values::persist),
    row("pexpire", 3, WRITES, ONE_KEY, |words| values::expire(words, 1)),
    row("ping", -1, READS, NO_KEYS, sessions::ping),
    row("psetex", 4, WRITES, ONE_KEY, |words| values::set_for(words, 1)),
    row("pttl", 2, READS, ONE_KEY, values::milliseconds_left),
    row("quit", -1, READS, NO_KEYS, sessions::quit),
    row("raft.add", -4, WRITES, NO_KEYS, operators::add),
    row("raft.backup", 1, READS, NO_KEYS, operators::backup),
    row("raft.backup.next", 2, READS, NO_KEYS, operators::backup_next),
    row("raft.promote", 2, WRITES, NO_KEYS, operators::promote),
    row("raft.remove", 2, WRITES, NO_KEYS, operators::remove),
    row("raft.snapshot", 1, WRITES, NO_KEYS, operators::snapshot),
    row("raft.status", 1, READS, NO_KEYS, operators::status),
    row("raft.transfer", -1, WRITES, NO_KEYS, operators::transfer),
    row("scan", -2, READS, NO_KEYS, values::scan),
    row("select", 2, READS, NO_KEYS, sessions::select),
    row("set", -3, WRITES, ONE_KEY, values::set),
    row("setex", 4, WRITES, ONE_KEY, |words| values::set_for(words, 1000)),
    row("ttl", 2, READS, ONE_KEY, values::seconds_left),
    row("unlink", -2, WRITES, ALL_KEYS, values::delete),
];

const fn row(
    name: &'static str,
    words: i32,
    writes: bool,
    keys: (i64, i64, i64),
    understand: fn(Words) -> Understood,
) -> Row {
    Row { name, words, writes, keys, understand }
}

/// The command of this name, however it is spelled.
pub fn find(name: &[u8]) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.name.as_bytes().eq_ignore_ascii_case(name))
}

/// What there is, as clients ask for it: by `COMMAND`, `COMMAND COUNT` or `COMMAND INFO`. To
/// `COMMAND DOCS` there is nothing to say.
fn command(mut words: Words) -> Understood {
    let described = |row: &Row| {
        let (first, last, step) = row.keys;
        let kind = if row.writes { "write" } else { "readonly" };
        Reply::List(vec![
            Reply::text(row.name),
            Reply::Number(row.words.into()),
            Reply::List(vec![Reply::text(kind)]),
            Reply::Number(first),
            Reply::Number(last),
            Reply::Number(step),
        ])
    };
    let reply = match words.name().as_deref() {
        None => Reply::List(ROWS.iter().map(described).collect()),
        Some("COUNT") => Reply::Number(i64::try_from(ROWS.len()).unwrap_or(i64::MAX)),
        Some("INFO") => {
            let rows = words.0.map(|name| find(&name).map_or(Reply::Nothing, described));
            Reply::List(rows.collect())
        }
        Some("DOCS") => Reply::Map(Vec::new()),
        Some(_) => return Err(super::SYNTAX.to_owned()),
    };
    Ok(Request::Answer(reply))
}
