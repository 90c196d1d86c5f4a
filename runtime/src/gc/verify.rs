//! A check of the whole heap after marking (`GODEBUG=gcverify=1`).
//!
//! 1. What is marked is in use.
//! 2. What a marked object points to, by its own description, is marked: marking has forgotten nothing.
//! 3. A span's counts fit its bits.
//!
//! Together with `clobberfree=1`, which fills free slots and looks at them when they are allocated, and with
//! the check of each pointer that marking follows (it must lead to a slot in use), a root that was not named, or a write
//! to an object that was freed, is found within a cycle or two.

use super::GcHeap;
use super::mark::NOWHERE;
use super::scan;
use super::span::Span;
use super::table::View;
use crate::heap::System;

impl<S: System + 'static> GcHeap<S> {
    /// See the module's text.
    ///
    /// # Safety
    /// The world stands, marking has ended and sweeping has not begun.
    pub(super) unsafe fn verify(&self) {
        let view = self.table.view();
        for central in &self.central {
            let central = central.lock();
            for span in central.full.iter().chain(central.partial.iter()) {
                // SAFETY: as the caller promises.
                unsafe { self.verify_span(view, span) };
            }
        }
    }

    unsafe fn verify_span(&self, view: View, span: &'static Span) {
        let mut in_use = 0;
        for slot in 0..usize::from(span.slots.get()) {
            // SAFETY: as the caller promises; the slot is there.
            let (used, marked) = unsafe { (span.is_in_use(slot), span.is_marked(slot)) };
            in_use += usize::from(used);
            if !marked {
                continue;
            }
            let at = span.address(slot);
            if !used {
                self.broken("a free slot is marked", at);
            }
            let check = &mut |word| {
                if let Some((to, slot)) = view.find(word)
                    // SAFETY: the slot is there.
                    && unsafe { !to.is_marked(slot) }
                {
                    self.broken("a marked object points to one that is not", at);
                }
            };
            // SAFETY: a marked slot is in use.
            unsafe { scan::object(span, slot, check) };
        }
        if in_use != usize::from(span.in_use.get()) {
            self.broken("a span's count of objects is wrong", span.base.get());
        }
    }

    fn broken(&self, what: &str, at: usize) {
        let at = if at == 0 { NOWHERE } else { core::ptr::with_exposed_provenance_mut(at) };
        self.pages.sys().misuse(what, at)
    }
}
