//! What a build without tests contains of a file, node by node.
//!
//! The rules for raft-core ask about expressions, macros, signatures and names, wherever they
//! stand. One visitor finds them all, leaves out what `#[cfg(test)]` guards, looks into the
//! arguments of macros and tells code that only the compiler runs from code that a board runs.

use crate::source::{Source, Violation};
use proc_macro2::{Span, TokenStream};
use std::mem;
use syn::parse::{ParseStream, Parser, discouraged::Speculative};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ImplItem, Item, Meta, Token, UseTree};

/// Something that a rule may object to.
pub enum Node<'a> {
    /// An expression; those inside it follow.
    Expression(&'a Expr),
    /// An invocation of a macro; the expressions it begins with follow.
    Macro(&'a syn::Macro),
    /// What a function says before its body.
    Signature(&'a syn::Signature),
    /// A path to something, imported or used in place.
    Name(Name),
}

/// A path to something.
pub struct Name {
    /// What `::` separates; from `crate` on where it was written with `self` or `super`.
    pub segments: Vec<String>,
    /// Where it is written.
    pub span: Span,
    /// How it is written.
    pub form: Form,
}

/// How a name comes up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// By `use` or `extern crate`.
    Import,
    /// As the macro that is invoked.
    Macro,
    /// In place: a type, a function, a constant.
    Inline,
}

/// When code runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// While building: there a panic is a message from the compiler.
    Build,
    /// On the board.
    Run,
}

/// Where a rule objects, and what to do about it.
pub type Objection = (Span, String);

/// What a rule objects to in raft-core, tests left out. Other files have nothing to object to.
pub fn objections_in_core(
    file: &Source,
    mut judge: impl FnMut(Node<'_>, Moment) -> Option<Objection>,
) -> Vec<Violation> {
    let Some(syntax) = file.core_syntax() else { return Vec::new() };
    let mut violations = Vec::new();
    let mut see = |node: Node<'_>, moment: Moment| {
        let objection = judge(node, moment);
        violations
            .extend(objection.map(|(span, remedy)| file.violation(span.start().line, remedy)));
    };
    Walker { see: &mut see, moment: Moment::Run, modules: file.core_modules() }.visit_file(syntax);
    violations
}

/// Whether these attributes keep what they stand on out of a build without tests.
pub fn is_test_only(attributes: &[Attribute]) -> bool {
    let mut conditions = attributes.iter().filter(|attribute| attribute.path().is_ident("cfg"));
    conditions.any(|condition| condition.parse_args().is_ok_and(|meta| requires_test(&meta)))
}

/// Whether a `cfg` condition can hold in tests only.
fn requires_test(condition: &Meta) -> bool {
    match condition {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("all") => list
            .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
            .is_ok_and(|parts| parts.iter().any(requires_test)),
        _ => false,
    }
}

/// The visitor that finds the nodes.
struct Walker<'a> {
    see: &'a mut dyn FnMut(Node<'_>, Moment),
    moment: Moment,
    /// The modules around the code being visited, outermost first.
    modules: Vec<String>,
}

impl Walker<'_> {
    /// Visits code that runs at a moment of its own.
    fn at(&mut self, moment: Moment, visit: impl FnOnce(&mut Self)) {
        let outer = mem::replace(&mut self.moment, moment);
        visit(self);
        self.moment = outer;
    }

    /// Reports a name, spelled from the root of the crate if it leads there.
    fn see_name(&mut self, written: Vec<String>, span: Span, form: Form) {
        let is_relative = matches!(written[0].as_str(), "self" | "super");
        let segments = if is_relative { self.absolute(&written) } else { written };
        (self.see)(Node::Name(Name { segments, span, form }), self.moment);
    }

    /// Reports every path that a tree of imports ends in.
    fn see_imports(&mut self, tree: &UseTree, mut prefix: Vec<String>) {
        match tree {
            UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                return self.see_imports(&path.tree, prefix);
            }
            UseTree::Group(group) => {
                return group.items.iter().for_each(|it| self.see_imports(it, prefix.clone()));
            }
            UseTree::Name(name) => prefix.push(name.ident.to_string()),
            UseTree::Rename(rename) => prefix.push(rename.ident.to_string()),
            UseTree::Glob(_) => prefix.push("*".into()),
        }
        self.see_name(prefix, tree.span(), Form::Import);
    }

    /// A name that begins with `self` or `super`, spelled from the root of the crate.
    fn absolute(&self, written: &[String]) -> Vec<String> {
        let mut modules = self.modules.clone();
        for segment in written {
            match segment.as_str() {
                "self" => {}
                "super" => drop(modules.pop()),
                _ => modules.push(segment.clone()),
            }
        }
        modules.insert(0, "crate".into());
        modules
    }
}

