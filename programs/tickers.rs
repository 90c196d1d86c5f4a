//! Two tickers of different periods; one goroutine receives from both until the slow one has ticked often enough.

use runtime::prelude::*;
use runtime::time::{Ticker, after};

const TICKS: u32 = 4;

#[program]
fn main() {
    let fast = Ticker::new(Duration::from_millis(10));
    let slow = Ticker::new(Duration::from_millis(50));
    let (mut fast_ticks, mut slow_ticks) = (0, 0);
    while slow_ticks < TICKS {
        select! {
            fast.c.recv() => fast_ticks += 1,
            slow.c.recv() => {
                slow_ticks += 1;
                println!("slow tick {slow_ticks}");
            }
        }
    }
    println!("{fast_ticks} fast ticks meanwhile");

    fast.stop();
    slow.stop();
    select! {
        fast.c.recv() => println!("a tick after the stop"),
        slow.c.recv() => println!("a tick after the stop"),
        after(Duration::from_millis(100)).recv() => println!("stopped, they tick no more"),
    }

    slow.reset(Duration::from_millis(1));
    slow.c.recv();
    println!("reset, it ticks again");
}
