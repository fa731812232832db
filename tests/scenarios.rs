//! Every script in `tests/scenarios` leaves the transcript that it holds.
//!
//! `REWRITE=1 cargo test --test scenarios` writes them anew; what a story expects must hold even
//! then.

use std::fs;
use std::path::{Path, PathBuf};

fn scripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let entries = fs::read_dir(folder).expect("the folder of the scenarios");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

#[test]
fn every_story_ends_as_it_is_told() {
    let mut failures = Vec::new();
    let paths = scripts();
    for path in &paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(path).expect("a story's text");
        match raft_simulator::script::run(&text) {
            Ok(told) if told == text => {}
            Ok(told) if std::env::var_os("REWRITE").is_some() => {
                fs::write(path, told).expect("a rewritten story");
            }
            Ok(told) => failures.push(format!("{name}: {}", first_difference(&text, &told))),
            Err(error) => failures.push(format!("{name}: {error}")),
        }
    }
    assert!(failures.is_empty(), "{}\n(REWRITE=1 rewrites transcripts)", failures.join("\n"));
    assert!(paths.len() > 20, "only {} scenarios", paths.len());
}

fn first_difference(text: &str, told: &str) -> String {
    let lines = text.lines().zip(told.lines()).enumerate();
    match lines.into_iter().find(|(_, (before, now))| before != now) {
        Some((number, (before, now))) => {
            format!("line {}\n  was {before}\n  is  {now}", number + 1)
        }
        None => "one is longer than the other".to_owned(),
    }
}

#[test]
fn a_story_that_expects_what_is_not_so_fails() {
    let wrong = ["expect leader 1", "expect 2 commit 1", "expect 3 applied x", "send 9"];
    for line in wrong {
        let error = raft_simulator::script::run(&format!("> found 1 2 3\n> {line}\n"));
        assert!(error.is_err(), "{line} passed");
    }
    let right = "> found 1 2 3\n> expect no leader\n> expect 1 term 0\n";
    assert_eq!(raft_simulator::script::run(right).as_deref(), Ok(right));
}
