//! What the dashboard looks like: a picture of a [`View`], and nothing that is known elsewhere.
//!
//! Where there is little room, the prompt and the nodes stay longest.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::Line;
use ratatui::widgets::{Cell, Gauge, Paragraph, Row, Table};

/// The keys, as the last line says them.
const KEYS: &str = "Enter runs   Up/Down history   Esc clears   Ctrl-C quits";
/// The commands, as two lines say them.
const COMMANDS: [&str; 2] = [
    "set k v   get k   kill 2   start 2   cut 1 3   heal   loss 10%   load 1000",
    "transfer 3   add 4   remove 1   help   quit",
];
/// What stands before the line that is typed.
const PROMPT: &str = "> ";
const WIDTHS: [Constraint; 10] = [
    Constraint::Length(4),
    Constraint::Length(9),
    Constraint::Length(4),
    Constraint::Length(7),
    Constraint::Length(7),
    Constraint::Length(8),
    Constraint::Length(4),
    Constraint::Length(7),
    Constraint::Length(6),
    Constraint::Min(14),
];

/// All that is shown.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct View {
    pub nodes: Vec<NodeView>,
    /// What the roads are like, in words.
    pub weather: String,
    pub load: Option<LoadView>,
    /// The latest last.
    pub messages: Vec<String>,
    pub input: String,
}

/// One node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeView {
    pub id: u8,
    pub address: String,
    pub state: NodeState,
}

/// What there is to say of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NodeState {
    Off,
    /// It failed, and says why.
    Stopped(String),
    Runs {
        role: &'static str,
        leads: bool,
        term: u32,
        committed: u64,
        applied: u64,
        /// The last entry that is in the snapshot.
        compacted: u64,
        /// Hundredths of the log that are in use.
        log_percent: u32,
        rates: Rates,
        snapshot: Option<SnapshotView>,
    },
}

/// What a node does in a second.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rates {
    pub syncs: u32,
    pub datagrams: u32,
}

/// How much has come of a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SnapshotView {
    pub held: u32,
    pub bytes: u32,
}

/// How far a load is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoadView {
    pub settled: u32,
    pub goal: u32,
}

/// Draws all of it.
pub fn draw(frame: &mut Frame<'_>, view: &View) {
    let rows = u16::try_from(view.nodes.len()).unwrap_or(u16::MAX).saturating_add(1);
    let mut room = frame.area().height;
    let mut take = |lines: u16| {
        let taken = lines.min(room);
        room -= taken;
        Constraint::Length(taken)
    };
    // In the order of what matters most; messages get the rest.
    let (prompt, nodes, weather) = (take(1), take(rows), take(1));
    let bars = bars(view);
    let (progress, keys) = (take(u16::try_from(bars.len()).unwrap_or(u16::MAX)), take(3));
    let parts = [nodes, weather, progress, Constraint::Fill(1), prompt, keys];
    let [nodes, weather, progress, messages, prompt, keys] =
        Layout::vertical(parts).areas(frame.area());
    draw_nodes(frame, nodes, &view.nodes);
    frame.render_widget(Line::from(view.weather.as_str()).dim(), weather);
    let lines = Layout::vertical(bars.iter().map(|_| Constraint::Length(1))).split(progress);
    for (bar, line) in bars.into_iter().zip(lines.iter()) {
        frame.render_widget(bar, *line);
    }
    draw_messages(frame, messages, &view.messages);
    draw_prompt(frame, prompt, &view.input);
    let lines = [KEYS, COMMANDS[0], COMMANDS[1]].map(Line::from);
    frame.render_widget(Paragraph::new(lines.to_vec()).dim(), keys);
}

fn draw_nodes(frame: &mut Frame<'_>, area: Rect, nodes: &[NodeView]) {
    let names = [
        "node", "role", "term", "commit", "applied", "snapshot", "log", "syncs/s", "msgs/s",
        "address",
    ];
    let header = Row::new(names).style(Style::new().bold());
    let table = Table::new(nodes.iter().map(row), WIDTHS).header(header);
    frame.render_widget(table, area);
}

