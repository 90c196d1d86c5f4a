//! `Note`: a wake-up is neither lost nor left over.

use crate::port;
use crate::proc::{M, become_m};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

#[path = "../../src/note.rs"]
mod note;

use note::Note;

struct Shared {
    note: Note,
    m: UnsafeCell<M>,
    data: UnsafeCell<u32>,
}
// SAFETY: the cells are what the model checks.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

fn shared() -> Arc<Shared> {
    Arc::new(Shared { note: Note::new(), m: UnsafeCell::new(M::new()), data: UnsafeCell::new(0) })
}

/// Finds a lost wake-up (the sleeper never returns: loom reports a deadlock), and a `Relaxed` exchange in `wakeup` or `tsleep`: what
/// the waker wrote is not seen (loom reports the unordered accesses of `data`).
#[test]
fn sleep_sees_what_came_before_wakeup() {
    loom::model(|| {
        let s = shared();
        let waker = s.clone();
        let t = thread::spawn(move || {
            // SAFETY: ordered before the sleeper's read by the note, which is what the model checks.
            waker.data.with_mut(|d| unsafe { *d = 7 });
            waker.note.wakeup();
        });
        become_m(s.m.with_mut(|m| m));
        s.note.sleep();
        // SAFETY: as above.
        assert_eq!(s.data.with(|d| unsafe { *d }), 7);
        t.join().unwrap();
    });
}

/// Finds a post that is left over when the time runs out just as the waker comes: the next sleep would return at once.
#[test]
fn time_out_against_wakeup_leaves_no_post() {
    loom::model(|| {
        let s = shared();
        let waker = s.clone();
        let t = thread::spawn(move || waker.note.wakeup());
        become_m(s.m.with_mut(|m| m));
        s.note.tsleep(0);
        t.join().unwrap();
        assert!(!port::semasleep(0), "a post was left in the semaphore");
    });
}
