//! Goroutines leaked on a channel that was never made: nobody can ever wake them. The report says where they wait and who made them.

use runtime::chan::Chan;
use runtime::time::{Duration, sleep};
use runtime::{debug, go, print, println, program};

#[program]
fn main() {
    let (c, c2) = (Chan::nil(), Chan::nil());
    go(move || {
        c.send(1);
        println!("the first goroutine has sent");
    });
    go(move || {
        let _: Option<u32> = c2.recv();
        println!("the second goroutine has received");
    });

    let leaked = loop {
        sleep(Duration::from_millis(100));
        let mut all = debug::goroutines();
        all.retain(|g| g.state.ends_with("(nil chan)"));
        if all.len() == 2 {
            break all;
        }
    };
    println!("{} goroutines leaked:", leaked.len());
    for g in leaked {
        print!("\n{g}");
    }
}
