//! One trial: a cluster, clients, harm, and whether what the clients saw could be.

use crate::harm::{Harm, Tally};
use crate::history::{Complaint, check};
use crate::load::{Lie, Load, Seen};
use crate::processes::{Processes, Recipe};
use crate::proxy::{Passed, Proxy};
use crate::watch::Watch;
use raft_simulator::random::Random;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What is tried.
#[derive(Clone, Debug)]
pub struct Trial {
    /// What is done to nodes.
    pub kind: Kind,
    /// What is drawn.
    pub seed: u64,
    /// For how long.
    pub time: Duration,
    /// How many clients there are.
    pub clients: u32,
    /// Whether reads are served under leases.
    pub leases: bool,
    /// What one client is to lie about.
    pub plant: Option<Lie>,
    /// How nodes are started.
    pub recipe: Recipe,
}

/// What is done to nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// They are killed, and started again.
    Kill,
    /// Datagrams between them are lost, delayed, doubled and reordered, and some ways are cut.
    Proxy,
    /// They are stopped, and go on, and some are cut off meanwhile.
    Stop,
}

/// What came of a trial.
#[derive(Debug)]
pub struct Report {
    /// Requests that were answered.
    pub answered: u64,
    /// What clients saw.
    pub seen: Seen,
    /// In how many terms somebody led.
    pub leaders: usize,
    /// What was done.
    pub tally: Tally,
    /// What became of datagrams, where there was a proxy.
    pub passed: Option<Passed>,
    /// How long it took to find an order.
    pub checked: Duration,
    /// Why the history is impossible, if it is.
    pub complaint: Option<Complaint>,
}

/// Why a trial did not pass.
#[derive(Debug)]
pub struct Failed {
    /// What is wrong.
    pub why: String,
    /// Where to look: what each node said and kept, and the history of the key in question.
    pub evidence: Option<PathBuf>,
}

/// So little memory for the log that snapshots are taken all the time, and so little patience that
/// some commands are given up.
const ALWAYS: [&str; 2] = ["--log-bytes=262144", "--patience=1000"];
/// Clocks of one machine are the same; this is a share of the lease that is given up all the same.
const LEASE: &str = "--lease-drift=20";

impl Trial {
    /// Tries it. It fails, too, if nothing was tried.
    pub fn run(&self) -> Result<Report, Failed> {
        let mut recipe = self.recipe.clone().say(&ALWAYS);
        if self.leases {
            recipe = recipe.say(&[LEASE]);
        }
        let cluster = Processes::prepare(recipe);
        let mut cluster = cluster.map_err(|error| Failed::without_evidence(&error))?;
        let report = self.run_with(&mut cluster).map_err(|error| error.to_string());
        let why = match &report {
            Err(words) => Some(words.clone()),
            Ok(report) => self.objection(report),
        };
        let Some(why) = why else { return report.map_err(|why| Failed { why, evidence: None }) };
        let evidence = cluster.keep_files();
        if let (Ok(report), Some(directory)) = (&report, &evidence) {
            let written = std::fs::write(directory.join("history"), report.history_in_question());
            written.map_err(|error| Failed::without_evidence(&error))?;
        }
        Err(Failed { why, evidence })
    }

    fn run_with(&self, cluster: &mut Processes) -> io::Result<Report> {
        let proxied = self.kind != Kind::Kill;
        let proxy = proxied.then(|| Proxy::begin(cluster, self.seed)).transpose()?;
        cluster.begin()?;
        let watch = Watch::begin(cluster);
        let load = Load::begin(cluster, self.clients, self.seed, self.plant, self.time);
        let until = Instant::now() + self.time;
        let random = Random::new(self.seed, 1);
        let mut harm = Harm { cluster, watch: &watch, random, until, tally: Tally::default() };
        match &proxy {
            None => harm.kill_again_and_again()?,
            Some(proxy) if self.kind == Kind::Stop => harm.stop_again_and_again(proxy)?,
            Some(proxy) => harm.change_weather_again_and_again(proxy)?,
        }
        let tally = harm.tally;
        let answered = load.answered();
        // What is remembered is on the disks.
        for id in cluster.ids() {
            cluster.kill(id)?;
        }
        cluster.run_all()?;
        let seen = load.end(cluster)?;
        let begun = Instant::now();
        let complaint = check(&seen.history).err();
        Ok(Report {
            answered,
            seen,
            leaders: watch.leaders().map_err(io::Error::other)?,
            tally,
            passed: proxy.map(|proxy| proxy.passed()),
            checked: begun.elapsed(),
            complaint,
        })
    }

    /// What is wrong with what came of it.
    fn objection(&self, report: &Report) -> Option<String> {
        let complaint = report.complaint.as_ref();
        if let Some(odd) = report.seen.odd.first() {
            return Some(format!("{} answers are odd, the first: {odd}", report.seen.odd.len()));
        }
        match (self.plant, complaint) {
            (None, Some(complaint)) => return Some(complaint.to_string()),
            (Some(lie), None) => return Some(format!("a lie was told and not found: {lie:?}")),
            (Some(_), Some(Complaint::Undecided { .. })) => {
                return complaint.map(ToString::to_string);
            }
            _ => {}
        }
        let Tally { kills, stops, weathers, .. } = report.tally;
        let done = match self.kind {
            Kind::Kill => kills,
            Kind::Proxy => weathers,
            Kind::Stop => stops,
        };
        let enough = report.answered >= 100 && done >= 1;
        (!enough).then(|| format!("too little was tried: {report}"))
    }
}

impl Report {
    /// Everything that clients saw of the key that is complained of.
    fn history_in_question(&self) -> String {
        let key = match &self.complaint {
            Some(Complaint::Unlinearizable { key, .. } | Complaint::Undecided { key, .. }) => *key,
            None => return String::new(),
        };
        let history = self.seen.history.iter();
        let mut history: Vec<_> = history.filter(|operation| operation.key == key).collect();
        history.sort_by_key(|operation| operation.invoked);
        let lines = history.iter().map(|operation| format!("{operation}\n"));
        format!("key-{key}; ticks are microseconds\n{}", lines.collect::<String>())
    }
}

impl Failed {
    fn without_evidence(error: &io::Error) -> Self {
        Self { why: error.to_string(), evidence: None }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Seen { refused, unknown, .. } = &self.seen;
        let Tally { kills, blackouts, stops, weathers } = self.tally;
        writeln!(formatter, "operations answered   {}", self.answered)?;
        writeln!(formatter, "refused               {refused}")?;
        writeln!(formatter, "of unknown outcome    {unknown}")?;
        writeln!(formatter, "nodes killed          {kills}")?;
        writeln!(formatter, "nodes stopped         {stops}")?;
        writeln!(formatter, "all at once           {blackouts}")?;
        if let Some(Passed { passed, late, lost }) = self.passed {
            writeln!(formatter, "changes of weather    {weathers}")?;
            writeln!(formatter, "datagrams             {passed}, {late} late; {lost} lost")?;
        }
        writeln!(formatter, "leaders               {}", self.leaders)?;
        write!(formatter, "looked for an order   {:.1} s", self.checked.as_secs_f64())
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.why)?;
        match &self.evidence {
            Some(evidence) => write!(formatter, "\nevidence is in {}", evidence.display()),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failed {}
