//! Waiters by address: a treap whose nodes lie on the waiters' stacks (Go: `semaRoot.queue`, `semaRoot.dequeue`).
//!
//! Invariants: in order by `addr`; no node has a smaller `ticket` than its parent, which with random tickets keeps the expected depth
//! logarithmic; one node for each address, whose `waitlink` begins the list of later waiters and whose `waittail` ends it.

use crate::proc::G;
use core::ptr::null_mut;

/// One waiter.
pub(super) struct Waiter {
    pub(super) g: *mut G,
    /// The post was taken for it by the one who woke it.
    pub(super) handed: bool,
    addr: usize,
    ticket: u32,
    parent: *mut Waiter,
    left: *mut Waiter,
    right: *mut Waiter,
    waitlink: *mut Waiter,
    waittail: *mut Waiter,
}

impl Waiter {
    pub(super) fn new(g: *mut G, addr: usize) -> Waiter {
        Waiter {
            g,
            handed: false,
            addr,
            ticket: 0,
            parent: null_mut(),
            left: null_mut(),
            right: null_mut(),
            waitlink: null_mut(),
            waittail: null_mut(),
        }
    }
}

/// The tree. Whoever calls its functions has it to itself, and every node in it stays in place until it is taken out.
pub(super) struct Treap {
    root: *mut Waiter,
}

impl Treap {
    pub(super) const fn new() -> Treap {
        Treap { root: null_mut() }
    }

    /// Adds `s` as the last waiter of its address, or with `lifo` as the first. `ticket` is random.
    ///
    /// # Safety
    /// `s` is new, and stays in place until it is taken out.
    pub(super) unsafe fn queue(&mut self, s: *mut Waiter, ticket: u32, lifo: bool) {
        // SAFETY: all nodes are good, see `Treap`.
        unsafe {
            let mut parent = null_mut();
            let mut at = &raw mut self.root;
            while !(*at).is_null() {
                let t = *at;
                if (*t).addr == (*s).addr {
                    if lifo {
                        (*s).waitlink = t;
                        (*s).waittail = if (*t).waittail.is_null() { t } else { (*t).waittail };
                        (*t).waittail = null_mut();
                        self.substitute(t, s);
                        return;
                    }
                    if (*t).waittail.is_null() {
                        (*t).waitlink = s;
                    } else {
                        (*(*t).waittail).waitlink = s;
                    }
                    (*t).waittail = s;
                    return;
                }
                parent = t;
                at = if (*s).addr < (*t).addr { &raw mut (*t).left } else { &raw mut (*t).right };
            }
            (*s).ticket = ticket;
            (*s).parent = parent;
            *at = s;
            while !(*s).parent.is_null() && (*(*s).parent).ticket > ticket {
                self.rotate_up(s);
            }
        }
    }

    /// The first waiter of `addr`; null if there is none.
    ///
    /// # Safety
    /// See [`Treap`].
    pub(super) unsafe fn first(&self, addr: usize) -> *mut Waiter {
        let mut s = self.root;
        // SAFETY: all nodes are good, see `Treap`.
        unsafe {
            while !s.is_null() && (*s).addr != addr {
                s = if addr < (*s).addr { (*s).left } else { (*s).right };
            }
        }
        s
    }

    /// Takes the first waiter of `addr` out; null if there is none.
    ///
    /// # Safety
    /// See [`Treap`].
    pub(super) unsafe fn dequeue(&mut self, addr: usize) -> *mut Waiter {
        // SAFETY: all nodes are good, see `Treap`.
        unsafe {
            let s = self.first(addr);
            if s.is_null() {
                return s;
            }
            let t = (*s).waitlink;
            if t.is_null() {
                // Down until it is a leaf, the child with the smaller ticket going up.
                loop {
                    let (l, r) = ((*s).left, (*s).right);
                    if l.is_null() && r.is_null() {
                        break;
                    }
                    let left_goes_up = r.is_null() || (!l.is_null() && (*l).ticket < (*r).ticket);
                    self.rotate_up(if left_goes_up { l } else { r });
                }
                self.replace_child((*s).parent, s, null_mut());
            } else {
                // The next waiter of the address takes its place.
                (*t).waittail = if (*t).waitlink.is_null() { null_mut() } else { (*s).waittail };
                self.substitute(s, t);
            }
            s
        }
    }

