//! `print!` and `println!`, `eprint!` and `eprintln!`.

use crate::console;
use crate::port::Stream;
use core::fmt;

/// Prints to standard output, formatted as by `format!`. What one call prints is not mixed with what others print.
#[macro_export]
macro_rules! print {
    ($($arg:tt)*) => { $crate::__private::print(::core::format_args!($($arg)*)) };
}

/// [`print!`] with a newline at the end.
#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($($arg:tt)*) => { $crate::__private::print(::core::format_args!("{}\n", ::core::format_args!($($arg)*))) };
}

/// [`print!`] to standard error.
#[macro_export]
macro_rules! eprint {
    ($($arg:tt)*) => { $crate::__private::eprint(::core::format_args!($($arg)*)) };
}

/// [`println!`] to standard error.
#[macro_export]
macro_rules! eprintln {
    () => { $crate::eprint!("\n") };
    ($($arg:tt)*) => { $crate::__private::eprint(::core::format_args!("{}\n", ::core::format_args!($($arg)*))) };
}

/// Formats first and then writes once: `Display` of an argument may block or panic, and lines stay whole.
fn write(stream: Stream, args: fmt::Arguments<'_>) {
    match args.as_str() {
        Some(text) => console::write(stream, text.as_bytes()),
        None => console::write(stream, alloc::fmt::format(args).as_bytes()),
    }
}

/// What [`print!`] calls.
pub fn print(args: fmt::Arguments<'_>) {
    write(Stream::Out, args);
}

/// What [`eprint!`] calls.
pub fn eprint(args: fmt::Arguments<'_>) {
    write(Stream::Err, args);
}
