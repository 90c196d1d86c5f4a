//! What the collector knows of a type: a size, and which words of it are pointers.

/// The description of a type, as whoever allocates passes it. It stays where it is for as long as an
/// object of the type lives.
///
/// The layout is that of the type descriptors of Go's compiler, so that those serve as they are; the
/// Go half compares the offsets when it registers. `repeats`: an object is as many elements of the
/// type back to back as fit into it, and what is left over holds no pointers.
#[repr(C)]
pub struct TypeDesc {
    /// Bytes of an element, a multiple of 8 if it has pointers.
    pub size: usize,
    /// Bytes up to the end of the last pointer of an element; 0: there are none.
    pub ptr_bytes: usize,
    _hash: u32,
    /// [`TypeDesc::MASK_ON_DEMAND`], and others that mean nothing here.
    pub flags: u8,
    _more: [u8; 3],
    _equal: usize,
    /// A bit for each word of `ptr_bytes`, lowest first, set for pointers; padded with zeroes to
    /// whole words of 64 bits, which need not be aligned.
    pub mask: *const u8,
}

// SAFETY: it is never written but for the word behind a mask on demand, which is read as one word.
unsafe impl Sync for TypeDesc {}

impl TypeDesc {
    /// In `flags`: `mask` is the address of a word that holds the mask's address, or null as long as
    /// nobody has made it.
    pub const MASK_ON_DEMAND: u8 = 16;

    /// A type of `size` bytes, for tests: Go's compiler makes those of programs.
    ///
    /// # Safety
    /// `mask` covers `ptr_bytes` as described, and stays.
    #[cfg(any(test, feature = "kernel-tests"))]
    pub const unsafe fn new(size: usize, ptr_bytes: usize, mask: *const u8) -> TypeDesc {
        assert!(ptr_bytes <= size && ptr_bytes.is_multiple_of(8));
        assert!(ptr_bytes == 0 || size.is_multiple_of(8));
        TypeDesc { size, ptr_bytes, _hash: 0, flags: 0, _more: [0; 3], _equal: 0, mask }
    }

    /// Its mask, null if there is none yet: then every word may be a pointer.
    #[inline]
    pub(super) fn mask(&self) -> *const u8 {
        if self.flags & Self::MASK_ON_DEMAND == 0 {
            return self.mask;
        }
        // SAFETY: as `new` was promised, the address of a word.
        unsafe { self.mask.cast::<*const u8>().read_volatile() }
    }

    /// The pointers of an object of `size` bytes, at most 64 words: a bit for each word.
    #[inline(always)]
    pub(super) fn object_bits(&self, size: usize) -> u64 {
        let mask = self.mask();
        if mask.is_null() {
            return low(size / 8);
        }
        // SAFETY: masks are readable in whole words of 64 bits.
        let mut bits = unsafe { mask.cast::<u64>().read_unaligned() };
        // Each round doubles the elements that the bits cover.
        let mut words = self.size / 8;
        while words < size / 8 {
            bits |= bits << words;
            words *= 2;
        }
        bits & low(size / 8)
    }
}

/// The `n` lowest bits, `n` from 1 to 64.
#[inline(always)]
pub(super) const fn low(n: usize) -> u64 {
    u64::MAX >> (64 - n)
}
