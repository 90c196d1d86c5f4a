//! The block of data that each core reaches through `gs:`.
//!
//! Not `#[thread_local]`: the compiler may keep a TLS address across a stack switch (LLVM issue 98479) and then
//! write to another core's data. Here every access is one `asm!` instruction that names `gs:` itself.
//!
//! The first words are an interface: assembly and the runtime's port read them at fixed offsets.
//!
//! | offset | content |
//! |---|---|
//! | `gs:0` | address of the block itself |
//! | `gs:8` | end of the current G, where Go's `g` is in a Go program |
//! | `gs:16` | current kernel thread |
//! | `gs:24` | core number |
//!
//! `swapgs` is never used: all code runs in ring 0 with one GS base for each core.
//!
//! The base of FS is set once, too: code from Go's compiler finds its `g` at `fs:-8`, and that is `gs:8`.

use super::MAX_CPUS;
use super::features::{Features, has};
use super::trap::TrapFrame;
use core::arch::asm;
use core::cell::{Cell, UnsafeCell};
use core::mem::offset_of;
use core::ptr;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use raw_cpuid::CpuId;
use runtime::machine::{G, GoG};
use x86_64::VirtAddr;
use x86_64::registers::control::{Cr4, Cr4Flags};
use x86_64::registers::model_specific::{FsBase, GsBase};
use x86_64::registers::segmentation::{GS, Segment64};

/// A core's own data. Blocks are aligned so that no two cores write to one pair of cache lines.
#[repr(C, align(128))]
pub struct CpuLocal {
    self_ptr: Cell<*const CpuLocal>,
    go_g: Cell<*mut GoG>,
    thread: Cell<*mut ()>,
    id: Cell<usize>,
    /// The core's name in the interrupt controller.
    pub apic_id: AtomicU32,
    /// When the core's timer is to fire (nanotime), `u64::MAX` if it is off. Written by its own core only.
    pub timer_deadline: AtomicU64,
    /// Interrupts taken that were not exceptions, IPIs and timer included.
    pub interrupts: AtomicU64,
    /// Timer interrupts that came before their time.
    pub early_timers: AtomicU64,
    /// The page fault that is being handled on this core.
    pub(super) page_fault: PageFaultSlot,
}

// SAFETY: `Cell` and `UnsafeCell` fields are touched by the block's own core only (`self_ptr` and `id` by the one that
// starts it, before it runs); the others are atomics.
unsafe impl Sync for CpuLocal {}

const _: () = {
    assert!(offset_of!(CpuLocal, self_ptr) == 0);
    assert!(offset_of!(CpuLocal, go_g) == 8);
    assert!(offset_of!(CpuLocal, thread) == 16);
    assert!(offset_of!(CpuLocal, id) == 24);
};

const _: () = assert!(size_of::<TrapFrame>() == size_of::<[[u64; 11]; 2]>());

/// A copy of the frame of the page fault being handled, because a second one overwrites it: both use one stack.
pub(super) struct PageFaultSlot {
    busy: Cell<bool>,
    frame: UnsafeCell<TrapFrame>,
}

impl PageFaultSlot {
    /// Notes that the fault of `frame` is being handled.
    ///
    /// # Errors
    /// The frame of the fault whose handling the new one interrupted.
    pub fn begin(&self, frame: &TrapFrame) -> Result<(), &TrapFrame> {
        if self.busy.replace(true) {
            // SAFETY: the slot belongs to this core, which runs this function with interrupts off and writes only below.
            return Err(unsafe { &*self.frame.get() });
        }
        // In halves: for more than 128 bytes the compiler calls `memcpy`, which takes twice as long.
        let (from, to) = (ptr::from_ref(frame).cast::<[u64; 11]>(), self.frame.get().cast::<[u64; 11]>());
        // SAFETY: as above; no reference from the branch above outlives its report, which does not return. A frame is two halves.
        unsafe { to.write(from.read()) };
        // SAFETY: as above.
        unsafe { to.add(1).write(from.add(1).read()) };
        Ok(())
    }

    /// Notes that handling has ended.
    pub fn end(&self) {
        self.busy.set(false);
    }
}

/// What FS's base is above the block: the word below it is Go's `g`.
const GO_TLS: u64 = (offset_of!(CpuLocal, go_g) + size_of::<usize>()) as u64;

/// Of a core that has not set its controller up.
const NO_APIC_ID: u32 = u32::MAX;

impl CpuLocal {
    const fn new() -> Self {
        CpuLocal {
            self_ptr: Cell::new(ptr::null()),
            go_g: Cell::new(G::go(ptr::null_mut())),
            thread: Cell::new(ptr::null_mut()),
            id: Cell::new(0),
            apic_id: AtomicU32::new(NO_APIC_ID),
            timer_deadline: AtomicU64::new(u64::MAX),
            interrupts: AtomicU64::new(0),
            early_timers: AtomicU64::new(0),
            page_fault: PageFaultSlot { busy: Cell::new(false), frame: UnsafeCell::new(TrapFrame::ZERO) },
        }
    }
}

