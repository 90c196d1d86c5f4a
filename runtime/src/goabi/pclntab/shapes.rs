//! Cache of what the tables say of places in the code.
//!
//! A lookup decodes tables from the function's start, about a thousand instructions a frame, and in a
//! collection nearly all goroutines stand at the same few calls. Code and tables never change, so
//! entries never expire. Direct mapped: of two places that share a slot the later one keeps it.

use super::maps::{Frame, Shape, Stands, shape};
use crate::goabi::layout::Layout;

/// A power of two.
const SLOTS: usize = 256;

/// See the module's text.
pub(in crate::goabi) struct Shapes {
    /// Place and shape; place 0: empty.
    slots: [(usize, Option<Shape>); SLOTS],
}

impl Shapes {
    /// Empty.
    pub const fn new() -> Shapes {
        Shapes { slots: [(0, None); SLOTS] }
    }

    /// The frame at `sp` of the code at `pc`; none if it cannot be said where it ends.
    ///
    /// # Safety
    /// `l` has the program's tables, the same ones always, and `pc` is in its code; the code stands
    /// there with that stack pointer.
    pub unsafe fn frame(&mut self, l: &Layout, pc: usize, sp: usize, stands: Stands) -> Option<Frame> {
        let place = pc << 1 | usize::from(stands == Stands::Interrupted);
        // Fibonacci's hash: the upper bits of a product with 2^64 over the golden ratio.
        let i = place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (usize::BITS - SLOTS.trailing_zeros());
        let slot = &mut self.slots[i];
        if slot.0 != place {
            // SAFETY: as the caller promises.
            *slot = (place, unsafe { shape(l, pc, stands) });
        }
        slot.1.as_ref().map(|shape| shape.at(sp))
    }
}
