//! What the command line's grammar accepts and how it refuses.

use super::{CommandLine, Error};
use crate::device::uart::Port;
use alloc::string::ToString;
use alloc::vec;

fn parse(line: &[u8]) -> Result<CommandLine, Error> {
    let mut parsed = CommandLine::default();
    parsed.line(line).map(|()| parsed)
}

#[runtime::kernel_test]
fn full_line() {
    let line =
        parse(br#" -v console=ttyS1  A=1 _b2="x y" echo "a \"b\" \\" -v c=d "" "#).expect("the line is good");
    assert!(line.verbose);
    assert_eq!(line.console, Port::Com2);
    assert_eq!(line.environ, [("A", &b"1"[..]), ("_b2", b"x y")]);
    assert_eq!(line.args, [&b"echo"[..], br#"a "b" \"#, b"-v", b"c=d", b""]);
}

#[runtime::kernel_test]
fn backslash_outside_quotes_is_a_letter() {
    assert_eq!(parse(br#"p a\"b c"#), Err(Error::UnterminatedQuote(br#"a\"b c"#.into())));
    assert_eq!(parse(br"p a\b").expect("the line is good").args, [&b"p"[..], br"a\b"]);
}

#[runtime::kernel_test]
fn refusals_name_the_word() {
    assert_eq!(parse(b"-x p"), Err(Error::UnknownOption(b"-x")));
    assert_eq!(parse(b"=x p"), Err(Error::BadName(b"=x")));
    assert_eq!(parse(b"1a=x p"), Err(Error::BadName(b"1a=x")));
    assert_eq!(parse(b"a-b=x p"), Err(Error::BadName(b"a-b=x")));
    assert_eq!(parse(b"\xff=x p"), Err(Error::BadName(b"\xff=x")));
    assert_eq!(parse(b"console=tty p"), Err(Error::BadConsole(b"console=tty")));
    assert_eq!(parse(b"p \"a b"), Err(Error::UnterminatedQuote(b"\"a b".into())));
    assert_eq!(Error::BadName(b"\xff\n=x").to_string(), r"bad name: \xff\n=x");
}

#[runtime::kernel_test]
fn console_counts_before_the_refused_word() {
    let mut line = CommandLine::default();
    assert!(line.line(b"console=ttyS1 -x p").is_err());
    assert_eq!(line.console, Port::Com2);
}

#[runtime::kernel_test]
fn words_go_on_where_the_line_ends() {
    let mut line = parse(b"-v A=1 B=2").expect("the line is good");
    assert_eq!(line.words(b"A=x \"\\\n\0echo\0\0a b\0\xff\0-v\0A=3\0"), Ok(()));
    assert_eq!(line.environ, [("A", &b"x \"\\\n"[..]), ("B", b"2")]);
    assert_eq!(line.args, [&b"echo"[..], b"", b"a b", b"\xff", b"-v", b"A=3"]);
}

#[runtime::kernel_test]
fn the_last_word_may_lack_its_nul() {
    for (words, want) in
        [(&b"p"[..], &[&b"p"[..]][..]), (b"p\0\0", &[b"p", b""]), (b"", &[]), (b"\0", &[b""])]
    {
        let mut line = CommandLine::default();
        assert_eq!(line.words(words), Ok(()));
        assert_eq!(line.args, want, "{words:?}");
    }
}

#[runtime::kernel_test]
fn the_last_of_a_name_counts() {
    let line = parse(b"A=1 B= A=2 C=3 A=4 p").expect("the line is good");
    assert_eq!(line.environ, [("A", &b"4"[..]), ("B", b""), ("C", b"3")]);
}

/// Settings of the machine's count more than the image's, words are further arguments, and `--`
/// stands before those that would be options.
#[runtime::kernel_test]
fn words_of_the_image() {
    let image = b"A=1\0B=2\0echo\0first\0";
    let line =
        parse(b"-v B=3 C=4 -- -v A=5").expect("the line is good").over(image).expect("the words are good");
    assert_eq!(line.environ, [("A", &b"1"[..]), ("B", b"3"), ("C", b"4")]);
    assert_eq!((line.args, line.verbose), (vec![&b"echo"[..], b"first", b"-v", b"A=5"], true));
    let line = parse(b"second").expect("the line is good").over(image).expect("the words are good");
    assert_eq!(line.args, [&b"echo"[..], b"first", b"second"]);
    assert_eq!(parse(b"p").expect("the line is good").over(b"").expect("none").args, [b"p"]);
    assert_eq!(parse(b"").expect("no line").over(b"-x\0"), Err(Error::UnknownOption(b"-x")));
}
