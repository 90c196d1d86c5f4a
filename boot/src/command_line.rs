//! The kernel's command line (B7): `[-v] [console=ttyS2] [NAME=VALUE …] PROGRAM [ARGS…]` as one string.
//!
//! Words are separated by blanks; `"…"` quotes blanks, with `\"` and `\\` inside (`kernel/src/entry/cmdline.rs` reads it).

use crate::options::{Door, Options};

/// The line that makes the kernel run what `options` says.
pub fn kernel_command_line(options: &Options) -> String {
    let mut words = Vec::new();
    if options.verbose {
        words.push("-v".into());
    }
    if options.door == Door::Uefi {
        // OVMF itself writes to COM1 and COM2.
        words.push("console=ttyS2".into());
    }
    words.extend(options.env.iter().map(|(name, value)| quote(&format!("{name}={value}"))));
    words.push(quote(&options.program));
    words.extend(options.args.iter().map(|arg| quote(arg)));
    words.join(" ")
}

/// `word` in a form that the kernel reads back as one word.
pub fn quote(word: &str) -> String {
    if !word.is_empty() && !word.contains(|c: char| c.is_ascii_whitespace() || c == '"' || c == '\\') {
        return word.into();
    }
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting() {
        assert_eq!(quote("plain-1,x=y"), "plain-1,x=y");
        assert_eq!(quote(""), r#""""#);
        assert_eq!(quote("a b"), r#""a b""#);
        assert_eq!(quote(r#"a"b\"#), r#""a\"b\\""#);
        assert_eq!(quote("ünï"), "ünï");
    }

    #[test]
    fn whole_line() {
        let mut options = Options::new("echo", &["-status", "7", "a b"]);
        options.env = vec![("GOMAXPROCS".into(), "2".into()), ("X".into(), "two words".into())];
        assert_eq!(kernel_command_line(&options), r#"GOMAXPROCS=2 "X=two words" echo -status 7 "a b""#);
        options.verbose = true;
        options.door = Door::Uefi;
        options.env.clear();
        assert_eq!(kernel_command_line(&options), r#"-v console=ttyS2 echo -status 7 "a b""#);
    }
}
