//! What the command line's grammar accepts and how it refuses.

use super::{CommandLine, Error};
use crate::device::uart::Port;
use alloc::string::ToString;
use alloc::vec;

fn parse(line: &str) -> Result<CommandLine, Error> {
    let mut parsed = CommandLine::default();
    parsed.parse(line.as_bytes()).map(|()| parsed)
}

#[runtime::kernel_test]
fn full_line() {
    let line =
        parse(r#" -v console=ttyS1  A=1 _b2="x y" echo "a \"b\" \\" -v c=d "" "#).expect("the line is good");
    assert!(line.verbose);
    assert_eq!(line.console, Port::Com2);
    assert_eq!(line.environ, [("A".to_string(), "1".to_string()), ("_b2".to_string(), "x y".to_string())]);
    assert_eq!(line.args, ["echo", r#"a "b" \"#, "-v", "c=d", ""]);
}

#[runtime::kernel_test]
fn backslash_outside_quotes_is_a_letter() {
    assert_eq!(parse(r#"p a\"b c"#), Err(Error::UnterminatedQuote(r#"a\"b c"#.into())));
    assert_eq!(parse(r"p a\b").map(|l| l.args), Ok(vec!["p".into(), r"a\b".into()]));
}

#[runtime::kernel_test]
fn refusals_name_the_word() {
    assert_eq!(parse(""), Err(Error::NoProgram));
    assert_eq!(parse("-v A=b "), Err(Error::NoProgram));
    assert_eq!(parse("-x p"), Err(Error::UnknownOption("-x".into())));
    assert_eq!(parse("=x p"), Err(Error::BadName("=x".into())));
    assert_eq!(parse("1a=x p"), Err(Error::BadName("1a=x".into())));
    assert_eq!(parse("a-b=x p"), Err(Error::BadName("a-b=x".into())));
    assert_eq!(parse("console=tty p"), Err(Error::BadConsole("console=tty".into())));
    assert_eq!(parse("p \"a b"), Err(Error::UnterminatedQuote("\"a b".into())));
    assert_eq!(CommandLine::default().parse(b"p \xff"), Err(Error::NotText));
}

#[runtime::kernel_test]
fn console_counts_before_the_refused_word() {
    let mut line = CommandLine::default();
    assert!(line.parse(b"console=ttyS1 -x p").is_err());
    assert_eq!(line.console, Port::Com2);
}
