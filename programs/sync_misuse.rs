//! Misuses a lock in a way to be chosen, to see the report, which is Go's: `sync_misuse KIND`.

use runtime::sync::RawMutex;
use runtime::{args, println, program};

const KINDS: [(&str, fn()); 2] = [("mutex_unlock", mutex_unlock), ("mutex_unlock_twice", mutex_unlock_twice)];

fn mutex_unlock() {
    RawMutex::new().unlock();
}

fn mutex_unlock_twice() {
    let mu = RawMutex::new();
    mu.lock();
    mu.unlock();
    mu.unlock();
}

#[program]
fn main() -> i32 {
    match args().get(1).and_then(|name| KINDS.iter().find(|(kind, _)| kind == name)) {
        Some((_, misuse)) => {
            misuse();
            println!("nothing happened");
            1
        }
        None => {
            KINDS.iter().for_each(|(kind, _)| println!("{kind}"));
            64
        }
    }
}
