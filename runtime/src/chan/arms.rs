//! What `select!` is made of: room for the elements of its arms, and the call of [`selectgo`]. Safe to call, though only macros do.
//!
//! An arm's element lies in a slot on the goroutine's stack, which knows whether the element is in it: a send's value until it has been moved
//! to a receiver, a receive's from when it has been moved here. The core knows addresses only; [`select`] tells the slot of the chosen arm.

use super::select::{MAX_CASES, Scase, Selected, selectgo};
use super::waitq::Sudog;
use super::{Chan, Hchan, TryRecvError, send_on_closed};
use core::marker::PhantomData;
use core::mem::{MaybeUninit, needs_drop};

/// The value of a send arm, dropped with it unless it was sent.
pub struct SendSlot<'a, T> {
    c: *const Hchan,
    value: MaybeUninit<T>,
    /// The value is here.
    full: bool,
    of: PhantomData<&'a Chan<T>>,
}

/// Room for what a receive arm receives. An element that is not taken out is never dropped.
pub struct RecvSlot<T> {
    value: MaybeUninit<T>,
    /// An element is here.
    full: bool,
}

/// A send, ready to be chosen.
pub struct SendArm<'a> {
    pub(super) case: Scase,
    full: &'a mut bool,
}

/// A receive, ready to be chosen.
pub struct RecvArm<'a> {
    pub(super) case: Scase,
    full: &'a mut bool,
}

impl<'a, T> SendSlot<'a, T> {
    #[inline(always)]
    pub(super) fn new(c: &'a Chan<T>, value: T) -> Self {
        SendSlot { c: c.core(), value: MaybeUninit::new(value), full: true, of: PhantomData }
    }

    /// The arm that sends the value; once it is sent, one that is never ready.
    #[inline(always)]
    pub fn arm(&mut self) -> SendArm<'_> {
        let c = if self.full { self.c } else { core::ptr::null() };
        SendArm { case: Scase { c, elem: self.value.as_mut_ptr().cast() }, full: &mut self.full }
    }

    /// The value is here no more: it was sent, or is leaked.
    pub(super) fn forget(&mut self) {
        self.full = false;
    }

    /// Takes the value out that was not sent.
    pub(super) fn take(&mut self) -> Option<T> {
        // SAFETY: the value is here, and is taken once.
        core::mem::replace(&mut self.full, false).then(|| unsafe { self.value.assume_init_read() })
    }

    /// Puts another value in place of the one that is here.
    pub(super) fn put(&mut self, value: T) {
        drop(self.take());
        self.value.write(value);
        self.full = true;
    }
}

impl<T> Drop for SendSlot<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        if needs_drop::<T>() && self.full {
            // SAFETY: the value is here, and is dropped once.
            unsafe { self.value.assume_init_drop() };
        }
    }
}

impl<T> RecvSlot<T> {
    /// Empty room.
    #[inline(always)]
    #[expect(clippy::new_without_default, reason = "it is for the macro, which writes `new`")]
    pub const fn new() -> Self {
        RecvSlot { value: MaybeUninit::uninit(), full: false }
    }

    /// The arm that receives from `c` to here. There must not be an element here: it would be forgotten.
    #[inline(always)]
    pub(super) fn arm<'a>(&'a mut self, c: &'a Chan<T>) -> RecvArm<'a> {
        self.full = false;
        RecvArm { case: Scase { c: c.core(), elem: self.value.as_mut_ptr().cast() }, full: &mut self.full }
    }

    /// Says whether an element is here.
    ///
    /// # Safety
    /// It says so truly, and not of one that was taken out before.
    pub(super) unsafe fn set_full(&mut self, full: bool) {
        self.full = full;
    }

    /// Takes the element out; `None` if none was received.
    #[inline(always)]
    pub fn take(&mut self) -> Option<T> {
        // SAFETY: an element is here, and is taken once.
        core::mem::replace(&mut self.full, false).then(|| unsafe { self.value.assume_init_read() })
    }
}

/// `S` and then `R` of a kind: the arms of a select, in the order of [`selectgo`].
#[repr(C)]
struct Both<T, const S: usize, const R: usize>([T; S], [T; R]);

/// Waits until one of the arms can be served, and serves it; returns its index, sends before receives. Without `block` it does not wait:
/// `Selected::NONE` says that none could.
///
/// # Panics
/// If the chosen arm is a send on a closed channel.
#[inline(always)]
pub fn select<const S: usize, const R: usize>(
    sends: [SendArm<'_>; S],
    recvs: [RecvArm<'_>; R],
    block: bool,
) -> usize {
    const { assert!(S + R <= MAX_CASES) };
    let cases = Both(sends.each_ref().map(|arm| arm.case), recvs.each_ref().map(|arm| arm.case));
    let mut order = MaybeUninit::<Both<[u16; 2], S, R>>::uninit();
    let mut sudogs = MaybeUninit::<Both<Sudog, S, R>>::uninit();
    // SAFETY: the arrays are as long as wanted: `Both` is `S + R` elements. The arms borrow the channels and the slots.
    let chosen = unsafe {
        let (order, sudogs) = (order.as_mut_ptr().cast(), sudogs.as_mut_ptr().cast());
        selectgo((&raw const cases).cast(), order, sudogs, S, R, block)
    };
    let Selected { index, moved } = chosen;
    if index < S {
        if !moved {
            send_on_closed(());
        }
        *sends[index].full = false;
    } else if index < S + R {
        *recvs[index - S].full = moved;
    }
    index
}

/// What the single receive of a select with a default arm got; `None` if nothing is there.
#[inline(always)]
pub fn ready<T>(received: Result<T, TryRecvError>) -> Option<Option<T>> {
    match received {
        Ok(v) => Some(Some(v)),
        Err(TryRecvError::Closed) => Some(None),
        Err(TryRecvError::Empty) => None,
    }
}
