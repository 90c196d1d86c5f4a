//! Standard input: read when somebody waits for it, kept until it is taken.

use runtime::machine::Input;
use std::io::{ErrorKind, Read};
use std::sync::{Mutex, PoisonError};

/// What one read of the host's took in.
const PIECE: usize = 4096;

/// What has been read and not yet been taken; empty at the end of input.
static UNREAD: Mutex<Option<Vec<u8>>> = Mutex::new(None);

/// Takes what there is.
pub fn read(buf: &mut [u8]) -> Input {
    let mut unread = UNREAD.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(bytes) = unread.as_mut() else { return Input::Later };
    if bytes.is_empty() {
        return Input::End;
    }
    let n = bytes.len().min(buf.len());
    buf[..n].copy_from_slice(&bytes[..n]);
    bytes.drain(..n);
    if bytes.is_empty() {
        *unread = None;
    }
    Input::Bytes(n)
}

/// Waits until there is something, or the end.
pub fn wait() {
    let mut unread = UNREAD.lock().unwrap_or_else(PoisonError::into_inner);
    while unread.is_none() {
        let mut piece = vec![0; PIECE];
        *unread = match std::io::stdin().lock().read(&mut piece) {
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            // A console that cannot be read has nothing more to say.
            read => {
                piece.truncate(read.unwrap_or(0));
                Some(piece)
            }
        };
    }
}
