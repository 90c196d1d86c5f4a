//! Reading what a program of tests writes (`runtime/src/testing/runner.rs` has the protocol).
//!
//! A test has passed if the runner says so in a line that begins with this guest's token, and the guest then goes on to the next test, or, after the
//! last, says how many passed and failed and ends with the exit status that belongs to that. So whatever a test leaves behind that takes the
//! guest with it, or stops it, is that test's failure.

use std::hash::{BuildHasher, RandomState};

/// What a test came to; a failure with what it wrote.
pub type Outcome = Result<(), String>;

/// Follows a guest's output.
#[derive(Debug)]
pub struct Transcript {
    token: String,
    /// The beginning of a line.
    line: Vec<u8>,
    /// The test that runs, or the last that ran.
    current: Option<Test>,
    /// How many have passed and failed, the current one included.
    counted: [usize; 2],
    /// How many have, as the guest says at its end.
    told: Option<[usize; 2]>,
}

#[derive(Debug)]
struct Test {
    name: String,
    text: String,
    passed: Option<bool>,
}

impl Test {
    /// What it came to; `end` is why it is over if it has no result.
    fn outcome(self, end: &str) -> (String, Outcome) {
        let outcome = match self.passed {
            Some(true) => Ok(()),
            Some(false) => Err(self.text.trim().to_owned()),
            None => Err(format!("{}\n{end}", self.text.trim())),
        };
        (self.name, outcome)
    }
}

impl Transcript {
    /// Of a guest whose runner uses `token`.
    pub fn new(token: &str) -> Transcript {
        Transcript { token: token.into(), line: Vec::new(), current: None, counted: [0; 2], told: None }
    }

    /// A token that no other guest has.
    pub fn new_token() -> String {
        format!("#{:016x}", RandomState::new().hash_one("token"))
    }

