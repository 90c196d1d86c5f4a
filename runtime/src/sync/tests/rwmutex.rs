//! `RawRwMutex` and `RwMutex` (Go: `sync/rwmutex_test.go`).

use super::on_goroutines;
use crate::sync::{RawRwMutex, RwMutex};
use crate::{chan, go, gosched, kernel_test};
use alloc::format;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicI32, Ordering};

/// Readers that keep each other out (a hang) (Go: `TestParallelReaders`).
#[kernel_test]
fn parallel_readers() {
    for readers in [1, 3, 4] {
        let lock = Arc::new(RawRwMutex::new());
        let (locked, unlock, done) = (chan::make(0), chan::make(0), chan::make(0));
        for _ in 0..readers {
            let (lock, locked, unlock, done) = (lock.clone(), locked.clone(), unlock.clone(), done.clone());
            go(move || {
                lock.rlock();
                locked.send(());
                unlock.recv();
                lock.runlock();
                done.send(());
            });
        }
        for _ in 0..readers {
            locked.recv();
        }
        for _ in 0..readers {
            unlock.send(());
        }
        for _ in 0..readers {
            done.recv();
        }
        assert!(lock.try_lock(), "the readers did not give the lock back");
    }
}

/// A writer beside a reader or another writer, a wake-up that is lost (a hang) (Go: `TestRWMutex`).
#[kernel_test]
fn hammer() {
    let lock = RawRwMutex::new();
    lock.lock();
    assert!(!lock.try_lock() && !lock.try_rlock(), "a lock held for writing was taken");
    lock.unlock();
    assert!(lock.try_lock(), "a free lock was not taken for writing");
    lock.unlock();
    lock.rlock();
    assert!(!lock.try_lock() && lock.try_rlock(), "a lock held for reading is for further readers only");
    lock.runlock();
    lock.runlock();
    for readers in [1, 3, 10] {
        hammer_with(readers, 300);
    }
}

/// Two writers and some readers; `activity` is the number of those that read and 10000 for one that writes.
fn hammer_with(readers: usize, rounds: usize) {
    let (lock, activity) = (RawRwMutex::new(), AtomicI32::new(0));
    on_goroutines(2 + readers, move |i| {
        for round in 0..rounds {
            if i < 2 {
                lock.lock();
                assert_eq!(activity.fetch_add(10_000, Ordering::Relaxed), 0, "a writer is not alone");
                if round % 50 == 0 {
                    gosched();
                }
                activity.fetch_sub(10_000, Ordering::Relaxed);
                lock.unlock();
            } else {
                lock.rlock();
                let n = activity.fetch_add(1, Ordering::Relaxed);
                assert!((0..9_999).contains(&n), "a reader beside a writer");
                if round % 50 == 0 {
                    gosched();
                }
                activity.fetch_sub(1, Ordering::Relaxed);
                lock.runlock();
            }
        }
    });
}

/// A writer that passes a reader, or readers that pass a waiting writer (Go: `TestRLocker`).
#[kernel_test]
fn readers_and_a_writer_in_turn() {
    const ROUNDS: u32 = 10;
    let lock = Arc::new(RawRwMutex::new());
    let (rlocked, wlocked) = (chan::make(1), chan::make(1));
    let (lock2, rlocked2, wlocked2) = (lock.clone(), rlocked.clone(), wlocked.clone());
    go(move || {
        for _ in 0..ROUNDS {
            lock2.rlock();
            lock2.rlock();
            rlocked2.send(());
            lock2.lock();
            wlocked2.send(());
        }
    });
    for _ in 0..ROUNDS {
        rlocked.recv();
        lock.runlock();
        assert!(wlocked.try_recv().is_err(), "written while it is read");
        lock.runlock();
        wlocked.recv();
        assert!(rlocked.try_recv().is_err(), "read while it is written");
        lock.unlock();
    }
}

/// New readers that pass a writer which waits, and may so keep it out for ever.
#[kernel_test]
fn a_waiting_writer_keeps_new_readers_out() {
    static LOCK: RwMutex<u32> = RwMutex::new(1);
    let reader = LOCK.read();
    let done = chan::make(0);
    let end = done.clone();
    go(move || {
        *LOCK.write() += 1;
        end.send(());
    });
    while LOCK.try_read().is_some() {
        gosched();
    }
    assert_eq!(*reader, 1);
    drop(reader);
    assert_eq!(*LOCK.read(), 2, "the reader came before the writer that waited");
    done.recv();
}

/// Values lost by writers that write at once, or seen half written.
#[kernel_test]
fn guards_its_value() {
    let value = Arc::new(RwMutex::new([0_u64; 4]));
    let shared = value.clone();
    on_goroutines(8, move |i| {
        for round in 0..200 {
            if i % 2 == 0 {
                for part in &mut *shared.write() {
                    *part += 1;
                }
            } else {
                let v = shared.read();
                if round % 20 == 0 {
                    gosched();
                }
                assert!(v.iter().all(|part| *part == v[0]), "half written: {v:?}");
            }
        }
    });
    assert_eq!(*value.read(), [800; 4]);
    let writing = value.write();
    assert_eq!(format!("{value:?} {writing:?}"), "RwMutex(<locked>) [800, 800, 800, 800]");
}
