//! A client of QEMU's gdb stub, as much of it as changing a stopped machine's memory takes (GDB manual, appendix E).

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

/// How long the machine may take to get to where it is to stop: firmware runs before the kernel.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes of memory in one request; the stub's packets have 4096 letters.
const PIECE: usize = 1024;

/// A conversation with a stopped machine.
pub struct Stub(TcpStream);

impl Stub {
    /// Connects to the stub at `port` of a QEMU that may just be starting.
    pub fn connect(port: u16) -> Result<Stub, String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(PATIENCE)).map_err(|error| error.to_string())?;
                    stream.set_nodelay(true).map_err(|error| error.to_string())?;
                    return Ok(Stub(stream));
                }
                Err(error) if Instant::now() > deadline => return Err(error.to_string()),
                Err(_) => thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// Lets the machine run until it is about to execute the instruction at `address`.
    pub fn run_to(&mut self, address: u64) -> Result<(), String> {
        self.expect(&format!("Z1,{address:x},1"), "OK")?;
        let stop = self.ask("c")?;
        if !stop.starts_with("T05") {
            return Err(format!("stopped by '{stop}'"));
        }
        self.expect(&format!("z1,{address:x},1"), "OK")
    }

    /// The register `rbx`.
    pub fn rbx(&mut self) -> Result<u64, String> {
        let registers = bytes(&self.ask("g")?)?;
        let rbx = registers.get(8..16).ok_or("too few registers")?;
        Ok(rbx.iter().rev().fold(0, |n, &byte| n << 8 | u64::from(byte)))
    }

    /// `len` bytes of memory.
    pub fn read(&mut self, at: u64, len: usize) -> Result<Vec<u8>, String> {
        let mut all = Vec::new();
        while all.len() < len {
            let n = (len - all.len()).min(PIECE);
            let piece = bytes(&self.ask(&format!("m{:x},{n:x}", at + all.len() as u64))?)?;
            if piece.len() != n {
                return Err(format!("no memory at {at:#x}"));
            }
            all.extend(piece);
        }
        Ok(all)
    }

    /// Changes memory.
    pub fn write(&mut self, at: u64, what: &[u8]) -> Result<(), String> {
        for (n, piece) in what.chunks(PIECE).enumerate() {
            let mut packet = format!("M{:x},{:x}:", at + (n * PIECE) as u64, piece.len());
            piece.iter().for_each(|byte| write!(packet, "{byte:02x}").expect("a string takes everything"));
            self.expect(&packet, "OK")?;
        }
        Ok(())
    }

    /// Lets the machine run on without us.
    pub fn detach(mut self) -> Result<(), String> {
        self.expect("D", "OK")
    }

    fn expect(&mut self, packet: &str, answer: &str) -> Result<(), String> {
        let got = self.ask(packet)?;
        if got == answer { Ok(()) } else { Err(format!("'{packet}' is answered by '{got}'")) }
    }

    /// Sends a packet, `$…#` and the sum of its letters, and returns the answer's content.
    fn ask(&mut self, packet: &str) -> Result<String, String> {
        let sum = packet.bytes().fold(0_u8, u8::wrapping_add);
        self.0.write_all(format!("${packet}#{sum:02x}").as_bytes()).map_err(|error| error.to_string())?;
        let mut byte = [0];
        let mut next = |stream: &mut TcpStream| match stream.read_exact(&mut byte) {
            Ok(()) => Ok(byte[0]),
            Err(error) => Err(format!("no answer to '{packet}': {error}")),
        };
        while next(&mut self.0)? != b'$' {}
        let mut answer = String::new();
        loop {
            match next(&mut self.0)? {
                b'#' => break,
                letter => answer.push(letter.into()),
            }
        }
        // The sum: TCP does not lose letters.
        next(&mut self.0)?;
        next(&mut self.0)?;
        self.0.write_all(b"+").map_err(|error| error.to_string())?;
        Ok(answer)
    }
}

fn bytes(hex: &str) -> Result<Vec<u8>, String> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    hex.as_bytes().chunks(2).map(byte).collect::<Option<_>>().ok_or_else(|| format!("'{hex}' is no memory"))
}
