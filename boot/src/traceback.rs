//! File and line, and inlined calls, for the frames of a guest's tracebacks.
//!
//! The guest knows the names of its functions and no more. Its frame is two lines, as in Go, with the return address where Go has
//! file and line; what comes of it here is Go's form, in which `(...)` marks an inlined call:
//!
//! ```text
//! programs::crash::main                 alloc::vec::Vec<u32>::remove(...)
//!         0xffffffff80201234 +0x54              /usr/lib/rustlib/src/rust/library/alloc/src/vec/mod.rs:1640
//!                                       programs::crash::main
//!                                               programs/crash.rs:12 +0x54
//! ```
//!
//! # What is rewritten
//! The stream may hold a program's own text, which must come out as it went in, and at once. So:
//!
//! 1. All passes through unchanged until a line that begins a traceback has passed, like `goroutine 7 [running]:`.
//! 2. From there on lines are kept until they are whole, and a line that can be a function's name is kept until the next line is known.
//! 3. The two are rewritten if the address lies in the function of that name, at the distance that the line says.
//!    A line with an address alone, which is the kernel's for code that is not its own, gets the
//!    name and line of the Go program's.
//! 4. An empty line, or one that can only be a name and is followed by no address, ends the traceback: 1 again.
//!
//! A look at every pair of lines, without 1 and 4, was rejected: each line of a program's would be delayed until the next.
//!
//! An address is that of the instruction after a call, so what is looked up is the byte before; ` (interrupted)` behind the offset says that it is the
//! instruction's own.

use crate::code::Code;
use std::mem::take;
use std::path::PathBuf;

/// Longer lines begin no traceback.
const LONGEST_HEADER: usize = 200;

const INTERRUPTED: &str = " (interrupted)";

/// Rewrites the tracebacks in a stream.
pub struct Filter {
    elf: PathBuf,
    /// A Go program's.
    program: Option<PathBuf>,
    /// There from the first frame on: reading the debug information takes a while, which a run without a traceback does not pay.
    code: Option<Code>,
    /// The current line as far as it is known. Outside of tracebacks it has been passed on already.
    line: Vec<u8>,
    /// Inside a traceback.
    inside: bool,
    /// The line before if it may be a function's name.
    name: Option<Vec<u8>>,
}

impl Filter {
    /// For the stream of a guest that runs the kernel `elf`, and on it the linked Go program
    /// `program`.
    pub fn new(elf: PathBuf, program: Option<PathBuf>) -> Filter {
        Filter { elf, program, code: None, line: Vec::new(), inside: false, name: None }
    }

