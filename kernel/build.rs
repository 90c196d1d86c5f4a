//! Says that the linker script belongs to this crate: `boot` passes it to the linker, and cargo knows of it only here.

fn main() {
    println!("cargo:rerun-if-changed=kernel.ld");
}
