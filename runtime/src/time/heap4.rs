//! A heap with four children a node: half as deep as a binary one, and a node's children share a cache line (Go: `siftUpTimer`,
//! `siftDownTimer`).

use alloc::vec::Vec;

/// Values of type `T` by their key; the smallest key is at hand.
pub(super) struct Heap4<T>(Vec<(i64, T)>);

impl<T> Heap4<T> {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) const fn new() -> Heap4<T> {
        Heap4(Vec::new())
    }

    /// The smallest key.
    #[inline]
    pub(super) fn first_key(&self) -> Option<i64> {
        self.0.first().map(|e| e.0)
    }

    /// Adds a value.
    pub(super) fn push(&mut self, key: i64, value: T) {
        let mut i = self.0.len();
        self.0.push((key, value));
        let h = &mut self.0[..];
        while i > 0 {
            let parent = (i - 1) / 4;
            if h[parent].0 <= h[i].0 {
                break;
            }
            h.swap(i, parent);
            i = parent;
        }
    }

    /// Takes out a value with the smallest key.
    pub(super) fn pop(&mut self) -> Option<(i64, T)> {
        if self.0.is_empty() {
            return None;
        }
        let first = self.0.swap_remove(0);
        let h = &mut self.0[..];
        let mut i = 0;
        loop {
            let children = 4 * i + 1..(4 * i + 5).min(h.len());
            let Some(least) = children.min_by_key(|&c| h[c].0) else { break };
            if h[i].0 <= h[least].0 {
                break;
            }
            h.swap(i, least);
            i = least;
        }
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rand::Rand;
    use alloc::collections::BinaryHeap;
    use core::cmp::Reverse;

    #[test]
    fn pops_in_the_order_of_a_binary_heap() {
        for seed in 1..=50 {
            let rand = Rand::new(seed);
            let mut heap = Heap4::new();
            let mut model = BinaryHeap::new();
            for step in 0..2000 {
                if rand.below(100) < 52 {
                    // Few keys: equal ones must not upset the order.
                    let key = i64::from(rand.below(300));
                    heap.push(key, step);
                    model.push(Reverse(key));
                } else {
                    let want = model.pop().map(|Reverse(k)| k);
                    assert_eq!(heap.first_key(), want, "seed {seed} step {step}");
                    assert_eq!(heap.pop().map(|e| e.0), want, "seed {seed} step {step}");
                }
            }
        }
    }
}
