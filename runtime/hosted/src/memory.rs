//! Memory as the runtime knows it, from the host's `mmap`.

use runtime::port::{PortError, Stack};
use std::collections::BTreeMap;
use std::ptr::null_mut;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

const PAGE: usize = 4096;
const ARENA: usize = 16 << 30;

fn reserve(bytes: usize, prot: libc::c_int) -> *mut u8 {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a fresh mapping at an address of the host's choice.
    let p = unsafe { libc::mmap(null_mut(), bytes, prot, flags, -1, 0) };
    if p == libc::MAP_FAILED { null_mut() } else { p.cast() }
}

pub(crate) fn stack_alloc(size: usize) -> Result<Stack, PortError> {
    let size = size.next_multiple_of(PAGE);
    let p = reserve(size + PAGE, libc::PROT_READ | libc::PROT_WRITE);
    if p.is_null() {
        return Err(PortError::OutOfAddressSpace);
    }
    // SAFETY: the lowest page of the new mapping.
    if unsafe { libc::mprotect(p.cast(), PAGE, libc::PROT_NONE) } != 0 {
        return Err(PortError::OutOfMemory);
    }
    let lo = p as usize + PAGE;
    Ok(Stack { lo, hi: lo + size })
}

/// # Safety
/// As `Port::stack_free`.
pub(crate) unsafe fn stack_free(s: Stack) {
    // SAFETY: the whole mapping that `stack_alloc` made.
    let r = unsafe { libc::munmap((s.lo - PAGE) as *mut _, s.hi - s.lo + PAGE) };
    assert_eq!(r, 0, "munmap of a stack");
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
        let p = reserve(ARENA + (2 << 20), libc::PROT_READ | libc::PROT_WRITE) as usize;
        assert_ne!(p, 0, "the host gives no address space for the arena");
        p.next_multiple_of(2 << 20)
    });
    (base, base + ARENA)
}

/// Free runs of the arena: start → length.
fn free_runs() -> MutexGuard<'static, BTreeMap<usize, usize>> {
    static FREE: OnceLock<Mutex<BTreeMap<usize, usize>>> = OnceLock::new();
    FREE.get_or_init(|| Mutex::new(BTreeMap::from([(arena().0, ARENA)])))
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn sys_alloc(bytes: usize, align: usize) -> *mut u8 {
    let mut free = free_runs();
    let fit = free.iter().find_map(|(&start, &len)| {
        let at = start.next_multiple_of(align);
        (at + bytes <= start + len).then_some((start, len, at))
    });
    let Some((start, len, at)) = fit else { return null_mut() };
    free.remove(&start);
    if at > start {
        free.insert(start, at - start);
    }
    if start + len > at + bytes {
        free.insert(at + bytes, start + len - at - bytes);
    }
    at as *mut u8
}

pub(crate) fn sys_free(p: *mut u8, bytes: usize) {
    let (mut start, mut end) = (p as usize, p as usize + bytes);
    let mut free = free_runs();
    if let Some((&before, &len)) = free.range(..start).next_back() {
        assert!(before + len <= start, "memory given back twice");
        if before + len == start {
            start = before;
        }
    }
    if let Some((&after, &len)) = free.range(end - bytes..).next() {
        assert!(after >= end, "memory given back twice");
        if after == end {
            end += len;
            free.remove(&after);
        }
    }
    free.insert(start, end - start);
}
