//! The texts of all mutants in one copy of the sources, each behind a question.

use super::Mutant;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A text of a file, and what replaces it. Of a text with a part between « and » only that is replaced, the rest says where.
pub enum Edit {
    /// An expression.
    Value(&'static str, &'static str),
    /// Statements.
    Code(&'static str, &'static str),
}

/// The file that asks, and what names it in the runtime.
const QUESTION: &str = "runtime/src/mutation.rs";
const NAMED: (&str, &str, &str) = ("runtime/src/lib.rs", "mod boot_key;\n", "mod boot_key;\nmod mutation;\n");
/// The word of `GODEBUG`.
const WORD: (&str, &str, &str) =
    ("runtime/src/godebug.rs", "words! {\n", "words! {\n    MUTANT = \"mutant\", u32::MAX;\n");

const ASK: &str = r#"//! Which mutant this is: 0 has no fault.

#[inline(always)]
pub(crate) fn is(number: u32) -> bool {
    current() == number
}

#[cfg(not(test))]
#[inline(always)]
fn current() -> u32 {
    crate::godebug::MUTANT.get()
}

#[cfg(test)]
fn current() -> u32 {
    std::env::var("GZERO_MUTANT").map_or(0, |number| number.parse().expect("a number"))
}
"#;

/// The files that differ from the sources, by their paths in the tree.
pub struct Switched(BTreeMap<PathBuf, String>);

impl Switched {
    /// Those of the sources in `tree` with all `mutants`, of which the first has the number 1.
    pub fn of(tree: &Path, mutants: &[Mutant]) -> Result<Switched, String> {
        let mut texts = Switched(BTreeMap::from([(QUESTION.into(), ASK.into())]));
        for (file, from, to) in [NAMED, WORD] {
            texts.replace(tree, file, from, from, to)?;
        }
        for (number, mutant) in (1u32..).zip(mutants) {
            for edit in mutant.edits {
                texts.add(tree, mutant.file, number, edit).map_err(|e| format!("{}: {e}", mutant.name))?;
            }
        }
        Ok(texts)
    }

    /// The text of a file, if it differs.
    pub fn get(&self, path: &Path) -> Option<&str> {
        self.0.get(path).map(String::as_str)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, &str)> {
        self.0.iter().map(|(path, text)| (path.as_path(), text.as_str()))
    }

    /// Puts both texts of an edit into the file, and the question between them.
    fn add(&mut self, tree: &Path, file: &str, number: u32, edit: &Edit) -> Result<(), String> {
        let (from, to, [open, close]) = match edit {
            Edit::Value(from, to) => (from, to, ["(", ")"]),
            Edit::Code(from, to) => (from, to, ["", ""]),
        };
        let place = from.replace(['«', '»'], "");
        let marked = from.split_once('«').and_then(|(_, rest)| rest.split_once('»'));
        let part = marked.map_or(*from, |(part, _)| part);
        let both = format!("{open}if crate::mutation::is({number}) {{\n{to}\n}} else {{\n{part}\n}}{close}");
        self.replace(tree, file, &place, part, &both)
    }

    /// Replaces `part` in the one place of the file that has the text `place`.
    fn replace(&mut self, tree: &Path, file: &str, place: &str, part: &str, by: &str) -> Result<(), String> {
        let text = match self.0.remove(Path::new(file)) {
            Some(text) => text,
            None => fs::read_to_string(tree.join(file)).map_err(|e| format!("{file}: {e}"))?,
        };
        match text.matches(place).count() {
            1 => {
                let text = text.replace(place, &place.replacen(part, by, 1));
                self.0.insert(file.into(), text);
                Ok(())
            }
            times => Err(format!("{times} times in {file}: {place}")),
        }
    }
}
