//! The two numbers that turn a machine off, out of the DSDT.
//!
//! The DSDT is a program: the object `\_S5_` is a package whose first two elements are the numbers. An interpreter for that
//! program is not used, because exit must work when the heap's lock is held by code that will never run again, and an interpreter
//! allocates. Instead the DSDT's bytes are searched at boot for the object's definition, which every firmware known has as a
//! constant (this is what the well-known short shutdown routines do).

// Opcodes (ACPI 6.5, 20.3) that the definition is made of.
const NAME_OP: u8 = 0x08;
const PACKAGE_OP: u8 = 0x12;
const BYTE_PREFIX: u8 = 0x0a;
const ZERO_OP: u8 = 0x00;
const ONE_OP: u8 = 0x01;

/// The first two elements of `Name (\_S5_, Package {…})` in AML bytecode; the second is the first where there is one only.
pub fn find_s5(aml: &[u8]) -> Option<[u8; 2]> {
    let name = b"_S5_";
    let mut at = 0;
    while let Some(found) = aml[at..].windows(name.len()).position(|w| w == name) {
        at += found + name.len();
        let before = &aml[..at - name.len()];
        let named = before.ends_with(&[NAME_OP]) || before.ends_with(&[NAME_OP, b'\\']);
        if let Some(types) = named.then(|| package(&aml[at..])).flatten() {
            return Some(types);
        }
    }
    None
}

/// The elements of a package that starts `aml`.
fn package(aml: &[u8]) -> Option<[u8; 2]> {
    let body = aml.strip_prefix(&[PACKAGE_OP])?;
    // The package's length has as many bytes more as the two top bits of its first say; then comes the number of elements.
    let elements = body.get(1 + usize::from(body.first()? >> 6) + 1..)?;
    let (a, rest) = integer(elements)?;
    let b = integer(rest).map_or(a, |(b, _)| b);
    Some([a & 7, b & 7])
}

/// The small integer that starts `aml`, and what follows it.
fn integer(aml: &[u8]) -> Option<(u8, &[u8])> {
    match *aml {
        [op @ (ZERO_OP | ONE_OP), ref rest @ ..] => Some((op, rest)),
        [BYTE_PREFIX, value, ref rest @ ..] => Some((value, rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::find_s5;

    #[test]
    fn s5_is_found() {
        let qemu = b"junk_S5_\x08_S5_\x12\x06\x04\x00\x00\x00\x00rest";
        assert_eq!(find_s5(qemu), Some([0, 0]));
        let rooted = b"\x08\\_S5_\x12\x0a\x04\x0a\x05\x0a\x07\x00\x00";
        assert_eq!(find_s5(rooted), Some([5, 7]));
        let long = b"\x08_S5_\x12\x47\x00\x02\x0a\x05\x01";
        assert_eq!(find_s5(long), Some([5, 1]));
        assert_eq!(find_s5(b"\x08_S5_\x12"), None);
        assert_eq!(find_s5(b"\x14_S5_\x12\x06\x04\x00\x00"), None);
    }
}
