//! Channels (Go: `chan.go`).
//!
//! # Problem
//! Two goroutines meet and a value changes hands. The value must be moved once, the one that waited must become runnable exactly once,
//! waiters must be served in their order, and all of it in tens of instructions. Go source compiled by a Go compiler will call the same
//! channels, knowing elements only by address and size.
//!
//! # Rejected
//! A lock-free queue (crossbeam's): an unbuffered channel, `close` and above all a `select` that is decided by one of several channels
//! need a lock or a protocol that costs more than one. A generic core for each `T`: Go code could not call it. A buffer slot for an unbuffered
//! channel: two copies, and a sender that may go on before anybody has received.
//!
//! # Protocol
//! `Hchan` is the core: all of its fields belong to the holder of `lock`. [`Chan`] is the typed skin: it owns the elements, counts references
//! and gives the core addresses. A goroutine that must wait lays a `Sudog` on its own stack (stacks do not move, and stay while
//! their goroutine waits): no operation allocates.
//!
//! Invariants under the lock: `recvq` is empty unless the buffer is empty; `sendq` is empty unless the buffer is full; both are empty
//! once the channel is closed. (So for an unbuffered channel at most one of them is not empty, unless one `select` both sends and receives there.)
//!
//! Send, receive in mirror image:
//! 1. Take the lock. If closed: give it up and panic.
//! 2. A receiver waits: take its sudog off the queue, copy the element *to the address in the sudog*, on the receiver's stack. Set `success`, give
//!    up the lock, ready the receiver.
//! 3. Else, room in the buffer: copy the element there, give up the lock.
//! 4. Else put a sudog with the element's address on `sendq` and park; the lock is given up on g0, after the registers
//!    are saved. Whoever takes the sudog off has taken the element, or closed the channel and left `success` false.
//!
//! A receiver that finds the buffer full and a sender waiting takes the *oldest* element, at the head, and moves the sender's into the slot
//! that this frees, which is the tail's: order is kept and the sender goes on.
//!
//! A waiter that belongs to a `select` must be won before it is served (`select.rs`).
//!
//! What was written before a send is seen after the receive: the lock's *release* and *acquire* where both take it; where a waiter
//! is served, its write to the status of the G in `goready` (*release*) and the M's read when it runs it (*acquire*).
//!
//! # Looking without the lock
//! `try_send` and `try_recv` fail without taking the lock if the channel was not ready *at one moment*. Send: see that it is not closed,
//! then that it is full (a channel never reopens; if it is closed between the two looks, it was open and full at the first).
//! Receive: see that it is empty, then that it is not closed (so it was open and empty at the first look); if it is closed by then, look
//! for elements once more, since one may have come before the close. Hence the loads are *acquire*: in this order.

#[doc(hidden)]
pub(crate) mod arms;
mod cases;
mod channel;
mod ends;
mod hchan;
mod recv;
mod select;
mod sellock;
mod send;
#[cfg(all(feature = "kernel-tests", not(test)))]
mod tests;
pub(crate) mod timer_chan;
mod under_lock;
mod waitq;

pub use cases::{RecvCase, SelectCase, SendCase, select, try_select};
use channel::send_on_closed;
pub use channel::{Chan, IntoIter, Iter, TryRecvError, TrySendError, make};
pub use ends::{Receiver, Sender};
pub(crate) use hchan::close;
pub(crate) use hchan::{Hchan, Told, closechan};
pub(crate) use recv::chanrecv_clearing;
pub(crate) use recv::{Received, chanrecv};
pub(crate) use recv::{recv_unbuffered, recv_word};
pub use select::{MAX_CASES, block};
pub(crate) use select::{Scase, Selected, selectgo};
pub(crate) use send::{Sent, chansend};
pub(crate) use send::{send_unbuffered, send_word};
pub(crate) use timer_chan::TimerChan;
pub(crate) use waitq::Sudog;

use core::sync::atomic;
