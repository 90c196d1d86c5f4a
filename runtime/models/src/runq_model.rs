//! `RunQueue`: every goroutine is taken once, whoever takes it.

use loom::sync::{Arc, atomic};
use loom::thread;

/// A goroutine: its address is its number.
type G = u8;
/// As few slots as show the ring going round.
const RUNQ_LEN: u32 = 4;

#[path = "../../src/proc/runq.rs"]
mod runq;

use runq::RunQueue;

fn g(n: usize) -> *mut G {
    n as *mut G
}

fn drain(q: &RunQueue) -> Vec<usize> {
    std::iter::from_fn(|| Some(q.pop().0 as usize).filter(|&n| n != 0)).collect()
}

fn thief(victim: Arc<RunQueue>) -> thread::JoinHandle<Vec<usize>> {
    thread::spawn(move || {
        let own = RunQueue::new();
        let first = victim.steal_into(&own, false) as usize;
        let mut got = drain(&own);
        got.extend((first != 0).then_some(first));
        got
    })
}

/// The owner puts and takes while a thief steals half. Finds `Relaxed` for the tail's *release* in `push`: the thief sees the tail, but not
/// the slot.
#[test]
fn owner_against_thief() {
    loom::model(|| {
        let q = Arc::new(RunQueue::new());
        let thief = thief(q.clone());
        assert!(q.push(g(1)));
        assert!(q.push(g(2)));
        let mut got = Vec::from_iter(Some(q.pop().0 as usize).filter(|&n| n != 0));
        let empty = q.is_empty_for_owner();
        assert!(!empty || q.pop().0.is_null());
        assert!(q.push(g(3)));
        got.extend(thief.join().unwrap());
        let empty = q.is_empty_for_owner();
        let rest = drain(&q);
        assert_eq!(empty, rest.is_empty());
        got.extend(rest);
        q.set_next(g(9));
        assert!(!q.is_empty_for_owner());
        got.sort_unstable();
        assert_eq!(got, [1, 2, 3]);
    });
}

/// The ring goes round under a thief: slots are used again while a thief may still read them. Finds a put that does not look at the head
/// again, and a thief that does not exchange it. (Loom does not let a load read a later store, so it cannot find a `Relaxed` exchange here.)
#[test]
fn full_ring_against_thief() {
    loom::model(|| {
        let q = Arc::new(RunQueue::new());
        for n in 1..=4 {
            assert!(q.push(g(n)));
        }
        let thief = thief(q.clone());
        let mut got = Vec::new();
        if !q.push(g(5)) {
            got.push(5);
        }
        got.extend(thief.join().unwrap());
        got.extend(drain(&q));
        got.sort_unstable();
        assert_eq!(got, [1, 2, 3, 4, 5]);
    });
}

/// `runnext` is wanted by its owner, by a thief, and replaced by the owner at the same time.
#[test]
fn runnext_is_taken_once() {
    loom::model(|| {
        let q = Arc::new(RunQueue::new());
        assert!(q.set_next(g(1)).is_null());
        let victim = q.clone();
        let thief = thread::spawn(move || victim.steal_into(&RunQueue::new(), true) as usize);
        let mut got = vec![q.set_next(g(2)) as usize];
        got.push(thief.join().unwrap());
        got.extend(drain(&q));
        got.retain(|&n| n != 0);
        got.sort_unstable();
        assert_eq!(got, [1, 2]);
    });
}
