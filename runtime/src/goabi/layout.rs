//! What the Go program registers at its start: offsets in its structures and addresses of its code. `gzLayout` in `go/runtime/gzero.go`, word for word.
//!
//! A program of another overlay would crash far from here: so version and size come first, and what the program's assembly assumes of this
//! runtime's structures is compared.

use super::refuse;
use crate::chan::Hchan;
use crate::gc::TypeDesc;
use crate::gc::layout::{CLASSES, RUN, RUN_BYTES, TINY, class_entry};
use crate::port::SHALLOW_STACK;
use crate::proc::{G, M, P};
use core::cell::UnsafeCell;
use core::mem::{offset_of, size_of};
use core::sync::atomic::{AtomicBool, Ordering};

/// `gzVersion` in `gzero.go`.
const VERSION: usize = 19;

macro_rules! layout {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// See the module. Offsets are in bytes.
        #[repr(C)]
        pub(super) struct Layout { $($(#[$doc])* pub(super) $name: usize,)* }
        impl Layout {
            const ZERO: Layout = Layout { $($name: 0,)* };
        }
    };
}

layout! {
    version,
    size,
    /// Go's `g`: its type's descriptor, and its size.
    g_type,
    g_size,
    g_stack_lo,
    g_stack_hi,
    g_stackguard0,
    g_stackguard1,
    g_m,
    g_sched,
    g_syscallsp,
    g_goid,
    g_atomicstatus,
    g_waitsince,
    g_waitreason,
    g_preempt,
    g_lockedm,
    g_sig,
    g_sigcode0,
    g_sigcode1,
    g_sigpc,
    g_parent_goid,
    g_gopc,
    g_startpc,
    gobuf_sp,
    gobuf_pc,
    gobuf_g,
    gobuf_bp,
    m_size,
    m_g0,
    m_curg,
    m_locks,
    m_mallocing,
    m_preemptoff,
    m_throwing,
    m_dying,
    /// Where a goroutine's bubble is, its labels for profiles, and a channel's bubble.
    g_bubble,
    g_labels,
    hchan_owner,
    /// What a guard is poisoned with.
    stack_preempt,
    /// The program's code.
    text,
    etext,
    /// The tables about it: see `pclntab.rs`.
    pclntab,
    ftab,
    nftab,
    findfunctab,
    pctab,
    funcnametab,
    /// Where the program's code expects fields of this runtime.
    kernel_g_stack_lo,
    kernel_g_stack_hi,
    kernel_g_m,
    kernel_g_locks,
    kernel_g_status,
    kernel_g_goid,
    kernel_g_startarg,
    kernel_m_go_m,
    /// What the guard of a goroutine's stack is set for first.
    shallow_stack,
    /// Where a goroutine begins.
    gostart,
    /// What it returns to, less one.
    goexit,
    sigpanic,
    /// `fn(f, a, b, c)` for the calling convention here.
    callgo,
    minit,
    deadlock,
    timer_fire,
    /// Ends the program for what was done to a bubble from outside.
    bubble_misused,
    /// Called when a collection begins.
    pool_cleanup,
    /// The program's data.
    data,
    edata,
    bss,
    ebss,
    /// The goroutine's deferred calls.
    g_defer,
    defer_fn,
    defer_link,
    /// What belongs to functions, and `abi.FuncID_sigpanic`: see `pclntab/maps.rs`.
    gofunc,
    sigpanic_id,
    /// Fields of a type's descriptor.
    type_size,
    type_ptr_bytes,
    type_flags,
    type_mask,
    /// What the program's assembly for allocation assumes: where an M's P is and that one's runs are, offsets in a
    /// run and among the runs, and its table of size classes.
    kernel_m_p,
    kernel_p_runs,
    kernel_run_bytes,
    kernel_run_next,
    kernel_run_end,
    kernel_run_bitmap,
    kernel_run_size,
    kernel_tiny,
    kernel_tiny_offset,
    kernel_tiny_allocs,
    kernel_chan_short,
    classes,
    /// The program's `MemProfileRate`, and what records that a goroutine has blocked
    /// (`profile.rs`).
    mem_profile_rate,
    blocked,
}

struct Cell(UnsafeCell<Layout>);

// SAFETY: written once, before `ON` is set, and read after.
unsafe impl Sync for Cell {}

static LAYOUT: Cell = Cell(UnsafeCell::new(Layout::ZERO));
static ON: AtomicBool = AtomicBool::new(false);

/// Whether a Go program runs.
#[inline]
pub(crate) fn is_on() -> bool {
    ON.load(Ordering::Acquire)
}

/// What the program registered. To be used where [`is_on`], which every call out of Go code shows.
#[inline(always)]
pub(super) fn layout() -> &'static Layout {
    // SAFETY: not written any more once there is a caller.
    unsafe { &*LAYOUT.0.get() }
}

/// The program's first call: keeps what it says, and gives all Ms there are their part of Go's.
///
/// # Safety
/// `info` is null, or points to as many words as the second one says; called by the program's entry.
pub(super) unsafe extern "C" fn register(info: *const Layout) {
    // SAFETY: as the caller promises: the first two words are there in every version.
    let found = (!info.is_null()).then(|| unsafe { ((*info).version, (*info).size) });
    if found != Some((VERSION, size_of::<Layout>())) {
        let (version, size) = found.unwrap_or((0, 0));
        refuse(format_args!(
            "the Go program was built for another Gzero: its interface has version {version} and {size} bytes, this kernel's {VERSION} and {}. Build it again \
             with the tool that this kernel came with",
            size_of::<Layout>()
        ));
    }
    // SAFETY: of the size that this runtime knows.
    let info = unsafe { info.read() };
    // SAFETY: as the caller promises.
    unsafe { compare(&info) };
    // SAFETY: the one call, before `ON`.
    unsafe { LAYOUT.0.get().write(info) };
    ON.store(true, Ordering::SeqCst);
    super::os::init();
    super::m::init_all();
    super::collect::begin();
}

/// Refuses a program that expects anything of the kernel's elsewhere than it is.
///
/// # Safety
/// The table of classes has an entry for each.
unsafe fn compare(info: &Layout) {
    let assumed = [
        (info.kernel_g_stack_lo, from_go(offset_of!(G, stack.lo))),
        (info.kernel_g_stack_hi, from_go(offset_of!(G, stack.hi))),
        (info.kernel_g_m, from_go(offset_of!(G, m))),
        (info.kernel_g_locks, from_go(G::LOCKS_OFFSET)),
        (info.kernel_g_status, from_go(G::STATUS_OFFSET)),
        (info.kernel_g_goid, from_go(offset_of!(G, goid))),
        (info.kernel_g_startarg, from_go(G::STARTARG_OFFSET)),
        (info.kernel_m_go_m, offset_of!(M, go_m)),
        (info.kernel_m_p, offset_of!(M, p)),
        (info.kernel_p_runs, offset_of!(P, runs)),
        (info.kernel_run_bytes, RUN_BYTES),
        (info.kernel_run_next, RUN[0]),
        (info.kernel_run_end, RUN[1]),
        (info.kernel_run_bitmap, RUN[2]),
        (info.kernel_run_size, RUN[3]),
        (info.kernel_tiny, TINY[0]),
        (info.kernel_tiny_offset, TINY[1]),
        (info.kernel_tiny_allocs, TINY[2]),
        (info.kernel_chan_short, Hchan::SHORT_WAY_OFFSET),
        (info.type_size, offset_of!(TypeDesc, size)),
        (info.type_ptr_bytes, offset_of!(TypeDesc, ptr_bytes)),
        (info.type_flags, offset_of!(TypeDesc, flags)),
        (info.type_mask, offset_of!(TypeDesc, mask)),
    ];
    // SAFETY: the table that the program registered has an entry of 16 bits for each.
    let class = |i: usize| unsafe { usize::from((info.classes as *const u16).add(i).read()) };
    let classes = (0..CLASSES).map(|i| (class(i), class_entry(i)));
    for (assumed, is) in assumed.into_iter().chain(classes) {
        if assumed != is {
            refuse(format_args!(
                "the Go program expects a field of the kernel's at {}, and it is at {}",
                assumed as isize, is as isize
            ));
        }
    }
    if info.shallow_stack != SHALLOW_STACK {
        refuse(format_args!(
            "the Go program expects {} bytes of a stack to be its own, and they are {SHALLOW_STACK}",
            info.shallow_stack
        ));
    }
    if info.g_size > super::G_BYTES {
        refuse(format_args!(
            "the Go program's g has {} bytes, and there is room for {}",
            info.g_size,
            super::G_BYTES
        ));
    }
}

/// How far behind the start of Go's `g` a field of the G is that lies before it.
const fn from_go(offset: usize) -> usize {
    offset.wrapping_sub(size_of::<G>())
}

/// The word of Go's `g` of `gp` at `offset`.
///
/// # Safety
/// There is one.
#[inline(always)]
pub(super) unsafe fn g_word<W>(gp: *mut G, offset: usize) -> *mut W {
    // SAFETY: as the caller promises.
    unsafe { word(G::go(gp), offset) }
}

/// The word of Go's at `base + offset`.
///
/// # Safety
/// There is one.
#[inline(always)]
pub(super) unsafe fn word<T, W>(base: *mut T, offset: usize) -> *mut W {
    // SAFETY: as the caller promises.
    unsafe { base.cast::<u8>().add(offset).cast() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The constants of `gzero.go` that say where fields of the kernel's are.
    #[test]
    fn the_go_half_knows_where_fields_are() {
        let text = include_str!("../../../go/runtime/gzero.go");
        for (name, is) in [
            ("GStackLo", from_go(offset_of!(G, stack.lo))),
            ("GStackHi", from_go(offset_of!(G, stack.hi))),
            ("GM", from_go(offset_of!(G, m))),
            ("GStatus", from_go(G::STATUS_OFFSET)),
            ("GGoid", from_go(offset_of!(G, goid))),
            ("GStartarg", from_go(G::STARTARG_OFFSET)),
            ("MGoM", offset_of!(M, go_m)),
            ("MP", offset_of!(M, p)),
            ("PRuns", offset_of!(P, runs)),
            ("RunBytes", RUN_BYTES),
            ("RunNext", RUN[0]),
            ("RunEnd", RUN[1]),
            ("RunBitmap", RUN[2]),
            ("RunSize", RUN[3]),
            ("ChanShort", Hchan::SHORT_WAY_OFFSET),
        ] {
            let words = std::format!("\tgzKernel{name} ");
            let line =
                text.lines().find(|line| line.starts_with(&words)).unwrap_or_else(|| panic!("no {words}"));
            let says = line.split('=').nth(1).unwrap().trim();
            assert_eq!(says, std::format!("{}", is as isize), "gzKernel{name} in gzero.go");
        }
        let runs = crate::gc::NUM_SPAN_CLASSES * RUN_BYTES;
        assert_eq!(TINY, [runs, runs + 8, runs + 16], "gzKernelTiny… in gzero.go");
    }
}
