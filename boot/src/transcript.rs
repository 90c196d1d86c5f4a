//! Reading what the program `kernel_tests` writes (`runtime/src/testing/`).
//!
//! `test NAME ... ` before a test runs, whatever the test itself writes, then `ok`, or `FAILED` and the panic's text on lines
//! of their own; at the end `kernel tests: …`. What a test writes may end without a newline, or look like a result. So
//! a test is judged when the next begins or the guest ends, by how its text ends.

/// What a test came to; a failure with what it wrote.
pub type Outcome = Result<(), String>;

const START: &str = "test ";
const DOTS: &str = " ... ";
const SUMMARY: &str = "kernel tests: ";

/// Follows a guest's output.
#[derive(Debug, Default)]
pub struct Transcript {
    /// The beginning of a line.
    line: Vec<u8>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    name: String,
    text: String,
}

impl Running {
    /// None if the text says neither that it passed nor that it failed.
    fn outcome(&self) -> Option<Outcome> {
        if self.text.trim_end().ends_with("ok") {
            return Some(Ok(()));
        }
        self.text.lines().any(|line| line.ends_with("FAILED")).then(|| Err(self.text.trim_end().to_owned()))
    }
}

impl Transcript {
    /// Takes in output. Returns what is known of tests by now: those before the one that runs, and that one too once the summary follows it.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<(String, Outcome)> {
        let mut results = Vec::new();
        for &byte in bytes {
            self.line.push(byte);
            // A test's line is whole before the test runs.
            let line = String::from_utf8_lossy(&self.line).into_owned();
            if byte == b' ' && line.starts_with(START) && line.ends_with(DOTS) {
                results.extend(self.next(None));
                let name = line[START.len()..line.len() - DOTS.len()].to_owned();
                self.running = Some(Running { name, text: String::new() });
                self.line.clear();
            } else if byte == b'\n' {
                self.line.clear();
                if line.starts_with(SUMMARY) {
                    results.extend(self.next(None));
                } else if let Some(running) = &mut self.running {
                    running.text += &line;
                }
            }
        }
        results
    }

    /// The name of the test that runs.
    pub fn running(&self) -> Option<&str> {
        self.running.as_ref().map(|running| running.name.as_str())
    }

    /// Judges the test that ran when the guest ended; `report` is told of one that had no result yet.
    pub fn end(&mut self, report: &str) -> Option<(String, Outcome)> {
        if let Some(running) = &mut self.running {
            running.text += &String::from_utf8_lossy(&self.line);
            self.line.clear();
        }
        self.next(Some(report))
    }

    fn next(&mut self, report: Option<&str>) -> Option<(String, Outcome)> {
        let running = self.running.take()?;
        let outcome =
            running.outcome().unwrap_or_else(|| Err(report.unwrap_or(running.text.as_str()).to_owned()));
        Some((running.name, outcome))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "test a::one ... ok\ntest a::two ... it looks ok\nFAILED\npanic: no at a.rs:1\n\
        test b ... partial lineok\ntest c ... ";

    #[test]
    fn results_in_any_pieces() {
        for size in [1, 3, 7, OUTPUT.len()] {
            let mut transcript = Transcript::default();
            let results: Vec<_> = OUTPUT.as_bytes().chunks(size).flat_map(|c| transcript.push(c)).collect();
            let [(one, Ok(())), (two, Err(text)), (b, Ok(()))] = results.as_slice() else {
                panic!("{results:?}")
            };
            assert_eq!((one.as_str(), two.as_str(), b.as_str()), ("a::one", "a::two", "b"));
            assert_eq!(text, "it looks ok\nFAILED\npanic: no at a.rs:1");
            assert_eq!(transcript.running(), Some("c"));
        }
    }

    #[test]
    fn summary_ends_the_last_test() {
        let mut transcript = Transcript::default();
        let results = transcript.push(b"test a ... ok\nkernel tests: 1 passed, 0 failed\n");
        assert_eq!(results, [("a".into(), Ok(()))]);
        assert_eq!(transcript.end("dead"), None);
    }

    #[test]
    fn a_dying_guest_fails_the_test_that_ran() {
        let mut transcript = Transcript::default();
        transcript.push(b"test a ... ");
        transcript.push(b"fatal error: out of memory\n");
        assert_eq!(transcript.end("dead"), Some(("a".into(), Err("dead".into()))));
        transcript.push(b"test b ... o");
        transcript.push(b"k");
        assert_eq!(transcript.end("dead"), Some(("b".into(), Ok(()))));
    }
}
