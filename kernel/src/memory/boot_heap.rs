//! The heap of what runs before the runtime's: command line, ACPI tables, core bring-up.
//!
//! 512 KiB of the image's `.bss`. What was allocated here stays here when the runtime's heap takes over, so a
//! deallocation is told by its address ([`contains`]).

use crate::irq::IrqMutex;
use core::alloc::Layout;
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use linked_list_allocator::Heap;

/// Bytes of the boot heap.
const SIZE: usize = 512 * 1024;

#[repr(C, align(4096))]
struct Arena(UnsafeCell<[MaybeUninit<u8>; SIZE]>);

// SAFETY: only `HEAP` touches the bytes, under its lock.
unsafe impl Sync for Arena {}

static ARENA: Arena = Arena(UnsafeCell::new([MaybeUninit::uninit(); SIZE]));
static HEAP: IrqMutex<Heap> = IrqMutex::new(Heap::empty());

/// Makes the boot heap usable. To be called once, before the first allocation.
///
/// # Panics
/// When called again.
pub fn init() {
    // SAFETY: the heap refuses to be initialised twice, so this is the only reference to the arena.
    HEAP.lock().init_from_slice(unsafe { &mut *ARENA.0.get() });
}

/// Whether `p` lies in the boot heap.
#[inline]
pub fn contains(p: *const u8) -> bool {
    (p as usize).wrapping_sub(ARENA.0.get() as usize) < SIZE
}

/// Allocates, or returns null if there is no room.
// Cold and never inlined, as is `dealloc`: otherwise every allocation of the kernel would carry a copy.
#[cold]
#[inline(never)]
pub fn alloc(layout: Layout) -> *mut u8 {
    HEAP.lock().allocate_first_fit(layout).map_or(core::ptr::null_mut(), NonNull::as_ptr)
}

/// Frees.
///
/// # Safety
/// `p` came from [`alloc`] with the same `layout` and is not used again.
#[cold]
#[inline(never)]
pub unsafe fn dealloc(p: *mut u8, layout: Layout) {
    let p = NonNull::new(p).expect("null was not allocated");
    // SAFETY: the caller's promise is `Heap::deallocate`'s condition.
    unsafe { HEAP.lock().deallocate(p, layout) };
}
