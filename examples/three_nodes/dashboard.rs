//! Between the person and the cluster: keys come in, commands go out, and a picture is made of
//! what there is.
//!
//! Whatever waits for an answer does so in a thread of its own, and reports in one line. So the
//! picture stays alive while a command without a quorum waits in vain.

use crate::commands::{COMMANDS, Order, parse};
use crate::load::Load;
use crate::nodes::{Nodes, Outcome, Seen};
use crate::prompt::Prompt;
use crate::screen::{self, LoadView, NodeState, NodeView, Rates, SnapshotView, View};
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use raft_std::{HostStatus, NodeId, RoleName};
use ratatui::Terminal;
use ratatui::backend::Backend;
use std::collections::HashMap;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How many messages are kept.
const MESSAGES_MAX: usize = 200;
/// Over how long datagrams and syncs are counted.
const COUNTED: Duration = Duration::from_secs(1);

/// What the loop is asked for keys with; it may look at what is shown.
pub type NextKey<'a> = dyn FnMut(&View) -> io::Result<Option<KeyEvent>> + 'a;

/// Everything behind the screen.
pub struct Dashboard {
    nodes: Arc<Nodes>,
    prompt: Prompt,
    messages: Vec<String>,
    reporter: Sender<String>,
    reports: Receiver<String>,
    /// The latest load, until it is carried.
    load: Option<Arc<Load>>,
    meter: Meter,
}

impl Dashboard {
    pub fn new(nodes: Nodes) -> Self {
        let (reporter, reports) = channel();
        Self {
            nodes: Arc::new(nodes),
            prompt: Prompt::default(),
            messages: vec!["Three nodes run. Try: set lamp on".to_owned()],
            reporter,
            reports,
            load: None,
            meter: Meter::default(),
        }
    }

    /// Where threads tell what became of their work.
    pub fn reporter(&self) -> Sender<String> {
        self.reporter.clone()
    }

