//! Which module of raft-core may use which: the layers of ARCHITECTURE.md, read off the names that
//! each file mentions.

use crate::code::{Form, Name, Node, objections_in_core};
use crate::source::{Source, Violation};
use syn::Expr;

/// The modules of raft-core, from what needs nothing to what needs everything. A module may use
/// those of its own row and of the rows above it.
const LAYERS: &[&[&str]] = &[
    &["macros", "bytes", "number", "checksum"],
    &["types", "node_set", "random"],
    &["quorum", "config"],
    &["configuration"],
    &["log"],
    &["storage", "durable"],
    &["wire"],
    &["progress", "clock"],
    &["snapshot"],
    &["status"],
    &["raft"],
    &["machine"],
    &["session"],
    &["node"],
    &["serial"],
    &["flash"],
];

/// The module that decides, and knows nothing of where its decisions are kept or applied.
const CONSENSUS: &str = "raft";

/// Modules that the consensus may not use, though `storage` stands above it.
const BEYOND_CONSENSUS: [&str; 3] = ["storage", "machine", "node"];

/// What the consensus may not name, wherever it comes from.
const UNKNOWN_TO_CONSENSUS: [&str; 3] = ["Storage", "Machine", "postcard"];

/// The type that says that something survives a power cut, and the one file that makes its values.
const MINTED: &str = "Durable";
const MINT: &str = "durable.rs";

/// A module uses only what stands above it or beside it. `lib.rs` may use everything.
pub fn layer_order(file: &Source) -> Vec<Violation> {
    let modules = file.core_modules();
    let (Some(own), true) = (modules.first(), file.core_syntax().is_some()) else {
        return Vec::new();
    };
    let Some(own_layer) = layer_of(own) else {
        // Once for the module, not for each file below it.
        let is_whole = modules.len() == 1;
        let remedy = format!("name the layer of `{own}` in LAYERS of tests/tidy/layers.rs");
        return is_whole.then(|| file.violation(1, remedy)).into_iter().collect();
    };
    objections_in_core(file, |node, _| {
        let Node::Name(name) = node else { return None };
        let used = module_of(&name)?;
        let remedy = match layer_of(used) {
            Some(layer) if layer <= own_layer => return None,
            Some(_) => format!("use nothing of `{used}` in `{own}`, which stands above it"),
            None => format!("say which module `{used}` is of: `crate::{used}` names no layer"),
        };
        Some((name.span, remedy))
    })
}

/// The consensus knows no storage, no machine, no facade and no serialisation.
pub fn pure_consensus(file: &Source) -> Vec<Violation> {
    if file.core_modules().first().is_none_or(|module| module != CONSENSUS) {
        return Vec::new();
    }
    objections_in_core(file, |node, _| {
        let Node::Name(name) = node else { return None };
        let is_beyond = |module| BEYOND_CONSENSUS.contains(&module);
        let is_unknown = |word: &&String| UNKNOWN_TO_CONSENSUS.contains(&word.as_str());
        let word = module_of(&name).filter(|module| is_beyond(*module)).or(name
            .segments
            .iter()
            .find(is_unknown)
            .map(String::as_str))?;
        Some((name.span, format!("keep `{word}` out of the consensus: its caller sees to that")))
    })
}

/// Values of [`MINTED`] are made in [`MINT`] only, so that a promise can't run ahead of storage.
pub fn one_mint(file: &Source) -> Vec<Violation> {
    if file.path_in_core() == Some(MINT) {
        return Vec::new();
    }
    objections_in_core(file, |node, _| {
        let path = match node {
            // The constructor, called here or handed to something like `map`.
            Node::Expression(Expr::Path(constructor)) => &constructor.path,
            Node::Expression(Expr::Struct(literal)) => &literal.path,
            _ => return None,
        };
        let name = &path.segments.last()?.ident;
        let remedy = format!("ask {MINT} for this value: no other file may say it is durable");
        (name == MINTED).then(|| (name.span(), remedy))
    })
}

/// How far down the layers a module of raft-core stands.
fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

