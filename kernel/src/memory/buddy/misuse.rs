//! What a caller may do wrong.

use super::Owner;
use core::fmt;
use x86_64::PhysAddr;

/// Why frames could not be freed. All of them are errors of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misuse {
    /// The address is not a multiple of what is freed there.
    Misaligned {
        /// The address.
        addr: PhysAddr,
        /// Who frees it.
        by: Owner,
    },
    /// The frame never belonged to the allocator.
    Foreign {
        /// The frame.
        addr: PhysAddr,
        /// Who frees it.
        by: Owner,
    },
    /// The frame is free already.
    DoubleFree {
        /// The frame.
        addr: PhysAddr,
        /// Who had it last, and freed it.
        first: Owner,
        /// Who frees it again.
        by: Owner,
    },
    /// The frame is in use by somebody else.
    NotOwner {
        /// The frame.
        addr: PhysAddr,
        /// Who uses it.
        owner: Owner,
        /// Who frees it.
        by: Owner,
    },
    /// The free block's list links do not fit: somebody wrote to memory that was freed.
    WrittenAfterFree {
        /// The block's first frame.
        addr: PhysAddr,
    },
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Misuse::Misaligned { addr, by } => {
                write!(f, "misaligned free of physical frame {addr:#x} by {by}")
            }
            Misuse::Foreign { addr, by } => {
                write!(f, "free of physical frame {addr:#x}, which was never allocated, by {by}")
            }
            Misuse::DoubleFree { addr, first, by } => {
                write!(f, "double free of physical frame {addr:#x}: freed by {first}, now again by {by}")
            }
            Misuse::NotOwner { addr, owner, by } => {
                write!(f, "physical frame {addr:#x} is in use by {owner}, but freed by {by}")
            }
            Misuse::WrittenAfterFree { addr } => {
                write!(f, "physical frame {addr:#x} was written to after it was freed")
            }
        }
    }
}