fn row(node: &NodeView) -> Row<'_> {
    let id = node.id.to_string();
    let (cells, color) = match &node.state {
        NodeState::Off => (["off", "", "", "", "", "", "", ""].map(str::to_owned), Color::DarkGray),
        NodeState::Stopped(_) => {
            (["stopped", "", "", "", "", "", "", ""].map(str::to_owned), Color::Red)
        }
        NodeState::Runs {
            role,
            leads,
            term,
            committed,
            applied,
            compacted,
            log_percent,
            rates,
            ..
        } => {
            let color = if *leads { Color::Green } else { Color::Reset };
            let numbers = [u64::from(*term), *committed, *applied, *compacted];
            let [term, committed, applied, compacted] = numbers.map(|it| it.to_string());
            let [syncs, datagrams] = [rates.syncs, rates.datagrams].map(|it| it.to_string());
            let (role, log) = ((*role).to_owned(), format!("{log_percent}%"));
            ([role, term, committed, applied, compacted, log, syncs, datagrams], color)
        }
    };
    let cells = [id].into_iter().chain(cells).map(Cell::from);
    // Why it stopped matters more than where it was.
    let last = match &node.state {
        NodeState::Stopped(why) => why,
        _ => &node.address,
    };
    Row::new(cells.chain([Cell::from(last.as_str())])).style(Style::new().fg(color))
}

/// Whatever takes a while: a load, and snapshots on their way.
fn bars(view: &View) -> Vec<Gauge<'static>> {
    let load = view.load.as_ref();
    let load = load.map(|LoadView { settled, goal }| {
        bar(format!("load {settled} of {goal}"), *settled, *goal)
    });
    let snapshots = view.nodes.iter().filter_map(|node| match node.state {
        NodeState::Runs { snapshot: Some(SnapshotView { held, bytes }), .. } => {
            let label = format!("snapshot for node {}: {held} of {bytes} bytes", node.id);
            Some(bar(label, held, bytes))
        }
        _ => None,
    });
    load.into_iter().chain(snapshots).collect()
}

fn bar(label: String, done: u32, whole: u32) -> Gauge<'static> {
    let share = f64::from(done) / f64::from(whole.max(1));
    Gauge::default()
        .gauge_style(Style::new().fg(Color::Cyan).bg(Color::DarkGray))
        .label(label)
        .ratio(share.clamp(0.0, 1.0))
}

/// As many of the latest lines as there is room for, right above the prompt.
fn draw_messages(frame: &mut Frame<'_>, area: Rect, messages: &[String]) {
    let height = usize::from(area.height);
    // Each message takes a line at least.
    let latest = messages.iter().skip(messages.len().saturating_sub(height));
    let lines: Vec<Line<'_>> = latest.flat_map(|message| broken(message, area.width)).collect();
    let lines = lines[lines.len().saturating_sub(height)..].to_vec();
    let above = area.height.saturating_sub(u16::try_from(lines.len()).unwrap_or(u16::MAX));
    let area = Rect { y: area.y + above, height: area.height - above, ..area };
    frame.render_widget(Paragraph::new(lines), area);
}

/// A message in lines that are no longer than this.
fn broken<'a>(message: &str, width: u16) -> Vec<Line<'a>> {
    let letters: Vec<char> = message.chars().collect();
    let lines = letters.chunks(usize::from(width.max(1)));
    lines.map(|line| Line::from(line.iter().collect::<String>())).collect()
}

/// The end of what is typed, if not all of it fits.
fn draw_prompt(frame: &mut Frame<'_>, area: Rect, input: &str) {
    let line = Line::from(format!("{PROMPT}{input}"));
    let width = u16::try_from(line.width()).unwrap_or(u16::MAX);
    let hidden = width.saturating_sub(area.width.saturating_sub(1));
    frame.render_widget(Paragraph::new(line).scroll((0, hidden)), area);
    if !area.is_empty() {
        frame.set_cursor_position((area.x + (width - hidden).min(area.width - 1), area.y));
    }
}

#[cfg(test)]
mod tests;
