//! Slots: where stacks are, and what is known of each.
//!
//! Slots come in classes. The first two are [windows](super::window) for goroutines without a limit of their own; the others have one class
//! for each power of two from 128 KiB to 1 GiB, in 2 TiB each. A stack is one slot less the guard area below it, which is never backed.
//! One formula says for all of them where a stack is ([`Slot::stack`]), so that a birth, a death or a fault asks no class what it is.

use super::window;
use super::{FRAME_SIZE, Stack, StackError};
use crate::memory::demand_zero;
use core::num::NonZeroU32;
use core::ops::Range;
use core::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};

/// Bytes below every stack that are never backed. The compiler touches every page of a large frame in turn; code that does not
/// (assembly, a wild index) is caught if it misses by less than this.
pub(in crate::memory) const GUARD: usize = 64 << 10;

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
/// Where the slots' records are: demand-zero memory.
static RECORDS: AtomicUsize = AtomicUsize::new(0);

/// How the slots of a class lie, and the stacks in them.
pub(super) struct Shape {
    /// Bytes that a stack may use: whole pages.
    pub(super) room: usize,
    /// How many slots there are.
    pub(super) slots: u32,
    /// Bytes of a slot, as a power of two.
    pub(super) shift: u32,
    /// How many slots have their stacks at offsets of their own; a power of two. 1: all stacks end where their slots end.
    pub(super) group: u32,
}

static SHAPES: [Shape; CLASSES] = {
    let mut shapes = [const { window::HUGE }; CLASSES];
    shapes[1] = window::LARGE;
    let mut class = WINDOWS;
    while class < CLASSES {
        let shift = MIN_SHIFT + (class - WINDOWS) as u32;
        shapes[class] =
            Shape { room: (1 << shift) - GUARD, slots: 1 << (CLASS_SHIFT - shift), shift, group: 1 };
        class += 1;
    }
    shapes
};

/// Where the slots of each class start: windows in the lower half, all at a multiple of 1 GiB.
static STARTS: [AtomicUsize; CLASSES] = [const { AtomicUsize::new(0) }; CLASSES];

/// Where the slots of a class start.
#[inline]
pub(super) fn start_of(class: usize) -> usize {
    STARTS[class].load(Relaxed)
}

// A class is four bits of a name, and the records of all names are 4 GiB.
const _: () = assert!(CLASSES << NUMBER_BITS == 1 << 28 && size_of::<Record>() == 16);
const _: () = assert!(window::HUGE.slots <= 1 << NUMBER_BITS && window::LARGE.slots <= 1 << NUMBER_BITS);

impl Shape {
    /// Bytes of addresses that its slots take.
    pub(super) const fn range(&self) -> usize {
        (self.slots as usize) << self.shift
    }

    /// If `addr` lies in a slot of the class, its number.
    #[inline(always)]
    fn number_of(&self, class: usize, addr: usize) -> Option<u32> {
        let number = addr.wrapping_sub(start_of(class)) >> self.shift;
        (number < self.slots as usize).then_some(number as u32)
    }
}

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

    #[inline]
    pub(super) fn get(&self) -> Option<Slot> {
        NonZeroU32::new(self.0.load(Relaxed)).map(Slot)
    }

    #[inline]
    pub(super) fn set(&self, slot: Option<Slot>) {
        self.0.store(slot.map_or(0, |Slot(name)| name.get()), Relaxed);
    }
}

/// A slot's name: its number, its class above that, and [`Slot::MARK`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot(NonZeroU32);

/// How many slots of each class were ever used: those with lower numbers have a record.
static MADE: [AtomicU32; CLASSES] = [const { AtomicU32::new(0) }; CLASSES];

/// The class of stacks of `size` bytes; without a size, the largest one.
///
/// # Errors
/// [`StackError::OutOfAddressSpace`] if no slot is so large.
#[inline]
pub(super) fn class_for(size: Option<usize>) -> Result<usize, StackError> {
    let Some(size) = size else { return Ok(0) };
    size.checked_add(GUARD)
        .and_then(usize::checked_next_power_of_two)
        .map(|bytes| bytes.trailing_zeros().max(MIN_SHIFT))
        .filter(|&shift| shift <= MAX_SHIFT)
        .map(|shift| WINDOWS + (shift - MIN_SHIFT) as usize)
        .ok_or(StackError::OutOfAddressSpace)
}