    /// Shows and obeys until somebody quits.
    pub fn run<B>(&mut self, terminal: &mut Terminal<B>, next_key: &mut NextKey<'_>) -> Outcome<()>
    where
        B: Backend<Error: 'static>,
    {
        loop {
            while let Ok(report) = self.reports.try_recv() {
                self.tell(report);
            }
            let view = self.view();
            terminal.draw(|frame| screen::draw(frame, &view))?;
            if let Some(key) = next_key(&view)?
                && self.press(key).is_break()
            {
                return Ok(());
            }
        }
    }

    fn press(&mut self, key: KeyEvent) -> ControlFlow<()> {
        if key.kind == KeyEventKind::Release {
            return ControlFlow::Continue(());
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c' | 'd') if control => return ControlFlow::Break(()),
            KeyCode::Char('u') if control => self.prompt.clear(),
            KeyCode::Char(letter) if !control => self.prompt.push(letter),
            KeyCode::Backspace => self.prompt.erase(),
            KeyCode::Esc => self.prompt.clear(),
            KeyCode::Up => self.prompt.earlier(),
            KeyCode::Down => self.prompt.later(),
            KeyCode::Enter => return self.enter(),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn enter(&mut self) -> ControlFlow<()> {
        let line = self.prompt.enter();
        let line = line.trim();
        if line.is_empty() {
            return ControlFlow::Continue(());
        }
        self.tell(format!("> {line}"));
        match parse(line) {
            Ok(Order::Quit) => return ControlFlow::Break(()),
            Ok(order) => self.obey(order, line),
            Err(words) => self.tell(words),
        }
        ControlFlow::Continue(())
    }

    fn obey(&mut self, order: Order, line: &str) {
        match order {
            Order::Help => {
                for (usage, words) in COMMANDS {
                    self.tell(format!("{usage:16} {words}"));
                }
            }
            Order::Cut(one, other) => self.nodes.weather.cut(one, other),
            Order::Heal => {
                self.nodes.weather.heal();
                self.nodes.weather.lose(0);
            }
            Order::Loss(hundredths) => self.nodes.weather.lose(hundredths),
            Order::Load(_) if self.load.is_some() => self.tell("one load at a time".to_owned()),
            Order::Load(goal) => {
                let load = Arc::new(Load::new(goal));
                self.load = Some(Arc::clone(&load));
                self.work(line, move |nodes| load.carry(nodes));
            }
            order => self.work(line, move |nodes| carry_out(&order, nodes)),
        }
    }

    /// Does something that may take its time, and has it reported.
    fn work(&self, line: &str, work: impl FnOnce(&Nodes) -> Outcome<String> + Send + 'static) {
        let (nodes, reporter, line) = (Arc::clone(&self.nodes), self.reporter(), line.to_owned());
        thread::spawn(move || {
            let report = match work(&nodes) {
                Ok(words) => format!("{line}: {words}"),
                Err(error) => format!("{line}: no, {error}"),
            };
            // Nobody listens any more when everything ends.
            reporter.send(report).ok();
        });
    }

    fn tell(&mut self, message: String) {
        self.messages.push(message);
        let old = self.messages.len().saturating_sub(MESSAGES_MAX);
        self.messages.drain(..old);
    }

    fn view(&mut self) -> View {
        // A load that is carried, or given up, is held by nobody else.
        self.load.take_if(|load| Arc::strong_count(load) == 1);
        let seen = self.nodes.look();
        self.meter.count(&seen, Instant::now());
        let load = self.load.as_ref();
        View {
            nodes: seen.iter().map(|seen| node_view(seen, &self.meter)).collect(),
            weather: self.nodes.weather.words(),
            load: load.map(|load| LoadView { settled: load.settled(), goal: load.goal }),
            messages: self.messages.clone(),
            input: self.prompt.text().to_owned(),
        }
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        // Threads that wait for the nodes hold them too, and are told.
        self.nodes.end();
    }
}

/// What takes its time, in words when it is done.
fn carry_out(order: &Order, nodes: &Nodes) -> Outcome<String> {
    let done = match order {
        Order::Set { key, value } => {
            let (id, replaced) = nodes.set(key, value)?;
            let before = if replaced { "something else before" } else { "new" };
            return Ok(format!("node {} says {value}, {before}", id.0));
        }
        Order::Get { key } => {
            let (id, value) = nodes.get(key)?;
            return Ok(format!("node {} says {}", id.0, value.as_deref().unwrap_or("nothing")));
        }
        Order::Kill(id) => nodes.kill(*id).map(|()| "it is gone"),
        Order::Start(id) => nodes.start(*id).map(|()| "it runs again"),
        Order::Transfer(id) => nodes.transfer(*id).map(|()| "it leads"),
        Order::Add(id) => nodes.add(*id).map(|()| "it votes"),
        Order::Remove(id) => nodes.remove(*id).map(|()| "it is no member any more"),
        other => return Err(format!("{other:?} takes no time").into()),
    };
    done.map(str::to_owned)
}

fn node_view(seen: &Seen, meter: &Meter) -> NodeView {
    let state = match &seen.status {
        None => NodeState::Off,
        Some(Err(why)) => NodeState::Stopped(why.to_string()),
        Some(Ok(status)) => running(status, meter.rates(seen.id)),
    };
    NodeView { id: seen.id.0, address: seen.address.clone(), state }
}

fn running(status: &HostStatus, rates: Rates) -> NodeState {
    let node = &status.node;
    let role = match node.role {
        RoleName::Leader => "leader",
        RoleName::Candidate => "candidate",
        RoleName::PreCandidate => "asking",
        RoleName::Follower if !node.admitted => "newcomer",
        RoleName::Follower => "follower",
    };
    NodeState::Runs {
        role,
        leads: node.role == RoleName::Leader,
        term: node.term.0,
        committed: node.committed.0,
        applied: node.applied.0,
        compacted: node.snapshot.0,
        log_percent: status.log_fill_percent,
        rates,
        snapshot: status.incoming_snapshot.map(|(held, bytes)| SnapshotView { held, bytes }),
    }
}

/// Counts what each node does, over about a second: syncs, and datagrams sent and received.
#[derive(Default)]
struct Meter {
    since: Option<Instant>,
    counts: HashMap<NodeId, [u64; 2]>,
    rates: HashMap<NodeId, Rates>,
}

impl Meter {
    fn count(&mut self, seen: &[Seen], now: Instant) {
        let over = self.since.map(|since| now.duration_since(since));
        if over.is_some_and(|over| over < COUNTED) {
            return;
        }
        let total = |seen: &Seen| {
            let status = seen.status.as_ref()?.as_ref().ok()?;
            let counters = &status.node.counters;
            let datagrams = u64::from(counters.sent) + u64::from(counters.received);
            Some((seen.id, [status.storage.flushes, datagrams]))
        };
        let counts: HashMap<NodeId, [u64; 2]> = seen.iter().filter_map(total).collect();
        if let Some(over) = over {
            // Whoever started again counts from zero.
            let rate = |now: u64, before: u64| {
                (now.saturating_sub(before) as f64 / over.as_secs_f64()).round() as u32
            };
            let rates = |(id, now): (&NodeId, &[u64; 2])| {
                let before = self.counts.get(id)?;
                let (syncs, datagrams) = (rate(now[0], before[0]), rate(now[1], before[1]));
                Some((*id, Rates { syncs, datagrams }))
            };
            self.rates = counts.iter().filter_map(rates).collect();
        }
        (self.since, self.counts) = (Some(now), counts);
    }

    fn rates(&self, id: NodeId) -> Rates {
        self.rates.get(&id).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
