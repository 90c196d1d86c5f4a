//! What an installed tool says of itself. `qemu-run.sh` has its text at its head; what it says of
//! options is said here, too.

const SCRIPT: &str = include_str!("../../qemu-run.sh");

/// The forms of a command line.
const FORMS: &str = "Runs Go programs on Gzero in QEMU and exits with the program's exit status:

  gzero [OPTIONS] FILE.go…|FOLDER|IMPORTPATH [ARGS…]
  gzero [OPTIONS] [go] build|run|test|vet […]
  gzero [OPTIONS] go SUBCOMMAND […]

FILE.go, more of them, a FOLDER (with a slash in its name, or `.`) and an IMPORTPATH are what `go run` takes. `go` is the
user's own go command for Gzero; what `go run` and `go test` build is run here, and what `go build -o FILE` builds is an
image if FILE ends in .img (a disk) or .elf (for QEMU's -kernel). A path of what `go build` built runs that.

";

/// The forms, the options and the exit statuses, in lines.
pub fn text() -> String {
    let lines = SCRIPT.lines().skip_while(|line| !line.starts_with("#   -smp"));
    let mut text = String::from(FORMS);
    for line in lines.take_while(|line| line.starts_with('#')) {
        let line = line.strip_prefix("# ").unwrap_or_default();
        text += &line.replace("./qemu-run.sh parfib", "gzero main.go");
        text.push('\n');
    }
    text
}
