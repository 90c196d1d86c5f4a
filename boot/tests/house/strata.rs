//! A module uses its own stratum and those below it.

use crate::sources::{self, Source, inside, is_punct, is_word};
use proc_macro2::TokenTree;

/// The kernel's modules from the bottom up. Those of one line may use each other.
const KERNEL: [&[&str]; 16] = [
    &["reserved"],
    &["irq"],
    &["image"],
    &["device"],
    &["log"],
    &["cpu", "memory"],
    &["allocator"],
    &["unwind"],
    &["virtio"],
    &["loader"],
    &["elf"],
    &["thread"],
    &["port"],
    &["go"],
    &["entry"],
    &["lib"],
];

/// The names that follow `crate::` in the tokens, those in braces among them.
fn used(tokens: &[TokenTree], names: &mut Vec<String>) {
    for (i, token) in tokens.iter().enumerate() {
        if let TokenTree::Group(group) = token {
            used(&inside(group), names);
        }
        let is_path = is_word(token, "crate")
            && tokens.get(i + 1).is_some_and(|t| is_punct(t, ':'))
            && tokens.get(i + 2).is_some_and(|t| is_punct(t, ':'));
        match tokens.get(i + 3) {
            Some(TokenTree::Ident(name)) if is_path => names.push(name.to_string()),
            Some(TokenTree::Group(group)) if is_path => {
                // A name at the beginning, and behind each comma.
                let mut first = true;
                for inner in inside(group) {
                    if first && let TokenTree::Ident(name) = &inner {
                        names.push(name.to_string());
                    }
                    first = is_punct(&inner, ',');
                }
            }
            _ => {}
        }
    }
}

/// The uses of higher strata, one a line.
fn upward(sources: &[Source], strata: &[&[&str]]) -> Vec<String> {
    let rank = |module: &str| strata.iter().position(|stratum| stratum.contains(&module));
    let mut found = Vec::new();
    for source in sources {
        let own = source.module();
        let here = rank(own).unwrap_or_else(|| panic!("'{own}' stands in no stratum"));
        let mut names = Vec::new();
        used(&source.tokens, &mut names);
        for name in names {
            if rank(&name).is_some_and(|there| there > here) {
                found.push(format!("{} uses {name}", source.path.display()));
            }
        }
    }
    found
}

#[test]
fn the_kernel_uses_what_is_below() {
    let found = upward(&sources::below("kernel/src"), &KERNEL);
    assert!(found.is_empty(), "upwards:\n{}", found.join("\n"));
}

#[test]
fn a_use_of_what_is_above_is_found() {
    let source = |path: &str, text: &str| Source::of(path.into(), text).expect("Rust");
    let strata: [&[&str]; 3] = [&["low"], &["a", "b"], &["high"]];
    let ok = [
        source("low/x.rs", "use super::y; use crate::low::z; fn crate_name() { high::f() }"),
        source("a.rs", "use crate::{b::{x, high}, low}; /// crate::high\nfn f() {}"),
        source("high/mod.rs", "fn f() { crate::a::g(crate::low!()) }"),
    ];
    assert_eq!(upward(&ok, &strata), [] as [&str; 0]);
    let wrong = [
        source("low/x.rs", "use crate::b;"),
        source("b.rs", "use crate::{a, high::{self, x}};"),
        source("a.rs", "macro_rules! m { () => { crate::high::f() }; }"),
    ];
    assert_eq!(upward(&wrong, &strata), ["low/x.rs uses b", "b.rs uses high", "a.rs uses high"]);
}