    /// Gives `old`'s place in the tree to `new`, a waiter of the same address that has none.
    unsafe fn substitute(&mut self, old: *mut Waiter, new: *mut Waiter) {
        // SAFETY: all nodes are good, see `Treap`.
        unsafe {
            (*new).ticket = (*old).ticket;
            (*new).left = (*old).left;
            (*new).right = (*old).right;
            for child in [(*new).left, (*new).right] {
                if !child.is_null() {
                    (*child).parent = new;
                }
            }
            self.replace_child((*old).parent, old, new);
        }
    }

    /// Makes `new` (which may be null) the child of `parent` in place of `old`; a null `parent` means the root.
    unsafe fn replace_child(&mut self, parent: *mut Waiter, old: *mut Waiter, new: *mut Waiter) {
        // SAFETY: all nodes are good, see `Treap`.
        unsafe {
            if parent.is_null() {
                self.root = new;
            } else if (*parent).left == old {
                (*parent).left = new;
            } else {
                (*parent).right = new;
            }
            if !new.is_null() {
                (*new).parent = parent;
            }
        }
    }

    /// Rotates `x`, which has a parent, above it; the order by address stays.
    unsafe fn rotate_up(&mut self, x: *mut Waiter) {
        // SAFETY: all nodes are good, see `Treap`.
        unsafe {
            let p = (*x).parent;
            self.replace_child((*p).parent, p, x);
            let inner = if (*p).left == x {
                let inner = (*x).right;
                (*x).right = p;
                (*p).left = inner;
                inner
            } else {
                let inner = (*x).left;
                (*x).left = p;
                (*p).right = inner;
                inner
            };
            (*p).parent = x;
            if !inner.is_null() {
                (*inner).parent = p;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rand::Rand;
    use alloc::boxed::Box;
    use alloc::collections::{BTreeMap, VecDeque};

    /// Checks order, heap property, parents; returns how many nodes there are.
    unsafe fn check(t: *mut Waiter, parent: *mut Waiter, lo: usize, hi: usize) -> usize {
        if t.is_null() {
            return 0;
        }
        // SAFETY: the test keeps all nodes alive.
        unsafe {
            let w = &*t;
            assert!(lo <= w.addr && w.addr < hi, "order");
            assert_eq!(w.parent, parent, "parent");
            assert!(parent.is_null() || (*parent).ticket <= w.ticket, "tickets");
            1 + check(w.left, t, lo, w.addr) + check(w.right, t, w.addr + 1, hi)
        }
    }

    #[test]
    fn behaves_like_a_queue_for_each_address() {
        for seed in 1..=20 {
            let rand = Rand::new(seed);
            let mut treap = Treap::new();
            let mut model: BTreeMap<usize, VecDeque<*mut Waiter>> = BTreeMap::new();
            for step in 0..2000 {
                let addr = rand.below(40) as usize;
                if rand.below(100) < 55 {
                    let s = Box::into_raw(Box::new(Waiter::new(null_mut(), addr)));
                    let lifo = rand.below(4) == 0;
                    // SAFETY: boxed and leaked until it is dequeued.
                    unsafe { treap.queue(s, rand.next_u64() as u32 | 1, lifo) };
                    let queue = model.entry(addr).or_default();
                    if lifo {
                        queue.push_front(s)
                    } else {
                        queue.push_back(s)
                    };
                } else {
                    // SAFETY: all nodes are boxed.
                    let got = unsafe { treap.dequeue(addr) };
                    let want = model.get_mut(&addr).and_then(VecDeque::pop_front).unwrap_or(null_mut());
                    assert_eq!(got, want, "seed {seed} step {step} address {addr}");
                    if !got.is_null() {
                        // SAFETY: taken out, and from a box.
                        drop(unsafe { Box::from_raw(got) });
                    }
                }
                // SAFETY: all nodes are boxed.
                let nodes = unsafe { check(treap.root, null_mut(), 0, usize::MAX) };
                assert_eq!(
                    nodes,
                    model.values().filter(|q| !q.is_empty()).count(),
                    "seed {seed} step {step}"
                );
            }
            for q in model.into_values().flatten() {
                // SAFETY: from a box, and the treap is not used again.
                drop(unsafe { Box::from_raw(q) });
            }
        }
    }
}
