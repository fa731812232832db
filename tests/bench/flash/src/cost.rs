//! What records cost in flash, and the table of it.

use crate::mock::Mock;
use crate::ours::{self, ReadBack};
use crate::sequential::{self, Queue};
use crate::{SECTORS, callgrind};

/// How many records are written.
pub const RECORDS: u64 = 10_000;
/// Instructions are counted between these two.
const FEW_RECORDS: u64 = 2_000;

/// What records cost, each of them if nothing else is said.
#[derive(Clone, Copy, Default)]
pub struct Cost {
    pub programmed_bytes: f64,
    pub programs: f64,
    pub erases_per_thousand: f64,
    /// The most and the least worn sector.
    pub wear: [u32; 2],
    pub read_bytes: f64,
    pub append_read_bytes: f64,
    pub append_erases: f64,
    /// Each copy of a ballot.
    pub ballot_bytes: Option<f64>,
    pub start: Start,
    /// Erases for each of many starts, with those ahead after it: of all sectors, and of the one
    /// that is erased most.
    pub start_wear: Option<[f64; 2]>,
}

/// What a start costs, all of it.
#[derive(Clone, Copy, Default)]
pub struct Start {
    pub read_bytes: u64,
    pub programmed_bytes: u64,
    pub erases: u64,
}

impl Start {
    /// What was done to a flash between its beginning and its end.
    pub fn between(begin: &Mock, end: &Mock) -> Self {
        Self {
            read_bytes: end.read_bytes - begin.read_bytes,
            programmed_bytes: end.programmed_bytes - begin.programmed_bytes,
            erases: end.erases - begin.erases,
        }
    }
}

impl Cost {
    /// What was done to a flash; wear is looked at in those of its sectors that records go to.
    pub fn between(begin: &Mock, end: &Mock, others: usize) -> Self {
        let each = |end: u64, begin: u64| (end - begin) as f64 / RECORDS as f64;
        let worn = &end.sector_erases[others..];
        let read_bytes = each(end.read_bytes, begin.read_bytes);
        let erases = each(end.erases, begin.erases);
        Self {
            programmed_bytes: each(end.programmed_bytes, begin.programmed_bytes),
            programs: each(end.programs, begin.programs),
            erases_per_thousand: 1000.0 * erases,
            wear: [worn.iter().max(), worn.iter().min()].map(|it| it.copied().unwrap_or_default()),
            read_bytes,
            append_read_bytes: read_bytes,
            append_erases: erases,
            ..Self::default()
        }
    }
}

/// What is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subject {
    /// `FlashStorage`.
    Ours,
    /// The same, where everything is read back that is programmed.
    Verified,
    /// The queue of sequential-storage, where old records give way.
    Queue,
    /// The same, where records are popped.
    PoppedQueue,
    /// Its map.
    Map,
}

impl Subject {
    /// Every one.
    pub const ALL: [Self; 5] =
        [Self::Ours, Self::Verified, Self::Queue, Self::PoppedQueue, Self::Map];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ours => "flash",
            Self::Verified => "flash-verified",
            Self::Queue => "queue",
            Self::PoppedQueue => "queue-popped",
            Self::Map => "map",
        }
    }

    /// What stands above its column.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Ours => "`FlashStorage`",
            Self::Verified => "`.verified()`",
            Self::Queue => "queue",
            Self::PoppedQueue => "popped queue",
            Self::Map => "map",
        }
    }

    /// Writes so many records and does nothing else.
    pub fn run(self, records: u64) {
        match self {
            Self::Ours => ours::run(ReadBack::Never, records),
            Self::Verified => ours::run(ReadBack::Always, records),
            Self::Queue => drop(sequential::run_queue(Queue::Overwrites, records)),
            Self::PoppedQueue => drop(sequential::run_queue(Queue::Pops, records)),
            Self::Map => drop(sequential::run_map(records)),
        }
    }

    /// What is done to its flash.
    pub fn cost(self) -> Cost {
        match self {
            Self::Ours => ours::cost(ReadBack::Never),
            Self::Verified => ours::cost(ReadBack::Always),
            Self::Queue => sequential::queue_cost(Queue::Overwrites),
            Self::PoppedQueue => sequential::queue_cost(Queue::Pops),
            Self::Map => sequential::map_cost(),
        }
    }

    /// The instructions for a record.
    pub fn instructions(self) -> Result<f64, String> {
        callgrind::instructions_each(self.name(), FEW_RECORDS, RECORDS)
    }
}

