//! Producers and consumers share a buffer of four places, a channel: who finds it full, or empty, waits.

use runtime::chan::{Receiver, Sender};
use runtime::prelude::*;

const PRODUCERS: u64 = 3;
const CONSUMERS: u64 = 2;
const ITEMS: u64 = 1000;

/// Puts `ITEMS` numbers into the buffer, other ones than every other producer.
fn produce(producer: u64, buffer: &Sender<u64>) {
    for i in 0..ITEMS {
        buffer.send(producer * ITEMS + i);
    }
}

/// How many numbers it took out of the buffer, and their sum.
fn consume(buffer: &Receiver<u64>) -> (u64, u64) {
    let (mut taken, mut sum) = (0, 0);
    for item in buffer {
        taken += 1;
        sum += item;
        // Digesting takes longer than producing: the buffer fills up.
        gosched();
    }
    (taken, sum)
}

#[program]
fn main() {
    let (buffer, results) = (chan::make(4), chan::make(0));
    let producers = sync::WaitGroup::new();
    for producer in 0..PRODUCERS {
        let buffer = buffer.sender();
        producers.go(move || produce(producer, &buffer));
    }
    for _ in 0..CONSUMERS {
        let (buffer, results) = (buffer.receiver(), results.sender());
        go(move || results.send(consume(&buffer)));
    }
    producers.wait();
    // Consumers get what is in the buffer still, and then nothing.
    buffer.close();
    let (taken, sum) =
        results.iter().take(CONSUMERS as usize).fold((0, 0), |(taken, sum), (t, s)| (taken + t, sum + s));
    println!("{PRODUCERS} producers, {CONSUMERS} consumers: {taken} items, sum {sum}");
}