impl<'ast> Visit<'ast> for Walker<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test_only(attributes(item)) {
            // A function inside a constant still runs on the board.
            self.at(Moment::Run, |walker| visit::visit_item(walker, item));
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        if !is_test_only(impl_attributes(item)) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        self.modules.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.modules.pop();
    }

    fn visit_item_const(&mut self, constant: &'ast syn::ItemConst) {
        self.at(Moment::Build, |walker| visit::visit_item_const(walker, constant));
    }

    fn visit_item_static(&mut self, place: &'ast syn::ItemStatic) {
        self.at(Moment::Build, |walker| visit::visit_item_static(walker, place));
    }

    fn visit_impl_item_const(&mut self, constant: &'ast syn::ImplItemConst) {
        self.at(Moment::Build, |walker| visit::visit_impl_item_const(walker, constant));
    }

    fn visit_trait_item_const(&mut self, constant: &'ast syn::TraitItemConst) {
        self.at(Moment::Build, |walker| visit::visit_trait_item_const(walker, constant));
    }

    fn visit_expr_const(&mut self, block: &'ast syn::ExprConst) {
        self.at(Moment::Build, |walker| visit::visit_expr_const(walker, block));
    }

    fn visit_expr_closure(&mut self, closure: &'ast syn::ExprClosure) {
        self.at(Moment::Run, |walker| visit::visit_expr_closure(walker, closure));
    }

    fn visit_expr(&mut self, expression: &'ast Expr) {
        (self.see)(Node::Expression(expression), self.moment);
        visit::visit_expr(self, expression);
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        (self.see)(Node::Signature(signature), self.moment);
        visit::visit_signature(self, signature);
    }

    fn visit_macro(&mut self, invocation: &'ast syn::Macro) {
        (self.see)(Node::Macro(invocation), self.moment);
        self.see_name(spelling(&invocation.path), invocation.path.span(), Form::Macro);
        for argument in leading_expressions(invocation.tokens.clone()) {
            self.visit_expr(&argument);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.see_name(spelling(path), path.span(), Form::Inline);
        visit::visit_path(self, path);
    }

    fn visit_item_extern_crate(&mut self, import: &'ast syn::ItemExternCrate) {
        self.see_name(vec![import.ident.to_string()], import.ident.span(), Form::Import);
    }

    fn visit_item_use(&mut self, import: &'ast syn::ItemUse) {
        self.see_imports(&import.tree, Vec::new());
    }
}

/// What `::` separates in a path.
fn spelling(path: &syn::Path) -> Vec<String> {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

/// The expressions, with commas between them, that the tokens of a macro begin with.
///
/// This is all of `write!` and the scrutinee of `matches!`; a macro with a syntax of its own yields
/// nothing, so what the body of a `macro_rules!` does is not looked at.
fn leading_expressions(tokens: TokenStream) -> Vec<Expr> {
    let parser = |input: ParseStream<'_>| {
        let mut expressions = Vec::new();
        let mut ahead = input.fork();
        while let Ok(expression) = ahead.parse() {
            input.advance_to(&ahead);
            expressions.push(expression);
            if input.parse::<Token![,]>().is_err() {
                break;
            }
            ahead = input.fork();
        }
        input.parse::<TokenStream>().map(|_| expressions)
    };
    parser.parse2(tokens).unwrap_or_default()
}

/// The attributes of an item.
fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(syn::ItemConst { attrs, .. })
        | Item::Enum(syn::ItemEnum { attrs, .. })
        | Item::ExternCrate(syn::ItemExternCrate { attrs, .. })
        | Item::Fn(syn::ItemFn { attrs, .. })
        | Item::Impl(syn::ItemImpl { attrs, .. })
        | Item::Macro(syn::ItemMacro { attrs, .. })
        | Item::Mod(syn::ItemMod { attrs, .. })
        | Item::Static(syn::ItemStatic { attrs, .. })
        | Item::Struct(syn::ItemStruct { attrs, .. })
        | Item::Trait(syn::ItemTrait { attrs, .. })
        | Item::Type(syn::ItemType { attrs, .. })
        | Item::Use(syn::ItemUse { attrs, .. }) => attrs,
        _ => &[],
    }
}

/// The attributes of an item in an `impl` block.
fn impl_attributes(item: &ImplItem) -> &[Attribute] {
    match item {
        ImplItem::Const(syn::ImplItemConst { attrs, .. })
        | ImplItem::Fn(syn::ImplItemFn { attrs, .. })
        | ImplItem::Type(syn::ImplItemType { attrs, .. })
        | ImplItem::Macro(syn::ImplItemMacro { attrs, .. }) => attrs,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names that a text at a path comes up with, each spelled out.
    fn names(path: &str, text: &str) -> Vec<String> {
        let file = Source::new(path, text);
        let mut names = Vec::new();
        objections_in_core(&file, |node, _| {
            if let Node::Name(name) = node {
                names.push(name.segments.join("::"));
            }
            None
        });
        names
    }

    #[test]
    fn names_are_spelled_from_the_root_of_the_crate() {
        let check = |text| names("raft-core/src/raft/election.rs", text).join(" ");
        assert_eq!(check("use super::{role::*, self};"), "crate::raft::role::* crate::raft");
        assert_eq!(check("use crate::log as l; use m;"), "crate::log m");
        assert_eq!(
            check("mod inner { use super::x; } use self::y;"),
            "crate::raft::election::x crate::raft::election::y"
        );
    }

    #[test]
    fn only_code_outside_tests_is_seen() {
        let text = "#[cfg(test)] use a::b;\n#[cfg(all(test, x))] mod m { use c::d; }\n\
                impl T { #[cfg(test)] fn f() { g::h() } }\n#[cfg(any(test, x))] use i::j;";
        assert_eq!(names("raft-core/src/log.rs", text), ["T", "i::j"]);
    }

    #[test]
    fn macros_are_seen_as_far_as_their_arguments_are_expressions() {
        let text = "fn f() { m!(a::b, c::d if e); n!(x => y::z); }";
        assert_eq!(names("raft-core/src/log.rs", text), ["m", "a::b", "c::d", "n", "x"]);
    }
}
