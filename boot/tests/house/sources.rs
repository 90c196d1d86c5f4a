//! Source files as tokens.

use boot::source_root;
use proc_macro2::{TokenStream, TokenTree};
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A file of Rust code.
pub struct Source {
    /// Its path below the folder that was asked for.
    pub path: PathBuf,
    /// How many lines it has.
    pub lines: usize,
    /// All of it, doc comments left out.
    pub tokens: Vec<TokenTree>,
}

impl Source {
    /// A file with this text.
    ///
    /// # Errors
    /// If it is no Rust.
    pub fn of(path: PathBuf, text: &str) -> Result<Source, String> {
        let tokens = TokenStream::from_str(text).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Source { path, lines: text.lines().count(), tokens: without_docs(tokens) })
    }

    /// The module at the top of the crate that the file belongs to.
    pub fn module(&self) -> &str {
        let first = self.path.iter().next().and_then(|name| name.to_str()).expect("a path with a name");
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// Whether it is tests.
    pub fn is_test(&self) -> bool {
        self.path.iter().any(|part| {
            part.to_str().is_some_and(|part| part.starts_with("test") || part.ends_with("_test.rs"))
        })
    }
}

/// All files below `folder` of the checkout, in the order of their paths.
///
/// # Panics
/// If there are none, or one is no Rust.
pub fn below(folder: &str) -> Vec<Source> {
    let root = source_root().join(folder);
    let mut found = Vec::new();
    collect(&root, &root, &mut found);
    assert!(!found.is_empty(), "no source below {folder}");
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn collect(root: &Path, dir: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
        let path = entry.expect("the folder is read").path();
        if path.is_dir() {
            collect(root, &path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text =
                fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let path = path.strip_prefix(root).expect("found below it").to_owned();
            found.push(Source::of(path, &text).unwrap_or_else(|error| panic!("{error}")));
        }
    }
}

/// The tokens but for `#[doc = …]`, which is what a doc comment is.
fn without_docs(tokens: TokenStream) -> Vec<TokenTree> {
    let mut kept: Vec<TokenTree> = Vec::new();
    for token in tokens {
        if is_doc(&token) {
            while kept.last().is_some_and(|last| is_punct(last, '#') || is_punct(last, '!')) {
                kept.pop();
            }
        } else {
            kept.push(token);
        }
    }
    kept
}

fn is_doc(token: &TokenTree) -> bool {
    let TokenTree::Group(group) = token else { return false };
    group.stream().into_iter().next().is_some_and(|first| is_word(&first, "doc"))
}

/// The tokens in a group, likewise.
pub fn inside(group: &proc_macro2::Group) -> Vec<TokenTree> {
    without_docs(group.stream())
}

/// Whether it is this mark.
pub fn is_punct(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark)
}

/// Whether it is this word.
pub fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == word)
}
