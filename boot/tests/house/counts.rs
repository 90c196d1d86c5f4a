//! How much of the code is `unsafe`, and how long its pieces are.
//!
//! A limit is what the code has now. A change that gets below it lowers it.

use crate::sources::{self, Source, inside, is_punct, is_word};
use proc_macro2::{Delimiter, Group, TokenTree};
use std::collections::BTreeSet;
use std::fmt;

/// What a part of the code may have at most, tests left out.
struct Limits {
    folder: &'static str,
    /// Code lines in `unsafe` blocks, of 1000.
    inside: usize,
    /// Code lines of the longest block, those of its braces among them.
    longest: usize,
    /// Lines of the longest function.
    function: usize,
    /// Lines of the longest file.
    file: usize,
}

const LIMITS: [Limits; 5] = [
    Limits { folder: "runtime/src", inside: 176, longest: 71, function: 80, file: 475 },
    Limits { folder: "runtime/src/proc", inside: 262, longest: 71, function: 80, file: 465 },
    Limits { folder: "runtime/src/chan", inside: 290, longest: 36, function: 48, file: 405 },
    Limits { folder: "kernel/src", inside: 45, longest: 26, function: 56, file: 482 },
    Limits { folder: "boot/src", inside: 1, longest: 1, function: 60, file: 512 },
];

/// A length, and what is so long.
#[derive(Default)]
struct Longest {
    lines: usize,
    name: String,
}

impl Longest {
    fn see(&mut self, lines: usize, name: impl FnOnce() -> String) {
        if lines > self.lines {
            *self = Longest { lines, name: name() };
        }
    }
}

/// What was counted.
#[derive(Default)]
struct Counts {
    /// Lines with a token on them.
    code: usize,
    /// Those in `unsafe` blocks, the braces' own lines among them.
    inside: usize,
    blocks: usize,
    block: Longest,
    function: Longest,
    file: Longest,
}

impl Counts {
    fn of(sources: &[Source]) -> Counts {
        let mut counts = Counts::default();
        for source in sources.iter().filter(|source| !source.is_test()) {
            let tokens = without_tests(&source.tokens);
            let mut code = BTreeSet::new();
            lines(&tokens, &mut code);
            let mut in_unsafe = BTreeSet::new();
            let mut see = |piece: Piece<'_>| {
                let (open, close) = (piece.body.span_open().start().line, piece.body.span_close().end().line);
                let body: BTreeSet<usize> = code.range(open..=close).copied().collect();
                let name = || format!("{}:{open}", source.path.display());
                match piece.function {
                    None => {
                        counts.blocks += 1;
                        counts.block.see(body.len(), name);
                        in_unsafe.extend(body);
                    }
                    Some(function) => {
                        counts.function.see(close - piece.start + 1, || format!("{} {function}", name()));
                    }
                }
            };
            pieces(&tokens, &mut see);
            counts.code += code.len();
            counts.inside += in_unsafe.len();
            counts.file.see(source.lines, || source.path.display().to_string());
        }
        counts
    }

    fn of_thousand(&self) -> usize {
        (self.inside * 1000).div_ceil(self.code)
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = self.inside as f64 * 100.0 / self.code as f64;
        let mean = self.inside as f64 / self.blocks as f64;
        let Counts { code, inside, blocks, block, function, file } = self;
        writeln!(
            f,
            "{inside} of {code} code lines ({share:.1} %) in {blocks} unsafe blocks, {mean:.1} each"
        )?;
        for (what, longest) in [("block", block), ("function", function), ("file", file)] {
            writeln!(f, "    longest {what}: {} lines, {}", longest.lines, longest.name)?;
        }
        Ok(())
    }
}

/// The tokens of a file but for its `mod tests { … }`.
fn without_tests(tokens: &[TokenTree]) -> Vec<TokenTree> {
    let is_tests = |i: usize| {
        matches!(&tokens[i], TokenTree::Group(_))
            && i >= 2
            && is_word(&tokens[i - 1], "tests")
            && is_word(&tokens[i - 2], "mod")
    };
    (0..tokens.len()).filter(|&i| !is_tests(i)).map(|i| tokens[i].clone()).collect()
}

/// The lines that the tokens stand on.
fn lines(tokens: &[TokenTree], found: &mut BTreeSet<usize>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                found.extend([group.span_open().start().line, group.span_close().end().line]);
                lines(&inside(group), found);
            }
            _ => found.extend(token.span().start().line..=token.span().end().line),
        }
    }
}

/// An `unsafe` block or a function.
struct Piece<'a> {
    /// The function's name; none for a block.
    function: Option<String>,
    /// The line of `fn`.
    start: usize,
    body: &'a Group,
}

/// Shows all unsafe blocks and functions to `see`, also those in macros and in other functions.
fn pieces(tokens: &[TokenTree], see: &mut impl FnMut(Piece<'_>)) {
    for (i, token) in tokens.iter().enumerate() {
        let start = token.span().start().line;
        match (token, tokens.get(i + 1)) {
            (token, Some(TokenTree::Group(body)))
                if is_word(token, "unsafe") && body.delimiter() == Delimiter::Brace =>
            {
                see(Piece { function: None, start, body });
            }
            (token, Some(TokenTree::Ident(name))) if is_word(token, "fn") => {
                let rest = tokens[i..].iter().take_while(|token| !is_punct(token, ';'));
                let body = rest.filter_map(|token| match token {
                    TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group),
                    _ => None,
                });
                if let Some(body) = body.into_iter().next() {
                    see(Piece { function: Some(name.to_string()), start, body });
                }
            }
            _ => {}
        }
        if let TokenTree::Group(group) = token {
            pieces(&inside(group), see);
        }
    }
}

#[test]
fn limits_hold() {
    let mut beyond = Vec::new();
    for limits in LIMITS {
        let counts = Counts::of(&sources::below(limits.folder));
        println!("{}: {counts}", limits.folder);
        for (what, found, limit) in [
            ("code lines of 1000 in unsafe blocks", counts.of_thousand(), limits.inside),
            ("lines of the longest unsafe block", counts.block.lines, limits.longest),
            ("lines of the longest function", counts.function.lines, limits.function),
            ("lines of the longest file", counts.file.lines, limits.file),
        ] {
            if found > limit {
                beyond.push(format!("{}: {what}: {found}, the limit is {limit}", limits.folder));
            }
        }
    }
    assert!(beyond.is_empty(), "{}", beyond.join("\n"));
}

#[test]
fn what_is_counted() {
    let text = "\
//! Not code.
/// unsafe { nor this }
fn f() {
    unsafe { g() };

    // nor this
    unsafe {
        g(); // code
        // not
        h(|| unsafe { g() });
    }
}
macro_rules! m {
    () => {
        unsafe fn h(a: u8) -> u8
        where
            u8: Copy,
        {
            a
        }
    };
}
trait T {
    fn no_body();
}
mod tests {
    fn f() {
        unsafe { g() }
    }
}
";
    let source = Source::of("a.rs".into(), text).expect("Rust");
    let counts = Counts::of(&[source]);
    assert_eq!((counts.code, counts.inside, counts.blocks), (21, 5, 3));
    assert_eq!((counts.block.lines, &*counts.block.name), (4, "a.rs:7"));
    assert_eq!((counts.function.lines, &*counts.function.name), (10, "a.rs:3 f"));
    assert_eq!(counts.file.lines, 30);
}