    /// Takes what was read, returns what is to be passed on.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        for piece in bytes.split_inclusive(|&b| b == b'\n') {
            if !self.inside {
                out.extend_from_slice(piece);
            }
            if self.inside || self.line.len() <= LONGEST_HEADER {
                self.line.extend_from_slice(piece);
            }
            if piece.ends_with(b"\n") {
                let line = take(&mut self.line);
                if self.inside {
                    self.whole_line(line, &mut out);
                } else {
                    self.inside = is_header(&line);
                }
            }
        }
        out
    }

    /// What is still kept when the stream ends.
    pub fn finish(&mut self) -> Vec<u8> {
        let mut rest = self.name.take().unwrap_or_default();
        if take(&mut self.inside) {
            rest.append(&mut self.line);
        }
        rest
    }

    fn whole_line(&mut self, line: Vec<u8>, out: &mut Vec<u8>) {
        let name = self.name.take();
        // The second kind stands for frames of which a long traceback has too many.
        if line.starts_with(b"\t") || line.starts_with(b"...") {
            let frame = match name.as_deref() {
                Some(name) => self.frame(name, &line),
                None => self.program_frame(&line),
            };
            match frame {
                Some(text) => out.extend(text.as_bytes()),
                None => out.extend(name.into_iter().flatten().chain(line)),
            }
            return;
        }
        let header = is_header(&line);
        self.inside = header || (line != b"\n" && name.is_none());
        out.extend(name.into_iter().flatten());
        if self.inside && !header {
            self.name = Some(line);
        } else {
            out.extend(line);
        }
    }

    fn code(&mut self) -> &Code {
        self.code.get_or_insert_with(|| {
            // Without the file there is nothing to look up, now and later.
            Code::read(&self.elf).unwrap_or_default().with_program(self.program.as_deref())
        })
    }

    /// The frames of the Go program's code at the address in `line`, of which the kernel knows no
    /// names.
    fn program_frame(&mut self, line: &[u8]) -> Option<String> {
        let line = str::from_utf8(line).ok()?.strip_prefix("\t0x")?.trim_end_matches('\n');
        let (address, note) = match line.strip_suffix(INTERRUPTED) {
            Some(address) => (address, INTERRUPTED),
            None => (line, ""),
        };
        let pc = u64::from_str_radix(address, 16).ok()?;
        let at = pc.checked_sub(u64::from(note.is_empty()))?;
        let code = self.code().program(at)?;
        let (name, distance) = code.function(at)?;
        let calls = code.calls(at);
        let (call, inlined) = calls.split_last()?;
        let mut text = String::new();
        inlined.iter().for_each(|call| text += &format!("{}(...)\n\t{}\n", call.function, call.place));
        Some(text + &format!("{name}\n\t{} +{:#x}{note}\n", call.place, distance + (pc - at)))
    }

    /// The frame of `name` at the address in `line`, with its inlined calls; none if the two do not agree, or nothing is known.
    fn frame(&mut self, name: &[u8], line: &[u8]) -> Option<String> {
        let name = str::from_utf8(name).ok()?.trim_end_matches('\n');
        let frame = Frame::parse(str::from_utf8(line).ok()?)?;
        let code = self.code();
        let created = name.strip_prefix("created by ");
        let function = match created {
            Some(rest) => rest.rsplit_once(" in goroutine ").map_or(rest, |(function, _)| function),
            None => name,
        };
        let at = frame.pc.checked_sub(u64::from(!frame.interrupted))?;
        let (found, distance) = code.function(at)?;
        if found != function || distance + (frame.pc - at) != frame.offset {
            return None;
        }
        let calls = code.calls(at);
        let (call, inlined) = calls.split_last()?;
        let mut text = String::new();
        if created.is_none() {
            inlined.iter().for_each(|call| text += &format!("{}(...)\n\t{}\n", call.function, call.place));
        }
        let note = if frame.interrupted { INTERRUPTED } else { "" };
        Some(text + &format!("{name}\n\t{} +{:#x}{note}\n", call.place, frame.offset))
    }
}

/// A frame's second line.
struct Frame {
    pc: u64,
    offset: u64,
    interrupted: bool,
}

impl Frame {
    /// Of `\t0xffffffff80201234 +0x54\n`, perhaps with [`INTERRUPTED`] behind.
    fn parse(line: &str) -> Option<Frame> {
        let line = line.strip_prefix('\t')?.strip_suffix('\n')?;
        let (line, interrupted) = match line.strip_suffix(INTERRUPTED) {
            Some(line) => (line, true),
            None => (line, false),
        };
        let (pc, offset) = line.split_once(" +")?;
        let hex = |text: &str| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok();
        Some(Frame { pc: hex(pc)?, offset: hex(offset)?, interrupted })
    }
}

