//! Init tasks: what runs before a program's `main` (Go: `init` functions, `runtime_inittasks`, `doInit`).
//!
//! `#[runtime::init]` registers a function, in a program's file or in any library of the image. A task that stands in a program's module
//! belongs to that program and runs only when it is started; any other belongs to all. The order is that of Go's packages and, since a Rust module is
//! a file, of the files in one: of the tasks whose dependencies have run, the first by crate, file and line. So it does not depend on how the image
//! was linked.

use crate::program::{PROGRAMS, Program};
use alloc::vec::Vec;
use core::fmt;
use linkme::distributed_slice;

/// A function to run before `main`.
pub struct InitTask {
    /// The function's full path, `crate::module::function`.
    pub name: &'static str,
    /// Where `#[init]` stands.
    pub file: &'static str,
    /// The line, and the column in it.
    pub place: (u32, u32),
    /// The function.
    pub run: fn(),
    /// What must have run before it.
    pub after: &'static [fn() -> &'static InitTask],
}

/// All init tasks of the image, in link order. Filled by `#[init]`.
#[distributed_slice]
pub static INIT_TASKS: [&'static InitTask];

/// What `#[init]` makes under the name of its function, for others to name as a dependency.
pub trait Init {
    /// The task.
    fn task() -> &'static InitTask;
}

/// Tasks that wait for each other: each for the next, the last for the first.
struct Cycle(Vec<&'static InitTask>);

impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("initialization cycle:")?;
        let next = self.0.iter().cycle().skip(1);
        self.0
            .iter()
            .zip(next)
            .try_for_each(|(task, next)| write!(f, "\n\t{} is after {}", task.name, next.name))
    }
}

/// Runs the tasks of `program` and those of all, each once. On the main goroutine. A cycle among them ends the program.
pub(crate) fn run(program: &Program) {
    let wanted = INIT_TASKS.iter().copied().filter(|task| belongs(task, program));
    match order(wanted) {
        Ok(tasks) => tasks.iter().for_each(|task| (task.run)()),
        Err(cycle) => crate::panic::fatal(format_args!("{cycle}")),
    }
}

/// The first segment of a task's path.
fn krate(task: &InitTask) -> &'static str {
    task.name.split("::").next().unwrap_or_default()
}

fn belongs(task: &InitTask, program: &Program) -> bool {
    let stands_in = |p: &Program| task.name.strip_prefix(p.module).is_some_and(|rest| rest.starts_with("::"));
    stands_in(program) || !PROGRAMS.iter().any(stands_in)
}

/// The tasks and what they depend on, in the order in which they are to run.
fn order(wanted: impl Iterator<Item = &'static InitTask>) -> Result<Vec<&'static InitTask>, Cycle> {
    let same = |a: &InitTask, b: &InitTask| core::ptr::eq(a, b);
    let mut waiting: Vec<&'static InitTask> = Vec::new();
    let mut found: Vec<_> = wanted.collect();
    while let Some(task) = found.pop() {
        if !waiting.iter().any(|t| same(t, task)) {
            waiting.push(task);
            found.extend(task.after.iter().map(|after| after()));
        }
    }
    waiting.sort_unstable_by_key(|task| (krate(task), task.file, task.place));
    let mut done: Vec<&'static InitTask> = Vec::with_capacity(waiting.len());
    while let Some(&first) = waiting.first() {
        // The first that the task waits for, if any.
        let blocker = |task: &InitTask| {
            task.after.iter().map(|after| after()).find(|after| !done.iter().any(|t| same(t, after)))
        };
        match waiting.iter().position(|task| blocker(task).is_none()) {
            Some(i) => done.push(waiting.remove(i)),
            None => {
                // Everybody waits: whoever is followed long enough comes round.
                let mut path: Vec<&InitTask> = Vec::new();
                let mut task = first;
                loop {
                    if let Some(start) = path.iter().position(|t| same(t, task)) {
                        return Err(Cycle(path.split_off(start)));
                    }
                    path.push(task);
                    task = blocker(task).expect("every task waits for one");
                }
            }
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    macro_rules! tasks {
        ($($task:ident = $file:literal $line:literal after [$($after:ident),*];)*) => {
            $(fn $task() -> &'static InitTask {
                static TASK: InitTask = InitTask {
                    name: concat!("c::", stringify!($task)),
                    file: $file,
                    place: ($line, 1),
                    run: || {},
                    after: &[$($after),*],
                };
                &TASK
            })*
        };
    }

    tasks! {
        a = "1.rs" 9 after [d];
        b = "1.rs" 10 after [];
        c = "1.rs" 8 after [a, b];
        d = "0.rs" 20 after [];
        x = "2.rs" 1 after [y];
        y = "2.rs" 2 after [z];
        z = "2.rs" 3 after [y, b];
        own = "3.rs" 1 after [own];
    }

    /// All are of one crate, `c`, whose name is left out.
    fn names(tasks: &[fn() -> &'static InitTask]) -> Result<Vec<&'static str>, std::string::String> {
        let ordered = order(tasks.iter().map(|task| task()));
        let ordered = ordered.map_err(|cycle| cycle.to_string().replace("c::", ""))?;
        Ok(ordered.iter().map(|task| task.name.trim_start_matches("c::")).collect())
    }

    #[test]
    fn the_first_by_line_that_can_run_is_next() {
        let want = Ok(["d", "a", "b", "c"].to_vec());
        assert_eq!(names(&[a, b, c, d]), want);
        assert_eq!(names(&[d, c, b, a]), want);
    }

    #[test]
    fn dependencies_run_though_nobody_asked_for_them() {
        assert_eq!(names(&[c]), Ok(["d", "a", "b", "c"].to_vec()));
    }

    #[test]
    fn cycles_are_named() {
        let text = "initialization cycle:\n\ty is after z\n\tz is after y";
        assert_eq!(names(&[x]), Err(text.to_string()));
        assert_eq!(names(&[own]), Err("initialization cycle:\n\town is after own".to_string()));
    }
}
