//! Waiting for an answer, but not for ever: `select!` with the answer and a timer, whichever comes first.

use runtime::chan::Receiver;
use runtime::prelude::*;
use runtime::time::{after, sleep};

/// Answers after `delay`. The channel has room for the answer: a goroutine that nobody waits for any more is not leaked.
fn ask(question: &'static str, delay: Duration) -> Receiver<&'static str> {
    let answer = chan::make(1);
    let sender = answer.sender();
    go(move || {
        sleep(delay);
        sender.send(question);
    });
    answer.receiver()
}

fn wait(answer: &Receiver<&'static str>, patience: Duration) {
    select! {
        text = answer.recv() => println!("answer: {}", text.expect("the channel is never closed")),
        after(patience).recv() => println!("timeout"),
    }
}

#[program]
fn main() {
    let (soon, late) = (Duration::from_millis(1), Duration::from_secs(30));
    wait(&ask("one", late), soon);
    wait(&ask("two", soon), late);

    // A timer that is not reached leaves nothing behind: thousands of them cost nothing.
    let ready = chan::make(1);
    for _ in 0..10_000 {
        ready.send("three");
        select! {
            ready.recv() => {}
            after(late).recv() => println!("timeout"),
        }
    }
    println!("10000 answers in time");
}
