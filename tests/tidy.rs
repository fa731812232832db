//! The house rules, held over every file of the repository.
//!
//! A rule looks at one file and says what to do about each place that breaks it. Beside each rule
//! stands a test that plants a violation, because a check that never fails checks nothing.
//!
//! * `tidy/source.rs`: a file as the rules see it, and the walk that finds the files
//! * `tidy/code.rs`: what a build without tests contains of a file, node by node
//! * `tidy/shape.rs`: how any file is laid out
//! * `tidy/freestanding.rs`: what raft-core does without: allocator, panics, lossy casts, `unsafe`
//! * `tidy/layers.rs`: which module of raft-core may use which

#[path = "tidy/code.rs"]
mod code;
#[path = "tidy/freestanding.rs"]
mod freestanding;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/shape.rs"]
mod shape;
#[path = "tidy/source.rs"]
mod source;

use source::{Source, Violation};
use std::path::Path;

/// The files that a rule leaves alone, each with its reason. One that is not needed is a violation.
const EXEMPT: &[Exemption] = &[];

/// A name to exempt by, and the rule itself.
type Rule = (&'static str, fn(&Source) -> Vec<Violation>);

/// Every rule there is.
const RULES: &[Rule] = &[
    ("parses", shape::parses),
    ("line_length", shape::line_length),
    ("file_length", shape::file_length),
    ("function_length", shape::function_length),
    ("module_doc", shape::module_doc),
    ("nothing_left_open", shape::nothing_left_open),
    ("no_allocator", freestanding::no_allocator),
    ("no_async", freestanding::no_async),
    ("no_panic", freestanding::no_panic),
    ("no_indexing", freestanding::no_indexing),
    ("no_lossy_cast", freestanding::no_lossy_cast),
    ("no_unsafe", freestanding::no_unsafe),
    ("crate_attributes", freestanding::crate_attributes),
    ("layer_order", layers::layer_order),
    ("pure_consensus", layers::pure_consensus),
    ("one_mint", layers::one_mint),
];

/// One file that one rule leaves alone.
struct Exemption {
    path: &'static str,
    rule: &'static str,
    reason: &'static str,
}

impl Exemption {
    /// Whether this is the exemption of a file from a rule.
    fn covers(&self, file: &Source, rule: &str) -> bool {
        self.path == file.path && self.rule == rule
    }

    /// What to say about an exemption that spares nothing.
    fn unneeded(&self) -> String {
        let Self { path, rule, reason } = self;
        format!("{path}:1: keeps to `{rule}` now: drop its exemption from tests/tidy.rs ({reason})")
    }
}

#[test]
fn the_tree_is_tidy() {
    let files = source::tree(Path::new(env!("CARGO_MANIFEST_DIR")));
    // A walk that goes astray would find nothing to object to.
    for path in ["raft-core/src/lib.rs", "tests/tidy.rs"] {
        assert!(files.iter().any(|file| file.path == path), "the walk missed {path}");
    }
    let complaints = complaints(&files, EXEMPT);
    assert!(complaints.is_empty(), "{} to tidy up:\n{}", complaints.len(), complaints.join("\n"));
}

/// What all rules say about the files, exemptions heeded, and what is wrong with the exemptions.
fn complaints(files: &[Source], exempt: &[Exemption]) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut needed = vec![false; exempt.len()];
    for file in files {
        for (rule, check) in RULES {
            let violations = check(file);
            match exempt.iter().position(|exemption| exemption.covers(file, rule)) {
                Some(exemption) => needed[exemption] |= !violations.is_empty(),
                None => complaints.extend(violations.iter().map(|it| format!("{it} [{rule}]"))),
            }
        }
    }
    let unneeded = exempt.iter().zip(needed).filter(|(_, needed)| !needed);
    complaints.extend(unneeded.map(|(exemption, _)| exemption.unneeded()));
    complaints
}

/// The lines at which a rule objects to a text that stands at a path.
fn objections(rule: fn(&Source) -> Vec<Violation>, path: &str, text: &str) -> Vec<usize> {
    rule(&Source::new(path, text)).iter().map(|violation| violation.line).collect()
}

#[test]
fn a_complaint_names_place_remedy_and_rule() {
    let files = [Source::new("examples/lamp.rs", "fn main() {}\n")];
    let complaints = complaints(&files, &[]);
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert!(complaints[0].starts_with("examples/lamp.rs:1: "), "{complaints:?}");
    assert!(complaints[0].ends_with("[module_doc]"), "{complaints:?}");
}

#[test]
fn an_exemption_spares_one_file_from_one_rule() {
    let files = ["examples/door.rs", "examples/lamp.rs"].map(|path| Source::new(path, "fn {}"));
    let lamp = Exemption { path: "examples/lamp.rs", rule: "module_doc", reason: "generated" };
    let complaints = complaints(&files, &[lamp]);
    let about = |text: &str| complaints.iter().filter(|it| it.contains(text)).count();
    assert_eq!([about("door.rs"), about("lamp.rs")], [2, 1], "{complaints:?}");
    assert_eq!([about("[module_doc]"), about("[parses]")], [1, 2], "{complaints:?}");
}

#[test]
fn an_exemption_that_spares_nothing_is_a_violation() {
    let files = [Source::new("examples/lamp.rs", "//! A lamp.\n")];
    let lamp = Exemption { path: "examples/lamp.rs", rule: "module_doc", reason: "generated" };
    let gone = Exemption { path: "examples/gone.rs", rule: "module_doc", reason: "generated" };
    assert_eq!(complaints(&files, &[lamp, gone]).len(), 2);
}
