//! `docs/waiting.md`, made from the sources: for what goroutines wait, in which structure, and where.

use crate::documents::compare;
use crate::sources::{self, is_punct, is_word};
use boot::source_root;
use proc_macro2::{Delimiter, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;

const HEAD: &str = "\
# What goroutines wait for

A goroutine that waits is in state `waiting`, has given up its M, and stands in one structure, where
whoever wakes it finds it. `gopark` stores the wait reason, which says for what it waits; tracebacks,
`info goroutines` and profiles print it in Go's words.

| wait reason | what waits, and in which structure | parks in |
|---|---|---|
";

/// A reason: its name in the code, Go's text, and its doc comment.
struct Reason {
    name: String,
    text: String,
    about: String,
}

/// The reasons that `waitreason.rs` lists: `/// about`, `Name = "text",`.
fn reasons() -> Vec<Reason> {
    let path = source_root().join("runtime/src/proc/waitreason.rs");
    let source = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let list = source.split_once("\nreasons! {\n").and_then(|(_, rest)| rest.split_once("\n}\n"));
    let (list, _) = list.expect("waitreason.rs lists the reasons");
    let mut about = String::new();
    let mut found = Vec::new();
    for line in list.lines().map(str::trim) {
        if let Some(doc) = line.strip_prefix("/// ") {
            about = doc.trim_end_matches('.').into();
        } else {
            let (name, text) = line.split_once(" = ").unwrap_or_else(|| panic!("a reason: {line}"));
            let text = text.trim_matches(['"', ',']);
            found.push(Reason { name: name.into(), text: text.into(), about: about.clone() });
        }
    }
    found
}

/// The functions in which `WaitReason::NAME` stands, by the name.
type Uses = BTreeMap<String, BTreeSet<String>>;

fn uses(tokens: &[TokenTree], file: &str, function: &str, found: &mut Uses) {
    let mut begun = None;
    for (i, token) in tokens.iter().enumerate() {
        match (token, tokens.get(i + 1)) {
            (token, Some(TokenTree::Ident(name))) if is_word(token, "fn") => begun = Some(name.to_string()),
            (token, _) if is_punct(token, ';') => begun = None,
            (TokenTree::Group(group), _) => {
                let inner = sources::inside(group);
                match group.delimiter() {
                    Delimiter::Brace => {
                        let name = begun.take();
                        uses(&inner, file, name.as_deref().unwrap_or(function), found);
                    }
                    _ => uses(&inner, file, function, found),
                }
            }
            (token, Some(colon)) if is_word(token, "WaitReason") && is_punct(colon, ':') => {
                if let Some(TokenTree::Ident(name)) = tokens.get(i + 3) {
                    let place = format!("`{function}` in `{file}`");
                    found.entry(name.to_string()).or_default().insert(place);
                }
            }
            _ => {}
        }
    }
}

#[test]
fn what_goroutines_wait_for() {
    let mut found = Uses::new();
    for source in sources::below("runtime/src") {
        let file = source.path.display().to_string();
        // These name reasons to translate or to ask for them.
        let parks = !["proc/waitreason.rs", "proc/g.rs", "goabi/profile.rs"].contains(&&*file);
        if parks && !source.is_test() {
            uses(&source.tokens, &file, "", &mut found);
        }
    }
    let mut text = HEAD.to_owned();
    for Reason { name, text: words, about } in reasons() {
        if words.is_empty() {
            continue;
        }
        let places = found.remove(&name).unwrap_or_else(|| panic!("nothing waits for {name}"));
        let places = places.into_iter().collect::<Vec<_>>().join(", ");
        writeln!(text, "| `{words}` | {about} | {places} |").expect("a string grows");
    }
    compare("docs/waiting.md", &text);
}
