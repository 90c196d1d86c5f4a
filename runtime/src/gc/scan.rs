//! The pointers of an object, by its span's bitmap or by its type word.

use super::span::Span;
use super::types::{TypeDesc, low};

/// Bytes of a large object that are looked at in one go (Go: `maxObletBytes`): the marker's stack grows
/// by no more than the pointers in one such piece.
pub(super) const PIECE: usize = 128 << 10;

/// Calls `f` with the word at each set bit.
#[inline(always)]
unsafe fn words_at(addr: usize, mut bits: u64, f: &mut impl FnMut(usize)) {
    while bits != 0 {
        let i = bits.trailing_zeros() as usize;
        bits &= bits - 1;
        // SAFETY: as the caller promises, a word of an object.
        f(unsafe { *((addr + i * 8) as *const usize) });
    }
}

/// Calls `f` with every aligned word in `lo..hi`.
///
/// # Safety
/// The range is readable.
pub(super) unsafe fn all_words(lo: usize, hi: usize, f: &mut impl FnMut(usize)) {
    let mut at = lo.next_multiple_of(8);
    while at + 8 <= hi {
        // SAFETY: as the caller promises. Nobody writes it: the world stands.
        f(unsafe { (at as *const usize).read_volatile() });
        at += 8;
    }
}

/// Calls `f` with each pointer of an object in a span with a bitmap.
///
/// # Safety
/// An object begins at `offset` in the span.
#[inline(always)]
pub(super) unsafe fn small(span: &Span, offset: usize, f: &mut impl FnMut(usize)) {
    // SAFETY: as the caller promises; set bits are words of the object.
    unsafe { words_at(span.base.get() + offset, span.read_bits(offset), f) }
}

/// Calls `f` with each pointer in the bytes `from..to` of the object at `obj`, whose type word is `word`.
///
/// # Safety
/// The object is there and of that type.
pub(super) unsafe fn typed(obj: usize, word: usize, from: usize, to: usize, f: &mut impl FnMut(usize)) {
    // SAFETY: a type word is null or the address of a description that stays.
    let desc = unsafe { (word as *const TypeDesc).as_ref() };
    let mask = desc.map_or(core::ptr::null(), TypeDesc::mask);
    let Some(desc) = desc.filter(|_| !mask.is_null()) else {
        // SAFETY: the object is there.
        return unsafe { all_words(obj + from, obj + to, f) };
    };
    let mut element = if from == 0 { 0 } else { from / desc.size * desc.size };
    while element < to {
        let mut word = from.saturating_sub(element) / 8;
        let end = desc.ptr_bytes.min(to - element) / 8;
        while word < end {
            let n = (64 - word % 64).min(end - word);
            // SAFETY: the mask is readable in words of 64 bits; the words are the object's.
            unsafe {
                let bits = mask.cast::<u64>().add(word / 64).read_unaligned();
                words_at(obj + element + word * 8, bits >> (word % 64) & low(n), f);
            }
            word += n;
        }
        element += desc.size;
    }
}

/// Calls `f` with each pointer of the object in a slot.
///
/// # Safety
/// The slot is in use.
pub(super) unsafe fn object(span: &Span, slot: usize, f: &mut impl FnMut(usize)) {
    if span.class().noscan() {
        return;
    }
    let size = span.size.get();
    // SAFETY: as the caller promises.
    unsafe {
        if span.bitmap.get() != 0 {
            small(span, slot * size, f);
        } else {
            typed(span.address(slot), *span.types.get().add(slot), 0, size, f);
        }
    }
}
