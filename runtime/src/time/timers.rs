//! Each P's timers (Go: `timers` in `time.go`).
//!
//! # Problem
//! Every goroutine may sleep or set a timeout, and nearly every timeout is stopped or set anew before it passes: that must cost tens of
//! instructions, not a search in a heap. One heap for all cores would be the lock that all share; yet a P that is busy must not keep its
//! timers from those that are idle, and a timer that is stopped on one P may be in the heap of another.
//!
//! # Rejected
//! A timing wheel: it rounds deadlines, and costs memory for each slot and P. The index of its entry in each timer, so that it can be taken out
//! at once (Go until 1.13): stopping takes the heap's lock, and every move in the heap writes to a timer.
//!
//! # Protocol
//! Go's of 1.23. A heap's entries are a key, the time, and a timer. The heap belongs to the holder of its lock, a timer to the holder
//! of *its* lock ([`TimerCore`]); the heap's comes first. What a timer's owner does to it takes only the timer's lock, and leaves the entry
//! as it is:
//! 1. *Set* a timer that is in no heap: it is put into the heap of the P on which that is done, if anybody wants it to go off: a timer with a channel
//!    is in a heap only while a goroutine waits for the channel.
//! 2. *Stop* it: its entry becomes a **zombie**. The heap counts its zombies; who makes the count exceed a quarter of the heap sweeps
//!    them out ([`Timers::sweep`]), so that a stopped timer costs a constant and leaves nothing behind. (Go sweeps when the scheduler next comes to that P.)
//! 3. *Set it anew* while it has an entry: the timer is **modified**, and the entry's key is wrong. If it went later, that is found when the entry
//!    comes first. If it went earlier, the time is noted in `min_when_modified`; when that has come, all entries are looked at ([`Timers::adjust`]).
//! 4. *Run* what is due ([`Timers::check`]): any M does that for any P, its own at each turn of the scheduler, another's in the last round of stealing. The
//!    entry is taken out under both locks, they are given up, and the timer's function is called: once for each time that it went off.
//! 5. The owner of a timer that has an entry gives it up by marking it as an **orphan**, without a lock, as the last thing that it does to it: whoever takes
//!    the entry out frees it. The mark and the taking out are atomic in the timer's state: one of the two sees the other.
//!
//! A sleeping goroutine has no timer at all: its entry names the G. Nothing can stop it, so there is nothing to lock.
//!
//! # Waking
//! [`Timers::wake_time`] is the smaller of `min_when_heap`, the first key, and `min_when_modified`; each may be too early, never too late. Whoever makes it
//! earlier tells the scheduler ([`wake_net_poller`], which begins with a full barrier): an M that sleeps until later must wake.
//!
//! `adjust` has to clear `min_when_modified` while others lower it. It 1. moves the minimum of both into `min_when_heap`, 2. exchanges
//! `min_when_modified` for 0, 3. looks at the entries, 4. sets `min_when_heap` right. A reader loads `min_when_modified` first (*acquire*): if it sees the
//! 0, it sees the minimum in the other. One who modifies a timer says so in the timer's state first and lowers the minimum then (*release*): if the exchange
//! (*acquire*) wipes that out, the look at the entries finds the timer.

use super::heap4::Heap4;
use super::timer::{MODIFIED, TimerCore, Verdict, ZOMBIE};
use crate::lock::{Lock, Rank};
use crate::proc::{G, ready_list, wake_net_poller};
use core::cell::UnsafeCell;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

/// This many zombies may stay in any heap.
const ZOMBIES_MIN: usize = 32;
/// This many sleepers are taken off under the lock at a time.
const BATCH: u32 = 64;

/// The timers of a P.
pub struct Timers {
    pub(super) lock: Lock,
    heap: UnsafeCell<Heap4<Entry>>,
    /// The smallest key of `heap`, 0 if it is empty. Written under the lock.
    min_when_heap: AtomicI64,
    /// No later than any modified timer in the heap; 0 if there is none.
    min_when_modified: AtomicI64,
    /// Entries, written under the lock, and how many of them are zombies.
    len: AtomicUsize,
    zombies: AtomicUsize,
}

/// What goes off: a timer's address, or a sleeping G's with the lowest bit set.
#[derive(Clone, Copy)]
struct Entry(*mut u8);