/// The classes from which stacks without a size may come when that of [`class_for`] has none, best first.
pub(super) const SMALLER: [usize; 2] = [1, LAST_RESORT];

impl Slot {
    /// Makes a name other than 0.
    const MARK: NonZeroU32 = NonZeroU32::new(1 << 31).unwrap();

    #[inline]
    fn new(class: usize, number: u32) -> Slot {
        Slot(Slot::MARK | (class as u32) << NUMBER_BITS | number)
    }

    /// The slot that `addr` lies in, if that was ever used.
    #[inline]
    pub(super) fn of(addr: usize) -> Option<Slot> {
        let (class, number) = match (window::HUGE.number_of(0, addr), window::LARGE.number_of(1, addr)) {
            (Some(number), _) => (0, number),
            (_, Some(number)) => (1, number),
            _ => {
                let offset = addr.wrapping_sub(base());
                let class = offset >> CLASS_SHIFT;
                if class >= CLASSES - WINDOWS {
                    return None;
                }
                let in_class = offset & ((1 << CLASS_SHIFT) - 1);
                (WINDOWS + class, (in_class >> (MIN_SHIFT as usize + class)) as u32)
            }
        };
        (number < MADE[class].load(Acquire)).then_some(Slot::new(class, number))
    }

    /// All slots that were ever used.
    pub(super) fn all() -> impl Iterator<Item = Slot> {
        let numbers = |class: usize| 0..MADE[class].load(Acquire);
        (0..CLASSES).flat_map(move |class| numbers(class).map(move |number| Slot::new(class, number)))
    }

    /// A slot of a class that was never used. The class's lock is held.
    pub(super) fn make(class: usize) -> Result<Slot, StackError> {
        let number = MADE[class].load(Relaxed);
        let slot = Slot::new(class, number);
        if number >= slot.shape().slots {
            return Err(StackError::OutOfAddressSpace);
        }
        slot.share()?;
        // Backs the record's page, before the fault handler may look at it.
        slot.set_state(State::Cold);
        MADE[class].store(number + 1, Release);
        Ok(slot)
    }

    #[inline]
    pub(super) fn class(self) -> usize {
        (self.0.get() >> NUMBER_BITS) as usize % CLASSES
    }

    #[inline]
    pub(super) fn number(self) -> u32 {
        self.0.get() & ((1 << NUMBER_BITS) - 1)
    }

    #[inline]
    pub(super) fn shape(self) -> &'static Shape {
        &SHAPES[self.class()]
    }

    #[inline]
    pub(super) fn is_window(self) -> bool {
        self.class() < WINDOWS
    }

    /// The addresses that a stack in this slot may use.
    #[inline]
    pub(super) fn stack(self) -> Stack {
        let (shape, number) = (self.shape(), self.number());
        let offset = (number & (shape.group - 1)) as usize * window::OWN;
        let hi = start_of(self.class()) + ((number as usize + 1) << shape.shift) - offset;
        Stack { lo: hi - shape.room, hi }
    }

    /// The addresses of the `n` highest pages but the `keep` highest.
    pub(super) fn pages(self, keep: usize, n: usize) -> Range<usize> {
        let hi = self.stack().hi;
        hi - n.max(keep) * FRAME_SIZE..hi - keep * FRAME_SIZE
    }

    #[inline]
    pub(super) fn record(self) -> &'static Record {
        // The multiplication drops the mark.
        let offset = self.0.get().wrapping_mul(size_of::<Record>() as u32);
        let at = RECORDS.load(Relaxed) + offset as usize;
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
    start_of(WINDOWS)
}

/// Says where slots start, windows and others, before there are any.
pub(in crate::memory) fn set_base([huge, large]: [usize; 2], others: usize) {
    let others = (0..CLASSES - WINDOWS).map(|class| others + (class << CLASS_SHIFT));
    for (start, at) in STARTS.iter().zip([huge, large].into_iter().chain(others)) {
        start.store(at, Relaxed);
    }
}

/// Reserves the slots' records.
pub(super) fn init() {
    RECORDS.store(demand_zero::reserve(size_of::<Record>() * (CLASSES << NUMBER_BITS)) as usize, Relaxed);
    window::init();
}