/// A row of the table: what it is about, and what there is to say of each subject.
type Row = (&'static str, fn(&Cost) -> String);

/// What hangs on nothing but the code that is compared.
const ROWS: [Row; 13] = [
    ("bytes programmed, an entry", |it| format!("{:.1}", it.programmed_bytes)),
    ("program operations, an entry", |it| format!("{:.2}", it.programs)),
    ("erases, 1,000 entries", |it| format!("{:.1}", it.erases_per_thousand)),
    ("erases of the most and the least worn sector", |it| {
        format!("{}, {}", it.wear[0], it.wear[1])
    }),
    ("bytes read while an entry is written", |it| format!("{:.1}", it.append_read_bytes)),
    ("bytes read, an entry, erasing ahead too", |it| format!("{:.1}", it.read_bytes)),
    ("erases while entries are written", |it| format!("{:.0}", it.append_erases * RECORDS as f64)),
    ("bytes programmed, a ballot, each copy", |it| {
        it.ballot_bytes.map_or("-".to_string(), |bytes| format!("{bytes:.1}"))
    }),
    ("bytes read, a start", |it| it.start.read_bytes.to_string()),
    ("bytes programmed, a start", |it| it.start.programmed_bytes.to_string()),
    ("erases, a start", |it| it.start.erases.to_string()),
    ("erases, each of many starts, with those ahead", |it| {
        it.start_wear.map_or("-".to_string(), |[erases, _]| format!("{erases:.2}"))
    }),
    ("starts until a sector was erased 10,000 times", |it| {
        it.start_wear.map_or("-".to_string(), |[_, most]| format!("{:.0}", 10_000.0 / most))
    }),
];
const INSTRUCTIONS: &str = "instructions, an entry (x86-64)";

/// The table, line by line, with these instructions in its last one.
pub fn table(costs: &[Cost], instructions: &[f64]) -> Vec<String> {
    let line = |label: &str, cells: Vec<String>| format!("| {label} | {} |", cells.join(" | "));
    let titles = Subject::ALL.map(|it| it.title().to_string()).to_vec();
    let mut lines = vec![line("", titles), line("---", vec!["---:".to_string(); costs.len()])];
    for (label, cell) in ROWS {
        lines.push(line(label, costs.iter().map(cell).collect()));
    }
    let cells = instructions.iter().map(|count| format!("{count:.0}")).collect();
    lines.push(line(INSTRUCTIONS, cells));
    lines
}

/// Prints the table, and then what budgets are held against, one a line.
pub fn print() -> Result<(), String> {
    callgrind::expect_release()?;
    let costs = Subject::ALL.map(Subject::cost);
    let instructions: Result<Vec<f64>, String> =
        Subject::ALL.into_iter().map(Subject::instructions).collect();
    let instructions = instructions?;
    table(&costs, &instructions).iter().for_each(|line| println!("{line}"));
    let [ours, verified, queue, ..] = instructions[..] else { unreachable!("one for each") };
    let [cost, ..] = costs;
    let flash_bytes = (SECTORS * crate::mock::SECTOR_BYTES) as f64;
    for (name, value) in [
        ("flash_entry_bytes", cost.programmed_bytes),
        ("flash_erases_per_thousand", cost.erases_per_thousand),
        ("flash_wear_spread", f64::from(cost.wear[0] - cost.wear[1])),
        ("flash_append_read_bytes", cost.append_read_bytes),
        ("flash_append_erases", cost.append_erases),
        ("flash_ballot_bytes", cost.ballot_bytes.unwrap_or(f64::NAN)),
        ("flash_start_reads", cost.start.read_bytes as f64 / flash_bytes),
        ("flash_start_erases", cost.start_wear.map_or(f64::NAN, |[erases, _]| erases)),
        ("flash_append_to_queue", ours / queue),
        ("flash_verified_to_append", verified / ours),
    ] {
        println!("{name} = {value}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{env, fs};

    #[test]
    fn the_docs_have_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../raft-core/src/flash/cost.md");
        let docs = fs::read_to_string(path).unwrap();
        let is_row = |line: &&str| line.starts_with('|');
        let rows: Vec<&str> = docs.lines().filter(is_row).collect();
        let mut expected = table(&Subject::ALL.map(Subject::cost), &[0.0; Subject::ALL.len()]);
        // What instructions come to hangs on the compiler: see `flash_append_to_queue` in
        // tests/budgets.toml.
        let counted = expected.pop().unwrap();
        let counts = rows.iter().find(|row| row.starts_with(&format!("| {INSTRUCTIONS} |")));
        expected.push(counts.map_or(counted, |row| row.to_string()));
        if env::var_os("REWRITE").is_some() {
            let (before, rest) = docs.split_once("\n|").unwrap();
            let after = rest.lines().skip_while(|line| line.contains('|')).collect::<Vec<_>>();
            let table = expected.join("\n");
            fs::write(path, format!("{before}\n{table}\n{}\n", after.join("\n"))).unwrap();
            return;
        }
        let hint = "`REWRITE=1 cargo test -p raft-bench-flash` takes over what is measured now";
        assert_eq!(rows, expected, "{hint}");
    }
}