enum Named {
    Timer(*const TimerCore),
    Sleeper(*mut G),
}

impl Entry {
    #[inline]
    fn sleeper(gp: *mut G) -> Entry {
        Entry(gp.cast::<u8>().wrapping_add(1))
    }

    #[inline]
    fn names(self) -> Named {
        if self.0.addr() & 1 == 0 {
            Named::Timer(self.0.cast())
        } else {
            Named::Sleeper(self.0.wrapping_sub(1).cast())
        }
    }
}

// SAFETY: the heap is used under the lock only; timers and Gs in it stay in place until they are taken out.
unsafe impl Sync for Timers {}
// SAFETY: as above.
unsafe impl Send for Timers {}

/// What is first in a heap.
enum First {
    /// Nothing that is due.
    NotDue,
    /// Due sleepers, linked by `schedlink`, in order.
    Sleepers(*mut G),
    /// A due timer.
    Timer(*const TimerCore),
}

impl Timers {
    /// No timers.
    pub const fn new() -> Timers {
        Timers {
            lock: Lock::new(Rank::Timers),
            heap: UnsafeCell::new(Heap4::new()),
            min_when_heap: AtomicI64::new(0),
            min_when_modified: AtomicI64::new(0),
            len: AtomicUsize::new(0),
            zombies: AtomicUsize::new(0),
        }
    }

    /// When the first timer is due (nanotime) or before, 0 if there is none. Takes no lock.
    #[inline]
    pub fn wake_time(&self) -> i64 {
        // In this order; see the head comment.
        let modified = self.min_when_modified.load(Ordering::Acquire);
        let when = self.min_when_heap.load(Ordering::Acquire);
        if when == 0 || (modified != 0 && modified < when) { modified } else { when }
    }

