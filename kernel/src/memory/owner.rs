//! Who uses a frame: what statistics count by, and what a report of misuse names.

use core::fmt;

/// How many owners there are.
pub const OWNERS: usize = 5;

/// A user of frames. Whoever frees a frame says who it is, and must be who allocated it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Owner {
    /// Nobody: what a frame says that was never allocated.
    Nobody = 0,
    /// The runtime's heap.
    Heap = 1,
    /// The page tables.
    PageTable = 2,
    /// Stacks: goroutines', threads' and those of interrupts.
    Stack = 3,
    /// The kernel's own data.
    Kernel = 4,
}

impl Owner {
    /// All owners, each at its number.
    pub const ALL: [Owner; OWNERS] =
        [Owner::Nobody, Owner::Heap, Owner::PageTable, Owner::Stack, Owner::Kernel];

    /// The owner that the low three bits name.
    pub(super) fn of_bits(bits: u8) -> Owner {
        Owner::ALL.get(usize::from(bits & 7)).copied().unwrap_or(Owner::Nobody)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Owner::Nobody => "nobody",
            Owner::Heap => "the heap",
            Owner::PageTable => "the page tables",
            Owner::Stack => "the stacks",
            Owner::Kernel => "the kernel",
        })
    }
}