    /// Takes in output. Returns what is certain of tests by now: those before the current one.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<(String, Outcome)> {
        let mut results = Vec::new();
        for &byte in bytes {
            self.line.push(byte);
            if byte == b'\n' {
                let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
                results.extend(self.line(&line));
            }
        }
        results
    }

    /// Takes in what went to standard error: the runner says nothing there, so it is the current test's.
    pub fn push_error(&mut self, bytes: &[u8]) {
        if let Some(test) = &mut self.current {
            test.text += &String::from_utf8_lossy(bytes);
        }
    }

    fn line(&mut self, line: &str) -> Option<(String, Outcome)> {
        let said = line.strip_prefix(&self.token).and_then(|said| said.strip_prefix(' '));
        match (said.and_then(|said| said.trim_end().split_once(' ')), &mut self.current) {
            (Some(("start", name)), current) => {
                let test = Test { name: name.into(), text: String::new(), passed: None };
                return current.replace(test).map(|test| test.outcome("another test began"));
            }
            (Some((word @ ("passed" | "failed"), name)), Some(test))
                if test.name == name && test.passed.is_none() =>
            {
                test.passed = Some(word == "passed");
                self.counted[usize::from(word == "failed")] += 1;
            }
            (Some(("end", numbers)), _) => {
                let numbers: Option<Vec<usize>> = numbers.split(' ').map(|n| n.parse().ok()).collect();
                self.told = numbers.and_then(|numbers| numbers.try_into().ok());
            }
            (_, Some(test)) => test.text += line,
            (_, None) => {}
        }
        None
    }

    /// The name of the test that runs, or of the last that ran.
    pub fn current(&self) -> Option<&str> {
        self.current.as_ref().map(|test| test.name.as_str())
    }

    /// Judges the last test when the guest has ended, with `status` if it gave one; `report` says how. An error if that is no end of a guest that ran
    /// its tests: then the last one failed, whatever was said of it.
    pub fn end(self, status: Option<u8>, report: &str) -> (Option<(String, Outcome)>, Outcome) {
        let Transcript { line, current, counted, told, .. } = self;
        let finished = current.as_ref().is_none_or(|test| test.passed.is_some());
        let right = u8::from(counted[1] != 0);
        if finished && told == Some(counted) && status == Some(right) {
            return (current.map(|test| test.outcome("")), Ok(()));
        }
        let test = current.map(|mut test| {
            test.text += &String::from_utf8_lossy(&line);
            let end = match test.passed.take() {
                Some(true) => {
                    format!("it passed, but the guest did not end as it should after it:\n{report}")
                }
                _ => report.to_owned(),
            };
            test.outcome(&end)
        });
        (test, Err(report.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "boot log\n\nT start a::one\n\nT passed a::one\n\nT start a::two\ntest a::two ... ok\nT2 passed a::two\n\
        it looks ok\nT failed a::two\n\nT start b\npartial line\nT passed b\n";

    fn transcript(output: &str) -> Transcript {
        let mut transcript = Transcript::new("T");
        transcript.push(output.as_bytes());
        transcript
    }

    fn passed(name: &str) -> Option<(String, Outcome)> {
        Some((name.into(), Ok(())))
    }

    #[test]
    fn results_in_any_pieces() {
        for size in [1, 3, 7, OUTPUT.len()] {
            let mut transcript = Transcript::new("T");
            let results: Vec<_> = OUTPUT.as_bytes().chunks(size).flat_map(|c| transcript.push(c)).collect();
            let [(one, Ok(())), (two, Err(text))] = results.as_slice() else { panic!("{results:?}") };
            assert_eq!((one.as_str(), two.as_str()), ("a::one", "a::two"));
            assert_eq!(text, "test a::two ... ok\nT2 passed a::two\nit looks ok");
            assert_eq!(transcript.current(), Some("b"));
            transcript.push(b"\nT end 2 1\n");
            assert_eq!(transcript.end(Some(1), ""), (passed("b"), Ok(())));
        }
    }

    #[test]
    fn a_guest_that_ends_well_passes_its_last_test() {
        let (last, end) = transcript("T start a\nT passed a\nT end 1 0\n").end(Some(0), "well");
        assert_eq!((last, end), (passed("a"), Ok(())));
        let (last, end) = transcript("T end 0 0\n").end(Some(0), "well");
        assert_eq!((last, end), (None, Ok(())));
    }

    #[test]
    fn a_guest_that_ends_otherwise_fails_its_last_test() {
        let ends = [
            // No end is told, or none that is right.
            ("T start a\nT passed a\n", Some(0)),
            ("T start a\nT passed a\nT end 2 0\n", Some(0)),
            ("T start a\nT passed a\nT end 0 1\n", Some(1)),
            ("T start a\nT passed a\nT end 1\n", Some(0)),
            ("T start a\nT passed a\nT end 1 0 0\n", Some(0)),
            // A wrong exit status, or none: it died or hung.
            ("T start a\nT passed a\nT end 1 0\n", Some(2)),
            ("T start a\nT passed a\nT end 1 0\n", None),
            ("T start a\nT failed a\nT end 0 1\n", Some(0)),
            // No result, one of another test, or one that is no whole line.
            ("T start a\nT end 0 0\n", Some(0)),
            ("T start a\nT passed b\nT end 1 0\n", Some(0)),
            ("T start a\nit has T passed a\nT end 1 0\n", Some(0)),
            ("T start a\nT passed a", Some(0)),
        ];
        for (output, status) in ends {
            let (last, end) = transcript(output).end(status, "dead");
            let (name, outcome) = last.unwrap();
            assert!(name == "a" && outcome.is_err_and(|text| text.ends_with("dead")), "{output}");
            assert_eq!(end, Err("dead".into()), "{output}");
        }
    }

    #[test]
    fn a_test_without_a_result_fails_when_the_next_begins() {
        let results = Transcript::new("T").push(b"T start a\nok\nT start b\n");
        assert_eq!(results, [("a".into(), Err("ok\nanother test began".into()))]);
    }

    #[test]
    fn standard_error_belongs_to_the_test_and_says_nothing() {
        let mut transcript = transcript("T start a\n");
        transcript.push_error(b"T passed a\nfatal error\n");
        let (last, _) = transcript.end(None, "dead");
        assert_eq!(last, Some(("a".into(), Err("T passed a\nfatal error\ndead".into()))));
    }

    #[test]
    fn tokens_differ() {
        assert_ne!(Transcript::new_token(), Transcript::new_token());
    }
}
