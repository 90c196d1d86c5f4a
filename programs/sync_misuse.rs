//! Misuses a lock in a way to be chosen, to see the report, which is Go's: `sync_misuse KIND`.

use runtime::sync::{RawMutex, RawRwMutex};
use runtime::{args, println, program};

/// Go's `misuseTests` (`sync/mutex_test.go`), one by one.
const KINDS: [(&str, fn()); 8] = [
    ("mutex_unlock", || RawMutex::new().unlock()),
    ("mutex_unlock2", || {
        let mu = RawMutex::new();
        mu.lock();
        mu.unlock();
        mu.unlock();
    }),
    ("rwmutex_unlock", || RawRwMutex::new().unlock()),
    ("rwmutex_unlock2", || {
        let mu = RawRwMutex::new();
        mu.rlock();
        mu.unlock();
    }),
    ("rwmutex_unlock3", || {
        let mu = RawRwMutex::new();
        mu.lock();
        mu.unlock();
        mu.unlock();
    }),
    ("rwmutex_runlock", || RawRwMutex::new().runlock()),
    ("rwmutex_runlock2", || {
        let mu = RawRwMutex::new();
        mu.lock();
        mu.runlock();
    }),
    ("rwmutex_runlock3", || {
        let mu = RawRwMutex::new();
        mu.rlock();
        mu.runlock();
        mu.runlock();
    }),
];

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
