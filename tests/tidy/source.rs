//! A file as the rules see it, and the walk that finds the files.

use crate::code;
use std::{fmt, fs, path::Path};

/// Where the code lives that the strict rules are for.
const CORE: &str = "raft-core/src/";

/// Build products and history: not what anybody wrote here.
const SKIPPED_DIRECTORIES: [&str; 2] = ["target", ".git"];

/// The kinds of files that a rule looks at.
const EXTENSIONS: [&str; 3] = ["rs", "md", "toml"];

/// One file of the repository.
pub struct Source {
    /// From the repository's root, with `/` between its parts.
    pub path: String,
    /// All of it, as written.
    pub text: String,
    /// Its syntax, if this is Rust that parses.
    pub syntax: Option<syn::File>,
    /// Whether its parent module declares it under `#[cfg(test)]`.
    test_only: bool,
}

/// A place that breaks a rule.
pub struct Violation {
    path: String,
    /// Counted from one.
    pub line: usize,
    remedy: String,
}

impl Source {
    /// A file with this text.
    pub fn new(path: &str, text: &str) -> Self {
        let syntax = if path.ends_with(".rs") { syn::parse_file(text).ok() } else { None };
        Self { path: path.into(), text: text.into(), syntax, test_only: false }
    }

    /// A place in this file that breaks a rule, and what to do about it.
    pub fn violation(&self, line: usize, remedy: impl Into<String>) -> Violation {
        Violation { path: self.path.clone(), line, remedy: remedy.into() }
    }

    /// Whether this is Rust, whether or not it parses.
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether the file holds nothing but tests and what serves them.
    pub fn is_test(&self) -> bool {
        self.test_only || self.path.split('/').any(|part| part == "tests")
    }

    /// The path below `raft-core/src/`, for a file that stands there.
    pub fn path_in_core(&self) -> Option<&str> {
        self.path.strip_prefix(CORE)
    }

    /// The syntax of the files that raft-core's own rules are for: its sources, less its tests.
    pub fn core_syntax(&self) -> Option<&syn::File> {
        self.path_in_core().filter(|_| !self.test_only).and(self.syntax.as_ref())
    }

    /// The modules of raft-core that lead to this file, outermost first; none for `lib.rs`.
    pub fn core_modules(&self) -> Vec<String> {
        let stem = self.path_in_core().map_or("", module_stem);
        stem.split('/').filter(|part| !part.is_empty()).map(String::from).collect()
    }

    /// The paths, without extension, of the files that this one declares under `#[cfg(test)]`.
    fn test_modules(&self) -> Vec<String> {
        let items = self.syntax.iter().flat_map(|syntax| &syntax.items);
        let names = items.filter_map(|item| match item {
            syn::Item::Mod(module) if code::is_test_only(&module.attrs) => Some(&module.ident),
            _ => None,
        });
        let home = module_stem(&self.path).trim_end_matches('/');
        names.map(|name| format!("{home}/{name}")).collect()
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.path, self.line, self.remedy)
    }
}

/// Every file below a root that a rule looks at, in the order of their paths.
pub fn tree(root: &Path) -> Vec<Source> {
    let mut paths = Vec::new();
    collect(root, "", &mut paths);
    paths.sort();
    let read = |path: &String| {
        let text = fs::read_to_string(root.join(path));
        Source::new(path, &text.unwrap_or_else(|error| panic!("{path}: {error}")))
    };
    let mut files: Vec<Source> = paths.iter().map(read).collect();
    mark_tests(&mut files);
    files
}

/// Adds the files of one directory, and of those below it, by their paths from the root.
fn collect(root: &Path, directory: &str, paths: &mut Vec<String>) {
    let entries = fs::read_dir(root.join(directory)).expect("a directory of the repository");
    for entry in entries.map(|entry| entry.expect("an entry of the directory")) {
        let name = entry.file_name().into_string().expect("a name in UTF-8");
        let path = format!("{directory}{name}");
        // A link's own kind: what it points to is looked at where it stands, or is not ours.
        let kind = entry.file_type().expect("the kind of an entry");
        if kind.is_dir() && !SKIPPED_DIRECTORIES.contains(&name.as_str()) {
            collect(root, &format!("{path}/"), paths);
        }
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        if kind.is_file() && EXTENSIONS.contains(&extension) {
            paths.push(path);
        }
    }
}

/// Marks the files whose parents declare them under `#[cfg(test)]`, and what stands below those.
fn mark_tests(files: &mut [Source]) {
    let modules: Vec<String> = files.iter().flat_map(Source::test_modules).collect();
    for file in files {
        file.test_only = modules.iter().any(|module| {
            let rest = file.path.strip_prefix(module.as_str());
            rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        });
    }
}

/// A file's path less what names no module: `a/b` for `a/b.rs` and `a/b/mod.rs`.
fn module_stem(path: &str) -> &str {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    match name {
        "lib.rs" | "main.rs" | "mod.rs" => directory,
        _ => path.trim_end_matches(".rs"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_knows_its_modules() {
        let modules = |path| Source::new(path, "").core_modules().join("::");
        assert_eq!(modules("raft-core/src/lib.rs"), "");
        assert_eq!(modules("raft-core/src/log.rs"), "log");
        assert_eq!(modules("raft-core/src/raft/mod.rs"), "raft");
        assert_eq!(modules("raft-core/src/raft/election.rs"), "raft::election");
    }

    #[test]
    fn a_module_declared_for_tests_is_not_core_code() {
        let declaring = "#[cfg(test)]\nmod stories;\nmod slots;\n";
        let mut files = [
            Source::new("raft-core/src/log.rs", declaring),
            Source::new("raft-core/src/log/slots.rs", ""),
            Source::new("raft-core/src/log/stories.rs", ""),
            Source::new("raft-core/src/log/stories/long.rs", ""),
        ];
        mark_tests(&mut files);
        let core = files.each_ref().map(|file| file.core_syntax().is_some());
        assert_eq!(core, [true, true, false, false]);
        let test = files.each_ref().map(Source::is_test);
        assert_eq!(test, [false, false, true, true]);
    }

    #[test]
    fn the_walk_finds_what_was_written_here() {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("walk");
        for path in ["b/a.rs", "b/a.md", "a.toml", "a.txt", "b/target/a.rs", ".git/a.md"] {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let paths = tree(&root).into_iter().map(|file| file.path);
        assert_eq!(paths.collect::<Vec<_>>(), ["a.toml", "b/a.md", "b/a.rs"]);
    }
}
