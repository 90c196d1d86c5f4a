//! Go's size classes, computed at compile time by the rule of Go's `mksizeclasses.go`.
//!
//! The rule: classes grow in steps of the alignment that fits their magnitude, each class takes the smallest span
//! that wastes at most an eighth at its end, a size that gives no more objects than the next one is dropped, and sizes
//! are rounded up to what the span leaves over. Class 0 is no class: objects above [`MAX_SMALL_SIZE`].
//!
//! Go maps a size to its class by two tables (steps of 8 B up to 1 KiB, of 128 B above). Here one table in steps of
//! 8 B covers all (4 KiB; small sizes touch the same two cache lines): one compare and one load on every path.

/// Bytes of a runtime page as a power of two (Go: `PageShift`).
pub const PAGE_SHIFT: u32 = 13;
/// Bytes of a runtime page: two frames.
pub const PAGE_SIZE: usize = 1 << PAGE_SHIFT;
/// The largest object that has a size class, in bytes.
pub const MAX_SMALL_SIZE: usize = 32 << 10;
/// How many classes there are, class 0 included.
pub const NUM_SIZE_CLASSES: usize = 68;
/// The most objects any span of a class holds.
pub const MAX_OBJS_PER_SPAN: usize = PAGE_SIZE / 8;

/// Up to this alignment (bytes) rounding the size up to the alignment is enough: the class found is a multiple of it.
const ROUND_ALIGN: usize = 128;
/// Granularity of [`SIZE_TO_CLASS`] in bytes.
const SIZE_DIV: usize = 8;
/// Granularity that sizes above 1 KiB keep (Go: `LargeSizeDiv`).
const LARGE_SIZE_DIV: usize = 128;

/// Object sizes in bytes and span sizes in pages.
struct Classes {
    size: [usize; NUM_SIZE_CLASSES],
    npages: [usize; NUM_SIZE_CLASSES],
}

const CLASSES: Classes = make_classes();

const fn make_classes() -> Classes {
    let mut c = Classes { size: [0; NUM_SIZE_CLASSES], npages: [0; NUM_SIZE_CLASSES] };
    let mut n = 1;
    let mut align = 8;
    let mut size = align;
    while size <= MAX_SMALL_SIZE {
        if size.is_power_of_two() {
            align = match size {
                2048.. => 256,
                128.. => size / 8,
                32.. => 16,
                _ => align,
            };
        }
        let mut span = PAGE_SIZE;
        while span % size > span / 8 {
            span += PAGE_SIZE;
        }
        if n > 1 && span / PAGE_SIZE == c.npages[n - 1] && span / size == span / c.size[n - 1] {
            c.size[n - 1] = size;
        } else {
            c.size[n] = size;
            c.npages[n] = span / PAGE_SIZE;
            n += 1;
        }
        size += align;
    }
    assert!(n == NUM_SIZE_CLASSES);
    let mut i = 1;
    while i < n {
        let span = c.npages[i] * PAGE_SIZE;
        let stretched = (span / (span / c.size[i])) & !(LARGE_SIZE_DIV - 1);
        if stretched > c.size[i] {
            c.size[i] = stretched;
        }
        i += 1;
    }
    c
}

/// Bytes of an object of each class.
pub static CLASS_TO_SIZE: [u16; NUM_SIZE_CLASSES] = {
    let mut t = [0; NUM_SIZE_CLASSES];
    let mut i = 0;
    while i < t.len() {
        t[i] = CLASSES.size[i] as u16;
        i += 1;
    }
    t
};

/// Pages of a span of each class.
pub static CLASS_TO_NPAGES: [u8; NUM_SIZE_CLASSES] = {
    let mut t = [0; NUM_SIZE_CLASSES];
    let mut i = 0;
    while i < t.len() {
        t[i] = CLASSES.npages[i] as u8;
        i += 1;
    }
    t
};

/// `offset / size == (offset * magic) >> 32` for every offset in a span of the class (Go: `SizeClassToDivMagic`).
pub static CLASS_TO_DIVMAGIC: [u32; NUM_SIZE_CLASSES] = {
    let mut t = [0; NUM_SIZE_CLASSES];
    let mut i = 1;
    while i < t.len() {
        t[i] = u32::MAX / CLASSES.size[i] as u32 + 1;
        i += 1;
    }
    t
};

/// The class of each size, by `(size + 7) / 8`; a size of 0 has the smallest.
static SIZE_TO_CLASS: [u8; MAX_SMALL_SIZE / SIZE_DIV + 1] = {
    let mut t = [0; MAX_SMALL_SIZE / SIZE_DIV + 1];
    let (mut i, mut class) = (0, 1);
    while i < t.len() {
        if i * SIZE_DIV > CLASSES.size[class] {
            class += 1;
        }
        t[i] = class as u8;
        i += 1;
    }
    t
};

/// The size class that serves `size` bytes aligned to `align`, or 0 if the request goes straight to pages. The two are those of
/// a valid `Layout`: a power of two, and a size that can be rounded up to it.
#[inline(always)]
pub fn class_of(size: usize, align: usize) -> usize {
    if align > SIZE_DIV {
        return class_of_aligned(size, align);
    }
    if size > MAX_SMALL_SIZE {
        return 0;
    }
    usize::from(SIZE_TO_CLASS[size.div_ceil(SIZE_DIV)])
}

/// [`class_of`] for alignments above 8.
#[inline]
fn class_of_aligned(size: usize, align: usize) -> usize {
    // An object starts at a multiple of its size from a page: a class whose size is a multiple of `align` is aligned.
    let size = (size.max(1) + align - 1) & !(align - 1);
    if size > MAX_SMALL_SIZE || align > PAGE_SIZE {
        return 0;
    }
    let mut class = usize::from(SIZE_TO_CLASS[size / SIZE_DIV]);
    if align > ROUND_ALIGN {
        while usize::from(CLASS_TO_SIZE[class]) & (align - 1) != 0 {
            class += 1;
        }
    }
    class
}

/// How many objects a span of `class` holds.
pub fn objects_per_span(class: usize) -> usize {
    usize::from(CLASS_TO_NPAGES[class]) * PAGE_SIZE / usize::from(CLASS_TO_SIZE[class])
}
