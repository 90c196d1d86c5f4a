//! The arrows between states in `docs/scheduler.md` are those that there are.

use super::p::PStatus;
use super::status::Status;
use std::string::{String, ToString};
use std::vec::Vec;

/// The rows `from → to` of the table that begins with `head`, sorted.
fn documented(head: &str) -> Vec<String> {
    let text = include_str!("../../../docs/scheduler.md");
    let table = text.split_once(head).unwrap_or_else(|| panic!("no {head}")).1;
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let mut arrows: Vec<String> = rows.map(|row| row.split('|').nth(1).unwrap().trim().to_string()).collect();
    arrows.sort();
    arrows
}

/// All arrows between named states, sorted.
fn allowed<S: Copy>(states: &[(&str, S)], may_become: fn(S, S) -> bool) -> Vec<String> {
    let pairs = states.iter().flat_map(|from| states.iter().map(move |to| (from, to)));
    let mut arrows: Vec<String> = pairs
        .filter(|((_, from), (_, to))| may_become(*from, *to))
        .map(|((from, _), (to, _))| std::format!("{from} → {to}"))
        .collect();
    arrows.sort();
    arrows
}

#[test]
fn of_a_goroutine() {
    use Status::*;
    let states = [Idle, Runnable, Running, Syscall, Waiting, Dead].map(|state| (state.text(), state));
    assert_eq!(documented("| a G goes | when |"), allowed(&states, Status::may_become));
}

#[test]
fn of_a_p() {
    use PStatus::*;
    let states =
        [("idle", Idle), ("running", Running), ("syscall", Syscall), ("gcstop", GcStop), ("dead", Dead)];
    assert_eq!(documented("| a P goes | when |"), allowed(&states, PStatus::may_become));
}
