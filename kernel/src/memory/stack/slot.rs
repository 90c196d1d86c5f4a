//! Slots: where stacks are, and what is known of each.
//!
//! Slots come in classes. The first two are [windows](super::window) for goroutines without a limit of their own; the others have one class
//! for each power of two from 128 KiB to 1 GiB, in 2 TiB each. A stack is one slot less the guard area below it, which is never backed.

use super::window::{self, HUGE, LARGE, Shape};
use super::{FRAME_SIZE, Stack, StackError};
use crate::memory::demand_zero;
use core::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};

/// Bytes below every stack that are never backed. The compiler touches every page of a large frame in turn; code that does not
/// (assembly, a wild index) is caught if it misses by less than this.
pub(in crate::memory) const GUARD: usize = 64 << 10;

/// Where the slots that are no windows start, at a multiple of 1 GiB.
static BASE: AtomicUsize = AtomicUsize::new(0);
/// Bytes of the smallest and the largest of them, as powers of two.
const MIN_SHIFT: u32 = 17;
const MAX_SHIFT: u32 = 30;
/// Bytes of address space of such a class, as a power of two.
pub(super) const CLASS_SHIFT: u32 = 41;

/// How many of the classes are windows.
const WINDOWS: usize = 2;
pub(super) const CLASSES: usize = WINDOWS + (MAX_SHIFT - MIN_SHIFT + 1) as usize;
/// Bytes of addresses for the others.
pub(in crate::memory) const RANGE: usize = (CLASSES - WINDOWS) << CLASS_SHIFT;
/// The class of a goroutine without a limit of its own when all windows are in use: 192 KiB.
const LAST_RESORT: usize = WINDOWS + 1;

/// Bits of a slot's number within its class.
const NUMBER_BITS: u32 = CLASS_SHIFT - MIN_SHIFT;
/// Bytes of address space for the slots' records of one class, as a power of two.
const RECORDS_SHIFT: u32 = 28;
/// Where the slots' records are: demand-zero memory.
static RECORDS: AtomicUsize = AtomicUsize::new(0);

/// What is known of a slot besides its pages. All zero at first.
#[repr(align(16))]
pub(super) struct Record {
    /// The next slot of the list that this one is on.
    pub(super) next: Link,
    /// All backed pages are among this many highest ones.
    depth: AtomicU32,
    state: AtomicU8,
    /// A window that has page tables of its own.
    private: AtomicBool,
}

const _: () = assert!(size_of::<Record>() << NUMBER_BITS <= 1 << RECORDS_SHIFT);
const _: () = assert!(HUGE.slots <= 1 << NUMBER_BITS && LARGE.slots <= 1 << NUMBER_BITS);

/// What a slot is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum State {
    /// For nothing; it has no pages.
    Cold = 0,
    /// A stack.
    InUse = 1,
    /// For nothing; it keeps some pages.
    Warm = 2,
    /// For nothing until all cores have flushed.
    Quarantined = 3,
}

/// A slot's name, or none, in 32 bits.
pub(super) struct Link(AtomicU32);

impl Link {
    pub(super) const fn none() -> Link {
        Link(AtomicU32::new(0))
    }

    pub(super) fn get(&self) -> Option<Slot> {
        let id = self.0.load(Relaxed).checked_sub(1)?;
        Some(Slot { class: id >> NUMBER_BITS, number: id & ((1 << NUMBER_BITS) - 1) })
    }

    pub(super) fn set(&self, slot: Option<Slot>) {
        self.0.store(slot.map_or(0, |s| (s.class << NUMBER_BITS | s.number) + 1), Relaxed);
    }
}

/// A slot's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    class: u32,
    number: u32,
}

/// How many slots of each class were ever used: those with lower numbers have a record.
static MADE: [AtomicU32; CLASSES] = [const { AtomicU32::new(0) }; CLASSES];

/// The classes that a stack of `size` bytes may come from, best first; without a size the largest that are left.
pub(super) fn classes_for(size: Option<usize>) -> impl Iterator<Item = usize> {
    let fixed = |size: usize| {
        let shift = size.checked_add(GUARD)?.checked_next_power_of_two()?.trailing_zeros().max(MIN_SHIFT);
        (shift <= MAX_SHIFT).then_some(WINDOWS + (shift - MIN_SHIFT) as usize)
    };
    let windows = if size.is_none() { 0..WINDOWS } else { 0..0 };
    windows.chain(size.map_or(Some(LAST_RESORT), fixed))
}

