//! Runs every `#[kernel_test]` of the runtime over host threads: the tests that QEMU runs on the bare machine. The environment's `GODEBUG` is theirs.

extern crate hosted;

fn main() {
    let mut args = vec!["kernel_tests"];
    // libtest's options say how to print; names are passed on.
    let names = std::env::args().skip(1).filter(|a| !a.starts_with('-') || a == "--list");
    for name in names {
        args.push(if name == "--list" { "-list" } else { name.leak() });
    }
    // A failed test prints its panic itself; tests that expect one need no report.
    std::panic::set_hook(Box::new(|_| {}));
    let mut environ = vec![("GOMAXPROCS", "4")];
    if let Ok(list) = std::env::var("GODEBUG") {
        environ.push(("GODEBUG", list.leak()));
    }
    hosted::start(&args, &environ)
}
