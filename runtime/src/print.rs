//! `print!` and `println!`.

use crate::port;
use core::fmt;

/// Prints to the console, formatted as by `format!`. What one call prints is not mixed with what others print.
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

/// Formats first and then writes once: `Display` of an argument may block or panic, and lines stay whole.
pub fn print(args: fmt::Arguments<'_>) {
    match args.as_str() {
        Some(text) => port::write(text.as_bytes()),
        None => port::write(alloc::fmt::format(args).as_bytes()),
    }
}
