//! The text of a panic as reports show it (Go: `printindented`).
//!
//! A program may panic with any text, what it read from a network among them, and a report goes to a terminal. So nothing in the text can be taken for a
//! line of the report, and nothing moves the cursor or changes the terminal.

use core::fmt::{self, Write};

/// Shows a text with its later lines indented by a tab, as Go does, and with control characters but the tab as escapes of Go's syntax, which Go leaves.
///
/// ```text
/// two\nlines    "two\n\tlines"
/// \x1b[2J       "\\x1b[2J"
/// ```
pub(crate) struct PanicText<T>(pub(crate) T);

impl<T: fmt::Display> fmt::Display for PanicText<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, mut text: &str) -> fmt::Result {
        let special = |c: char| c.is_control() && c != '\t';
        while let Some((at, c)) = text.char_indices().find(|&(_, c)| special(c)) {
            self.0.write_str(&text[..at])?;
            match (c, c as u32) {
                ('\n', _) => self.0.write_str("\n\t")?,
                ('\r', _) => self.0.write_str("\\r")?,
                (_, code @ ..0x80) => write!(self.0, "\\x{code:02x}")?,
                (_, code) => write!(self.0, "\\u{code:04x}")?,
            }
            text = &text[at + c.len_utf8()..];
        }
        self.0.write_str(text)
    }
}
