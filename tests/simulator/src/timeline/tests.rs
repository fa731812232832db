//! What is put together from moments, and that no word breaks out of the page.

use super::history::{Fate, History, MarkKind, Stretch};
use super::{Cast, Span, json, page};
use crate::trace::{Moment, What};
use raft_core::wire::{self, Datagram, Heartbeat, Message};
use raft_core::{Index, Nonce, RoleName, Round, Term};

fn cast() -> Cast {
    Cast {
        seed: 7,
        nodes: vec![1, 2, 5],
        ticks: 100,
        headline: "one & <all>".to_owned(),
        spans: vec![Span { name: "down", begins: "power fails", ends: "starts", down: true }],
        words: |datagram| format!("term {}: </script> \"quoted\"", datagram.term.0),
    }
}

fn moment(tick: u32, node: u8, what: What) -> Moment {
    Moment { tick, node, what }
}

fn sent(tick: u32, node: u8, letter: u32, to: u8) -> Moment {
    let message =
        Message::Heartbeat(Heartbeat { round: Round(1), committed: Index(0), quiet_ticks: 0 });
    let mut bytes = [0; 64];
    let length =
        wire::encode(&Datagram { nonce: Nonce::FOUNDER, term: Term(3), message }, &mut bytes)
            .expect("room");
    moment(tick, node, What::Sent { letter, to, bytes: bytes[..length].to_vec() })
}

fn fault(tick: u32, node: u8, words: &str) -> Moment {
    moment(tick, node, What::Fault { words: words.to_owned() })
}

#[test]
fn a_datagram_arrives_or_is_lost_or_is_on_its_way() {
    let moments = [
        sent(5, 1, 10, 2),
        sent(5, 1, 11, 5),
        sent(6, 5, 12, 1),
        moment(8, 2, What::Received { letter: 10, from: 1 }),
        moment(9, 1, What::Lost { letter: 11, why: "by chance" }),
    ];
    let history = History::new(&cast(), &moments);
    let seen = history.letters.iter().map(|it| (it.sent, it.from, it.to, it.end));
    assert_eq!(seen.collect::<Vec<_>>(), [(5, 0, 1, 8), (5, 0, 2, 9), (6, 2, 0, 100)]);
    assert_eq!(history.letters[0].fate, Fate::Arrived);
    assert!(matches!(history.letters[1].fate, Fate::Lost(_)));
    assert_eq!(history.letters[2].fate, Fate::OnItsWay);
    assert_eq!(history.lost(), 1);
}

#[test]
fn a_lane_is_one_thing_after_another() {
    let became = |tick, role, term| moment(tick, 2, What::Became { role, term: Term(term) });
    let moments = [
        became(10, RoleName::Candidate, 1),
        became(20, RoleName::Leader, 1),
        fault(30, 2, "power fails, nothing kept"),
        fault(40, 2, "starts"),
        became(40, RoleName::Follower, 1),
    ];
    let history = History::new(&cast(), &moments);
    let stretch = |begin, end, role, term| Stretch { lane: 1, begin, end, role, term: Term(term) };
    let lane: Vec<Stretch> = history.stretches.into_iter().filter(|it| it.lane == 1).collect();
    assert_eq!(
        lane,
        [
            stretch(0, 10, RoleName::Follower, 0),
            stretch(10, 20, RoleName::Candidate, 1),
            stretch(20, 30, RoleName::Leader, 1),
            stretch(30, 100, RoleName::Follower, 1),
        ]
    );
    let spans = history.spans.iter().map(|it| (it.lane, it.begin, it.end, it.down));
    assert_eq!(spans.collect::<Vec<_>>(), [(1, 30, 40, true)]);
    assert_eq!(history.marks.len(), 2, "a fault is a mark, too");
}

#[test]
fn trouble_that_does_not_end_lasts_to_the_end() {
    let history = History::new(&cast(), &[fault(30, 5, "power fails"), fault(40, 1, "starts")]);
    let spans = history.spans.iter().map(|it| (it.lane, it.begin, it.end));
    assert_eq!(spans.collect::<Vec<_>>(), [(2, 30, 100)]);
}

#[test]
fn everything_else_is_a_mark() {
    let index = Index(4);
    let command = || "put 1".to_owned();
    let moments = [
        moment(9, 1, What::Broken { words: "log matching".to_owned() }),
        moment(1, 1, What::Proposed { command: command(), outcome: Ok(index) }),
        moment(2, 1, What::Proposed { command: command(), outcome: Err("full".to_owned()) }),
        moment(3, 1, What::Committed { index }),
        moment(4, 1, What::Applied { index, command: command() }),
        moment(5, 1, What::Truncated { index }),
    ];
    let history = History::new(&cast(), &moments);
    let kinds: Vec<MarkKind> = history.marks.iter().map(|mark| mark.kind).collect();
    let (before, broken) = (MarkKind::Proposed, MarkKind::Broken);
    use MarkKind::{Applied, Committed, Refused, Truncated};
    assert_eq!(kinds, [before, Refused, Committed, Applied, Truncated, broken]);
}

#[test]
fn the_page_says_how_much_there_is_to_draw() {
    let page = page(&cast(), &[sent(5, 1, 10, 2), fault(30, 5, "power fails")]);
    assert!(page.contains("<html lang=\"en\" data-lanes=\"3\" data-arrows=\"1\" data-lost=\"0\""));
    assert!(page.contains("data-marks=\"1\">") && page.contains("<title>Seed 7 "));
    assert!(!page.contains("{{"), "a place that was not filled");
}

#[test]
fn words_do_not_break_out_of_their_element() {
    let page = page(&cast(), &[sent(5, 1, 10, 2)]);
    let (_, rest) = page.split_once("id=\"data\">").expect("the data");
    let (data, _) = rest.split_once("</script>").expect("its end");
    assert!(data.contains("\\u003c/script\\u003e \\\"quoted\\\""), "{data}");
    assert!(data.ends_with("]}"), "{data}");
    assert_eq!(json::string("a\\\n\u{2028}é"), "\"a\\\\\\u000a\\u2028é\"");
}
