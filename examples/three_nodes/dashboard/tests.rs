//! The whole dashboard without a terminal: keys go in, and what is shown is waited for.

use super::*;
use ratatui::backend::TestBackend;
use std::path::PathBuf;

/// How long anything may take to be shown, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Files that are gone when the test is over.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// A step of a script: a line to type, and what is to be seen before the next one.
type Step = (&'static str, fn(&View) -> bool);

fn letters(line: &str) -> impl Iterator<Item = KeyEvent> {
    let letters = line.chars().map(KeyCode::Char).chain([KeyCode::Enter]);
    letters.map(KeyEvent::from)
}

fn told(view: &View, words: &str) -> bool {
    view.messages.iter().any(|message| message.contains(words))
}

fn leaders(view: &View) -> usize {
    let leads = |node: &&NodeView| matches!(node.state, NodeState::Runs { leads: true, .. });
    view.nodes.iter().filter(leads).count()
}

/// Types the lines, each when what the one before was to bring about is shown. Quits at the end.
fn play(directory: &str, steps: &[Step]) -> View {
    let name = format!("{directory}-{}", std::process::id());
    let scratch = Scratch(std::env::temp_dir().join(name));
    let mut dashboard = Dashboard::new(Nodes::found(&scratch.0, 0).unwrap());
    let mut terminal = Terminal::new(TestBackend::new(100, 40)).unwrap();
    let mut steps = steps.iter();
    let (mut keys, mut awaited) = (Vec::new().into_iter(), None::<&Step>);
    let (mut since, mut last) = (Instant::now(), View::default());
    let mut next_key = |view: &View| {
        if let Some(key) = keys.next() {
            return Ok(Some(key));
        }
        last = view.clone();
        if let Some((line, seen)) = awaited
            && !seen(view)
        {
            assert!(since.elapsed() < PATIENCE, "after {line:?} it shows {view:#?}");
            thread::sleep(Duration::from_millis(20));
            // Where much else runs, there may be no leader in time: a person would ask again.
            let refused = format!("{line}: no, ");
            if view.messages.last().is_some_and(|message| message.starts_with(&refused)) {
                keys = letters(line).collect::<Vec<_>>().into_iter();
            }
            return Ok(None);
        }
        (awaited, since) = (steps.next(), Instant::now());
        let line = awaited.map_or("quit", |(line, _)| line);
        keys = letters(line).collect::<Vec<_>>().into_iter();
        Ok(None)
    };
    dashboard.run(&mut terminal, &mut next_key).unwrap();
    last
}

#[test]
fn a_person_writes_kills_starts_and_cuts() {
    let last = play(
        "dashboard-faults",
        &[
            ("help", |view| leaders(view) == 1 && told(view, "shows these lines")),
            ("set lamp on", |view| told(view, "set lamp on: node")),
            ("get lamp", |view| told(view, "says on")),
            ("kill 2", |view| view.nodes[1].state == NodeState::Off && leaders(view) == 1),
            ("kill 2", |view| told(view, "kill 2: no, it does not run")),
            ("set door open", |view| told(view, "set door open: node")),
            ("start 2", |view| told(view, "start 2: it runs again")),
            ("cut 1 3", |view| view.weather == "cut between 1 and 3, nothing is lost"),
            ("loss 10%", |view| view.weather.ends_with("10% of datagrams are lost")),
            ("heal", |view| view.weather == "all roads are open, nothing is lost"),
            ("get door", |view| told(view, "says open")),
            ("load 300", |view| told(view, "load 300: 300 values in") && view.load.is_none()),
            ("what", |view| told(view, "there is no command what")),
        ],
    );
    let applied = |node: &NodeView| match node.state {
        NodeState::Runs { applied, .. } => applied,
        _ => 0,
    };
    assert!(last.nodes.iter().all(|node| applied(node) > 0), "{:?}", last.nodes);
}

#[test]
fn a_person_changes_who_leads_and_who_belongs() {
    let last = play(
        "dashboard-members",
        &[
            ("set lamp on", |view| told(view, "set lamp on: node")),
            ("add 4", |view| told(view, "add 4: it votes") && view.nodes.len() == 4),
            ("add 4", |view| told(view, "add 4: no, ")),
            ("transfer 4", |view| told(view, "transfer 4: it leads")),
            ("remove 1", |view| told(view, "remove 1: it is no member") && view.nodes.len() == 3),
            ("start 1", |view| told(view, "start 1: no, it is no member: add it")),
            ("add 1", |view| told(view, "add 1: it votes") && view.nodes.len() == 4),
            ("get lamp", |view| told(view, "says on")),
        ],
    );
    assert_eq!(last.nodes.iter().map(|node| node.id).collect::<Vec<_>>(), [1, 2, 3, 4]);
}

#[test]
fn a_load_goes_on_when_the_leader_is_killed() {
    let last = play(
        "dashboard-load",
        &[
            ("set lamp on", |view| told(view, "set lamp on: node")),
            ("transfer 1", |view| {
                matches!(view.nodes[0].state, NodeState::Runs { leads: true, .. })
            }),
            ("load 100000", |view| view.load.as_ref().is_some_and(|load| load.settled > 0)),
            ("kill 1", |view| told(view, "kill 1: it is gone") && view.load.is_none()),
            ("get load-99", |view| told(view, "says 99999")),
        ],
    );
    assert!(told(&last, "without an answer"), "{:?}", last.messages);
}

#[test]
fn what_snapshots_hold_survives_when_all_are_killed() {
    let compacted = |node: &NodeView| match node.state {
        NodeState::Runs { compacted, .. } => compacted > 0,
        _ => false,
    };
    let last = play(
        "dashboard-snapshots",
        &[
            ("set lamp on", |view| told(view, "set lamp on: node")),
            ("load 5000", |view| told(view, "load 5000: 5000 values in")),
            ("kill 1", |view| told(view, "kill 1: it is gone")),
            ("kill 2", |view| told(view, "kill 2: it is gone")),
            ("kill 3", |view| told(view, "kill 3: it is gone") && leaders(view) == 0),
            ("set lamp off", |view| told(view, "set lamp off: no, no node runs")),
            ("start 1", |view| told(view, "start 1: it runs again")),
            ("start 2", |view| told(view, "start 2: it runs again") && leaders(view) == 1),
            ("get lamp", |view| told(view, "says on")),
            ("get load-99", |view| told(view, "says 4999")),
        ],
    );
    assert!(last.nodes[..2].iter().all(compacted), "{:?}", last.nodes);
}

#[test]
fn keys_edit_the_line_and_end_the_loop() {
    let scratch = Scratch(std::env::temp_dir().join(format!("keys-{}", std::process::id())));
    let mut dashboard = Dashboard::new(Nodes::found(&scratch.0, 0).unwrap());
    for key in letters("heal").chain(letters("loss 3")) {
        assert!(dashboard.press(key).is_continue());
    }
    for (code, text) in [
        (KeyCode::Up, "loss 3"),
        (KeyCode::Up, "heal"),
        (KeyCode::Down, "loss 3"),
        (KeyCode::Backspace, "loss "),
        (KeyCode::Esc, ""),
    ] {
        assert!(dashboard.press(KeyEvent::from(code)).is_continue());
        assert_eq!(dashboard.prompt.text(), text);
    }
    let end = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert!(dashboard.press(end).is_break());
}
