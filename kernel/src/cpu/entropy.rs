//! Numbers that cannot be foretold: RDRAND's, or the time stamp counter's where the processor has no generator.
//!
//! What is drawn keys hash tables, orders the scheduler's choices and places ranges of addresses; it is not for secrets.

use super::clock;
use core::arch::asm;
use raw_cpuid::CpuId;

/// How often RDRAND is asked: ten failures in a row mean that the generator is broken (SDM vol. 1, 7.3.17.1).
const TRIES: u32 = 10;

/// 64 bits.
pub fn draw() -> u64 {
    let ticks = clock::cycles().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let generator = CpuId::new().get_feature_info().is_some_and(|i| i.has_rdrand());
    let drawn = if generator { (0..TRIES).find_map(|_| rdrand()) } else { None };
    drawn.unwrap_or(0) ^ ticks
}

/// A number below `n`, which is not 0.
pub fn below(n: u64) -> u64 {
    // The counter alone changes little from one call to the next: this spreads each of its bits over all (MurmurHash3's end).
    let mut bits = draw();
    for factor in [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53] {
        bits = (bits ^ bits >> 33).wrapping_mul(factor);
    }
    ((u128::from(bits ^ bits >> 33) * u128::from(n)) >> 64) as u64
}

/// One try; none if the generator has nothing at the moment. The processor has the instruction.
fn rdrand() -> Option<u64> {
    let (bits, ok): (u64, u8);
    // SAFETY: `draw` has found the instruction, which changes its operand and the flags.
    unsafe { asm!("rdrand {}", "setc {}", out(reg) bits, out(reg_byte) ok, options(nomem, nostack)) };
    (ok != 0).then_some(bits)
}

#[cfg(feature = "kernel-tests")]
mod tests {
    use super::{below, draw, rdrand};
    use raw_cpuid::CpuId;

    /// All numbers below 8 come, about as often.
    #[runtime::kernel_test]
    fn numbers_below() {
        assert_eq!(below(1), 0);
        let mut times = [0; 8];
        (0..8000).for_each(|_| times[below(8) as usize] += 1);
        assert!(times.iter().all(|n| (800..1200).contains(n)), "{times:?}");
    }

    #[runtime::kernel_test]
    fn drawn_numbers_differ() {
        let drawn: [u64; 8] = core::array::from_fn(|_| draw());
        assert!((1..8).all(|i| !drawn[..i].contains(&drawn[i])), "{drawn:x?}");
        if CpuId::new().get_feature_info().is_some_and(|i| i.has_rdrand()) {
            assert!((0..10).any(|_| rdrand().is_some()), "RDRAND has nothing");
        }
    }
}
