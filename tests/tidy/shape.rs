//! How a file is laid out, whichever crate it is of: lengths, its opening lines, nothing left open.

use crate::code;
use crate::source::{Source, Violation};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// Two files side by side fit a screen.
const MAX_COLUMNS: usize = 100;

/// One idea a file.
const MAX_FILE_LINES: usize = 400;

/// A file of tests may tell a few stories more.
const MAX_TEST_FILE_LINES: usize = 600;

/// A function fits a screen.
const MAX_FUNCTION_LINES: usize = 70;

/// In raft-core a module says why it exists, which takes more than its name once again.
const MIN_CORE_DOC_LINES: usize = 2;

/// What needs more lines than this belongs into ARCHITECTURE.md.
const MAX_CORE_DOC_LINES: usize = 14;

/// What says that something was left for later. Joined here, so that this file doesn't say it.
const LEFT_OPEN: [&str; 4] =
    [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("#[", "ignore")];

/// Rust parses, or no other rule could look at it.
pub fn parses(file: &Source) -> Vec<Violation> {
    if !file.is_rust() {
        return Vec::new();
    }
    let error = syn::parse_file(&file.text).err();
    let violation = |error: syn::Error| {
        file.violation(error.span().start().line, format!("make this parse: {error}"))
    };
    error.map(violation).into_iter().collect()
}

/// A line of Rust has at most [`MAX_COLUMNS`] characters.
pub fn line_length(file: &Source) -> Vec<Violation> {
    if !file.is_rust() {
        return Vec::new();
    }
    let lengths = (1..).zip(file.text.lines().map(|line| line.chars().count()));
    let long = lengths.filter(|(_, columns)| *columns > MAX_COLUMNS);
    long.map(|(line, columns)| {
        file.violation(line, format!("break this line: {columns} columns, {MAX_COLUMNS} at most"))
    })
    .collect()
}

/// A file of Rust has a bounded number of lines beside the tests at its end.
pub fn file_length(file: &Source) -> Vec<Violation> {
    let Some(syntax) = &file.syntax else { return Vec::new() };
    let most = if file.is_test() { MAX_TEST_FILE_LINES } else { MAX_FILE_LINES };
    let lines = match syntax.items.last() {
        Some(syn::Item::Mod(module)) if code::is_test_only(&module.attrs) => {
            module.span().start().line - 1
        }
        _ => file.text.lines().count(),
    };
    let remedy = || format!("split this file by idea: {lines} lines beside tests, {most} at most");
    (lines > most).then(|| file.violation(most + 1, remedy())).into_iter().collect()
}

/// A function has at most [`MAX_FUNCTION_LINES`] lines, from its signature to its closing brace.
pub fn function_length(file: &Source) -> Vec<Violation> {
    let mut functions = Functions { file, violations: Vec::new() };
    if let Some(syntax) = &file.syntax {
        functions.visit_file(syntax);
    }
    functions.violations
}

/// A file of Rust says in its first lines what it is for.
pub fn module_doc(file: &Source) -> Vec<Violation> {
    if !file.is_rust() {
        return Vec::new();
    }
    let (least, most) = match file.path_in_core() {
        Some("lib.rs") => (MIN_CORE_DOC_LINES, usize::MAX),
        Some(_) => (MIN_CORE_DOC_LINES, MAX_CORE_DOC_LINES),
        None => (1, usize::MAX),
    };
    let lines = file.text.lines().take_while(|line| line.starts_with("//!")).count();
    let remedy = if lines < least {
        format!("open with why this exists: {lines} lines of `//!`, {least} at least")
    } else if lines > most {
        format!("say why this exists in fewer words: {lines} lines of `//!`, {most} at most")
    } else {
        return Vec::new();
    };
    vec![file.violation(1, remedy)]
}

/// What is left to do stands in an issue, not in a file, and no test is switched off.
pub fn nothing_left_open(file: &Source) -> Vec<Violation> {
    let marked = (1..).zip(file.text.lines()).filter_map(|(line, text)| {
        let mark = LEFT_OPEN.iter().find(|mark| text.contains(**mark))?;
        Some(file.violation(line, format!("do it now or file an issue, and drop `{mark}`")))
    });
    marked.collect()
}

