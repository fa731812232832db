//! The log against a plain vector: over every size of entry, and with the end of the ring at every
//! place that an entry can have.

use super::*;
use std::{vec, vec::Vec};

fn log(bytes: usize) -> Log<Vec<u8>> {
    Log::new(vec![0xA5; bytes]).unwrap()
}

fn client(log: &mut Log<Vec<u8>>, term: u32, body: &[u8]) -> Result<Position, AppendError> {
    log.propose(Term(term), Kind::COMMAND, BODY_BYTES_MAX, |room| {
        room.get_mut(..body.len())?.copy_from_slice(body);
        Some(body.len())
    })
}

/// What the log must say, from a model that can't get it wrong.
fn assert_same(log: &Log<Vec<u8>>, model: &[(u32, Vec<u8>)], base: u64) {
    assert_eq!(log.base().index.0, base);
    assert_eq!(log.last().index.0, base + model.len() as u64);
    assert_eq!(log.len() as usize, model.len());
    for (index, (term, body)) in (base + 1..).zip(model) {
        let entry = log.get(Index(index)).unwrap();
        assert_eq!((entry.term.0, entry.body), (*term, &body[..]), "at {index}");
        assert_eq!(log.term(Index(index)), Some(Term(*term)));
    }
    let fill = log.fill_percent();
    assert!(log.is_filled(fill) && (fill == 100 || !log.is_filled(fill + 1)), "{fill}");
    assert_eq!(log.get(Index(base)), None);
    assert_eq!(log.get(log.last().index.next()), None);
}

/// Entries of every size from 0 to 40 bytes, two drops in three steps, and now and then a
/// truncation: the ring's end falls on every byte of an entry.
#[test]
fn ring_wrap_with_entries_of_every_size() {
    for bytes in 700..760 {
        let (mut log, mut model, mut base) = (log(bytes), Vec::new(), 0_u64);
        let mut wraps = 0;
        for step in 0..2000_u32 {
            let tail = log.tail;
            let body = vec![step as u8; (step % 41) as usize];
            let term = 1 + step / 7;
            if client(&mut log, term, &body).is_ok() {
                model.push((term, body));
            } else {
                assert!(!model.is_empty(), "an empty log refused {} bytes", body.len());
            }
            wraps += usize::from(log.tail < tail);
            if step % 11 == 10 {
                let keep = model.len() / 2 + 1;
                model.truncate(keep);
                log.truncate(Index(base + model.len() as u64)).unwrap();
            }
            if step % 3 > 0 && model.len() > 2 {
                let dropped = model.len() / 3 + 1;
                model.drain(..dropped);
                base += dropped as u64;
                log.drop_prefix(Index(base)).unwrap();
            }
            assert_same(&log, &model, base);
        }
        assert!(wraps > 20, "{wraps} wraps");
    }
}

#[test]
fn a_copy_made_of_runs_is_the_same_log() {
    let mut from = log(800);
    for step in 0..200_u32 {
        if client(&mut from, 1 + step / 5, &vec![1; (step % 30) as usize]).is_err() {
            from.drop_prefix(Index(from.base().index.0 + 5)).unwrap();
        }
        for bytes_max in [40, 100, 1000] {
            let mut to = log(1600);
            to.restart_after(from.base());
            while to.last().index < from.last().index {
                let run = from.run(to.last().index.next(), 7, bytes_max).unwrap();
                assert!(!run.is_empty() && run.len() <= 7 && run.bytes().len() <= bytes_max);
                assert_eq!(run.previous_term(), to.last().term);
                let checked = Entries::parse(run.previous_term(), run.bytes()).unwrap();
                assert_eq!(checked, run);
                assert_eq!(to.extend(run), Some(run.len()));
            }
            assert!(from.entries().eq(to.entries()));
        }
    }
}

#[test]
fn a_full_log_keeps_room_for_eight_noops_and_two_configurations() {
    for bytes in 512..600 {
        for size in [0, 3, 9, 30, 71, 130] {
            let mut log = log(bytes);
            if size > log.client_bytes_max() {
                continue;
            }
            // Somewhere in the ring, so that the reserve is also found across its end.
            for _ in 0..(bytes % 7) {
                client(&mut log, 1, &[0; 30]).unwrap();
                log.drop_prefix(log.last().index.previous()).unwrap();
            }
            while client(&mut log, 1, &vec![0; size]).is_ok() {}
            assert_eq!(client(&mut log, 1, &vec![0; size]).err(), Some(AppendError::Full));
            let configuration = [0; CONFIGURATION_BYTES_MAX as usize - 7];
            for term in 0..8_u32 {
                assert!(log.has_room_for_noop());
                log.append(Term(1 + term * 300_000_000), Kind::NOOP, &[]).unwrap();
                if term % 4 == 1 {
                    log.append(log.last().term, Kind::COMMAND, &configuration).unwrap();
                }
            }
        }
    }
}

#[test]
fn too_large_is_told_from_full() {
    let mut log = log(1024);
    let limit = log.client_bytes_max();
    assert_eq!(client(&mut log, 1, &vec![0; limit + 1]), Err(AppendError::TooLarge));
    assert!(client(&mut log, 1, &vec![0; limit]).is_ok());
    assert_eq!(client(&mut log, 1, &vec![0; limit]), Err(AppendError::Full));
    let frame = log.propose(Term(1), Kind::COMMAND, 10, |room| (room.len() > 10).then_some(11));
    assert_eq!(frame, Err(AppendError::TooLarge));
}

#[test]
fn memory_out_of_bounds_is_refused() {
    let unfit = Log::new([0; 511]).err().unwrap();
    assert_eq!(unfit.least_bytes, 512);
    assert!(Log::new([0; 512]).is_ok());
}

#[test]
fn an_index_at_the_limit_is_never_appended() {
    let mut log = log(512);
    log.restart_after(Position { term: Term(1), index: Index(Index::LIMIT.0 - 2) });
    assert!(client(&mut log, 1, b"last").is_ok());
    assert_eq!(client(&mut log, 1, b"beyond"), Err(AppendError::Full));
    assert_eq!(log.last().index.0, Index::LIMIT.0 - 1);
}

#[test]
fn the_last_of_a_term_is_found_in_every_log() {
    let mut log = log(4096);
    log.restart_after(Position { term: Term(2), index: Index(10) });
    for term in [2, 2, 5, 5, 5, 9, 30] {
        log.append(Term(term), Kind::NOOP, &[]).unwrap();
    }
    let found = |term, limit| log.last_at_most(Term(term), Index(limit)).unwrap().0;
    assert_eq!([found(1, 17), found(2, 17), found(4, 17), found(5, 17)], [10, 12, 12, 15]);
    assert_eq!([found(9, 17), found(30, 17), found(30, 99), found(5, 13)], [16, 17, 17, 13]);
}

#[test]
fn a_run_of_no_entries_changes_nothing() {
    let mut log = log(700);
    client(&mut log, 1, b"one").unwrap();
    client(&mut log, 3, b"three").unwrap();
    let before = log.clone();
    assert_eq!(log.extend(Entries::parse(Term(1), &[]).unwrap()), Some(0));
    assert_eq!((log.last(), log.term(Index(1))), (before.last(), Some(Term(1))));
    assert!(log == before);
}
