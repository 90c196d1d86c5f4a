//! Pipes of Go code, which `testing` reads an example's output by (Linux: `pipe2`).
//!
//! A pipe is 64 KiB of bytes, with readers that wait while there is none and writers that wait while there is no room. Its ends are descriptors above the
//! console's, the lowest number that is free first. An end is closed for good once its number is and nobody is in a call with it.

use crate::sync::{Cond, Mutex};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// As Linux's.
const CAPACITY: usize = 64 << 10;

/// The first number that is not the console's.
const FIRST: usize = 3;

/// Open ends by number.
static OPEN: Mutex<Vec<Option<Arc<End>>>> = Mutex::new(Vec::new());

/// What keeps a call from being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Error {
    /// The number is not that of such an end.
    NotOpen,
    /// Nobody can read any more.
    NoReader,
}

/// Which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Bytes come out.
    Read,
    /// Bytes go in.
    Write,
}

struct End {
    side: Side,
    pipe: Arc<Pipe>,
}

impl Drop for End {
    fn drop(&mut self) {
        let mut state = self.pipe.state.lock();
        match self.side {
            Side::Read => state.read_ends -= 1,
            Side::Write => state.write_ends -= 1,
        }
        drop(state);
        self.pipe.changed.broadcast();
    }
}

struct Pipe {
    state: Mutex<State>,
    changed: Cond,
}

struct State {
    bytes: VecDeque<u8>,
    read_ends: usize,
    write_ends: usize,
}

/// Makes a pipe: the numbers of its end to read from, and of that to write to.
pub(super) fn make() -> (usize, usize) {
    let state = State { bytes: VecDeque::new(), read_ends: 1, write_ends: 1 };
    let pipe = Arc::new(Pipe { state: Mutex::new(state), changed: Cond::new() });
    (open(End { side: Side::Read, pipe: pipe.clone() }), open(End { side: Side::Write, pipe }))
}

fn open(end: End) -> usize {
    let mut open = OPEN.lock();
    let at = open.iter().position(Option::is_none).unwrap_or(open.len());
    if at == open.len() {
        open.push(None);
    }
    open[at] = Some(Arc::new(end));
    FIRST + at
}

fn end(fd: usize) -> Result<Arc<End>, Error> {
    let open = OPEN.lock();
    fd.checked_sub(FIRST).and_then(|at| open.get(at)?.clone()).ok_or(Error::NotOpen)
}

/// Which end a number is.
pub(super) fn side(fd: usize) -> Result<Side, Error> {
    end(fd).map(|end| end.side)
}

/// Closes an end.
pub(super) fn close(fd: usize) -> Result<(), Error> {
    let mut open = OPEN.lock();
    let end = fd.checked_sub(FIRST).and_then(|at| open.get_mut(at)?.take());
    drop(open);
    // The end itself goes without the table's lock.
    end.map(drop).ok_or(Error::NotOpen)
}

/// Waits for bytes and takes what there is; 0 once nobody can write any more. `to` is not empty.
pub(super) fn read(fd: usize, to: &mut [u8]) -> Result<usize, Error> {
    let end = end(fd)?;
    if end.side != Side::Read {
        return Err(Error::NotOpen);
    }
    let mut state = end.pipe.state.lock();
    while state.bytes.is_empty() {
        if state.write_ends == 0 {
            return Ok(0);
        }
        end.pipe.changed.wait(&mut state);
    }
    let n = to.len().min(state.bytes.len());
    for (to, byte) in to.iter_mut().zip(state.bytes.drain(..n)) {
        *to = byte;
    }
    drop(state);
    end.pipe.changed.broadcast();
    Ok(n)
}

/// Puts all of `from` in, waiting for room; returns how much that was, which is less if the last reader went meanwhile.
pub(super) fn write(fd: usize, from: &[u8]) -> Result<usize, Error> {
    let end = end(fd)?;
    if end.side != Side::Write {
        return Err(Error::NotOpen);
    }
    let mut written = 0;
    let mut state = end.pipe.state.lock();
    while written < from.len() {
        if state.read_ends == 0 {
            return if written == 0 { Err(Error::NoReader) } else { Ok(written) };
        }
        let room = CAPACITY - state.bytes.len();
        if room == 0 {
            end.pipe.changed.wait(&mut state);
            continue;
        }
        let upto = from.len().min(written + room);
        state.bytes.extend(&from[written..upto]);
        written = upto;
        end.pipe.changed.broadcast();
    }
    Ok(written)
}

#[cfg(all(feature = "kernel-tests", not(test)))]
mod tests {
    use super::*;
    use crate::kernel_test;
    use alloc::vec;

    /// An end that is not counted out leaves the other waiting for ever; one that is counted out twice ends it too early.
    #[kernel_test]
    fn what_goes_in_comes_out_until_the_last_writer_is_gone() {
        let (r, w) = make();
        assert_eq!((side(r), side(w)), (Ok(Side::Read), Ok(Side::Write)));
        assert_eq!(write(w, b"abcdef"), Ok(6));
        let mut room = [0; 4];
        assert_eq!((read(r, &mut room), &room), (Ok(4), b"abcd"));
        assert_eq!(close(w), Ok(()));
        assert_eq!((read(r, &mut room), &room[..2]), (Ok(2), &b"ef"[..]));
        assert_eq!(read(r, &mut room), Ok(0), "the end");
        assert_eq!(close(r), Ok(()));
        for refused in [close(r), read(r, &mut room).map(drop), side(w).map(drop), side(0).map(drop)] {
            assert_eq!(refused, Err(Error::NotOpen));
        }
        let (r, w) = make();
        assert_eq!(read(w, &mut room), Err(Error::NotOpen), "the wrong end");
        assert_eq!(write(r, b"x"), Err(Error::NotOpen), "the wrong end");
        assert_eq!(close(r), Ok(()));
        assert_eq!(write(w, b"x"), Err(Error::NoReader));
        assert_eq!(close(w), Ok(()));
    }

    /// Whoever waits for room or for bytes and is not told waits for ever.
    #[kernel_test]
    fn writers_wait_for_room_and_readers_for_bytes() {
        let (r, w) = make();
        let text: Vec<u8> = (0..3 * CAPACITY + 17).map(|i| (i % 251) as u8).collect();
        let sent = text.clone();
        crate::go(move || {
            assert_eq!(write(w, &sent), Ok(sent.len()));
            assert_eq!(close(w), Ok(()));
        });
        let (mut got, mut room) = (Vec::new(), vec![0; 4099]);
        loop {
            match read(r, &mut room) {
                Ok(0) => break,
                n => got.extend_from_slice(&room[..n.expect("it is the end to read from")]),
            }
        }
        assert!(got == text, "{} bytes of {}, or others", got.len(), text.len());
        assert_eq!(close(r), Ok(()));
    }
}