/// The visitor that measures functions, those of tests too.
struct Functions<'a> {
    file: &'a Source,
    violations: Vec<Violation>,
}

impl Functions<'_> {
    fn measure(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let first = signature.span().start().line;
        let last = body.brace_token.span.close().end().line;
        let lines = last - first + 1;
        if lines > MAX_FUNCTION_LINES {
            let name = &signature.ident;
            let remedy = format!("split `{name}`: {lines} lines, {MAX_FUNCTION_LINES} at most");
            self.violations.push(self.file.violation(first, remedy));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.measure(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.measure(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(body) = &function.default {
            self.measure(&function.sig, body);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objections;

    const NOTHING: [usize; 0] = [];

    /// As many lines of code.
    fn lines(count: usize) -> String {
        "static A: u8 = 0;\n".repeat(count)
    }

    #[test]
    fn rust_that_does_not_parse_is_found() {
        assert_eq!(objections(parses, "a.rs", "fn f() {}\nfn {}"), [2]);
        assert_eq!(objections(parses, "a.rs", "fn f() {}"), NOTHING);
        assert_eq!(objections(parses, "a.md", "fn {}"), NOTHING);
    }

    #[test]
    fn a_long_line_is_found_by_its_characters() {
        let line = |columns: usize| format!("//! A\n//{}\n", "é".repeat(columns - 2));
        assert_eq!(objections(line_length, "a.rs", &line(101)), [2]);
        assert_eq!(objections(line_length, "a.rs", &line(100)), NOTHING);
        assert_eq!(objections(line_length, "a.md", &line(101)), NOTHING);
    }

    #[test]
    fn a_long_file_is_found() {
        assert_eq!(objections(file_length, "a.rs", &lines(401)), [401]);
        assert_eq!(objections(file_length, "a.rs", &lines(400)), NOTHING);
        assert_eq!(objections(file_length, "tests/a.rs", &lines(601)), [601]);
        assert_eq!(objections(file_length, "tests/a.rs", &lines(600)), NOTHING);
    }

    #[test]
    fn tests_at_the_end_of_a_file_do_not_count() {
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", lines(100));
        let code = lines(350);
        assert_eq!(objections(file_length, "a.rs", &format!("{code}{tests}")), NOTHING);
        assert_eq!(objections(file_length, "a.rs", &format!("{tests}{code}")), [401]);
    }

    #[test]
    fn a_long_function_is_found_wherever_it_stands() {
        let function = |count: usize| {
            format!("/// A\n/// function.\nfn f() {{\n{}}}\n", "g();\n".repeat(count - 2))
        };
        let check = |text: String| objections(function_length, "tests/a.rs", &text);
        assert_eq!(check(function(71)), [3]);
        assert_eq!(check(format!("impl A {{\n{}}}", function(71))), [4]);
        assert_eq!(check(format!("trait A {{\n{}}}", function(71))), [4]);
        assert_eq!(check(format!("fn g() {{\n{}}}", function(71))), [1, 4]);
        assert_eq!(check(function(70)), NOTHING);
    }

    #[test]
    fn a_missing_module_doc_is_found() {
        assert_eq!(objections(module_doc, "a.rs", "// A\n//! A\n"), [1]);
        assert_eq!(objections(module_doc, "a.rs", "//! A\n"), NOTHING);
        assert_eq!(objections(module_doc, "a.md", "A\n"), NOTHING);
    }

    #[test]
    fn a_module_of_the_core_opens_with_a_few_lines() {
        let doc = |count| "//! A\n".repeat(count);
        for (count, found) in [(1, &[1][..]), (2, &[]), (14, &[]), (15, &[1])] {
            assert_eq!(objections(module_doc, "raft-core/src/a.rs", &doc(count)), found);
        }
        assert_eq!(objections(module_doc, "raft-core/src/lib.rs", &doc(15)), NOTHING);
    }

    #[test]
    fn whatever_is_left_open_is_found() {
        for mark in LEFT_OPEN {
            for path in ["a.rs", "a.md", "a.toml"] {
                let text = format!("one\ntwo {mark}: three\n");
                assert_eq!(objections(nothing_left_open, path, &text), [2]);
            }
        }
        assert_eq!(objections(nothing_left_open, "a.md", "all to do is done\n"), NOTHING);
    }
}
