//! Tests of the cores, on the machine.

mod calibrate;
mod clock;
mod interrupts;
mod report;
pub mod trap;
