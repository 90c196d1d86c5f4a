//! Writes the mutants of the modelled files.

mod mutants;
#[path = "../../runtime/models/mutate.rs"]
mod mutate;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=mutants.rs");
    println!("cargo::rerun-if-changed=../../runtime/models/mutate.rs");
    mutate::write(mutants::MUTANTS);
}
