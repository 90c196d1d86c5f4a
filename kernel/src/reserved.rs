//! Sections of the image that are empty when it is linked, and that `boot` fills in the ELF file.

/// Reserves `$size` bytes in the section `$section`, and declares them as the static `$symbol`.
///
/// By assembly: of a static of Rust's the compiler would take the zeros for what is there at run
/// time.
macro_rules! reserve_section {
    ($section:literal, $symbol:ident, $size:expr) => {
        ::core::arch::global_asm!(
            concat!(".section ", $section, ", \"a\", @progbits"),
            ".balign 8",
            concat!(".globl ", stringify!($symbol)),
            concat!(".type ", stringify!($symbol), ", @object"),
            concat!(stringify!($symbol), ":"),
            ".skip {size}",
            concat!(".size ", stringify!($symbol), ", {size}"),
            ".text",
            size = const $size,
        );

        unsafe extern "C" {
            safe static $symbol: [u8; $size];
        }
    };
}

pub(crate) use reserve_section;
