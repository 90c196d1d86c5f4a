//! Misuses what is in `runtime::sync` in a way to be chosen, to see the report, which is Go's: `sync_misuse KIND`.

use runtime::sync::singleflight::Group;
use runtime::sync::{Cond, Mutex, RawMutex, RawRwMutex, RwMutex, Semaphore};
use runtime::{args, chan, go, println, program, recover};

/// First Go's `misuseTests` (`sync/mutex_test.go`), one by one.
const KINDS: [(&str, fn()); 11] = [
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
    ("panic_do_chan", panic_do_chan),
    ("panic_do_shared_by_do_chan", panic_do_shared_by_do_chan),
    ("deadlock", deadlock),
];

/// A panic that nobody could be told of: not even a recovery round the call stops it.
fn panic_do_chan() {
    let result = Group::<&str, ()>::new().do_chan("key", || panic!("Panicking in DoChan"));
    result.recv();
}

fn panic_do_shared_by_do_chan() {
    let group = Group::<&str, ()>::new();
    let (blocked, unblock) = (chan::make::<()>(0), chan::make::<()>(0));
    let (first, inside, end) = (group.clone(), blocked.clone(), unblock.clone());
    go(move || {
        _ = recover(|| {
            first.do_("key", || {
                inside.close();
                end.recv();
                panic!("Panicking in Do")
            })
        });
    });
    blocked.recv();
    let result = group.do_chan("key", || panic!("DoChan unexpectedly executed callback"));
    unblock.close();
    result.recv();
}

/// One goroutine for each way to wait.
fn deadlock() {
    static LOCK: Mutex<()> = Mutex::new(());
    static READ: RwMutex<()> = RwMutex::new(());
    static WRITTEN: RwMutex<()> = RwMutex::new(());
    static CHANGED: Cond = Cond::new();
    let waits: [fn(); 4] = [
        || drop(LOCK.lock()),
        || drop(READ.write()),
        || drop(WRITTEN.read()),
        || CHANGED.wait(&mut Mutex::new(()).lock()),
    ];
    let _held = (LOCK.lock(), READ.read(), WRITTEN.write());
    waits.into_iter().for_each(go);
    Semaphore::new(1).acquire(2);
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
