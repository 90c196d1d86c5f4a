//! Whether addresses are drawn anew at each boot, which must be known before any address is used.
//!
//! # The problem
//! `GODEBUG=kaslr=0` may stand on the command line or among the program's words, of which there are up to a mebibyte. The command line's parser
//! wants a heap, a heap wants frames, and frames are seen through the direct map, whose place is one of those that are drawn.
//!
//! # The protocol
//! 1. All parts are read once more, before the parser reads them, word by word through one buffer:
//!    no heap, no pointer that stays anywhere.
//! 2. `-nokaslr` turns drawing off for good: the runner passes it with `-gdb` and `-icount`.
//! 3. Else `kaslr=0` or `kaslr=1` in the last `GODEBUG` decides. Without either, addresses are drawn unless `schedseed` asks for a run that repeats.
//! 4. Reading ends at the program's name; what follows are its arguments.
//!
//! What is wrong with the words is not said here. The parser refuses it soon enough, whatever was decided.
//!
//! # Rejected
//! A fw_cfg file for this alone: `-append` and machines without fw_cfg would need a second way to say the same.

use super::cmdline::{LINE_FILE, WORDS_FILE, read_word};
use super::{MAX_CMDLINE, payload};
use crate::device::fw_cfg;
use crate::image;
use runtime::machine::godebug;

/// The option that turns drawing off.
pub const OFF: &[u8] = b"-nokaslr";

/// Bytes of a word that are looked at: those that the command line can have.
const LONGEST: usize = MAX_CMDLINE;

/// Reads what was asked for. To be called once, on the boot core; `line` is the boot protocol's command line.
pub fn init(line: Option<&[u8]>) {
    let mut words = Words::new();
    words.pieces(payload::words());
    // What the machine is told counts more than what was written into the image.
    words.at_program = false;
    match line {
        Some(line) => words.line(line),
        None => {
            let mut line = [0; MAX_CMDLINE];
            let length = fw_cfg::File::open(LINE_FILE).map_or(0, |mut file| file.read(&mut line));
            words.line(&line[..length]);
        }
    }
    if let Some(mut file) = fw_cfg::File::open(WORDS_FILE) {
        let mut piece = [0; 256];
        while !words.at_program {
            match file.read(&mut piece) {
                0 => break,
                n => words.pieces(&piece[..n]),
            }
        }
    }
    image::set_drawn(words.drawn());
}

/// What is known of the words so far.
struct Words {
    /// The word that is being read.
    word: [u8; LONGEST],
    length: usize,
    at_program: bool,
    off: bool,
    kaslr: Option<u32>,
    schedseed: Option<u32>,
}

impl Words {
    const fn new() -> Words {
        let word = [0; LONGEST];
        Words { word, length: 0, at_program: false, off: false, kaslr: None, schedseed: None }
    }

    fn letter(&mut self, byte: u8) {
        if let Some(place) = self.word.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
    }

    fn end_word(&mut self) {
        let word = &self.word[..core::mem::take(&mut self.length)];
        if word == OFF {
            self.off = true;
        } else if let Some(list) = word.strip_prefix(b"GODEBUG=") {
            (self.kaslr, self.schedseed) =
                (godebug::last(list, &godebug::KASLR), godebug::last(list, &godebug::SCHEDSEED));
        } else {
            self.at_program = word == b"--" || !word.starts_with(b"-") && !word.contains(&b'=');
        }
    }

    /// Words between blanks, as on a command line.
    fn line(&mut self, mut line: &[u8]) {
        while !self.at_program
            && let Ok(Some(rest)) = read_word(line, |byte| self.letter(byte))
        {
            self.end_word();
            line = rest;
        }
    }

    /// Words with a NUL behind each, or a piece of them.
    fn pieces(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if self.at_program {
                return;
            }
            if byte == 0 { self.end_word() } else { self.letter(byte) }
        }
    }

    fn drawn(&self) -> bool {
        let asked = self.kaslr.map(|value| value != 0);
        !self.off && asked.unwrap_or(self.schedseed.is_none_or(|seed| seed == 0))
    }
}

#[cfg(feature = "kernel-tests")]
mod tests {
    use super::Words;

    /// Whether addresses are drawn after these words, which come in pieces of one byte.
    fn drawn(line: &str, words: &[u8]) -> bool {
        let mut read = Words::new();
        read.line(line.as_bytes());
        words.chunks(1).for_each(|piece| read.pieces(piece));
        read.drawn()
    }

    #[runtime::kernel_test]
    fn words_that_turn_it_off() {
        for (line, words) in [
            ("-v -nokaslr GODEBUG=kaslr=1", &b"hello\0"[..]),
            ("-v GODEBUG=kaslr=0 hello", b""),
            ("-v", b"A=1\0GODEBUG=schedtrace=1,kaslr=0\0hello\0"),
            ("GODEBUG=kaslr=1", b"GODEBUG=kaslr=0\0hello\0"),
            ("", b"GODEBUG=kaslr=1,kaslr=0\0hello\0"),
            ("", b"GODEBUG=schedseed=7\0hello\0"),
            (r#"GODEBUG="kaslr=0,""#, b""),
        ] {
            assert!(!drawn(line, words), "{line} {words:?}");
        }
    }

    #[runtime::kernel_test]
    fn words_that_do_not() {
        for (line, words) in [
            ("", &b""[..]),
            ("-v console=ttyS2", b"A=kaslr=0\0hello\0"),
            ("hello GODEBUG=kaslr=0 -nokaslr", b"-nokaslr\0"),
            ("", b"hello\0GODEBUG=kaslr=0\0-nokaslr\0"),
            ("", b"\0GODEBUG=kaslr=0\0"),
            ("GODEBUG=kaslr=0", b"GODEBUG=schedtrace=1\0hello\0"),
            ("", b"GODEBUG=schedseed=7,kaslr=1\0hello\0"),
            ("", b"GODEBUG=schedseed=0\0hello\0"),
            ("-- GODEBUG=kaslr=0 -nokaslr", b""),
            ("", b"XGODEBUG=kaslr=0\0hello\0"),
        ] {
            assert!(drawn(line, words), "{line} {words:?}");
        }
    }

    /// A word that is longer than the buffer does no harm, and the next one counts.
    #[runtime::kernel_test]
    fn a_word_without_an_end() {
        let mut read = Words::new();
        read.pieces(b"A=");
        (0..1000).for_each(|_| read.pieces(b"kaslr=0,GODEBUG=kaslr=0,"));
        assert!(read.drawn());
        read.pieces(b"\0GODEBUG=kaslr=0\0hello\0");
        assert!(!read.drawn());
    }
}
