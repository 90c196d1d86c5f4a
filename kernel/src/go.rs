//! Runs the Go program that the machine was given beside the kernel.

use runtime::program;

#[program]
fn main() {
    runtime::machine::run_go()
}