/// Whether a line begins a traceback: frames follow.
fn is_header(line: &[u8]) -> bool {
    let Some(line) = line.strip_suffix(b"\n") else { return false };
    let goroutine = line.starts_with(b"goroutine ") && line.ends_with(b"]:");
    // What a kernel without a goroutine says, and what the heap's debug mode does of an object.
    goroutine
        || matches!(line, b"runtime stack:" | b"no goroutine" | b"freed at:")
        || line.ends_with(b" allocated at:")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::env;
    use std::hint::black_box;

    /// A function that two calls were inlined into, by this test's own program.
    #[inline(never)]
    fn outer(values: &[u32], at: usize) -> u32 {
        middle(values, at) + 1
    }

    #[inline(always)]
    fn middle(values: &[u32], at: usize) -> u32 {
        inner(values, at) * 2
    }

    #[inline(always)]
    fn inner(values: &[u32], at: usize) -> u32 {
        values[at]
    }

    const OUTER: &str = "boot::traceback::tests::outer";

    /// A frame of `outer` as the kernel prints it, at an instruction of `inner`; and the three frames it becomes.
    fn frame() -> (String, String) {
        assert_eq!(black_box(outer as fn(&[u32], usize) -> u32)(&[1, 2], 1), 5);
        let code = Code::read(&env::current_exe().unwrap()).unwrap();
        let start = code.symbol(OUTER).unwrap();
        let at = (start..start + 200).find(|&at| code.calls(at).len() == 3).unwrap();
        let calls = code.calls(at);
        let names: Vec<&str> = calls.iter().map(|call| call.function.as_str()).collect();
        assert_eq!(names, ["boot::traceback::tests::inner", "boot::traceback::tests::middle", OUTER]);
        let offset = at + 1 - start;
        let raw = format!("{OUTER}\n\t{:#x} +{offset:#x}\n", at + 1);
        let [a, b, c] = [0, 1, 2].map(|i| &calls[i].place);
        (raw, format!("{}(...)\n\t{a}\n{}(...)\n\t{b}\n{OUTER}\n\t{c} +{offset:#x}\n", names[0], names[1]))
    }

    fn filtered(text: &str, size: usize) -> String {
        let mut filter = Filter::new(env::current_exe().unwrap(), None);
        let mut out: Vec<u8> = text.as_bytes().chunks(size).flat_map(|chunk| filter.push(chunk)).collect();
        out.extend(filter.finish());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_frame_gets_its_inlined_calls() {
        let (raw, rewritten) = frame();
        let (before, after) = ("panic: oh\n\ngoroutine 1 [running]:\n\tat a.rs:1:2\n", "\nexit status 2");
        for size in [1, 7, 4096] {
            let elided = "...2 frames elided...\n";
            let text = format!("{before}{raw}{elided}{raw}{after}");
            assert_eq!(
                filtered(&text, size),
                format!("{before}{rewritten}{elided}{rewritten}{after}"),
                "size {size}"
            );
        }
    }

    /// The instruction's own address is looked up where it was interrupted; who created a goroutine is one frame.
    #[test]
    fn kinds_of_frames() {
        let (raw, rewritten) = frame();
        let (pc, rest) = raw.trim_end().split_once("0x").unwrap().1.split_once(" +0x").unwrap();
        let at = u64::from_str_radix(pc, 16).unwrap() - 1;
        let offset = u64::from_str_radix(rest, 16).unwrap() - 1;
        let interrupted = format!("goroutine 1 [running]:\n{OUTER}\n\t{at:#x} +{offset:#x}{INTERRUPTED}\n");
        assert!(filtered(&interrupted, 99).ends_with(&format!(" +{offset:#x}{INTERRUPTED}\n")));
        assert!(filtered(&interrupted, 99).contains("tests::inner(...)\n\tboot/src/traceback.rs:"));

        let created = raw.replace(OUTER, &format!("created by {OUTER} in goroutine 1"));
        let last = rewritten.lines().last().unwrap();
        assert_eq!(
            filtered(&format!("goroutine 9 [select]:\n{created}"), 99),
            format!("goroutine 9 [select]:\ncreated by {OUTER} in goroutine 1\n{last}\n")
        );
    }

    /// Of an address in the lower half, of which the kernel knows no name, the Go program's file
    /// does. Here it is this test's own.
    #[test]
    fn frames_of_a_go_program() {
        let (raw, rewritten) = frame();
        let (_, line) = raw.split_once('\n').unwrap();
        let line = format!("{}\n", line.split_once(" +").unwrap().0);
        let text =
            format!("fatal error: oh\n\ngoroutine 1 [running]:\nkernel::f\n\t0xfff +0x1\n{line}{line}\n");
        let mut filter = Filter::new(PathBuf::new(), env::current_exe().ok());
        let out = String::from_utf8(filter.push(text.as_bytes())).unwrap();
        assert_eq!(out, text.replace(&line, &rewritten));
        assert_eq!(filtered(&text, 9), text, "no program");
    }

    /// What is no frame, or not where a traceback is, stays as it is.
    #[test]
    fn other_text_stays() {
        let (raw, _) = frame();
        let header = "goroutine 1 [running]:\n";
        let renamed = raw.replace("outer", "other");
        let moved = raw.replace(" +0x", " +0x1");
        for text in [
            raw.clone(),
            format!("{header}\n{raw}"),
            format!("{header}a word\nanother word\n{raw}"),
            format!("{header}{renamed}"),
            format!("{header}{moved}"),
            format!("{header}name\n\t0xfff +0x\nname\n\t0xfff\n...2 frames elided...\n"),
            format!("{header}{}", OUTER),
            "goroutine 1 [running]".repeat(40),
        ] {
            assert_eq!(filtered(&text, 5), text);
        }
    }

    /// A program's own lines are not kept back, not even their beginnings.
    #[test]
    fn text_passes_at_once() {
        let mut filter = Filter::new(PathBuf::new(), None);
        for text in ["password: ", "x\n", "gorou", "tine 1 [running]:\n"] {
            assert_eq!(filter.push(text.as_bytes()), text.as_bytes());
        }
        assert_eq!(filter.push(b"main::main\n\t0x10"), b"");
        assert_eq!(filter.push(b" +0x1\n\n"), b"main::main\n\t0x10 +0x1\n\n");
        assert_eq!(filter.push(b"prompt> "), b"prompt> ");
    }
}
