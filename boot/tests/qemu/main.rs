//! Tests that run in QEMU, and those of `qemu-run.sh` (DESIGN, "Tests", 2 to 5).
//!
//! A harness of its own: the tests inside the kernel are many to one guest, and every guest needs
//! an end by force. Its lines and options are libtest's. As many jobs run at once as the host has
//! cores for (`harness.rs`).

mod boot_protocols;
mod console;
mod firmware;
mod gdb;
mod go_gc;
mod go_language;
mod go_runtime;
mod go_seeds;
mod go_soak;
mod go_std;
mod go_tool;
mod go_twins;
mod guests;
mod harness;
mod input;
mod installed;
mod interruptions;
mod kaslr;
mod kernel_tests;
mod killed;
mod mutants;
mod own_images;
mod own_programs;
mod processors;
mod programs;
mod prompt;
mod ramp;
mod schedtrace;
mod script;
mod soak;
mod stub;
mod tracebacks;
mod verdicts;

use std::process::ExitCode;

fn main() -> ExitCode {
    let guests = guests::Guests::new();
    harness::main(|args| {
        let mut jobs = script::jobs();
        let (first_disk, images) = own_images::jobs();
        jobs.push(first_disk);
        jobs.extend(killed::jobs());
        jobs.extend(own_programs::jobs());
        jobs.extend(installed::jobs());
        jobs.extend(go_tool::jobs());
        jobs.extend(go_seeds::jobs());
        jobs.extend(go_std::jobs(&guests));
        // Guests name these.
        if args.may_want(&["smp", "seeded::"]) {
            jobs.extend(kernel_tests::jobs(&guests));
        }
        if args.may_want(&["prompt::"]) {
            jobs.extend(prompt::jobs(&guests));
        }
        jobs.extend(mutants::jobs());
        jobs.extend(verdicts::jobs(&guests));
        jobs.extend(programs::jobs(&guests));
        jobs.extend(go_gc::jobs(&guests));
        jobs.extend(go_runtime::jobs(&guests));
        jobs.extend(go_twins::jobs(&guests));
        jobs.extend(go_language::jobs(&guests));
        jobs.extend(go_soak::jobs(&guests));
        jobs.extend(tracebacks::jobs(&guests));
        jobs.extend(console::jobs(&guests));
        jobs.extend(input::jobs(&guests));
        jobs.extend(ramp::jobs(&guests));
        jobs.extend(schedtrace::jobs(&guests));
        jobs.extend(soak::jobs(&guests));
        jobs.extend(boot_protocols::jobs(&guests));
        jobs.extend(firmware::jobs(&guests));
        jobs.extend(kaslr::jobs(&guests));
        jobs.extend(interruptions::jobs(&guests));
        jobs.extend(processors::jobs(&guests));
        jobs.extend(gdb::jobs(&guests));
        jobs.extend(images);
        jobs
    })
}
