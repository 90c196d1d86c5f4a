//! What all Ps share: the global queue, idle Ms and Ps, under one lock (Go: `schedt`).

use super::alllist::AllList;
use super::p::{GList, GQueue, PStatus};
use super::{G, M, P};
use crate::heap::MCache;
use crate::lock::{Guard, Guarded, Rank};
use crate::port;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicI32, AtomicI64, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// The most Ps there can be.
pub const MAX_PROCS: usize = 1024;
/// The most Ms there can be, running and idle, unless [`set_max_threads`] says otherwise.
const MAX_MS: u64 = 10_000;

/// The part under the lock.
pub(super) struct Sched {
    /// The global queue.
    pub(super) runq: GQueue,
    /// Dead goroutines for reuse by any P.
    pub(super) gfree: GList,
    /// Idle Ms, last in first out.
    midle: *mut M,
    nmidle: u64,
    /// Ms that wait for their locked goroutine to be run (`lockosthread.rs`).
    pub(super) nmidlelocked: i64,
    /// Ms that have ended, to be used again.
    mfree: *mut M,
    /// Ms there are, sysmon's not counted.
    pub(super) nms: u64,
    /// Ms there can be at most, sysmon's counted (Go: `maxmcount`).
    maxmcount: u64,
    /// Ms ever made: the number of the next.
    pub(super) mnext: u64,
    /// Idle Ps, last in first out.
    pidle: *mut P,
    /// `cputicks` that Ps were idle before those that are, that there were Ps for before the number last changed, and when it did.
    idle_ticks: i64,
    total_ticks: i64,
    total_since: i64,
    /// How many Ps have still to stop, and the M that waits for them on its `park` note (`stw.rs`).
    pub(super) stopwait: usize,
    pub(super) stopper: *mut M,
}

// SAFETY: the raw lists are reached under the lock only.
unsafe impl Send for Sched {}

static SCHED: Guarded<Sched> = Guarded::new(
    Rank::Sched,
    Sched {
        runq: GQueue::new(),
        gfree: GList::new(),
        midle: null_mut(),
        nmidle: 0,
        nmidlelocked: 0,
        mfree: null_mut(),
        nms: 0,
        maxmcount: MAX_MS,
        mnext: 0,
        pidle: null_mut(),
        idle_ticks: 0,
        total_ticks: 0,
        total_since: 0,
        stopwait: 0,
        stopper: null_mut(),
    },
);

/// Length of the global queue, for a look without the lock.
pub(super) static RUNQ_SIZE: AtomicUsize = AtomicUsize::new(0);
/// Idle Ps.
pub(super) static NPIDLE: AtomicI32 = AtomicI32::new(0);
/// Ms that look for work; see `spinning.rs`.
pub(super) static NMSPINNING: AtomicI32 = AtomicI32::new(0);
/// Set when a P could not be had for a new spinning M: whoever next gives up a P without spinning must look again.
pub(super) static NEEDSPINNING: AtomicU32 = AtomicU32::new(0);
/// Nanotime of the last look at the timers by a waiting M; 0 while one waits for them (Go: `lastpoll`).
pub(super) static LASTPOLL: AtomicI64 = AtomicI64::new(1);
/// Nanotime until which that M sleeps (Go: `pollUntil`).
pub(super) static POLL_UNTIL: AtomicI64 = AtomicI64::new(0);
/// That M, while it may be woken; see `poller.rs`.
pub(super) static POLLER: AtomicPtr<M> = AtomicPtr::new(null_mut());
/// The next range of goroutine numbers that a P takes.
pub(super) static GOIDGEN: AtomicU64 = AtomicU64::new(1);

/// Why the scheduler may not go straight from one goroutine to the next; 0 = no reason. One word, so that the short ways cost one look.
pub(super) static ATTENTION: AtomicU32 = AtomicU32::new(0);
/// In [`ATTENTION`]: the world is being stopped or stands (Go: `sched.gcwaiting`). Changed under the lock.
pub(super) const GCWAITING: u32 = 1;
/// In [`ATTENTION`], once for each: a goroutine is locked to its M.
pub(super) const LOCKED_G: u32 = 2;

/// All Ms ever made.
pub(crate) static ALLM: AllList<M> = AllList::new();

static GOMAXPROCS: AtomicUsize = AtomicUsize::new(0);
static ALLP: [AtomicPtr<P>; MAX_PROCS] = [const { AtomicPtr::new(null_mut()) }; MAX_PROCS];

/// How many Ps there are (Go: `GOMAXPROCS(0)`).
///
/// It changes with the world stopped only: it is stable for who holds a P and is not preempted, and for who holds `sched.lock`. Anybody else may
/// look at too many Ps, which are dead then and hold nothing, or at too few.
#[inline]
pub fn gomaxprocs() -> usize {
    // Acquire: who sees a number finds as many Ps.
    GOMAXPROCS.load(Ordering::Acquire)
}

/// Whether the world is being stopped or stands.
#[inline]
pub(super) fn gcwaiting() -> bool {
    ATTENTION.load(Ordering::SeqCst) & GCWAITING != 0
}

