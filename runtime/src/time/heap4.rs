//! A heap with four children a node: half as deep as a binary one, and a node's children share a cache line (Go: `siftUpTimer`,
//! `siftDownTimer`).

use alloc::vec::Vec;

/// Values of type `T` by their key; the smallest key is at hand.
pub(super) struct Heap4<T>(Vec<(i64, T)>);

impl<T: Copy> Heap4<T> {
    pub(super) const fn new() -> Heap4<T> {
        Heap4(Vec::new())
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The smallest key.
    #[inline]
    pub(super) fn first_key(&self) -> Option<i64> {
        self.0.first().map(|e| e.0)
    }

    /// Adds a value.
    pub(super) fn push(&mut self, key: i64, value: T) {
        self.0.push((key, value));
        let h = &mut self.0[..];
        // Larger ancestors move down into the hole at `i`.
        let mut i = h.len() - 1;
        while i > 0 {
            let parent = (i - 1) / 4;
            if h[parent].0 <= key {
                break;
            }
            h[i] = h[parent];
            i = parent;
        }
        h[i] = (key, value);
    }

    /// Takes out a value with the smallest key.
    pub(super) fn pop(&mut self) -> Option<(i64, T)> {
        let last = self.0.pop()?;
        let h = &mut self.0[..];
        let Some(&first) = h.first() else { return Some(last) };
        // Smaller children move up into the hole at `i`, until the last one fits.
        let mut i = 0;
        loop {
            let children = 4 * i + 1;
            let Some(rest) = h.get(children..) else { break };
            let least = match rest.first_chunk() {
                Some(four) => least_of_four(four),
                None => match (0..rest.len()).min_by_key(|&c| rest[c].0) {
                    Some(c) => c,
                    None => break,
                },
            };
            let child = rest[least];
            if last.0 <= child.0 {
                break;
            }
            h[i] = child;
            i = children + least;
        }
        h[i] = last;
        Some(first)
    }
}

/// The index of the smallest key, without a loop.
#[inline]
fn least_of_four<T>(e: &[(i64, T); 4]) -> usize {
    let a = usize::from(e[1].0 < e[0].0);
    let b = 2 + usize::from(e[3].0 < e[2].0);
    if e[b].0 < e[a].0 { b } else { a }
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
