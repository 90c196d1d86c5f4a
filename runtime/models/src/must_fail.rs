//! The test that a model finds a mutant.

use std::env;
use std::process::Command;

/// Set where the model itself is to run.
const CHILD: &str = "MODEL_OF_A_MUTANT";

/// Runs a model, which must panic with `found`; what a mutant gets away with, its model is blind for. `test` is the path of the calling test.
///
/// The model runs in a process of its own: loom's panics may meet a destructor that panics, too, and abort.
pub fn must_fail(model: fn(), test: &str, found: &str) {
    if env::var_os(CHILD).is_some() {
        return model();
    }
    let test = test.split_once("::").expect("a path begins with its crate").1;
    let me = env::current_exe().expect("this process has a file");
    let out = Command::new(me)
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, "")
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("a test can run itself");
    let text = String::from_utf8_lossy(&out.stderr);
    assert!(!out.status.success(), "the model does not find it");
    assert!(text.contains(found), "the model finds something else: {text}");
}
