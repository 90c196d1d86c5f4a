//! Mutants: the scheduler with one fault each, of which a named test must fail. Run when asked for (`--ignored mutants`).
//!
//! For what is late, not wrong: the interleavings are `runtime/models/mutants.rs`'s.
//!
//! # Problem
//! A build of kernel and runtime for each mutant takes minutes, a test seconds; and the sources must stay as they are.
//!
//! # Protocol
//! 1. The tree is copied to `target/mutants` with the texts of all mutants in it: where a text is changed, the copy asks whether it is that
//!    mutant, and does one or the other (`switch`). So one build has all of them, and the next run builds nothing.
//! 2. `GODEBUG=mutant=N` says which it is, N from 1 in the list's order; in unit tests the variable `GZERO_MUTANT`.
//! 3. Mutant 0, which has no fault, passes all the tests: else every mutant would seem to be killed.
//! 4. Each mutant runs the one test that is named for it. If that passes, the others run, to say whether any finds it.
//! 5. A table says which test has killed which mutant.
//!
//! A text that is not in its file, or there twice, fails in every run of the tests: so a mutant follows the source.

mod list;
mod switch;
mod tree;

use crate::harness::{Job, Reporter};
use boot::source_root;
use list::MUTANTS;
use std::collections::BTreeSet;
use std::fmt::Write;
use switch::{Edit, Switched};
use tree::Tree;

/// One change for the worse.
pub struct Mutant {
    /// What is wrong with it.
    name: &'static str,
    /// The test that must fail.
    finder: Finder,
    /// The file that is changed.
    file: &'static str,
    /// The changes.
    edits: &'static [Edit],
}

/// A test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Finder {
    /// Of `prompt_tests`.
    Machine(&'static str),
    /// A unit test of the runtime.
    Unit(&'static str),
}

impl Finder {
    fn name(self) -> &'static str {
        match self {
            Finder::Machine(name) | Finder::Unit(name) => name,
        }
    }
}

/// A job for the texts, and one for all mutants.
pub fn jobs() -> Vec<Job<'static>> {
    let names = MUTANTS.iter().map(job_name).collect();
    vec![
        Job::one("mutant_texts_are_there", || Switched::of(source_root(), &MUTANTS).map(drop)),
        Job::many(names, run_all).ignored(),
    ]
}

fn job_name(mutant: &Mutant) -> String {
    format!("mutants::{}", mutant.name)
}

fn run_all(names: &[String], reporter: &Reporter) {
    let numbered = || (1u32..).zip(&MUTANTS);
    let wanted = || numbered().filter(|(_, mutant)| names.contains(&job_name(mutant)));
    let finders: BTreeSet<Finder> = MUTANTS.iter().map(|mutant| mutant.finder).collect();
    let needed: BTreeSet<Finder> = wanted().map(|(_, mutant)| mutant.finder).collect();
    let tree = Switched::of(source_root(), &MUTANTS)
        .and_then(|texts| Tree::new(&texts))
        .and_then(|tree| tree.failing(0, needed).map(|failing| (tree, failing)));
    let (tree, failing) = match tree {
        Ok(made) => made,
        Err(error) => {
            names.iter().for_each(|name| reporter.report(name, Err(error.clone())));
            return;
        }
    };
    let mut table = String::new();
    for (number, mutant) in wanted() {
        let own = mutant.finder;
        let found = match failing.contains(&own) {
            true => Err(format!("{} fails without a mutant", own.name())),
            false => tree.failing(number, [own]),
        };
        let (word, outcome) = match found {
            Ok(failed) if !failed.is_empty() => ("killed", Ok(())),
            Ok(_) => ("SURVIVED", Err(survived(&tree, number, own, &finders))),
            Err(error) => ("UNKNOWN", Err(error)),
        };
        writeln!(table, "{:34} {word:8} {}", mutant.name, own.name()).expect("a string grows");
        reporter.report(&job_name(mutant), outcome);
    }
    println!("\n{table}");
}

/// What is said of a mutant that its own test does not find.
fn survived(tree: &Tree, number: u32, own: Finder, all: &BTreeSet<Finder>) -> String {
    let others = all.iter().copied().filter(|&finder| finder != own && matches!(finder, Finder::Machine(_)));
    let others = match tree.failing(number, others) {
        Ok(failing) if failing.is_empty() => "nor does any other test".into(),
        Ok(failing) => format!("but these do: {:?}", failing.iter().map(|f| f.name()).collect::<Vec<_>>()),
        Err(error) => error,
    };
    format!("{} does not find it, {others}", own.name())
}