/// Takes `sched.lock`.
#[inline]
pub(super) fn lock() -> Guard<'static, Sched> {
    SCHED.lock()
}

/// The P with number `i < gomaxprocs()`.
#[inline]
pub(super) fn allp(i: usize) -> &'static P {
    // SAFETY: the first `gomaxprocs()` entries were filled before that number was set, and Ps are never freed.
    unsafe { &*ALLP[i].load(Ordering::Acquire) }
}

/// All Ps there ever were, the dead ones included: for sums.
pub(super) fn all_ps() -> impl Iterator<Item = &'static P> {
    // SAFETY: an entry that is not null is a P, and Ps are never freed.
    ALLP.iter().map_while(|slot| unsafe { slot.load(Ordering::Acquire).as_ref() })
}

/// How many entries the timer heaps of all Ps have.
#[cfg(all(feature = "kernel-tests", not(test)))]
pub(crate) fn timers_len() -> usize {
    (0..gomaxprocs()).map(|i| allp(i).timers.len()).sum()
}

/// The caches of all Ps.
pub(crate) fn caches() -> impl Iterator<Item = &'static MCache> {
    all_ps().map(|p| &p.mcache)
}

/// The runs of all Ps.
pub(crate) fn all_runs() -> impl Iterator<Item = &'static crate::gc::Runs> {
    all_ps().map(|p| &p.runs)
}

/// Calls `f` with the address of each timer that is armed.
///
/// # Safety
/// The world stands.
pub(crate) unsafe fn each_timer(mut f: impl FnMut(usize)) {
    // SAFETY: as the caller promises.
    all_ps().for_each(|p| unsafe { p.timers.for_each(&mut f) });
    // SAFETY: as the caller promises.
    unsafe { super::bubble::each_timer(f) };
}

/// Adds a P, the one with the next number.
pub(super) fn add_p(pp: alloc::boxed::Box<P>) {
    ALLP[pp.id as usize].store(alloc::boxed::Box::into_raw(pp), Ordering::Release);
}

/// Says how many Ps there are. Under the lock, with the world stopped.
pub(super) fn publish_gomaxprocs(s: &mut Sched, n: usize) {
    let now = port::cputicks();
    s.total_ticks += (now - s.total_since) * gomaxprocs() as i64;
    s.total_since = now;
    GOMAXPROCS.store(n, Ordering::Release);
}

/// Gives the P to the current M.
///
/// # Safety
/// `mp` is the current M and holds no P; `pp` is idle and belongs to the caller.
pub(super) unsafe fn acquirep(mp: *mut M, pp: *mut P) {
    // SAFETY: as the caller promises.
    unsafe {
        (*pp).cas_status(PStatus::Idle, PStatus::Running);
        (*pp).m = mp;
        (*mp).p = pp;
        (*mp).mcache = (&raw const (*pp).mcache).cast_mut();
    }
}

/// Leaves the P of the current M behind for a blocking call.
///
/// # Safety
/// `mp` is the current M, not preempted.
pub(super) unsafe fn leavep(mp: *mut M) {
    // SAFETY: as the caller promises.
    unsafe {
        let pp = (*mp).p;
        (*mp).oldp = pp;
        (*mp).syscalltick = (*pp).syscalltick.load(Ordering::Relaxed);
        (*mp).p = null_mut();
        (*mp).mcache = MCache::none();
        (*pp).m = null_mut();
        (*pp).lone.store(false, Ordering::Relaxed);
        (*pp).cas_status(PStatus::Running, PStatus::Syscall);
    }
}

/// Takes the P from the current M, which must hold one.
///
/// # Safety
/// `mp` is the current M and runs no goroutine.
pub(super) unsafe fn releasep(mp: *mut M) -> *mut P {
    // SAFETY: as the caller promises.
    unsafe {
        super::preempt::slice_ends(mp);
        let pp = (*mp).p;
        (*mp).p = null_mut();
        (*mp).mcache = MCache::none();
        (*pp).m = null_mut();
        (*pp).lone.store(false, Ordering::Relaxed);
        (*pp).cas_status(PStatus::Running, PStatus::Idle);
        pp
    }
}

/// Sets how many Ms there can be, running, blocked and idle, and returns how many there could be (Go: `debug.SetMaxThreads`). A program that needs
/// more ends. 10,000 unless set.
///
/// ```no_run
/// runtime::debug::set_max_threads(100);
/// ```
pub fn set_max_threads(threads: usize) -> usize {
    let mut s = lock();
    let old = core::mem::replace(&mut s.maxmcount, threads as u64);
    let exceeded = s.exceeded_threads();
    drop(s);
    thread_exhaustion(exceeded);
    old as usize
}

/// Ends the program if `exceeded` is a limit (Go: `checkmcount`).
pub(super) fn thread_exhaustion(exceeded: Option<u64>) {
    if let Some(limit) = exceeded {
        let first = format_args!("runtime: program exceeds {limit}-thread limit");
        crate::panic::throw_after(first, "thread exhaustion");
    }
}

