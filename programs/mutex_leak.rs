//! Goroutines leaked on a mutex: the one that gets it never gives it back. The report says where the others wait and who made them.

use alloc::sync::Arc;
use core::mem::forget;
use runtime::sync::Mutex;
use runtime::time::{Duration, sleep};
use runtime::{debug, go, print, println, program};

const GOROUTINES: usize = 10;

#[program]
fn main() {
    let mutex = Arc::new(Mutex::new(()));
    for i in 0..GOROUTINES {
        let mutex = mutex.clone();
        go(move || {
            let guard = mutex.lock();
            println!("goroutine {i} has the mutex");
            // The unlock that is missing.
            forget(guard);
        });
    }

    let leaked = loop {
        sleep(Duration::from_millis(100));
        let mut all = debug::goroutines();
        all.retain(|g| g.state == "sync.Mutex.Lock");
        if all.len() == GOROUTINES - 1 {
            break all;
        }
    };
    println!("{} goroutines leaked:", leaked.len());
    for g in leaked {
        print!("\n{g}");
    }
}
