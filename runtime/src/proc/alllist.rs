//! Lists of all that there is of a kind: Gs, Ms (Go: `allgs`, `allm`). They are walked without a lock: Ms are never freed, and for Gs
//! `allgs.rs` has one.

use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, Ordering};

/// A structure that is on such a list.
pub(crate) trait Listed: Sized {
    /// The next older one; for the list alone.
    fn alllink(&self) -> &AtomicPtr<Self>;
}

/// All of a kind, newest first.
pub(crate) struct AllList<T>(AtomicPtr<T>);

impl<T: Listed> AllList<T> {
    pub(crate) const fn new() -> AllList<T> {
        AllList(AtomicPtr::new(null_mut()))
    }

    /// Adds a new one. *Release*, so that who finds it on the list finds what is in it.
    ///
    /// # Safety
    /// It is on no list and the caller's, and not freed while somebody may walk the list.
    pub(super) unsafe fn add(&self, new: *mut T) {
        let mut head = self.0.load(Ordering::Relaxed);
        loop {
            // SAFETY: as the caller promises.
            unsafe { (*new).alllink().store(head, Ordering::Relaxed) };
            match self.0.compare_exchange_weak(head, new, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// The newest one, or null.
    pub(super) fn head(&self) -> *mut T {
        self.0.load(Ordering::Relaxed)
    }

    /// Makes another one the newest. Nobody may [`AllList::add`] at the same time.
    pub(super) fn set_head(&self, head: *mut T) {
        self.0.store(head, Ordering::Release);
    }

    /// Calls `f` with each. What others own of them changes meanwhile.
    pub(crate) fn for_each(&self, mut f: impl FnMut(*mut T)) {
        let mut at = self.0.load(Ordering::Acquire);
        while !at.is_null() {
            f(at);
            // SAFETY: what is on the list is not freed while it is walked.
            at = unsafe { (*at).alllink().load(Ordering::Relaxed) };
        }
    }

    /// Sorts the list by `key`, smallest first: a merge sort that needs no memory, for reports.
    ///
    /// # Safety
    /// The program is ending; nobody else uses the list any more.
    pub(crate) unsafe fn sort(&self, key: impl Fn(*mut T) -> u64) {
        // Entry `i` is a sorted list of 2^i items, or empty.
        let mut runs: [*mut T; usize::BITS as usize] = [null_mut(); usize::BITS as usize];
        let mut rest = self.0.load(Ordering::Acquire);
        // SAFETY: what is on the list is not freed, and the links are the caller's.
        unsafe {
            while !rest.is_null() {
                let mut run = rest;
                rest = (*run).alllink().swap(null_mut(), Ordering::Relaxed);
                for slot in &mut runs {
                    if slot.is_null() {
                        *slot = run;
                        break;
                    }
                    run = merge(core::mem::replace(slot, null_mut()), run, &key);
                }
            }
            let all = runs.into_iter().fold(null_mut(), |all, run| merge(all, run, &key));
            self.0.store(all, Ordering::Release);
        }
    }
}

/// Merges two sorted lists.
///
/// # Safety
/// Both are the caller's.
unsafe fn merge<T: Listed>(mut a: *mut T, mut b: *mut T, key: &impl Fn(*mut T) -> u64) -> *mut T {
    let head = AtomicPtr::new(null_mut());
    let mut end = &head;
    // SAFETY: as the caller promises.
    unsafe {
        while !a.is_null() && !b.is_null() {
            if key(b) < key(a) {
                core::mem::swap(&mut a, &mut b);
            }
            end.store(a, Ordering::Relaxed);
            end = (*a).alllink();
            a = end.load(Ordering::Relaxed);
        }
    }
    end.store(if a.is_null() { b } else { a }, Ordering::Relaxed);
    head.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;
    use std::vec::Vec;

    struct Item(u64, AtomicPtr<Item>);

    impl Listed for Item {
        fn alllink(&self) -> &AtomicPtr<Item> {
            &self.1
        }
    }

    #[test]
    fn lists_are_sorted() {
        for n in [0, 1, 2, 3, 7, 100] {
            let list = AllList::new();
            for i in 0..n {
                let item = Box::leak(Box::new(Item(i * 37 % 101, AtomicPtr::new(null_mut()))));
                // SAFETY: new, and never freed.
                unsafe { list.add(item) };
            }
            let key = |item: *mut Item| {
                // SAFETY: never freed.
                unsafe { (*item).0 }
            };
            // SAFETY: nobody else uses the list.
            unsafe { list.sort(key) };
            let mut sorted = Vec::new();
            list.for_each(|item| sorted.push(key(item)));
            let mut want: Vec<u64> = (0..n).map(|i| i * 37 % 101).collect();
            want.sort_unstable();
            assert_eq!(sorted, want);
        }
    }
}