    /// Whether there is none. Takes no lock.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.min_when_heap.load(Ordering::Acquire) == 0
    }

    /// How many there are, stopped ones that have not been swept out included; a moment's figure.
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Has `gp` readied at `when` (nanotime, not 0).
    ///
    /// # Safety
    /// On g0; `gp` is parked, and nothing else readies it. `self` is the current P's.
    #[inline]
    pub(crate) unsafe fn add_sleeper(&self, when: i64, gp: *mut G) {
        self.lock.lock_pinned();
        let first = self.push(when, Entry::sleeper(gp));
        self.lock.unlock_pinned();
        if first {
            wake_net_poller(when);
        }
    }

    /// Runs the timers that are due at `now` (nanotime). Returns whether any was, and when the next one is, 0 if there is none.
    ///
    /// Called on g0 of an M with a P, with no lock held.
    #[inline]
    pub fn check(&self, now: i64) -> (bool, i64) {
        let next = self.wake_time();
        if next == 0 || now < next { (false, next) } else { self.run(now) }
    }

    /// [`Timers::wake_time`] for an M that is about to sleep: stopped timers that come first are taken out, so that it neither wakes for them nor
    /// takes them for a reason to wait.
    pub(crate) fn wake_time_before_sleep(&self) -> i64 {
        if self.zombies.load(Ordering::Relaxed) != 0 {
            self.clean_head();
        }
        self.wake_time()
    }

    #[inline(never)]
    fn run(&self, now: i64) -> (bool, i64) {
        let mut ran = false;
        self.lock.lock_pinned();
        let modified = self.min_when_modified.load(Ordering::Relaxed);
        if modified != 0 && modified <= now {
            self.adjust();
        }
        loop {
            let first = self.take_first(now);
            self.publish();
            self.lock.unlock_pinned();
            match first {
                First::NotDue => return (ran, self.wake_time()),
                // SAFETY: they sleep, and were taken off: this is their one waker.
                First::Sleepers(gp) => unsafe { ready_list(gp) },
                // SAFETY: due, and taken out.
                First::Timer(t) => unsafe { ((*t).ops().run)(t) },
            }
            ran = true;
            self.lock.lock_pinned();
        }
    }

    /// Takes over all timers of `from`, whose P is destroyed (Go: `timers.take`). Returns when the earliest of them is due, 0 if there was none.
    ///
    /// Called on g0 with the world stopped and no lock held. Meanwhile they are on neither P: the caller tells the scheduler afterwards
    /// (`wake_net_poller`).
    pub fn take(&self, from: &Timers) -> i64 {
        from.lock.lock();
        from.adjust();
        let taken = from.heap().drain();
        from.publish();
        from.lock.unlock();
        self.lock.lock();
        for &(when, entry) in &taken {
            if let Named::Timer(t) = entry.names() {
                // SAFETY: its entry was in the heap, and nobody else takes it out.
                unsafe { (*t).moved(self) };
            }
            self.push(when, entry);
        }
        self.lock.unlock();
        taken.iter().map(|e| e.0).min().unwrap_or(0)
    }

    /// Sweeps out the zombies of a heap; null: of none. With no lock of timers held.
    #[inline]
    pub(super) fn sweep(this: *const Timers) {
        // SAFETY: null or part of a P, which is never freed.
        if let Some(ts) = unsafe { this.as_ref() } {
            ts.sweep_slow();
        }
    }

    #[cold]
    #[inline(never)]
    fn sweep_slow(&self) {
        self.lock.lock_pinned();
        if self.too_many_zombies(self.zombies.load(Ordering::Relaxed)) {
            self.adjust();
        }
        self.lock.unlock_pinned();
    }

    /// A zombie more; whether that calls for a sweep. Under the timer's lock.
    #[inline]
    pub(super) fn zombie_buried(&self) -> bool {
        self.too_many_zombies(self.zombies.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// A zombie less, whose entry stays. Under the timer's lock.
    #[inline]
    pub(super) fn zombie_revived(&self) {
        self.zombies.fetch_sub(1, Ordering::Relaxed);
    }

    #[inline]
    fn too_many_zombies(&self, n: usize) -> bool {
        n > ZOMBIES_MIN && 4 * n > self.len()
    }

    /// A timer in the heap is modified to go off at `when`, and says so. Returns whether it is the first to. Under the timer's lock.
    #[inline]
    pub(super) fn modified_to(&self, when: i64) -> bool {
        let min = self.min_when_modified.load(Ordering::Relaxed);
        if min != 0 && min <= when {
            return false;
        }
        let before = self.wake_time();
        let lower = |min| (min == 0 || when < min).then_some(when);
        _ = self.min_when_modified.fetch_update(Ordering::AcqRel, Ordering::Relaxed, lower);
        before == 0 || when < before
    }

    /// Adds a timer; whether it is the first to go off. Under both locks.
    #[inline]
    pub(super) fn push_timer(&self, when: i64, t: *const TimerCore) -> bool {
        self.push(when, Entry(t.cast_mut().cast()))
    }

    /// Under the lock.
    #[inline]
    fn push(&self, when: i64, entry: Entry) -> bool {
        let first = self.heap().push(when, entry);
        self.len.store(self.heap().len(), Ordering::Relaxed);
        if first {
            self.min_when_heap.store(when, Ordering::Release);
        }
        first && {
            let modified = self.min_when_modified.load(Ordering::Relaxed);
            modified == 0 || when < modified
        }
    }

    /// Has the entries of one time that are there now go off in a random order; `below` draws numbers.
    pub(crate) fn shuffle(&self, below: impl Fn(u32) -> u32) {
        self.lock.lock();
        let mut entries = self.heap().drain();
        for i in (1..entries.len()).rev() {
            entries.swap(i, below(i as u32 + 1) as usize);
        }
        for (when, entry) in entries {
            self.heap().push(when, entry);
        }
        self.publish();
        self.lock.unlock();
    }

    /// Gives up all entries, of which nothing will go off any more.
    pub(crate) fn forget_all(&self) {
        self.lock.lock();
        drop(self.heap().drain());
        self.publish();
        self.lock.unlock();
    }

    /// Calls `f` with the address of each timer in the heap.
    ///
    /// # Safety
    /// The world stands.
    pub(crate) unsafe fn for_each(&self, mut f: impl FnMut(usize)) {
        for value in self.heap().values() {
            if let Named::Timer(t) = value.names() {
                f(t.addr());
            }
        }
    }

    /// Under the lock.
    #[inline]
    #[expect(clippy::mut_from_ref, reason = "the lock admits one M at a time, and no two calls overlap")]
    fn heap(&self) -> &mut Heap4<Entry> {
        // SAFETY: the caller holds the lock.
        unsafe { &mut *self.heap.get() }
    }

    /// Says what the heap is like. Under the lock.
    #[inline]
    fn publish(&self) {
        let first = self.heap().first().map_or(0, |e| e.0);
        self.min_when_heap.store(first, Ordering::Release);
        self.len.store(self.heap().len(), Ordering::Relaxed);
        if first == 0 {
            // No timer, so none that is modified, nor can be without this lock.
            self.min_when_modified.store(0, Ordering::Release);
        }
    }

    /// Takes out what is first, if it is due; puts right what is in the way. Under the lock.
    #[inline]
    fn take_first(&self, now: i64) -> First {
        let heap = self.heap();
        while let Some((key, entry)) = heap.first() {
            // A key may be too early, and one that is too late was put right when its time had come.
            if key > now {
                break;
            }
            let t = match entry.names() {
                Named::Sleeper(_) => return First::Sleepers(self.take_sleepers(now)),
                Named::Timer(t) => t,
            };
            // SAFETY: it is in the heap, whose lock is held.
            match unsafe { TimerCore::examine(t, now) } {
                Verdict::Right => break,
                Verdict::NewKey(when) => heap.change_first(when),
                Verdict::TakeOut { orphan } => {
                    heap.pop();
                    self.zombies.fetch_sub(1, Ordering::Relaxed);
                    // SAFETY: its entry is out.
                    unsafe { TimerCore::taken_out(t, orphan) };
                }
                Verdict::Run => {
                    heap.pop();
                    return First::Timer(t);
                }
            }
        }
        First::NotDue
    }

    /// Puts right what is first until that is a timer to wait for (Go: `cleanHead`).
    #[cold]
    #[inline(never)]
    fn clean_head(&self) {
        self.lock.lock_pinned();
        while let Some((_, entry)) = self.heap().first() {
            let Named::Timer(t) = entry.names() else { break };
            // SAFETY: it is in the heap, whose lock is held. Nothing is due at 0.
            match unsafe { TimerCore::examine(t, 0) } {
                Verdict::NewKey(when) => self.heap().change_first(when),
                Verdict::TakeOut { orphan } => {
                    self.heap().pop();
                    self.zombies.fetch_sub(1, Ordering::Relaxed);
                    // SAFETY: its entry is out.
                    unsafe { TimerCore::taken_out(t, orphan) };
                }
                Verdict::Right | Verdict::Run => break,
            }
        }
        self.publish();
        self.lock.unlock_pinned();
    }

    /// Takes out the sleepers that are first and due. Under the lock.
    #[inline]
    fn take_sleepers(&self, now: i64) -> *mut G {
        let heap = self.heap();
        let (mut first, mut last) = (null_mut::<G>(), null_mut::<G>());
        for _ in 0..BATCH {
            let Some((key, entry)) = heap.first() else { break };
            let Named::Sleeper(gp) = entry.names() else { break };
            if key > now {
                break;
            }
            heap.pop();
            // SAFETY: sleeping Gs belong to the heap that they are in.
            unsafe {
                (*gp).schedlink = null_mut();
                if first.is_null() {
                    first = gp;
                } else {
                    (*last).schedlink = gp;
                }
            }
            last = gp;
        }
        first
    }

    /// Puts all keys right and takes all zombies out (Go: `timers.adjust`). Under the lock.
    #[inline(never)]
    fn adjust(&self) {
        self.min_when_heap.store(self.wake_time(), Ordering::Release);
        self.min_when_modified.swap(0, Ordering::AcqRel);
        let mut buried = 0;
        self.heap().retain(|key, entry| {
            let Named::Timer(t) = entry.names() else { return true };
            // SAFETY: it is in the heap, whose lock is held.
            unsafe {
                if (*t).state() & (MODIFIED | ZOMBIE) == 0 {
                    return true;
                }
                // Nothing is due at 0.
                match TimerCore::examine(t, 0) {
                    Verdict::NewKey(when) => *key = when,
                    Verdict::TakeOut { orphan } => {
                        buried += 1;
                        TimerCore::taken_out(t, orphan);
                        return false;
                    }
                    Verdict::Right | Verdict::Run => {}
                }
            }
            true
        });
        self.zombies.fetch_sub(buried, Ordering::Relaxed);
        self.publish();
    }
}

impl Default for Timers {
    fn default() -> Timers {
        Timers::new()
    }
}
