//! `RawRwMutex`: writers are alone, readers see what the last writer did, and nobody waits for ever.

use crate::mutex_model::{check, rawmutex, sema};
use crate::proc::go;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic;

#[path = "../../src/sync/rawrwmutex.rs"]
mod rawrwmutex;

use rawrwmutex::RawRwMutex;

/// What a lock guards: loom reports a writer beside another or beside a reader, and one that does not see what another wrote.
#[derive(Default)]
struct Shared {
    lock: RawRwMutex,
    value: UnsafeCell<u32>,
}

// SAFETY: the value is used under the lock, which is what the model checks.
unsafe impl Sync for Shared {}

impl Shared {
    fn write(&self) {
        self.lock.lock();
        // SAFETY: under the lock for writing.
        self.value.with_mut(|v| unsafe { *v += 1 });
        self.lock.unlock();
    }

    fn read(&self) -> u32 {
        self.lock.rlock();
        // SAFETY: under the lock for reading.
        let value = self.value.with(|v| unsafe { *v });
        self.lock.runlock();
        value
    }
}

/// Finds a writer that is not woken by the last reader (a deadlock), and one that does not wait for it (a race).
#[test]
fn read_against_write() {
    check(3, || {
        let s = Arc::new(Shared::default());
        let writer = s.clone();
        let t = go(move || writer.write());
        assert!(s.read() <= 1);
        t.join().unwrap();
        assert_eq!(s.read(), 1);
    });
}

/// Finds a reader that is forgotten when the writer ends, and a writer that waits for one reader of two.
#[test]
fn two_readers_against_a_writer() {
    check(2, || {
        let s = Arc::new(Shared::default());
        let (a, b) = (s.clone(), s.clone());
        let others = [go(move || a.read()), go(move || b.read())];
        s.write();
        assert!(others.into_iter().all(|t| t.join().unwrap() <= 1));
    });
}

/// Finds writers that pass each other while a reader leaves.
#[test]
fn two_writers_and_a_reader() {
    check(2, || {
        let s = Arc::new(Shared::default());
        let (a, b) = (s.clone(), s.clone());
        let (writer, reader) = (go(move || a.write()), go(move || b.read()));
        s.write();
        writer.join().unwrap();
        assert!(reader.join().unwrap() <= 2);
        assert_eq!(s.read(), 2);
    });
}
