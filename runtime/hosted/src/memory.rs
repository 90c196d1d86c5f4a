//! Memory as the runtime knows it, from the host's `mmap`; and the runtime's heap as the process's allocator.

use runtime::machine::{Allocator, PortError, Stack, SysStats};
use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

const PAGE: usize = 4096;
const ARENA: usize = 16 << 30;

fn reserve(bytes: usize, prot: libc::c_int) -> *mut u8 {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a fresh mapping at an address of the host's choice.
    let p = unsafe { libc::mmap(null_mut(), bytes, prot, flags, -1, 0) };
    if p == libc::MAP_FAILED { null_mut() } else { p.cast() }
}

/// Bytes of all stacks.
static STACKS: AtomicUsize = AtomicUsize::new(0);

/// Bytes of a stack without a limit of its own.
const STACK: usize = 1 << 20;

pub(crate) fn stack_alloc(size: Option<usize>) -> Result<Stack, PortError> {
    let size = size.unwrap_or(STACK).next_multiple_of(PAGE);
    let p = reserve(size + PAGE, libc::PROT_READ | libc::PROT_WRITE);
    if p.is_null() {
        return Err(PortError::OutOfAddressSpace);
    }
    // SAFETY: the lowest page of the new mapping.
    if unsafe { libc::mprotect(p.cast(), PAGE, libc::PROT_NONE) } != 0 {
        return Err(PortError::OutOfMemory);
    }
    let lo = p as usize + PAGE;
    STACKS.fetch_add(size, Ordering::Relaxed);
    Ok(Stack { lo, hi: lo + size })
}

/// # Safety
/// As `Port::stack_free`.
pub(crate) unsafe fn stack_free(s: Stack) {
    // SAFETY: the whole mapping that `stack_alloc` made.
    let r = unsafe { libc::munmap((s.lo - PAGE) as *mut _, s.hi - s.lo + PAGE) };
    assert_eq!(r, 0, "munmap of a stack");
    STACKS.fetch_sub(s.hi - s.lo, Ordering::Relaxed);
}

/// # Safety
/// As `Port::stack_shrink`.
pub(crate) unsafe fn stack_shrink(s: Stack, keep: usize) -> usize {
    let n = (s.hi - s.lo).saturating_sub(keep.next_multiple_of(PAGE));
    if n > 0 {
        // SAFETY: nothing there is in use.
        let r = unsafe { libc::madvise(s.lo as *mut _, n, libc::MADV_DONTNEED) };
        assert_eq!(r, 0, "madvise of a stack");
    }
    n
}

pub(crate) fn arena() -> (usize, usize) {
    static BASE: OnceLock<usize> = OnceLock::new();
    let base = *BASE.get_or_init(|| {
        let p = reserve(ARENA + (2 << 20), libc::PROT_READ | libc::PROT_WRITE);
        assert!(!p.is_null(), "the host gives no address space for the arena");
        p.expose_provenance().next_multiple_of(2 << 20)
    });
    (base, base + ARENA)
}

/// The most free runs that the arena can fall into.
const MAX_RUNS: usize = 4096;

/// Free runs of the arena, as first and last address, in ascending order. In a fixed array, since this is what the allocator stands on.
struct Runs {
    runs: [(usize, usize); MAX_RUNS],
    n: usize,
}

static FREE: Mutex<Runs> = Mutex::new(Runs { runs: [(0, 0); MAX_RUNS], n: 0 });

fn free_runs() -> MutexGuard<'static, Runs> {
    let (lo, hi) = arena();
    let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
    if free.runs[0] == (0, 0) {
        free.insert(0, lo, hi);
    }
    free
}

impl Runs {
    fn insert(&mut self, at: usize, start: usize, end: usize) {
        assert!(self.n < MAX_RUNS, "the arena is in too many pieces");
        self.runs.copy_within(at..self.n, at + 1);
        self.runs[at] = (start, end);
        self.n += 1;
    }

    fn remove(&mut self, at: usize) {
        self.runs.copy_within(at + 1..self.n, at);
        self.n -= 1;
    }
}

pub(crate) fn sys_alloc(bytes: usize, align: usize) -> *mut u8 {
    let mut free = free_runs();
    let fit =
        free.runs[..free.n].iter().position(|&(start, end)| start.next_multiple_of(align) + bytes <= end);
    let Some(i) = fit else { return null_mut() };
    let (start, end) = free.runs[i];
    let at = start.next_multiple_of(align);
    match (at > start, at + bytes < end) {
        (false, false) => free.remove(i),
        (true, false) => free.runs[i].1 = at,
        (false, true) => free.runs[i].0 = at + bytes,
        (true, true) => {
            free.runs[i].1 = at;
            free.insert(i + 1, at + bytes, end);
        }
    }
    std::ptr::with_exposed_provenance_mut(at)
}

pub(crate) fn sys_free(p: *mut u8, bytes: usize) {
    let (start, end) = (p as usize, p as usize + bytes);
    let mut free = free_runs();
    let i = free.runs[..free.n].partition_point(|&(s, _)| s < start);
    assert!(i == 0 || free.runs[i - 1].1 <= start, "memory given back twice");
    assert!(i == free.n || end <= free.runs[i].0, "memory given back twice");
    let joins_before = i > 0 && free.runs[i - 1].1 == start;
    let joins_after = i < free.n && free.runs[i].0 == end;
    match (joins_before, joins_after) {
        (true, true) => {
            free.runs[i - 1].1 = free.runs[i].1;
            free.remove(i);
        }
        (true, false) => free.runs[i - 1].1 = end,
        (false, true) => free.runs[i].0 = start,
        (false, false) => free.insert(i, start, end),
    }
}

/// The arena's use; of stacks, what is reserved, since the host does not say what it has backed.
pub(crate) fn sys_stats() -> SysStats {
    let free = {
        let runs = free_runs();
        runs.runs[..runs.n].iter().map(|(start, end)| end - start).sum()
    };
    let stacks = STACKS.load(Ordering::Relaxed);
    SysStats { total: ARENA, free, heap: ARENA - free, stacks, page_tables: 0, kernel: 0 }
}

/// The runtime's heap as the process's allocator once [`serve`] has been called; the host's before that.
struct Heap;

static SERVING: AtomicBool = AtomicBool::new(false);

/// From now on the runtime's heap allocates.
pub(crate) fn serve() {
    SERVING.store(true, Ordering::Relaxed);
}

fn is_ours(p: *mut u8) -> bool {
    // The heap has nothing to free before it serves; `arena` would allocate the host's way then.
    SERVING.load(Ordering::Relaxed) && (arena().0..arena().1).contains(&(p as usize))
}

// SAFETY: each object goes back to the allocator that it came from, which its address tells.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe {
            if SERVING.load(Ordering::Relaxed) { Allocator.alloc(layout) } else { System.alloc(layout) }
        }
    }

    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { if is_ours(p) { Allocator.dealloc(p, layout) } else { System.dealloc(p, layout) } }
    }

    unsafe fn realloc(&self, p: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe {
            if is_ours(p) { Allocator.realloc(p, layout, size) } else { System.realloc(p, layout, size) }
        }
    }
}

#[global_allocator]
static HEAP: Heap = Heap;
