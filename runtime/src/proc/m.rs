//! M, a kernel thread that runs goroutines (Go: `m` in `runtime2.go`).

use super::alllist::Listed;
use super::preemptstats::Probe;
use super::{G, P, acquirem, releasem};
use crate::heap::MCache;
use crate::note::Note;
use crate::port::OsThread;
use crate::rand::Rand;
use core::sync::atomic::{AtomicBool, AtomicI64, AtomicPtr, AtomicU32, AtomicUsize, Ordering};

/// What [`super::gopark`] calls on g0 once the goroutine's registers are saved; false means: do not park after all.
pub type UnlockFn = unsafe fn(gp: *mut G, lock: *mut ()) -> bool;

/// A kernel thread of the machine. Fields without an atomic type belong to the thread itself, or, while it is
/// idle, to the holder of `sched.lock`.
#[repr(C)]
pub struct M {
    /// The goroutine whose stack is the thread's own; the scheduler runs on it.
    pub g0: *mut G,
    /// Go's `m` of this thread, null unless a Go program runs (`goabi/m.rs`).
    pub(crate) go_m: AtomicPtr<u8>,
    /// The goroutine that it runs, or null.
    pub curg: *mut G,
    /// The P that it holds, or null.
    pub p: *mut P,
    /// That P's part of the heap, or `MCache::none`.
    pub mcache: *mut MCache,
    /// Its number, 0 for the first.
    pub id: u64,
    /// The P that it is to take when it wakes.
    pub(super) nextp: *mut P,
    /// The P that it left behind for a blocking call, or null.
    pub(super) oldp: *mut P,
    /// That P's count of blocking calls then: if it has not changed, the P is still there for this M (Go: `m.syscalltick`).
    pub(super) syscalltick: u32,
    /// Sleeps on a note (Go: `m.blocked`); for `schedtrace`.
    pub(super) blocked: AtomicBool,
    /// Out of work and looking for some; counted in `sched.nmspinning`.
    pub(super) spinning: bool,
    /// Sleeps here while idle, or until the world has stopped.
    pub(super) park: Note,
    /// Next in the list of idle Ms.
    pub(super) schedlink: *mut M,
    /// What `park_m` is to call, and with what.
    pub(super) waitunlockf: Option<UnlockFn>,
    pub(super) waitlock: *mut (),
    /// The thread's scheduling timer is armed (`preempt.rs`).
    pub(super) slice_armed: AtomicBool,
    /// Nanotime for which it is armed.
    pub(super) slice_when: AtomicI64,
    /// How many preemptions in a row have met an unsafe place.
    pub(super) refusals: AtomicU32,
    /// What `GODEBUG=preemptstats` measures on it.
    pub(super) probe: Probe,
    /// Random numbers that need no lock.
    pub(super) rand: Rand,
    /// It has a thread: it has not ended.
    pub(super) live: AtomicBool,
    /// The goroutine that is locked to it, or null, and how often it was.
    pub(super) lockedg: *mut G,
    pub(super) locked: u32,
    /// Next in `allm`.
    alllink: AtomicPtr<M>,
    /// The machine's name for the thread.
    os: AtomicUsize,
    /// Next M that waits for the same lock (`lock.rs`).
    pub(crate) nextwaitm: AtomicUsize,
    /// The bubble in which the goroutine that it ran last has parked, or null; see `bubble.rs`.
    pub(super) left: *mut super::Bubble,
}

impl M {
    /// An M with its g0, not yet started.
    pub(super) fn new(id: u64, g0: *mut G, seed: u64) -> M {
        M {
            g0,
            go_m: AtomicPtr::new(core::ptr::null_mut()),
            curg: core::ptr::null_mut(),
            p: core::ptr::null_mut(),
            mcache: MCache::none(),
            id,
            nextp: core::ptr::null_mut(),
            oldp: core::ptr::null_mut(),
            syscalltick: 0,
            blocked: AtomicBool::new(false),
            spinning: false,
            park: Note::new(),
            schedlink: core::ptr::null_mut(),
            waitunlockf: None,
            waitlock: core::ptr::null_mut(),
            slice_armed: AtomicBool::new(false),
            slice_when: AtomicI64::new(i64::MAX),
            refusals: AtomicU32::new(0),
            probe: Probe::new(),
            rand: Rand::new(seed),
            live: AtomicBool::new(true),
            lockedg: core::ptr::null_mut(),
            locked: 0,
            alllink: AtomicPtr::new(core::ptr::null_mut()),
            os: AtomicUsize::new(0),
            nextwaitm: AtomicUsize::new(0),
            left: core::ptr::null_mut(),
        }
    }

    /// Says whether it sleeps on a note.
    pub(crate) fn set_blocked(&self, is: bool) {
        self.blocked.store(is, Ordering::Relaxed);
    }

    /// The P that it holds, or has left behind for a blocking call and nobody has taken; to Go of today both are the same. For `schedtrace`: what it
    /// says is of a moment.
    pub(super) fn wired_p(&self) -> Option<&'static P> {
        // SAFETY: Ps are never freed.
        let (p, oldp) = unsafe { (self.p.as_ref(), self.oldp.as_ref()) };
        let left = |p: &&P| p.in_syscall() && p.syscalltick.load(Ordering::Relaxed) == self.syscalltick;
        p.or(oldp.filter(left))
    }

    /// The machine's name for the thread.
    pub fn os(&self) -> OsThread {
        OsThread(self.os.load(Ordering::Acquire))
    }

    /// Set by the port before the thread runs, so that it is there when the thread is first waited for or woken.
    pub fn set_os(&self, t: OsThread) {
        self.os.store(t.0, Ordering::Release);
    }
}

/// A random number below `n`, which is not 0, from the current M's generator (Go: `cheaprandn`).
///
/// # Safety
/// `me` is the current G, and is not preempted.
#[inline(always)]
pub(crate) unsafe fn cheaprandn(me: *mut G, n: u32) -> u32 {
    // SAFETY: the M of a G that runs and is not preempted stays, and nobody else uses its generator.
    unsafe { (*(*me).m).rand.below(n) }
}

/// 64 random bits from the current M's generator; not for secrets (Go: `rand`).
pub(crate) fn random() -> u64 {
    let me = acquirem();
    // SAFETY: as in `cheaprandn`.
    let bits = unsafe { (*(*me).m).rand.next_u64() };
    releasem(me);
    bits
}

impl Listed for M {
    fn alllink(&self) -> &AtomicPtr<M> {
        &self.alllink
    }
}
