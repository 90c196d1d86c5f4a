//! Addresses on a stack that words of it hold: which of its stack objects are in use (Go: `mgcstack.go`).

use super::pclntab::maps::Object;

/// How many are kept. A frame hands few of its variables to those further in, and what lies below the walk is forgotten.
const KEPT: usize = 64;

/// The addresses between where a walk up a stack is and the stack's end that were seen so far.
pub(super) struct Seen {
    lo: usize,
    hi: usize,
    n: usize,
    at: [usize; KEPT],
    /// There were too many: all objects count as seen from here on.
    lost: bool,
}

impl Seen {
    /// None, of no stack.
    pub const fn new() -> Seen {
        Seen { lo: 0, hi: 0, n: 0, at: [0; KEPT], lost: false }
    }

    /// None yet, of a stack in use from `lo` to `hi`.
    pub fn begin(&mut self, lo: usize, hi: usize) {
        (self.lo, self.hi, self.n, self.lost) = (lo, hi, 0, false);
    }

    /// A word was seen.
    #[inline]
    pub fn note(&mut self, word: usize) {
        if !(self.lo..self.hi).contains(&word) || self.at[..self.n].contains(&word) {
            return;
        }
        match self.at.get_mut(self.n) {
            Some(slot) => {
                *slot = word;
                self.n += 1;
            }
            None => self.lost = true,
        }
    }

    /// Every aligned word in `from..to` was seen.
    ///
    /// # Safety
    /// The range is readable.
    pub unsafe fn note_words(&mut self, from: usize, to: usize) {
        for at in (from.next_multiple_of(8)..to & !7).step_by(8) {
            // SAFETY: as the caller promises. Nobody writes it: the world stands.
            self.note(unsafe { (at as *const usize).read_volatile() });
        }
    }

    /// Of `n` words from `base` on those were seen for which `mask` has a bit.
    ///
    /// # Safety
    /// Words and mask are readable.
    pub unsafe fn note_masked(&mut self, base: usize, n: usize, mask: *const u8) {
        for i in 0..n {
            // SAFETY: as the caller promises.
            let (bits, at) = unsafe { (*mask.add(i / 8), (base as *const usize).add(i)) };
            if bits >> (i % 8) & 1 != 0 {
                // SAFETY: as above.
                self.note(unsafe { at.read_volatile() });
            }
        }
    }

    /// Whether an address in the object was seen.
    pub fn leads_to(&self, object: &Object) -> bool {
        let range = object.start..object.start + object.size;
        self.lost || self.at[..self.n].iter().any(|at| range.contains(at))
    }

    /// The walk has left what lies below `at`.
    pub fn forget_below(&mut self, at: usize) {
        let mut kept = 0;
        for i in 0..self.n {
            if self.at[i] >= at {
                self.at[kept] = self.at[i];
                kept += 1;
            }
        }
        self.n = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECT: Object = Object { start: 0x1040, size: 24, pointers: 16 };

    /// Of a stack from `lo` to 0x2000, after another.
    fn of(lo: usize) -> Seen {
        let mut seen = Seen::new();
        seen.begin(0x1000, 0x2000);
        (0..=KEPT).for_each(|i| seen.note(0x1040 + i));
        seen.begin(lo, 0x2000);
        seen
    }

    #[test]
    fn an_object_is_seen_by_any_of_its_bytes() {
        for (word, seen) in [(0x103f, false), (0x1040, true), (0x1057, true), (0x1058, false)] {
            let mut s = of(0x1000);
            s.note(word);
            assert_eq!(s.leads_to(&OBJECT), seen, "{word:x}");
        }
        let mut s = of(0x1050);
        s.note(0x1048);
        assert!(!s.leads_to(&OBJECT), "not on the stack");
    }

    #[test]
    fn words_are_read_where_the_mask_says() {
        let words = [0x1100_usize, 0x1040, 0x1200];
        let object = |mask: u8| {
            let mut s = of(0x1000);
            // SAFETY: three words, and a mask for them.
            unsafe { s.note_masked(words.as_ptr().addr(), 3, &raw const mask) };
            s.leads_to(&OBJECT)
        };
        assert_eq!([object(0b101), object(0b010), object(0b111)], [false, true, true]);
    }

    #[test]
    fn what_lies_below_makes_room_and_too_many_are_not_lost() {
        let mut s = of(0x1000);
        (0..KEPT).for_each(|i| s.note(0x1100 + i));
        s.note(0x1100);
        s.forget_below(0x1100 + KEPT / 2);
        (0..KEPT / 2).for_each(|i| s.note(0x1200 + i));
        assert!(!s.leads_to(&OBJECT));
        s.note(0x1fff);
        assert!(s.leads_to(&OBJECT), "as nobody knows");
    }
}
