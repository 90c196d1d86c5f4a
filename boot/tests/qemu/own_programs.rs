//! Programs of the user's own: files and packages outside the source tree, what is said of wrong ones, and that nothing is written beside them.

use crate::harness::{Job, Outcome, Row};
use crate::script::expect;
use boot::source_root;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

/// A file, what of it the messages name, and what is said.
struct Wrong {
    name: &'static str,
    file: &'static str,
    text: &'static str,
    said: &'static [&'static str],
}

const WRONG: &[Wrong] = &[
    Wrong {
        name: "does_not_compile",
        file: "broken.rs",
        text: "#[runtime::program]\nfn main() {\n    nosuch();\n}\n",
        said: &["cannot find function `nosuch`", "broken.rs:3:5", "broken.rs cannot be built"],
    },
    Wrong {
        name: "has_no_program",
        file: "library.rs",
        text: "pub fn f() {}\n",
        said: &["library.rs has no program: write #[runtime::program]"],
    },
    Wrong {
        name: "has_two_of_one_name",
        file: "twice.rs",
        text: "#[runtime::program]\nfn main() {}\n\n#[runtime::program]\nfn other() {}\n",
        said: &["two programs are named 'twice': ", "twice.rs:1 and ", "twice.rs:4;"],
    },
    Wrong {
        name: "parameters",
        file: "parameters.rs",
        text: "#[runtime::program]\nfn main(args: &str) {}\n",
        said: &["without parameters", "parameters.rs:1"],
    },
];

const TESTS: &[Row] = &[
    ("any_file_name", any_file_name),
    ("any_function_name", any_function_name),
    ("own_warnings", own_warnings),
    ("main_returns_an_error", main_returns_an_error),
    ("prelude", prelude),
    ("package", package),
    ("package_without_library", package_without_library),
];

/// A job for each wrong file, and for each kind of program.
pub fn jobs<'a>() -> Vec<Job<'a>> {
    let mut jobs: Vec<_> =
        WRONG.iter().map(|case| Job::one(format!("own_programs::{}", case.name), || wrong(case))).collect();
    jobs.extend(Job::table("own_programs", TESTS));
    jobs
}

/// A directory of the user's, gone afterwards.
pub struct Folder(pub PathBuf);

impl Folder {
    /// With these files in it.
    pub fn new(name: &str, files: &[(&str, &str)]) -> Result<Folder, String> {
        let folder = Folder(std::env::temp_dir().join(format!("gzero own {name} {}", std::process::id())));
        for (file, text) in files {
            let path = folder.0.join(file);
            fs::create_dir_all(path.parent().expect("it is in the folder")).map_err(|e| e.to_string())?;
            fs::write(path, text).map_err(|e| e.to_string())?;
        }
        Ok(folder)
    }

    /// Runs the script in the folder.
    pub fn run(&self, words: &[&str]) -> Result<Output, String> {
        self.command(words).output().map_err(|e| e.to_string())
    }

    /// The script, to be run in the folder. Virtual time keeps KVM out of it.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut script = Command::new(source_root().join("qemu-run.sh"));
        script.args(["-icount", "-smp", "1"]).args(words).current_dir(&self.0);
        script
    }

    /// The files in it, with those of its directories.
    pub fn files(&self) -> Vec<PathBuf> {
        let (mut found, mut left) = (Vec::new(), vec![self.0.clone()]);
        while let Some(dir) = left.pop() {
            for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
                let list = if entry.path().is_dir() { &mut left } else { &mut found };
                list.push(entry.path());
            }
        }
        found.sort();
        found
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A directory left over in /tmp is no reason to fail.
        _ = fs::remove_dir_all(&self.0);
    }
}

fn wrong(case: &Wrong) -> Outcome {
    let folder = Folder::new(case.name, &[(case.file, case.text)])?;
    expect(&folder.run(&[case.file])?, 70, "", case.said)
}

/// Dashes, digits, blanks and Rust's words; arguments, also those that look like options.
fn any_file_name() -> Outcome {
    let text = "use runtime::println;\n\n#[runtime::program]\nfn main() {\n    println!(\"{}\", runtime::args().len());\n}\n";
    let folder =
        Folder::new("names", &[("two-words.rs", text), ("match.rs", text), ("dir/7 of 9.rs", text)])?;
    expect(&folder.run(&["two-words.rs", "-smp", "x"])?, 0, "3\n", &[])?;
    expect(&folder.run(&["match.rs"])?, 0, "1\n", &[])?;
    expect(&folder.run(&["dir/7 of 9.rs", "a"])?, 0, "2\n", &[])
}