/// What follows `crate` in a name: a module, unless it is a macro, which stands at the root.
fn module_of(name: &Name) -> Option<&str> {
    let is_exported_macro = name.form == Form::Macro && name.segments.len() == 2;
    match &name.segments[..] {
        [root, module, ..] if root == "crate" && !is_exported_macro => Some(module),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objections;

    const NOTHING: [usize; 0] = [];

    #[test]
    fn using_a_lower_layer_is_found_however_it_is_written() {
        let check = |text| objections(layer_order, "raft-core/src/raft/election.rs", text);
        assert_eq!(check("use crate::log::Log;\nuse crate::node::Node;"), [2]);
        assert_eq!(check("use crate::{\nlog::Log,\nnode::Node,\n};"), [3]);
        assert_eq!(check("use super::super::node::Node;"), [1]);
        assert_eq!(check("use super::super::{log, node as n};"), [1]);
        assert_eq!(check("fn f(node: &crate::node::Node) {}"), [1]);
        assert_eq!(check("fn f() { debug_assert!(crate::node::check()); }"), [1]);
        assert_eq!(check("fn f() { crate::node::check!(); }"), [1]);
        assert_eq!(check("mod inner {\nuse super::super::super::node::Node;\n}"), [2]);
    }

    #[test]
    fn using_the_same_or_a_higher_layer_is_clean() {
        let check = |path, text| objections(layer_order, path, text);
        assert_eq!(check("raft-core/src/raft/read.rs", "use super::election::f;"), NOTHING);
        assert_eq!(check("raft-core/src/clock.rs", "use crate::progress::P;"), NOTHING);
        assert_eq!(check("raft-core/src/quorum.rs", "use crate::types::Term;"), NOTHING);
        assert_eq!(check("raft-core/src/quorum.rs", "use core::fmt; use node::N;"), NOTHING);
        assert_eq!(check("raft-core/src/log.rs", "fn f() { crate::trace!(1); }"), NOTHING);
        assert_eq!(check("raft-core/src/lib.rs", "use crate::node::Node;"), NOTHING);
        assert_eq!(check("raft-std/src/log.rs", "use crate::node::Node;"), NOTHING);
    }

    #[test]
    fn tests_may_use_every_layer() {
        let text = "#[cfg(test)]\nmod tests { use crate::node::Node; use crate::Term; }";
        assert_eq!(objections(layer_order, "raft-core/src/log.rs", text), NOTHING);
    }

    #[test]
    fn a_name_of_the_root_is_found_because_it_hides_its_layer() {
        let check = |text| objections(layer_order, "raft-core/src/log.rs", text);
        assert_eq!(check("use crate::Term;"), [1]);
        assert_eq!(check("use super::*;"), [1]);
        assert_eq!(check("use crate::types::Term;"), NOTHING);
    }

    #[test]
    fn a_module_without_a_layer_is_found_once() {
        assert_eq!(objections(layer_order, "raft-core/src/gossip.rs", ""), [1]);
        assert_eq!(objections(layer_order, "raft-core/src/gossip/mod.rs", ""), [1]);
        assert_eq!(objections(layer_order, "raft-core/src/gossip/rumour.rs", ""), NOTHING);
        assert_eq!(objections(layer_order, "raft-core/src/log.rs", ""), NOTHING);
    }

    #[test]
    fn a_consensus_that_knows_its_surroundings_is_found() {
        let check = |text| objections(pure_consensus, "raft-core/src/raft/election.rs", text);
        assert_eq!(check("use crate::storage::Flushed;"), [1]);
        assert_eq!(check("use crate::machine::Output;"), [1]);
        assert_eq!(check("fn f() { super::super::node::g() }"), [1]);
        assert_eq!(check("fn f<S: Storage>() {}"), [1]);
        assert_eq!(check("struct A { machine: Box<dyn Machine> }"), [1]);
        assert_eq!(check("fn f() { postcard::to_slice(1, 2); }"), [1]);
        assert_eq!(check("use crate::{durable::Durable, wire};\nfn f(node: Node) {}"), NOTHING);
        assert_eq!(check("#[cfg(test)]\nmod tests { use crate::storage; }"), NOTHING);
    }

    #[test]
    fn only_the_consensus_is_kept_pure() {
        let text = "use crate::storage::Storage;";
        assert_eq!(objections(pure_consensus, "raft-core/src/raft.rs", text), [1]);
        assert_eq!(objections(pure_consensus, "raft-core/src/node.rs", text), NOTHING);
        assert_eq!(objections(pure_consensus, "raft-core/src/lib.rs", text), NOTHING);
    }

    #[test]
    fn a_second_mint_is_found() {
        let check = |text| objections(one_mint, "raft-core/src/wire/decode.rs", text);
        assert_eq!(check("fn f() {\nDurable(3);\n}"), [2]);
        assert_eq!(check("fn f() { crate::durable::Durable::<Index>(3); }"), [1]);
        assert_eq!(check("fn f() { index.map(Durable); }"), [1]);
        assert_eq!(check("fn f() { Durable { 0: index }; }"), [1]);
        assert_eq!(check("fn f(promise: Durable<Index>) { Durable::claimed(3); }"), NOTHING);
        assert_eq!(check("fn f() { let Durable(index) = promise; }"), NOTHING);
        assert_eq!(check("#[cfg(test)]\nmod tests { fn f() { Durable(3); } }"), NOTHING);
        let mint = "fn f() { Durable(3); }";
        assert_eq!(objections(one_mint, "raft-core/src/durable.rs", mint), NOTHING);
        assert_eq!(objections(one_mint, "raft-core/src/storage/durable.rs", mint), [1]);
    }
}
