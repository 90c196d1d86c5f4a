//! `GODEBUG`: a list of `word=value` separated by commas (Go: `runtime1.go`, `parsedebugvars`).
//!
//! Unlike Go's, a word that is not known or a value that is not understood is an error: a typing
//! mistake would look like a switch without effect. A Go program knows words of its own, and so
//! does its library: with one, unknown words are left to it.

use crate::env::{self, Escaped};
use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};

macro_rules! words {
    ($($(#[$doc:meta])* $static:ident = $word:literal, $max:expr;)*) => {
        $($(#[$doc])* pub static $static: Setting = Setting { word: $word, max: $max, value: AtomicU32::new(0) };)*
        static WORDS: &[&Setting] = &[$(&$static),*];
    };
}

/// A word of `GODEBUG` and its value, 0 unless given.
pub struct Setting {
    word: &'static str,
    max: u32,
    value: AtomicU32,
}

impl Setting {
    /// The value.
    #[inline]
    pub fn get(&self) -> u32 {
        self.value.load(Ordering::Relaxed)
    }

    /// Whether it is on.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.get() != 0
    }
}

words! {
    /// Every so many milliseconds a line about the scheduler (`proc/schedtrace.rs`).
    SCHEDTRACE = "schedtrace", u32::MAX;
    /// With `schedtrace`: also a line for each P, M and G.
    SCHEDDETAIL = "scheddetail", 1;
    /// How many milliseconds a goroutine runs while others wait; 10 unless given (`proc/preempt.rs`).
    TIMESLICE = "timeslice", 10_000;
    /// What the scheduler's choices are drawn from (`proc/schedseed.rs`).
    SCHEDSEED = "schedseed", u32::MAX;
    /// Measures how long goroutines cannot be preempted (`proc/preemptstats.rs`).
    PREEMPTSTATS = "preemptstats", 1;
    /// The heap checks itself (`heap`).
    MALLOCDEBUG = "mallocdebug", 1;
    /// The machine's own: whether addresses are drawn at boot, which it reads before this is (`kernel/src/loader/kaslr.rs`).
    KASLR = "kaslr", 1;
    /// Fills free memory of the collected heap, and looks at it when it is allocated (`gc/sweep.rs`).
    CLOBBERFREE = "clobberfree", 1;
    /// Checks the collected heap in each cycle (`gc/verify.rs`).
    GCVERIFY = "gcverify", 1;
    /// Collects whenever so many KiB were allocated (`gc/pacer.rs`).
    GCSTRESS = "gcstress", 1 << 20;
    /// A line for each cycle (`gc/port.rs`).
    GCTRACE = "gctrace", 1;
    /// The machine's own: the core that comes late (`kernel/src/cpu/smp.rs`).
    SMPLATE = "smplate", u32::MAX;
}

/// What is wrong with a `GODEBUG`.
#[derive(Debug, PartialEq, Eq)]
pub enum Error<'a> {
    /// Not UTF-8.
    NotText(&'a [u8]),
    /// Not of the form `word=value`.
    NoValue(&'a str),
    /// No such word.
    UnknownWord(&'a str),
    /// Not a number, or too large.
    BadValue(&'a str, u32),
}

impl fmt::Display for Error<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GODEBUG: ")?;
        match self {
            Error::NotText(list) => write!(f, "not UTF-8: \"{}\"", Escaped(list)),
            Error::NoValue(item) => write!(f, "{item:?} is not of the form word=value"),
            Error::UnknownWord(word) => {
                write!(f, "no word {word:?}; there are")?;
                WORDS.iter().try_for_each(|w| write!(f, " {}", w.word))
            }
            Error::BadValue(item, max) => write!(f, "{item}: expected a number from 0 to {max}"),
        }
    }
}

/// Whose words a `GODEBUG` may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// Those here.
    Own,
    /// Others, too, with any value or none: a Go program reads them.
    AlsoGos,
}

/// Reads the environment's `GODEBUG`. Later words override earlier ones. To be called once, by the port, before anything asks for a setting.
///
/// # Errors
/// The first word that cannot be obeyed.
pub fn init(words: Words) -> Result<(), Error<'static>> {
    match env::var_bytes("GODEBUG") {
        None => Ok(()),
        Some(list) => parse(core::str::from_utf8(list).map_err(|_| Error::NotText(list))?, words),
    }
}

/// What `list` says of `setting` last, if it says anything that can be obeyed: for a machine that must know before [`init`].
pub fn last(list: &[u8], setting: &Setting) -> Option<u32> {
    let value = |item: &str| item.strip_prefix(setting.word)?.strip_prefix('=')?.parse().ok();
    let items = core::str::from_utf8(list).ok()?.rsplit(',');
    items.filter_map(value).find(|&n| n <= setting.max)
}

fn parse(list: &str, words: Words) -> Result<(), Error<'_>> {
    list.split(',').filter(|item| !item.is_empty()).try_for_each(|item| {
        let known = |word| WORDS.iter().find(|w| w.word == word);
        if words == Words::AlsoGos && known(item.split('=').next().unwrap_or(item)).is_none() {
            return Ok(());
        }
        let (word, value) = item.split_once('=').ok_or(Error::NoValue(item))?;
        let setting = known(word).ok_or(Error::UnknownWord(word))?;
        let number = value.parse().ok().filter(|n| *n <= setting.max);
        setting.value.store(number.ok_or(Error::BadValue(item, setting.max))?, Ordering::Relaxed);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_that_can_be_obeyed() {
        assert_eq!(last(b"kaslr=1,schedseed=3,,kaslr=0,kaslr=2,kaslr=x,kaslr", &KASLR), Some(0));
        assert_eq!(last(b"schedseed=3,xkaslr=0,kaslrs=0", &KASLR), None);
        assert_eq!(last(b"kaslr=0,\xff", &KASLR), None);
    }

    #[test]
    fn words_are_set_and_mistakes_named() {
        assert_eq!(parse("schedtrace=1000,scheddetail=1,,mallocdebug=0", Words::Own), Ok(()));
        assert_eq!((SCHEDTRACE.get(), SCHEDDETAIL.is_on(), MALLOCDEBUG.is_on()), (1000, true, false));
        assert_eq!(parse("schedtrace", Words::Own), Err(Error::NoValue("schedtrace")));
        assert_eq!(parse("scheddetail=1,shedtrace=1", Words::Own), Err(Error::UnknownWord("shedtrace")));
        assert_eq!(parse("scheddetail=2", Words::Own), Err(Error::BadValue("scheddetail=2", 1)));
        assert_eq!(parse("schedtrace=-1", Words::Own), Err(Error::BadValue("schedtrace=-1", u32::MAX)));
    }

    #[test]
    fn words_that_a_go_program_knows_are_its_own() {
        assert_eq!(parse("panicnil=1,timeslice=7,x,y=z=,=", Words::AlsoGos), Ok(()));
        assert_eq!(TIMESLICE.get(), 7);
        assert_eq!(parse("gctrace", Words::AlsoGos), Err(Error::NoValue("gctrace")));
        assert_eq!(parse("gctrace=2", Words::AlsoGos), Err(Error::BadValue("gctrace=2", 1)));
    }
}
