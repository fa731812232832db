//! What stands on a screen, for what there is to show.

use super::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::Position;

fn sample() -> View {
    let runs = |role, leads, applied| NodeState::Runs {
        role,
        leads,
        term: 2,
        committed: 1041,
        applied,
        compacted: 900,
        log_percent: 17,
        rates: Rates { syncs: 41, datagrams: 83 },
        snapshot: None,
    };
    let node = |id: u8, state| {
        let address = format!("127.0.0.1:800{}", id - 1);
        NodeView { id, address, state }
    };
    View {
        nodes: vec![
            node(1, runs("leader", true, 1041)),
            node(2, NodeState::Off),
            node(3, runs("follower", false, 1040)),
            node(4, NodeState::Stopped("no room".to_owned())),
        ],
        weather: "all roads are open, nothing is lost".to_owned(),
        load: None,
        messages: vec!["> kill 2".to_owned(), "kill 2: it is gone".to_owned()],
        input: "get lamp".to_owned(),
    }
}

/// The lines of a screen of this size, without what is blank at their ends.
fn lines(view: &View, width: u16, height: u16) -> Vec<String> {
    let terminal = drawn(view, width, height);
    let cells = terminal.backend().buffer().content();
    let row = |row: &[ratatui::buffer::Cell]| row.iter().map(|cell| cell.symbol()).collect();
    let rows = cells.chunks(usize::from(width)).map(row);
    rows.map(|row: String| row.trim_end().to_owned()).collect()
}

fn drawn(view: &View, width: u16, height: u16) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, view)).unwrap();
    terminal
}

#[test]
fn everything_stands_in_its_place() {
    let expected = [
        "node role      term commit  applied snapshot log  syncs/s msgs/s address",
        "1    leader    2    1041    1041    900      17%  41      83     127.0.0.1:8000",
        "2    off                                                         127.0.0.1:8001",
        "3    follower  2    1041    1040    900      17%  41      83     127.0.0.1:8002",
        "4    stopped                                                     no room",
        "all roads are open, nothing is lost",
        "",
        "> kill 2",
        "kill 2: it is gone",
        "> get lamp",
        KEYS,
        COMMANDS[0],
        COMMANDS[1],
    ];
    assert_eq!(lines(&sample(), 80, 13), expected);
}

#[test]
fn a_load_has_a_bar_of_its_length() {
    let view = View { load: Some(LoadView { settled: 250, goal: 1000 }), ..sample() };
    let terminal = drawn(&view, 80, 14);
    let buffer = terminal.backend().buffer();
    let row: String = (0..80).map(|x| buffer[(x, 6)].symbol()).collect();
    assert!(row.contains("load 250 of 1000"), "{row}");
    assert_eq!(row.chars().take_while(|letter| *letter == '█').count(), 20, "{row}");
}

#[test]
fn a_snapshot_on_its_way_has_a_bar_too() {
    let mut view = View { load: Some(LoadView { settled: 1, goal: 2 }), ..sample() };
    if let NodeState::Runs { snapshot, .. } = &mut view.nodes[2].state {
        *snapshot = Some(SnapshotView { held: 300, bytes: 1200 });
    }
    let lines = lines(&view, 80, 15);
    assert!(lines[6].contains("load 1 of 2"), "{lines:?}");
    assert!(lines[7].contains("snapshot for node 3: 300 of 1200 bytes"), "{lines:?}");
    assert_eq!(lines[7].chars().take_while(|letter| *letter == '█').count(), 20, "{lines:?}");
}

#[test]
fn the_latest_messages_are_shown() {
    let messages = (0..50).map(|number| format!("message {number}")).collect();
    let lines = lines(&View { messages, ..sample() }, 80, 13);
    assert_eq!(lines[6..10], ["message 47", "message 48", "message 49", "> get lamp"]);
}

#[test]
fn a_long_message_takes_several_lines() {
    let messages = vec!["first".to_owned(), format!("{}end", "x".repeat(98))];
    let lines = lines(&View { messages, ..sample() }, 40, 13);
    let full = "x".repeat(40);
    assert_eq!(lines[6..9], [full.as_str(), full.as_str(), "xxxxxxxxxxxxxxxxxxend"]);
}

#[test]
fn the_end_of_a_long_line_is_shown_and_the_cursor_behind_it() {
    let input = format!("set lamp {}end", "x".repeat(200));
    let view = View { input, ..sample() };
    assert!(lines(&view, 40, 13)[9].ends_with("xxxend"));
    assert_eq!(lines(&view, 40, 13)[9].len(), 39);
    drawn(&view, 40, 13).backend_mut().assert_cursor_position(Position::new(39, 9));
    drawn(&sample(), 40, 13).backend_mut().assert_cursor_position(Position::new(10, 9));
}

#[test]
fn a_small_terminal_keeps_the_prompt_and_then_the_nodes() {
    let view = View { load: Some(LoadView { settled: 0, goal: 0 }), ..sample() };
    assert_eq!(lines(&view, 80, 1), ["> get lamp"]);
    let six = lines(&view, 80, 6);
    assert!(six[0].starts_with("node") && six[4].starts_with("4    stopped"), "{six:?}");
    assert_eq!(six[5], "> get lamp");
}

#[test]
fn no_size_is_too_small() {
    let view = View { load: Some(LoadView { settled: 9, goal: 3 }), ..sample() };
    for width in 0..30 {
        for height in 0..16 {
            drawn(&view, width, height);
            drawn(&View::default(), width, height);
        }
    }
}
