//! Which clock is believed.

use crate::cpu::calibrate::{Rate, choose};

fn chosen(rates: &[(&'static str, u64)]) -> Option<(&'static str, Option<&'static str>)> {
    let rates: alloc::vec::Vec<Rate> = rates.iter().map(|&(name, hz)| Rate { name, hz }).collect();
    choose(&rates).map(|(rate, check)| (rate.name, check.map(|c| c.name)))
}

#[runtime::kernel_test]
fn the_first_clock_that_another_confirms_is_taken() {
    assert_eq!(chosen(&[]), None);
    assert_eq!(chosen(&[("pit", 1_000_000)]), Some(("pit", None)));
    assert_eq!(chosen(&[("cpuid", 1_000_000), ("hpet", 1_004_000)]), Some(("cpuid", Some("hpet"))));
    let liar = [("cpuid", 2_000_000), ("hpet", 1_000_000), ("acpi-pm", 1_000_900)];
    assert_eq!(chosen(&liar), Some(("hpet", Some("acpi-pm"))));
    assert_eq!(chosen(&[("hpet", 1_000_000), ("acpi-pm", 1_100_000)]), Some(("hpet", None)));
}
