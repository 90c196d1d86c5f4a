//! The programs linked into the image, by name.

use core::fmt;
use linkme::distributed_slice;

/// A program: what the first word of the command line names.
///
/// `boot` reads the list of these from the linked image.
#[repr(C)]
pub struct Program {
    /// The name on the command line.
    pub name: &'static str,
    /// The path of its module, `crate::module`.
    pub module: &'static str,
    /// The file in which it stands.
    pub file: &'static str,
    /// The line of its attribute.
    pub line: u64,
    /// Runs the program on the main goroutine; the machine ends when it returns.
    pub main: fn(),
}

/// All programs of the image, in link order. Filled by `#[program]`.
#[distributed_slice]
pub static PROGRAMS: [Program];

impl Program {
    /// A program named like the last segment of a module path, which is its file's name.
    pub const fn in_module(path: &'static str, file: &'static str, line: u32, main: fn()) -> Program {
        let bytes = path.as_bytes();
        let mut start = bytes.len();
        while start > 0 && bytes[start - 1] != b':' {
            start -= 1;
        }
        Program { name: path.split_at(start).1, module: path, file, line: line as u64, main }
    }

    /// The program of that name, if the image has it.
    pub fn find(name: &str) -> Option<&'static Program> {
        PROGRAMS.iter().find(|p| p.name == name)
    }
}

/// What a program's `main` may return (Rust: `std::process::Termination`).
///
/// ```no_run
/// use runtime::env;
///
/// fn main() -> Result<(), core::num::ParseIntError> {
///     let n: u32 = env::var("N").unwrap_or("10").parse()?;
///     runtime::println!("{n}");
///     Ok(())
/// }
/// ```
pub trait Termination {
    /// Ends the program as the value says; returning means success.
    fn report(self);
}

impl Termination for () {
    fn report(self) {}
}

/// The exit status, 0 to 255.
impl Termination for i32 {
    fn report(self) {
        crate::exit(self)
    }
}

/// An error is printed to standard error with `Debug`, as Rust's `main` does, and the exit status is 1.
impl<T: Termination, E: fmt::Debug> Termination for Result<T, E> {
    fn report(self) {
        match self {
            Ok(value) => value.report(),
            Err(error) => {
                crate::eprintln!("Error: {error:?}");
                crate::exit(1)
            }
        }
    }
}
