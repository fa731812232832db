//! Any calls in any order, as many as fit into every run of the tests: `cargo run --release -p
//! raft-flash-trials -- fuzz 100` has more of them.

use proptest::collection::vec;
use proptest::prelude::*;
use raft_flash_trials::boards::BOARDS;
use raft_flash_trials::chip::Mischief;
use raft_flash_trials::fuzz::game::Counts;
use raft_flash_trials::fuzz::{Lie, fuzz_liar, play};

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 150,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn any_calls_do_what_they_say_or_are_refused(input in vec(any::<u8>(), 0..500)) {
        let outcome = play::<4, 1024>(&input, None, &mut Counts::default());
        prop_assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
    }
}

#[test]
fn any_calls_on_any_chip() {
    let mut counts = Counts::default();
    for (seed, board) in BOARDS.iter().filter(|board| !board.is_large()).enumerate() {
        let fuzz = (board.fuzz)(seed as u64, 30);
        assert!(fuzz.failed == 0, "{} failed, as\n{}", fuzz.failed, fuzz.failures.join("\n\n"));
        counts.add(&fuzz.counts);
    }
    println!("{counts:?}");
    assert!(counts.calls > 8000 && counts.refused > 500, "{counts:?}");
    assert!(counts.cuts > 200 && counts.starts > 1000 && counts.told > 5, "{counts:?}");
}

#[test]
fn who_lies_is_caught() {
    use Lie::{Chip, SwallowsWrites};
    let lies = [
        Chip(Mischief::ClearsAnEarlierBit),
        Chip(Mischief::DoesItLater),
        Chip(Mischief::ProgramsTwice),
        Chip(Mischief::SkipsErases),
        Chip(Mischief::ForgetsTheLast),
        SwallowsWrites,
    ];
    for lie in lies {
        let fuzz = fuzz_liar::<4, 1024>(1, 40, Some(lie));
        println!("{lie:?}: {} of {}", fuzz.failed, fuzz.counts.inputs);
        assert!(fuzz.failed > 0, "{lie:?}");
    }
}