impl Slot {
    /// The slot that `addr` lies in, if that was ever used.
    #[inline]
    pub(super) fn of(addr: usize) -> Option<Slot> {
        let (class, number) = match (HUGE.slot_of(addr), LARGE.slot_of(addr)) {
            (Some(number), _) => (0, number),
            (_, Some(number)) => (1, number),
            _ => {
                let offset = addr.wrapping_sub(base());
                let class = offset >> CLASS_SHIFT;
                let in_class = offset & ((1 << CLASS_SHIFT) - 1);
                (WINDOWS.checked_add(class)?, in_class >> (MIN_SHIFT as usize + class.min(CLASSES)))
            }
        };
        let made = MADE.get(class)?.load(Acquire);
        (number < made as usize).then_some(Slot { class: class as u32, number: number as u32 })
    }

    /// All slots that were ever used.
    pub(super) fn all() -> impl Iterator<Item = Slot> {
        let numbers = |class: u32| 0..MADE[class as usize].load(Acquire);
        (0..CLASSES as u32).flat_map(move |class| numbers(class).map(move |number| Slot { class, number }))
    }

    /// A slot of a class that was never used. The class's lock is held.
    pub(super) fn make(class: usize) -> Result<Slot, StackError> {
        let number = MADE[class].load(Relaxed);
        let slot = Slot { class: class as u32, number };
        let slots = slot.shape().map_or(1 << (CLASS_SHIFT - slot.shift()), |shape| shape.slots);
        if number as usize >= slots {
            return Err(StackError::OutOfAddressSpace);
        }
        slot.share()?;
        // Backs the record's page, before the fault handler may look at it.
        slot.set_state(State::Cold);
        MADE[class].store(number + 1, Release);
        Ok(slot)
    }

    pub(super) fn class(self) -> usize {
        self.class as usize
    }

    pub(super) fn number(self) -> usize {
        self.number as usize
    }

    /// If it is a window, its class's shape.
    #[inline]
    pub(super) fn shape(self) -> Option<&'static Shape> {
        match self.class {
            0 => Some(&HUGE),
            1 => Some(&LARGE),
            _ => None,
        }
    }

    /// Bytes of a slot that is no window, as a power of two.
    #[inline]
    fn shift(self) -> u32 {
        MIN_SHIFT + self.class - WINDOWS as u32
    }

    /// The addresses that a stack in this slot may use.
    #[inline]
    pub(super) fn stack(self) -> Stack {
        if let Some(shape) = self.shape() {
            return shape.stack(self.number());
        }
        let class = (self.class as usize - WINDOWS) << CLASS_SHIFT;
        let start = base() + class + (self.number() << self.shift());
        Stack { lo: start + GUARD, hi: start + (1 << self.shift()) }
    }

    /// The addresses of the `n` highest pages but the `keep` highest.
    pub(super) fn pages(self, keep: usize, n: usize) -> impl Iterator<Item = usize> {
        let hi = self.stack().hi;
        (hi - n.max(keep) * FRAME_SIZE..hi - keep * FRAME_SIZE).step_by(FRAME_SIZE)
    }

    #[inline]
    pub(super) fn record(self) -> &'static Record {
        let at = RECORDS.load(Relaxed)
            + ((self.class as usize) << RECORDS_SHIFT)
            + self.number as usize * size_of::<Record>();
        // SAFETY: `init` reserved room for the records of all slots, which zeroes are valid for; all fields are atomic.
        unsafe { &*(at as *const Record) }
    }

    #[inline]
    pub(super) fn depth(self) -> usize {
        self.record().depth.load(Relaxed) as usize
    }

    #[inline]
    pub(super) fn set_depth(self, pages: usize) {
        self.record().depth.store(pages as u32, Relaxed);
    }

    #[inline]
    pub(super) fn is(self, state: State) -> bool {
        self.record().state.load(Relaxed) == state as u8
    }

    #[inline]
    pub(super) fn set_state(self, state: State) {
        self.record().state.store(state as u8, Relaxed);
    }

    /// Whether it is a window with page tables of its own.
    #[inline]
    pub(super) fn is_private(self) -> bool {
        self.record().private.load(Relaxed)
    }

    pub(super) fn set_private(self, private: bool) {
        self.record().private.store(private, Relaxed);
    }
}

/// Where the slots that are no windows start.
#[inline]
pub(super) fn base() -> usize {
    BASE.load(Relaxed)
}

/// Says where slots start, windows and others, before there are any.
pub(in crate::memory) fn set_base(windows: [usize; 2], others: usize) {
    window::set_base(windows);
    BASE.store(others, Relaxed);
}

/// Reserves the slots' records.
pub(super) fn init() {
    RECORDS.store(demand_zero::reserve(CLASSES << RECORDS_SHIFT) as usize, Relaxed);
    window::init();
}
