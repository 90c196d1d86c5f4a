//! What a machine looked like that did not end well: the last lines that it wrote, its cores.

use crate::Result;
use crate::code::Code;
use crate::monitor::Monitor;
use crate::streams::Stream;
use std::collections::VecDeque;
use std::fmt::Write;

/// How many lines of a stream a report shows.
const TAIL_LINES: usize = 30;

/// How many callers of a core's function a report shows.
const MAX_FRAMES: usize = 24;

/// Where the upper half of the addresses begins.
const HALF: u64 = 1 << 63;

/// The last lines of both streams.
#[derive(Clone, Debug, Default)]
pub struct Tails {
    /// Standard output's.
    pub out: Tail,
    /// Standard error's.
    pub err: Tail,
}

impl Tails {
    /// Takes in what was written.
    pub fn push(&mut self, stream: Stream, bytes: &[u8]) {
        match stream {
            Stream::Out => self.out.push(bytes),
            Stream::Err => self.err.push(bytes),
        }
    }

    /// The lines of both, each with a bar in front, under headings; nothing of a stream that has none.
    pub fn report(&self) -> String {
        self.out.report("standard output") + &self.err.report("standard error")
    }
}

/// The last lines of a stream.
#[derive(Clone, Debug, Default)]
pub struct Tail {
    lines: VecDeque<Vec<u8>>,
}

impl Tail {
    /// Takes in what was written.
    pub fn push(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|&b| b == b'\n') {
            match self.lines.back_mut() {
                Some(last) if !last.ends_with(b"\n") => last.extend_from_slice(piece),
                _ => self.lines.push_back(piece.to_vec()),
            }
        }
        let surplus = self.lines.len().saturating_sub(TAIL_LINES);
        self.lines.drain(..surplus);
    }

    /// Whether the last line has no end yet.
    pub fn in_line(&self) -> bool {
        self.lines.back().is_some_and(|line| !line.ends_with(b"\n"))
    }

    /// The lines under a heading that names the stream; nothing if there are none.
    fn report(&self, stream: &str) -> String {
        if self.lines.is_empty() {
            return String::new();
        }
        let mut text = format!("last {} lines of {stream}:\n", self.lines.len());
        for line in &self.lines {
            text += &format!("  | {}\n", String::from_utf8_lossy(line).trim_end());
        }
        text
    }
}

/// Stops the machine and describes all its cores: registers, and where they were in `code`.
///
/// # Errors
/// If QEMU does not answer.
pub fn cores(monitor: &mut Monitor, code: &Code) -> Result<String> {
    monitor.command("stop")?;
    let mut text = String::new();
    for (number, registers) in split_cores(&monitor.command("info registers -a")?).into_iter().enumerate() {
        text += &core(&registers, code, number);
        monitor.command(&format!("cpu {number}"))?;
        let mut frame = register(&registers, "RBP");
        for _ in 0..MAX_FRAMES {
            // An address that is none of a stack cannot be read, or does not go on.
            let Some(at) = frame.filter(|&at| at != 0 && at % 8 == 0) else { break };
            let [next, pc] = words(&monitor.command(&format!("x /2gx {at:#x}"))?);
            let Some(pc) = pc.filter(|&pc| pc != 0) else { break };
            // A return address is that of the instruction after the call.
            _ = write!(text, "    {}", place(code, pc, pc - 1, "        "));
            // Frames are a chain upwards, but from a scheduler's stack, in the upper half, to a
            // goroutine's, in the lower.
            frame = next.filter(|&next| next > at || (at >= HALF && next < HALF));
        }
    }
    Ok(text)
}

/// The state at a triple fault as QEMU logs it, in the form of [`cores`].
pub fn triple_fault(log: &str, code: &Code) -> String {
    let registers = split_cores(log).into_iter().next().unwrap_or_default();
    let number =
        log.split_once("(CPU ").and_then(|(_, rest)| rest.split_once(')')?.0.parse().ok()).unwrap_or(0);
    format!("triple fault:\n{}", core(&registers, code, number))
}

