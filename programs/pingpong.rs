//! Two goroutines throw a ball to each other over two unbuffered channels.

use runtime::prelude::*;

const ROUNDS: u32 = 10_000;

#[program]
fn main() {
    let (ping, pong) = (chan::make(0), chan::make(0));
    let (there, back) = (ping.receiver(), pong.sender());
    go(move || {
        for ball in there {
            back.send(ball + 1);
        }
        back.close();
    });
    let mut ball = 0;
    for _ in 0..ROUNDS {
        ping.send(ball + 1);
        ball = pong.recv().expect("the other goroutine throws it back");
    }
    ping.close();
    assert_eq!(pong.recv(), None);
    println!("{ROUNDS} rounds, the ball was hit {ball} times");
}
