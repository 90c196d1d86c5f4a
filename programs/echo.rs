//! Prints its arguments: `echo [-status N] [-env] [-bytes | -length] [WORD…]`. With `-env` the environment comes first, a line each; with `-status`
//! the program exits with N, 0 to 255; with `-bytes` the words need not be text; with `-length` only their length in bytes is printed.

use runtime::env::{args_bytes, vars};
use runtime::{args, eprintln, io, println, program};

#[program]
fn main() -> i32 {
    let mut words = &args_bytes()[1..];
    let mut status = 0;
    let mut text = true;
    loop {
        match words {
            [b"-env", rest @ ..] => {
                for (name, value) in vars() {
                    println!("{name}={value}");
                }
                words = rest;
            }
            [b"-status", n, rest @ ..] => {
                match str::from_utf8(n).ok().and_then(|n| n.parse::<u8>().ok()) {
                    Some(n) => status = n.into(),
                    None => {
                        eprintln!("echo: -status: expected a number from 0 to 255");
                        return 64;
                    }
                }
                words = rest;
            }
            [b"-bytes", rest @ ..] => {
                text = false;
                words = rest;
            }
            [b"-length", rest @ ..] => {
                println!("{}", rest.join(&b' ').len());
                return status;
            }
            _ => break,
        }
    }
    if text {
        println!("{}", args()[args().len() - words.len()..].join(" "));
    } else {
        io::stdout().write_all(&words.join(&b' '));
        println!();
    }
    status
}
