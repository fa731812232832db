//! What raft-core does without, outside its tests: what a board lacks, and what could stop one.

use crate::code::{Form, Moment, Node, objections_in_core};
use crate::source::{Source, Violation};
use proc_macro2::{Span, TokenStream, TokenTree};
use syn::{Attribute, Expr, Ident, Token, Type, punctuated::Punctuated};

/// Crates that need an allocator or a host.
const HOST_CRATES: [&str; 2] = ["alloc", "std"];

/// Macros that allocate what they return.
const ALLOCATING_MACROS: [&str; 2] = ["vec", "format"];

/// Methods that panic instead of saying no.
const PANICKING_METHODS: [&str; 4] = ["unwrap", "unwrap_err", "expect", "expect_err"];

/// Macros that panic in a release build.
const PANICKING_MACROS: [&str; 7] =
    ["panic", "unreachable", "todo", "unimplemented", "assert", "assert_eq", "assert_ne"];

/// What a cast may lead to: wide enough for whatever the core counts, on boards and on hosts.
const WIDE: [&str; 4] = ["usize", "u64", "i64", "u128"];

/// Nothing comes from `alloc` or `std`.
pub fn no_allocator(file: &Source) -> Vec<Violation> {
    objections_in_core(file, |node, _| match node {
        Node::Name(name) if HOST_CRATES.contains(&name.segments[0].as_str()) => {
            // A single word in place is a variable of that name.
            let is_crate = name.segments.len() > 1 || name.form == Form::Import;
            let remedy = format!("do without `{}`: take it from `core`", name.segments[0]);
            is_crate.then_some((name.span, remedy))
        }
        Node::Macro(invocation) => {
            let name = invocation.path.get_ident()?;
            let remedy = format!("do without `{name}!`: write into a buffer that the caller owns");
            is_among(&ALLOCATING_MACROS, name).then_some((name.span(), remedy))
        }
        _ => None,
    })
}

/// Nothing waits: the caller asks again.
pub fn no_async(file: &Source) -> Vec<Violation> {
    objections_in_core(file, |node, _| {
        let span: Span = match node {
            Node::Expression(Expr::Async(block)) => block.async_token.span,
            Node::Expression(Expr::Await(wait)) => wait.await_token.span,
            Node::Expression(Expr::Closure(closure)) => closure.asyncness?.span,
            Node::Signature(signature) => signature.asyncness?.span,
            _ => return None,
        };
        Some((span, "return instead of waiting, and let the caller ask again".into()))
    })
}

/// No panic is written down in what runs on the board.
pub fn no_panic(file: &Source) -> Vec<Violation> {
    objections_in_core(file, |node, moment| {
        let name = match node {
            _ if moment == Moment::Build => return None,
            Node::Expression(Expr::MethodCall(call)) => {
                Some(&call.method).filter(|name| is_among(&PANICKING_METHODS, name))?
            }
            // As in `map(Option::unwrap)`.
            Node::Expression(Expr::Path(path)) if path.path.segments.len() > 1 => {
                last_word(&path.path).filter(|name| is_among(&PANICKING_METHODS, name))?
            }
            Node::Macro(invocation) => {
                last_word(&invocation.path).filter(|name| is_among(&PANICKING_MACROS, name))?
            }
            _ => return None,
        };
        let remedy = format!("handle this case, or latch a named fault, in place of `{name}`");
        Some((name.span(), remedy))
    })
}

/// Nothing on the board is indexed or sliced by brackets, which panic.
pub fn no_indexing(file: &Source) -> Vec<Violation> {
    objections_in_core(file, |node, moment| match node {
        Node::Expression(Expr::Index(index)) if moment == Moment::Run => {
            let remedy = "use `get`, `first` or an iterator, and handle what isn't there";
            Some((index.bracket_token.span.open(), remedy.into()))
        }
        _ => None,
    })
}

/// `as` leads to [`WIDE`] types only: to others it may truncate without a word.
pub fn no_lossy_cast(file: &Source) -> Vec<Violation> {
    objections_in_core(file, |node, _| {
        let Node::Expression(Expr::Cast(cast)) = node else { return None };
        let is_wide = match &*cast.ty {
            Type::Path(to) => WIDE.iter().any(|wide| to.path.is_ident(wide)),
            _ => false,
        };
        let remedy = "use `from` or `try_from`: of casts only those to wide integers lose nothing";
        (!is_wide).then(|| (cast.as_token.span, remedy.into()))
    })
}

