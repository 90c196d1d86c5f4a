//! A heap with four children a node: half as deep as a binary one, and a node's children share a cache line (Go: `siftUp`, `siftDown`,
//! `initHeap` of `timers`).

use alloc::vec::Vec;

/// Values of type `T` by their key; the smallest key is at hand.
pub(super) struct Heap4<T>(Vec<(i64, T)>);

/// A heap with room for fewer values keeps it.
const MIN_ROOM: usize = 64;

impl<T: Copy> Heap4<T> {
    pub(super) const fn new() -> Heap4<T> {
        Heap4(Vec::new())
    }

    /// How many values there are.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// All values.
    pub(super) fn values(&self) -> impl Iterator<Item = T> + '_ {
        self.0.iter().map(|&(_, value)| value)
    }

    /// A value with the smallest key, and that key.
    #[inline]
    pub(super) fn first(&self) -> Option<(i64, T)> {
        self.0.first().copied()
    }

    /// Adds a value; whether it is the first.
    #[inline]
    pub(super) fn push(&mut self, key: i64, value: T) -> bool {
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
        i == 0
    }

    /// Takes out the value that [`Heap4::first`] says.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<(i64, T)> {
        let last = self.0.pop()?;
        let Some(&first) = self.0.first() else { return Some(last) };
        self.sift_down(0, last);
        Some(first)
    }

    /// Gives the value that [`Heap4::first`] says another key.
    pub(super) fn change_first(&mut self, key: i64) {
        if let Some(&(_, value)) = self.0.first() {
            self.sift_down(0, (key, value));
        }
    }

    /// Shows `visit` every value with its key, which it may change; takes out those for which it returns false. Room that is then not needed
    /// is given back. O(n).
    pub(super) fn retain(&mut self, mut visit: impl FnMut(&mut i64, T) -> bool) {
        let mut changed = false;
        let mut i = 0;
        while i < self.0.len() {
            let (key, value) = &mut self.0[i];
            let old = *key;
            if visit(key, *value) {
                changed |= *key != old;
                i += 1;
            } else {
                self.0.swap_remove(i);
                changed = true;
            }
        }
        if changed && self.0.len() > 1 {
            for parent in (0..=(self.0.len() - 2) / 4).rev() {
                self.sift_down(parent, self.0[parent]);
            }
        }
        if self.0.capacity() / 4 > self.0.len().max(MIN_ROOM) {
            self.0.shrink_to(2 * self.0.len());
        }
    }

    /// Takes all values out, in any order.
    pub(super) fn drain(&mut self) -> Vec<(i64, T)> {
        core::mem::take(&mut self.0)
    }

    /// Puts `last` at `i` or, smaller children moving up, below.
    #[inline]
    fn sift_down(&mut self, mut i: usize, last: (i64, T)) {
        let h = &mut self.0[..];
        while let Some(rest) = h.get(4 * i + 1..) {
            let (at, child) = match rest.first_chunk() {
                Some(four) => least_of_four(four),
                None => match rest.iter().enumerate().min_by_key(|(_, e)| e.0) {
                    Some((at, e)) => (at, *e),
                    None => break,
                },
            };
            if last.0 <= child.0 {
                break;
            }
            h[i] = child;
            i = 4 * i + 1 + at;
        }
        h[i] = last;
    }
}

/// The smallest key with its value, and where it is; without a loop.
#[inline(always)]
fn least_of_four<T: Copy>(e: &[(i64, T); 4]) -> (usize, (i64, T)) {
    let [a, b, c, d] = e;
    let (ab, first) = if b.0 < a.0 { (1, b) } else { (0, a) };
    let (cd, second) = if d.0 < c.0 { (3, d) } else { (2, c) };
    if second.0 < first.0 { (cd, *second) } else { (ab, *first) }
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
                    let first = heap.push(key, step);
                    assert!(
                        !first || model.peek().is_none_or(|Reverse(k)| key < *k),
                        "seed {seed} step {step}"
                    );
                    model.push(Reverse(key));
                } else {
                    let want = model.pop().map(|Reverse(k)| k);
                    assert_eq!(heap.first().map(|e| e.0), want, "seed {seed} step {step}");
                    assert_eq!(heap.pop().map(|e| e.0), want, "seed {seed} step {step}");
                }
            }
        }
    }

    #[test]
    fn is_in_order_after_keys_were_changed_and_values_taken_out() {
        for seed in 1..=200 {
            let rand = Rand::new(seed);
            let mut heap = Heap4::new();
            let n = rand.below(120);
            (0..n).for_each(|v| _ = heap.push(i64::from(rand.below(100)), v));
            let mut want = Vec::new();
            heap.retain(|key, _| match rand.below(4) {
                0 => false,
                1 => {
                    *key = i64::from(rand.below(100));
                    want.push(*key);
                    true
                }
                _ => {
                    want.push(*key);
                    true
                }
            });
            if heap.len() > 0 {
                let last = i64::from(rand.below(100));
                let old = heap.first().map(|e| e.0);
                heap.change_first(last);
                let at = want.iter().position(|k| Some(*k) == old).expect("the first key is one of them");
                want[at] = last;
            }
            want.sort_unstable();
            let got: Vec<i64> = core::iter::from_fn(|| heap.pop()).map(|e| e.0).collect();
            assert_eq!(got, want, "seed {seed}");
        }
    }

    #[test]
    fn gives_room_back() {
        let mut heap = Heap4::new();
        (0..100_000).for_each(|v| _ = heap.push(v, v));
        heap.retain(|_, v| v % 1000 == 0);
        assert_eq!(heap.len(), 100);
        assert!(heap.0.capacity() <= 4 * MIN_ROOM.max(100), "{} for 100", heap.0.capacity());
    }
}