static BLOCKS: [CpuLocal; MAX_CPUS] = [const { CpuLocal::new() }; MAX_CPUS];

/// Makes core `id`'s block the current core's.
///
/// # Safety
/// Called by that core itself, once, before anything that reads `gs:`; no two cores have one `id`.
pub unsafe fn init(id: usize) {
    let block = &BLOCKS[id];
    block.self_ptr.set(block);
    block.id.set(id);
    GsBase::write(VirtAddr::from_ptr(block));
    FsBase::write(VirtAddr::from_ptr(block) + GO_TLS);
}

/// Makes block 0 the boot core's. To be called first of all, once: time counts from here.
pub fn init_boot() {
    super::clock::mark_start();
    // SAFETY: the boot core calls this first, and `init` for other cores passes other numbers.
    unsafe { init(0) };
}

/// The current core's block. Meaningful for as long as the caller cannot be moved to another core.
#[inline(always)]
pub fn this() -> &'static CpuLocal {
    let p: *const CpuLocal;
    // SAFETY: `init` ran on this core before anything else, so `gs:0` holds the address of a static block.
    unsafe {
        asm!("mov {}, gs:[0]", out(reg) p, options(nostack, preserves_flags, readonly));
        &*p
    }
}

/// Makes sure that `gs:` is a core's block, for the handlers of exceptions: without it each would fault again where it reads its core's data, and
/// so for ever.
///
/// # Errors
/// What the base of GS was, if it was anything else. It is now the block that this core had, by its name in the interrupt controller, which the
/// processor knows too.
#[inline]
pub(super) fn recover() -> Result<(), u64> {
    // By CR4 and not by what `features` found: the handler may have come before that was turned on here.
    let base = match Cr4::read_raw() & Cr4Flags::FSGSBASE.bits() {
        0 => GsBase::read(),
        _ => GS::read_base(),
    };
    let offset = (base.as_u64() as usize).wrapping_sub(BLOCKS.as_ptr() as usize);
    if offset < size_of_val(&BLOCKS) && offset.is_multiple_of(size_of::<CpuLocal>()) {
        return Ok(());
    }
    find_block();
    Err(base.as_u64())
}

/// Sets the base of GS to the block of this core.
#[cold]
fn find_block() {
    let cpuid = CpuId::new();
    let short = cpuid.get_feature_info().map(|i| i.initial_local_apic_id().into());
    let long = || cpuid.get_extended_topology_info()?.next().map(|level| level.x2apic_id());
    let apic_id = if has(Features::X2APIC) { long().or(short) } else { short };
    // Before a core has a name there is the boot core alone.
    let block =
        BLOCKS.iter().find(|b| Some(b.apic_id.load(Ordering::Relaxed)) == apic_id).unwrap_or(&BLOCKS[0]);
    GsBase::write(VirtAddr::from_ptr(block));
}

/// Core `id`'s block.
///
/// # Panics
/// If `id` is not below [`MAX_CPUS`].
pub fn of(id: usize) -> &'static CpuLocal {
    &BLOCKS[id]
}

/// The current core's number: 0 for the boot core, the others in the order in which they came online.
#[inline(always)]
pub fn id() -> usize {
    let id;
    // SAFETY: `gs:24` is the block's `id`.
    unsafe { asm!("mov {}, gs:[24]", out(reg) id, options(nostack, preserves_flags, readonly)) };
    id
}

/// The current G.
///
/// May be merged with other reads in one function: code on one stack sees one G wherever it runs.
#[inline(always)]
pub fn g() -> *mut G {
    let go;
    // SAFETY: `gs:8` is the block's `go_g`. `pure, readonly`: no read moves across `set_g`, which clobbers memory.
    unsafe { asm!("mov {}, gs:[8]", out(reg) go, options(nostack, preserves_flags, pure, readonly)) };
    G::before(go)
}

/// Sets what [`g`] returns on this core.
#[inline(always)]
pub fn set_g(g: *mut G) {
    // SAFETY: `gs:8` is the block's `go_g`, which only its core touches.
    unsafe { asm!("mov gs:[8], {}", in(reg) G::go(g), options(nostack, preserves_flags)) };
}

/// The kernel thread that runs on this core.
#[inline(always)]
pub fn thread() -> *mut () {
    let thread;
    // SAFETY: `gs:16` is the block's `thread`.
    unsafe { asm!("mov {}, gs:[16]", out(reg) thread, options(nostack, preserves_flags, readonly)) };
    thread
}

/// Sets what [`thread`] returns on this core.
#[inline(always)]
pub fn set_thread(thread: *mut ()) {
    // SAFETY: `gs:16` is the block's `thread`, which only its core touches.
    unsafe { asm!("mov gs:[16], {}", in(reg) thread, options(nostack, preserves_flags)) };
}
