//! A planted bug: what it breaks in words, and which lines of the core it puts in place of which.
//!
//! ```text
//! What it breaks, in one line.
//!
//! More about it, if anything.
//!
//! in raft-core/src/raft/leader.rs
//! - the text to find
//! + what is put in its place
//! ```
//!
//! The text must be there exactly once. How it is broken into lines and indented does not matter,
//! so that a bug outlives a formatter, and the code around it may change.

use std::fs;
use std::path::Path;

/// One bug, and where to plant it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bug {
    /// What its file is called.
    pub name: String,
    /// What it breaks.
    pub words: String,
    /// Every place, each in its file.
    pub edits: Vec<Edit>,
}

/// One text in the place of another.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Edit {
    /// The file, from the root of the workspace.
    pub path: String,
    find: String,
    put: String,
}

impl Bug {
    /// Reads every bug of a folder, or those with these names.
    pub fn read_all(folder: &Path, names: &[String]) -> Result<Vec<Self>, String> {
        let entries = fs::read_dir(folder).map_err(|error| format!("{folder:?}: {error}"))?;
        let mut bugs = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| error.to_string())?.path();
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            if names.is_empty() || names.iter().any(|each| *each == name) {
                let text = fs::read_to_string(&path).map_err(|e| format!("{path:?}: {e}"))?;
                bugs.push(Self::parse(&name, &text)?);
            }
        }
        bugs.sort_by(|one, other| one.name.cmp(&other.name));
        let unknown = names.iter().find(|name| bugs.iter().all(|bug| bug.name != **name));
        match unknown {
            Some(name) => Err(format!("there is no {name}.txt in {folder:?}")),
            None => Ok(bugs),
        }
    }

    /// Takes a bug's file apart.
    pub fn parse(name: &str, text: &str) -> Result<Self, String> {
        let wrong = |line: &str, what: &str| Err(format!("{name}.txt: {what}: {line}"));
        let words = text.lines().next().unwrap_or_default().to_owned();
        let mut edits: Vec<Edit> = Vec::new();
        for line in text.lines().skip(1) {
            if let Some(path) = line.strip_prefix("in ").filter(|path| path.ends_with(".rs")) {
                edits.push(Edit { path: path.to_owned(), ..Edit::default() });
                continue;
            }
            let Some(sign @ ('-' | '+')) = line.chars().next() else { continue };
            let Some(edit) = edits.last_mut() else { return wrong(line, "in which file?") };
            if sign == '-' && !edit.put.is_empty() {
                return wrong(line, "another text to find needs its own `in`");
            }
            let side = if sign == '-' { &mut edit.find } else { &mut edit.put };
            side.push_str(&line[1..]);
            side.push('\n');
        }
        let unusable = |edit: &Edit| edit.find.trim().is_empty() || edit.put.trim().is_empty();
        if words.is_empty() || edits.is_empty() || edits.iter().any(unusable) {
            return wrong("", "needs words, a file, lines to find and lines to put there");
        }
        Ok(Self { name: name.to_owned(), words, edits })
    }
}

impl Edit {
    /// The text with this in it.
    pub fn apply(&self, text: &str) -> Result<String, String> {
        let places = places(text, &self.find);
        match places[..] {
            [(begin, end)] => Ok([&text[..begin], self.put.trim(), &text[end..]].concat()),
            _ => {
                let (found, path, find) = (places.len(), &self.path, self.find.trim());
                Err(format!("{path}: must be there once, is there {found} times:\n{find}"))
            }
        }
    }
}

/// Where a text stands in another, line breaks and indentation aside: first byte and last.
fn places(text: &str, find: &str) -> Vec<(usize, usize)> {
    let (find, _) = squeeze(find.trim());
    let (squeezed, offsets) = squeeze(text);
    let found = squeezed.match_indices(&find);
    found.map(|(at, _)| (offsets[at], offsets[at + find.len() - 1] + 1)).collect()
}

/// A text with single spaces only, and where each of its bytes stood.
fn squeeze(text: &str) -> (String, Vec<usize>) {
    let (mut squeezed, mut offsets) = (String::new(), Vec::new());
    for (offset, character) in text.char_indices() {
        let is_space = character.is_whitespace();
        if !(is_space && squeezed.ends_with(' ')) {
            squeezed.push(if is_space { ' ' } else { character });
            let bytes = if is_space { 1 } else { character.len_utf8() };
            offsets.extend(offset..offset + bytes);
        }
    }
    (squeezed, offsets)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Counts badly.\n\nFor long.\n\nin a.rs\n- count(\n-  one)\n+ count(two)\n";

    #[test]
    fn a_bug_is_planted_whatever_the_layout() {
        let bug = Bug::parse("counts", TEXT).expect("a bug");
        assert_eq!((bug.words.as_str(), bug.edits.len()), ("Counts badly.", 1));
        let planted = bug.edits[0].apply("é;\n    count(\n        one) ;\n").expect("planted");
        assert_eq!(planted, "é;\n    count(two) ;\n");
    }

    #[test]
    fn a_text_that_is_not_there_exactly_once_is_an_error() {
        let edit = &Bug::parse("counts", TEXT).expect("a bug").edits[0];
        assert!(edit.apply("count( two)").unwrap_err().contains("0 times"));
        assert!(edit.apply("count( one) count( one)").unwrap_err().contains("2 times"));
    }

    #[test]
    fn a_file_that_says_too_little_is_an_error() {
        for text in ["", "Words.\n", "Words.\n- a\n+ b\n", "Words.\nin a.rs\n- a\n"] {
            assert!(Bug::parse("name", text).is_err(), "{text}");
        }
        let twice = "Words.\nin a.rs\n- a\n+ b\n- c\n+ d\n";
        assert!(Bug::parse("name", twice).is_err(), "two places, one file line");
    }

    #[test]
    fn every_planted_bug_fits_the_sources() {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let bugs = Bug::read_all(&package.join("planted"), &[]).expect("bugs");
        assert!(bugs.len() >= 38, "only {} bugs", bugs.len());
        let mut misfits = Vec::new();
        for bug in &bugs {
            for edit in &bug.edits {
                let text = fs::read_to_string(package.join("../..").join(&edit.path));
                let planted = text.map_err(|e| e.to_string()).and_then(|text| edit.apply(&text));
                misfits.extend(planted.err().map(|error| format!("{}: {error}", bug.name)));
            }
        }
        assert!(misfits.is_empty(), "{}", misfits.join("\n"));
    }
}