/// No token is `unsafe`, not in tests or macros either: the compiler forbids it there too.
pub fn no_unsafe(file: &Source) -> Vec<Violation> {
    let is_core = file.core_syntax().is_some();
    let tokens = if is_core { file.text.parse().unwrap_or_default() } else { TokenStream::new() };
    let mut found = Vec::new();
    collect_unsafe(tokens, &mut found);
    let remedy = "find a safe way: raft-core forbids `unsafe`";
    found.iter().map(|span| file.violation(span.start().line, remedy)).collect()
}

/// The crate tells the compiler what it does without.
pub fn crate_attributes(file: &Source) -> Vec<Violation> {
    let Some(syntax) = file.core_syntax() else { return Vec::new() };
    let missing = |remedy| file.violation(1, remedy);
    let mut violations = Vec::new();
    if file.path_in_core() == Some("lib.rs") {
        if !syntax.attrs.iter().any(|attribute| attribute.path().is_ident("no_std")) {
            violations.push(missing("declare `#![no_std]`"));
        }
        if !syntax.attrs.iter().any(forbids_unsafe) {
            violations.push(missing("declare `#![forbid(unsafe_code)]`"));
        }
    }
    violations
}

/// The last word of a path.
fn last_word(path: &syn::Path) -> Option<&Ident> {
    path.segments.last().map(|segment| &segment.ident)
}

/// Whether a word is one of these.
fn is_among(words: &[&str], word: &Ident) -> bool {
    words.iter().any(|it| word == it)
}

/// Adds where the tokens, and those in brackets among them, say `unsafe`.
fn collect_unsafe(tokens: TokenStream, found: &mut Vec<Span>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => collect_unsafe(group.stream(), found),
            TokenTree::Ident(word) if word == "unsafe" => found.push(word.span()),
            _ => {}
        }
    }
}

