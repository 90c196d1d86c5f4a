//! Prints its arguments: `echo [-status N] [-env] [WORD…]`. With `-env` the environment comes first, a line each; with `-status` the program
//! exits with N, 0 to 255.

use runtime::{args, environ, println, program};

#[program]
fn main() -> i32 {
    let mut words = &args()[1..];
    let mut status = 0;
    let mut env = false;
    loop {
        match words {
            ["-env", rest @ ..] => {
                env = true;
                words = rest;
            }
            ["-status", n, rest @ ..] => {
                let Ok(n) = n.parse::<u8>() else {
                    println!("echo: -status {n}: expected a number from 0 to 255");
                    return 64;
                };
                status = n.into();
                words = rest;
            }
            ["-status"] => {
                println!("echo: -status: expected a number from 0 to 255");
                return 64;
            }
            _ => break,
        }
    }
    if env {
        for (name, value) in environ() {
            println!("{name}={value}");
        }
    }
    println!("{}", words.join(" "));
    status
}
