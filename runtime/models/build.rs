//! Writes the mutants of the modelled files.

mod mutants;
mod mutate;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=mutants.rs");
    println!("cargo::rerun-if-changed=mutate.rs");
    mutate::write(mutants::MUTANTS);
}