/// What the attribute adds hides no function of the file's.
fn any_function_name() -> Outcome {
    let text = "use runtime::println;\n\n#[runtime::program]\nfn run() {\n    println!(\"once\");\n}\n\n\
        #[runtime::init]\nfn task() {\n    println!(\"before\");\n}\n";
    let folder = Folder::new("functions", &[("functions.rs", text)])?;
    expect(&folder.run(&["./functions.rs"])?, 0, "before\nonce\n", &[])
}

/// The user's own warnings are shown and keep nothing from running; there are no others.
fn own_warnings() -> Outcome {
    let text = "#[runtime::program]\nfn main() {\n    let unused = 1;\n}\n";
    let folder = Folder::new("warnings", &[("warnings.rs", text)])?;
    let output = folder.run(&["warnings.rs"])?;
    expect(&output, 0, "", &["unused variable: `unused`", "warnings.rs:3:9"])?;
    match String::from_utf8_lossy(&output.stderr).matches("warning:").count() {
        1 => Ok(()),
        n => Err(format!("{n} warnings:\n{}", String::from_utf8_lossy(&output.stderr))),
    }
}

/// As Rust's `main` does: the error on standard error, status 1.
fn main_returns_an_error() -> Outcome {
    let text = "use runtime::prelude::*;\n\n#[program]\nfn main() -> Result<(), core::num::ParseIntError> {\n    \
        let n: u32 = env::var(\"N\").unwrap_or(\"no number\").parse()?;\n    println!(\"{n}\");\n    Ok(())\n}\n";
    let folder = Folder::new("result", &[("result.rs", text)])?;
    expect(&folder.run(&["-e", "N=7", "result.rs"])?, 0, "7\n", &[])?;
    expect(&folder.run(&["result.rs"])?, 1, "", &["Error: ParseIntError { kind: InvalidDigit }\n"])
}

/// One of each kind that the prelude brings.
fn prelude() -> Outcome {
    let text = "use runtime::prelude::*;\n\n#[program]\nfn main() {\n    \
        let wg = sync::WaitGroup::new();\n    let total = Arc::new(sync::Mutex::new(HashMap::new()));\n    \
        for n in 1..=3u32 {\n        let total = total.clone();\n        \
        wg.go(move || {\n            total.lock().insert(n, f64::from(n * n).sqrt());\n        });\n    }\n    wg.wait();\n    \
        let roots: Vec<String> = (1..=3).map(|n| format!(\"{:.1}\", total.lock()[&n])).collect();\n    \
        println!(\"{} {}\", roots.join(\" \"), 0.5_f64.powi(3));\n    \
        let late = time::SystemTime::now().unix() > 1_700_000_000;\n    println!(\"{late}\");\n}\n";
    let folder = Folder::new("prelude", &[("prelude.rs", text)])?;
    expect(&folder.run(&["prelude.rs"])?, 0, "1.0 2.0 3.0 0.125\ntrue\n", &[])
}

/// A package with a dependency on a published crate; nothing is written into its directory.
fn package() -> Outcome {
    let manifest = format!(
        "[package]\nname = \"set-of-words\"\nversion = \"1.2.3\"\nedition = \"2021\"\n\n[dependencies]\n\
         runtime = {{ path = {:?} }}\nhashbrown = {{ version = \"0.16\", features = [\"default-hasher\"] }}\n",
        source_root().join("runtime")
    );
    let library = "#![no_std]\n\nuse hashbrown::HashSet;\nuse runtime::println;\n\n#[runtime::program]\nfn main() {\n    \
        let words: HashSet<usize> = runtime::args().iter().map(|word| word.len()).collect();\n    \
        println!(\"{} {}\", env!(\"CARGO_PKG_VERSION\"), words.len());\n}\n";
    let folder = Folder::new("package", &[("words/Cargo.toml", &manifest), ("words/src/lib.rs", library)])?;
    let before = folder.files();
    // The program's name is the first of the words.
    expect(&folder.run(&["-crate", "words", "a", "b", "cc"])?, 0, "1.2.3 3\n", &[])?;
    if folder.files() == before { Ok(()) } else { Err(format!("written: {:?}", folder.files())) }
}

fn package_without_library() -> Outcome {
    let manifest = "[package]\nname = \"binary\"\nversion = \"1.0.0\"\n";
    let folder = Folder::new("binary", &[("Cargo.toml", manifest), ("src/main.rs", "fn main() {}\n")])?;
    expect(&folder.run(&["-crate", "."])?, 70, "", &["has no library: put the program into src/lib.rs"])
}
