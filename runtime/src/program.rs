//! The programs linked into the image, by name.

use linkme::distributed_slice;

/// A program: what the first word of the command line names.
pub struct Program {
    /// The name on the command line.
    pub name: &'static str,
    /// The path of its module, `crate::module`.
    pub module: &'static str,
    /// Runs the program on the main goroutine; the machine ends when it returns.
    pub main: fn(),
}

/// All programs of the image, in link order. Filled by `#[program]`.
#[distributed_slice]
pub static PROGRAMS: [Program];

impl Program {
    /// A program named like the last segment of a module path, which is its file's name.
    pub const fn in_module(path: &'static str, main: fn()) -> Program {
        let bytes = path.as_bytes();
        let mut start = bytes.len();
        while start > 0 && bytes[start - 1] != b':' {
            start -= 1;
        }
        Program { name: path.split_at(start).1, module: path, main }
    }

    /// The program of that name, if the image has it.
    pub fn find(name: &str) -> Option<&'static Program> {
        PROGRAMS.iter().find(|p| p.name == name)
    }
}

/// What a program's `main` may return.
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