/// The integer and system registers of each core, in QEMU's lines.
fn split_cores(text: &str) -> Vec<Vec<String>> {
    let mut cores: Vec<Vec<String>> = Vec::new();
    let mut wanted = false;
    for line in text.lines() {
        if line.starts_with("RAX=") || line.starts_with("EAX=") {
            cores.push(Vec::new());
            wanted = true;
        }
        // From here on it is the FPU's.
        wanted &= !line.starts_with("FCW=");
        if let Some(core) = cores.last_mut().filter(|_| wanted) {
            core.push(line.trim_end().to_owned());
        }
    }
    cores
}

fn core(registers: &[String], code: &Code, number: usize) -> String {
    let pc = register(registers, "RIP").or(register(registers, "EIP")).unwrap_or(0);
    let mut text = format!("core {number} at {}", place(code, pc, pc, "    "));
    for line in registers {
        _ = writeln!(text, "    {line}");
    }
    text
}

/// `pc` and the function that it is in, then the source of the instruction at `at`, a line for each inlined call. All lines after the first are
/// indented by `indent`.
fn place(code: &Code, pc: u64, at: u64, indent: &str) -> String {
    let mut text = format!("{pc:#018x}");
    if let Some((name, distance)) = code.function(at) {
        _ = write!(text, " {name}+{:#x}", distance + (pc - at));
    }
    text.push('\n');
    let calls = code.calls(at);
    if let Some((call, inlined)) = calls.split_last() {
        for call in inlined {
            _ = writeln!(text, "{indent}{}(...) {}", call.function, call.place);
        }
        _ = writeln!(text, "{indent}{}", call.place);
    }
    text
}

/// The value of a register in lines of `NAME=value NAME=value`.
fn register(lines: &[String], name: &str) -> Option<u64> {
    let mut words = lines.iter().flat_map(|line| line.split(' '));
    words.find_map(|word| u64::from_str_radix(word.strip_prefix(name)?.strip_prefix('=')?, 16).ok())
}

/// The two words in the monitor's answer `address: 0x… 0x…`.
fn words(answer: &str) -> [Option<u64>; 2] {
    let (_, values) = answer.split_once(':').unwrap_or_default();
    let mut values =
        values.split_whitespace().map(|w| u64::from_str_radix(w.trim_start_matches("0x"), 16).ok());
    [values.next().flatten(), values.next().flatten()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbols::{BASE, Symbol};

    const REGISTERS: &str = "\nCPU#0\nRAX=0000000000000001 RBX=0 RBP=ffff800000000010\n\
        RIP=ffffffff80200004 RFL=00000046\nFCW=037f FSW=0000\nXMM00=0\n\nCPU#1\nRAX=2 RBP=0\nRIP=0 HLT=1\nFCW=037f\n";

    #[test]
    fn registers_of_cores() {
        let cores = split_cores(REGISTERS);
        assert_eq!(cores.len(), 2);
        assert_eq!(register(&cores[0], "RBP"), Some(0xffff_8000_0000_0010));
        let code = Code::from(vec![Symbol { address: BASE + 0x200000, name: "idle".into() }]);
        let text = core(&cores[0], &code, 0);
        assert!(
            text.starts_with("core 0 at 0xffffffff80200004 idle+0x4\n    RAX=0000000000000001"),
            "{text}"
        );
        assert!(!text.contains("FCW"), "{text}");
    }

    #[test]
    fn memory_words() {
        assert_eq!(
            words("ffff8000: 0x0000000000000010 0xffffffff80200000\n"),
            [Some(16), Some(BASE + 0x200000)]
        );
        assert_eq!(words("Cannot access memory\n"), [None, None]);
    }

    #[test]
    fn tail_joins_and_drops_lines() {
        let mut tail = Tail::default();
        for i in 0..TAIL_LINES + 5 {
            tail.push("li".to_string().as_bytes());
            tail.push(format!("ne {i}\n").as_bytes());
        }
        let text = tail.report("standard output");
        assert!(text.contains("  | line 5\n") && text.contains("  | line 34\n"), "{text}");
        assert!(!text.contains("line 4\n"), "{text}");
    }
}