/// Whether an attribute is `forbid` and names `unsafe_code`.
fn forbids_unsafe(attribute: &Attribute) -> bool {
    let lints = Punctuated::<syn::Path, Token![,]>::parse_terminated;
    attribute.path().is_ident("forbid")
        && attribute
            .parse_args_with(lints)
            .is_ok_and(|lints| lints.iter().any(|lint| lint.is_ident("unsafe_code")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objections;

    const NOTHING: [usize; 0] = [];
    const LOG: &str = "raft-core/src/log.rs";

    /// The lines at which a rule objects to code of the core; to tests it must never object.
    fn in_core(rule: fn(&Source) -> Vec<Violation>, text: &str) -> Vec<usize> {
        let guarded = format!("#[cfg(test)]\nmod tests {{\n{text}\n}}");
        assert_eq!(objections(rule, LOG, &guarded), NOTHING, "in tests: {text}");
        assert_eq!(objections(rule, "raft-std/src/lib.rs", text), NOTHING, "in raft-std: {text}");
        objections(rule, LOG, text)
    }

    #[test]
    fn an_allocator_or_a_host_is_found() {
        assert_eq!(in_core(no_allocator, "extern crate alloc;"), [1]);
        assert_eq!(in_core(no_allocator, "use alloc::vec::Vec;"), [1]);
        assert_eq!(in_core(no_allocator, "use ::std::{\nfmt,\nio::Read,\n};"), [2, 3]);
        assert_eq!(in_core(no_allocator, "fn f(name: std::string::String) {}"), [1]);
        assert_eq!(in_core(no_allocator, "fn f() { vec![1]; }"), [1]);
        assert_eq!(in_core(no_allocator, "fn f() { alloc::format!(\"1\"); }"), [1]);
        assert_eq!(in_core(no_allocator, "fn f() { write!(to, format!(\"1\")); }"), [1]);
        assert_eq!(in_core(no_allocator, "use core::fmt;\nuse heapless::Vec;"), NOTHING);
        assert_eq!(in_core(no_allocator, "fn f(alloc: u8) { g(alloc) }"), NOTHING);
    }

    #[test]
    fn waiting_is_found() {
        assert_eq!(in_core(no_async, "async fn f() {}"), [1]);
        assert_eq!(in_core(no_async, "trait A {\nasync fn f();\n}"), [2]);
        assert_eq!(in_core(no_async, "fn f() { async {}; }"), [1]);
        assert_eq!(in_core(no_async, "fn f() { g(async || 1); }"), [1]);
        assert_eq!(in_core(no_async, "fn f() {\ng()\n.await\n}"), [3]);
        assert_eq!(in_core(no_async, "fn f() { asynchronous() }"), NOTHING);
    }

    #[test]
    fn a_method_that_panics_is_found() {
        assert_eq!(in_core(no_panic, "fn f() {\ng()\n.unwrap();\n}"), [3]);
        assert_eq!(in_core(no_panic, "fn f() { g().expect(\"1\"); }"), [1]);
        assert_eq!(in_core(no_panic, "fn f() { g().map(Option::unwrap); }"), [1]);
        assert_eq!(in_core(no_panic, "fn f() { debug_assert!(g().unwrap()); }"), [1]);
        assert_eq!(in_core(no_panic, "fn f() { g().unwrap_or_default(); }"), NOTHING);
        assert_eq!(in_core(no_panic, "/// `a.unwrap()`\nfn unwrap() { unwrap() }"), NOTHING);
    }

    #[test]
    fn a_macro_that_panics_is_found() {
        for name in PANICKING_MACROS {
            assert_eq!(in_core(no_panic, &format!("fn f() {{ {name}!(1); }}")), [1]);
            assert_eq!(in_core(no_panic, &format!("fn f() {{ core::{name}!(1) }}")), [1]);
        }
        assert_eq!(in_core(no_panic, "fn f() { debug_assert!(true); matches!(1, 1); }"), NOTHING);
    }

    #[test]
    fn the_compiler_may_panic_but_not_what_it_builds() {
        assert_eq!(in_core(no_panic, "const _: () = assert!(N > 0);"), NOTHING);
        assert_eq!(in_core(no_panic, "const N: u8 = g().unwrap();"), NOTHING);
        assert_eq!(in_core(no_panic, "static N: u8 = g().unwrap();"), NOTHING);
        assert_eq!(in_core(no_panic, "impl A { const N: () = assert!(true); }"), NOTHING);
        assert_eq!(in_core(no_panic, "trait A { const N: () = assert!(true); }"), NOTHING);
        assert_eq!(in_core(no_panic, "fn f() { const { assert!(N > 0) } }"), NOTHING);
        assert_eq!(in_core(no_panic, "const fn f() { assert!(N > 0) }"), [1]);
        assert_eq!(in_core(no_panic, "fn f() { const { 1 };\nassert!(N > 0) }"), [2]);
        assert_eq!(in_core(no_panic, "const _: () = {\nfn f() { panic!() }\n};"), [2]);
        assert_eq!(in_core(no_panic, "const F: fn() = || panic!();"), [1]);
    }

    #[test]
    fn brackets_that_index_are_found() {
        assert_eq!(in_core(no_indexing, "fn f() {\na[1];\n}"), [2]);
        assert_eq!(in_core(no_indexing, "fn f() { &a[1..]; }"), [1]);
        assert_eq!(in_core(no_indexing, "fn f() { trace!(\"{}\", a[1]); }"), [1]);
        assert_eq!(in_core(no_indexing, "fn f() { matches!(a[1], 1 | 2 if true); }"), [1]);
        assert_eq!(in_core(no_indexing, "const A: u8 = B[1];"), NOTHING);
        assert_eq!(in_core(no_indexing, "fn f(a: [u8; 2]) { g([1, 2]); a.get(1); }"), NOTHING);
    }

    #[test]
    fn a_cast_that_may_lose_something_is_found() {
        for narrow in ["u8", "u16", "u32", "i32", "f32", "_", "*const u8", "Index"] {
            assert_eq!(in_core(no_lossy_cast, &format!("fn f() {{ a as {narrow} }}")), [1]);
        }
        for wide in WIDE {
            assert_eq!(in_core(no_lossy_cast, &format!("fn f() {{ a as {wide} }}")), NOTHING);
        }
        assert_eq!(in_core(no_lossy_cast, "const A: u8 = B as u8;"), [1]);
        assert_eq!(in_core(no_lossy_cast, "use a as b;\nfn f() { <A as B>::c() }"), NOTHING);
    }

    #[test]
    fn what_is_not_safe_is_found_in_tests_too() {
        assert_eq!(objections(no_unsafe, LOG, "fn f() {\nunsafe { g() }\n}"), [2]);
        assert_eq!(objections(no_unsafe, LOG, "unsafe impl Send for A {}"), [1]);
        assert_eq!(objections(no_unsafe, LOG, "macro_rules! a { () => { unsafe {} } }"), [1]);
        assert_eq!(objections(no_unsafe, LOG, "#[cfg(test)]\nmod t { unsafe fn f() {} }"), [2]);
        assert_eq!(objections(no_unsafe, LOG, "/// unsafe\nfn f() { g(\"unsafe\") }"), NOTHING);
    }

    #[test]
    fn a_crate_that_declares_too_little_is_found() {
        let check = |text| objections(crate_attributes, "raft-core/src/lib.rs", text);
        assert_eq!(check(""), [1, 1]);
        assert_eq!(check("#![no_std]\n#![deny(unsafe_code)]"), [1]);
        assert_eq!(check("#![forbid(unsafe_code)]"), [1]);
        assert_eq!(check("#![no_std]\n#![forbid(missing_docs, unsafe_code)]"), NOTHING);
        assert_eq!(objections(crate_attributes, LOG, ""), NOTHING);
    }
}