impl Sched {
    /// The limit of Ms, if there are more; to be passed to [`thread_exhaustion`] without the lock.
    pub(super) fn exceeded_threads(&self) -> Option<u64> {
        // sysmon's is counted, as in Go.
        (self.nms + 1 > self.maxmcount).then_some(self.maxmcount)
    }

    /// Makes the queue's length visible to those who look without the lock. To be called after a change, under the lock.
    #[inline]
    pub(super) fn publish_runq_size(&self) {
        RUNQ_SIZE.store(self.runq.len(), Ordering::Release);
    }

    /// Takes one goroutine off the global queue to run and moves up to `max - 1` more, this P's fair share, to its ring
    /// (Go: `globrunqget`). Null if there is none.
    ///
    /// # Safety
    /// `pp` is the current M's P.
    pub(super) unsafe fn globrunq_get(&mut self, pp: *mut P, max: usize) -> *mut G {
        let n = self.runq.len().min(self.runq.len() / gomaxprocs() + 1).min(max);
        let gp = self.runq.pop_front();
        for _ in 1..n {
            let g = self.runq.pop_front();
            // SAFETY: `pp` is the caller's own.
            if !unsafe { (*pp).runq.push(g) } {
                self.runq.push_back(g);
                break;
            }
        }
        self.publish_runq_size();
        gp
    }

    /// Puts an M on the idle list.
    ///
    /// # Safety
    /// `mp` is on no list and about to sleep on its `park` note.
    pub(super) unsafe fn midle_put(&mut self, mp: *mut M) {
        // SAFETY: as the caller promises.
        unsafe { (*mp).schedlink = self.midle };
        self.midle = mp;
        self.nmidle += 1;
    }

    /// Takes an idle M; null if there is none.
    pub(super) fn midle_get(&mut self) -> *mut M {
        let mp = self.midle;
        if !mp.is_null() {
            // SAFETY: the list owns the M.
            self.midle = unsafe { (*mp).schedlink };
            self.nmidle -= 1;
        }
        mp
    }

    /// Keeps an M that ends, for [`Sched::m_get`].
    ///
    /// # Safety
    /// `mp` is on no list; its thread does not use it any more once the lock is given up.
    pub(super) unsafe fn m_put(&mut self, mp: *mut M) {
        // SAFETY: as the caller promises.
        unsafe {
            (*mp).schedlink = self.mfree;
            (*mp).live.store(false, Ordering::Relaxed);
        }
        self.mfree = mp;
        self.nms -= 1;
    }

    /// The number of an M that is not counted in, sysmon's.
    pub(super) fn m_number(&mut self) -> u64 {
        let id = self.mnext;
        self.mnext += 1;
        id
    }

    /// Counts a new M in and returns its number, with an ended one to be used again or null.
    pub(super) fn m_get(&mut self) -> (u64, *mut M) {
        let mp = self.mfree;
        if !mp.is_null() {
            // SAFETY: the list owns the M.
            unsafe {
                self.mfree = (*mp).schedlink;
                (*mp).live.store(true, Ordering::Relaxed);
            }
        }
        self.nms += 1;
        (self.m_number(), mp)
    }

    /// How many Ms are idle.
    pub(super) fn ms_idle(&self) -> u64 {
        self.nmidle
    }

    /// How many Ms neither are idle nor wait for their locked goroutine.
    pub(super) fn ms_busy(&self) -> i64 {
        (self.nms - self.nmidle) as i64 - self.nmidlelocked
    }

    /// Puts a P on the idle list.
    ///
    /// # Safety
    /// `pp` is idle, on no list, and the caller's.
    pub(super) unsafe fn pidle_put(&mut self, pp: *mut P) {
        // SAFETY: as the caller promises.
        unsafe {
            (*pp).link = self.pidle;
            (*pp).idle_since = port::cputicks();
        }
        self.pidle = pp;
        NPIDLE.fetch_add(1, Ordering::SeqCst);
    }

    /// Takes an idle P; null if there is none.
    pub(super) fn pidle_get(&mut self) -> *mut P {
        let pp = self.pidle;
        if !pp.is_null() {
            // SAFETY: the list owns the P.
            unsafe {
                self.pidle = (*pp).link;
                self.idle_ticks += port::cputicks() - (*pp).idle_since;
            }
            NPIDLE.fetch_sub(1, Ordering::SeqCst);
        }
        pp
    }

    /// `cputicks` so far for which there were Ps, and for which they were idle; sums over Ps.
    pub(super) fn p_ticks(&self) -> (i64, i64) {
        let now = port::cputicks();
        let (mut idle, mut pp) = (self.idle_ticks, self.pidle);
        // SAFETY: null or a P of the list.
        while let Some(p) = unsafe { pp.as_ref() } {
            idle += now - p.idle_since;
            pp = p.link;
        }
        (self.total_ticks + (now - self.total_since) * gomaxprocs() as i64, idle)
    }

    /// Takes an idle P for an M that will spin; if there is none, asks for a look by whoever gives one up.
    pub(super) fn pidle_get_spinning(&mut self) -> *mut P {
        let pp = self.pidle_get();
        if pp.is_null() {
            NEEDSPINNING.store(1, Ordering::SeqCst);
        }
        pp
    }
}
