//! The PC's clock chip (MC146818 and its heirs): wall time to the second, once at boot.
//!
//! It is taken to run on UTC, which is QEMU's default and that of every other virtual machine.

use x86_64::instructions::port::Port;

/// Registers, by the index that is written to port 0x70.
const SECONDS: u8 = 0x00;
const MINUTES: u8 = 0x02;
const HOURS: u8 = 0x04;
const DAY: u8 = 0x07;
const MONTH: u8 = 0x08;
const YEAR: u8 = 0x09;
const STATUS_A: u8 = 0x0a;
const STATUS_B: u8 = 0x0b;
/// The century, where all chipsets of the last decades have it; the FADT says so in its `century` field.
const CENTURY: u8 = 0x32;

/// Status A: the time registers are being updated.
const UPDATING: u8 = 0x80;
/// Status B: values are binary, not BCD.
const BINARY: u8 = 0x04;
/// Status B: hours run from 0 to 23.
const HOURS_24: u8 = 0x02;
/// In 12-hour form, the hour's top bit says afternoon.
const PM: u8 = 0x80;

/// How often two readings are compared before the chip is given up. An update takes 2 ms, so a chip that is there agrees at once.
const TRIES: u32 = 1000;

/// The time registers as they are in the chip: second, minute, hour, day, month, year, century.
type Raw = [u8; 7];

fn register(index: u8) -> u8 {
    // SAFETY: reading the time and status registers has no side effects. The index keeps bit 7, which masks NMIs, clear.
    unsafe {
        Port::new(0x70).write(index);
        Port::new(0x71).read()
    }
}

fn registers() -> Raw {
    [SECONDS, MINUTES, HOURS, DAY, MONTH, YEAR, CENTURY].map(register)
}

/// Seconds since 1970 (UTC); none if there is no chip or it has no valid time.
pub fn read() -> Option<u64> {
    let stable = || {
        let first = registers();
        (register(STATUS_A) & UPDATING == 0 && first == registers()).then_some(first)
    };
    let raw = (0..TRIES).find_map(|_| stable())?;
    decode(raw, register(STATUS_B))
}

/// What the registers mean under status B.
fn decode(raw: Raw, status_b: u8) -> Option<u64> {
    let number = |v: u8| match status_b & BINARY {
        0 => u64::from(v >> 4) * 10 + u64::from(v & 15),
        _ => u64::from(v),
    };
    let [second, minute, hour, day, month, year, century] = raw;
    let afternoon = status_b & HOURS_24 == 0 && hour & PM != 0;
    let hour = match status_b & HOURS_24 {
        0 => number(hour & !PM) % 12 + if afternoon { 12 } else { 0 },
        _ => number(hour),
    };
    let (second, minute, day, month) = (number(second), number(minute), number(day), number(month));
    // Without a century register, years are of this one.
    let year = match number(century) {
        c @ 19..=21 => c * 100 + number(year),
        _ => 2000 + number(year),
    };
    let valid =
        second < 60 && minute < 60 && hour < 24 && (1..=31).contains(&day) && (1..=12).contains(&month);
    (valid && year >= 1970)
        .then(|| days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. Counted in years that start in March, so that the leap day comes last, and
/// whose months then have 153 days in every five.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    // 719,468 days lie between 0000-03-01 and 1970-01-01.
    365 * year + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(feature = "kernel-tests")]
mod tests {
    use super::*;

    #[runtime::kernel_test]
    fn dates() {
        for (date, seconds) in [
            ((1970, 1, 1), 0),
            ((2000, 2, 29), 951_782_400),
            ((2000, 3, 1), 951_868_800),
            ((2026, 11, 21), 1_795_219_200),
            ((2100, 3, 1), 4_107_542_400),
        ] {
            assert_eq!(days_since_1970(date.0, date.1, date.2) * 86_400, seconds, "{date:?}");
        }
    }

    #[runtime::kernel_test]
    fn formats() {
        let noon = Some(1_795_219_200 + 12 * 3600 + 34 * 60 + 56);
        assert_eq!(decode([0x56, 0x34, 0x12, 0x21, 0x11, 0x26, 0x20], HOURS_24), noon);
        assert_eq!(decode([56, 34, 12, 21, 11, 26, 20], HOURS_24 | BINARY), noon);
        assert_eq!(decode([0x56, 0x34, 0x92, 0x21, 0x11, 0x26, 0x20], 0), noon);
        assert_eq!(decode([0x56, 0x34, 0x12, 0x21, 0x11, 0x26, 0x20], 0), noon.map(|t| t - 12 * 3600));
        assert_eq!(decode([0xff; 7], 0xff), None);
    }

    #[runtime::kernel_test]
    fn the_chip_has_a_time() {
        assert!(read().is_some_and(|t| t > 1_700_000_000));
    }
}
