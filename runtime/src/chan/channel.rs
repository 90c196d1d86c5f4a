//! The typed skin: ownership of elements, reference counts, and errors as values.

use super::arms::{RecvArm, RecvSlot, SendSlot};
use super::timer_chan;
use super::{Hchan, Received, Receiver, Sender, Sent, chanrecv, chansend, closechan};
use alloc::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use core::cell::UnsafeCell;
use core::fmt;
use core::marker::PhantomData;
use core::mem::{ManuallyDrop, MaybeUninit};
use core::ptr::{null, null_mut};
use core::sync::atomic::{AtomicUsize, Ordering, fence};

/// A channel of `T`: a handle that is cheap to clone, like Go's `chan T`.
///
/// Elements are moved through it. It must be closed explicitly (or never): that handles go away does not wake anybody. When the last handle
/// goes, elements that nobody received are dropped. [`Chan::default`] is the nil channel, which is never ready.
///
/// Only a channel of what may go to another goroutine may go there itself:
///
/// ```compile_fail,E0277
/// fn goes<T: Send>(_: T) {}
/// goes(runtime::chan::make::<std::rc::Rc<u8>>(0));
/// ```
///
/// A channel of long-lived references is not one of shorter-lived ones, which could then be received as the former:
///
/// ```compile_fail
/// fn shorten<'a>(c: runtime::chan::Chan<&'static str>) -> runtime::chan::Chan<&'a str> {
///     c
/// }
/// ```
pub struct Chan<T> {
    shared: *const Shared,
    // Owns `T`s, and is invariant: were a `Chan<&'static str>` also a `Chan<&'a str>`, a short-lived string could be sent through one
    // handle and received as a static one through another.
    elements: PhantomData<UnsafeCell<T>>,
}

/// What the handles share; the buffer follows it in the same allocation.
#[repr(C)]
pub(super) struct Shared {
    pub(super) hchan: Hchan,
    pub(super) refs: AtomicUsize,
}

impl Shared {
    /// A channel without a buffer, with one handle.
    pub(super) fn unbuffered<T>() -> Shared {
        // SAFETY: there are no elements.
        let hchan = unsafe { Hchan::new(0, null_mut(), size_of::<T>()) };
        Shared { hchan, refs: AtomicUsize::new(1) }
    }
}

// SAFETY: the channel moves a `T` from one goroutine to another and never lets two see the same one; its own fields are under its lock.
unsafe impl<T: Send> Send for Chan<T> {}
// SAFETY: as above: a shared handle can do no more than a cloned one.
unsafe impl<T: Send> Sync for Chan<T> {}

/// Why [`Chan::try_send`] did not send; the element comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TrySendError<T>(pub T);

impl<T> fmt::Debug for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TrySendError(..)")
    }
}

impl<T> fmt::Display for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody is ready to receive and the buffer is full")
    }
}

impl<T> core::error::Error for TrySendError<T> {}

/// Why [`Chan::try_recv`] has no element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// Nothing is there now.
    Empty,
    /// The channel is closed and drained.
    Closed,
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TryRecvError::Empty => "nobody is ready to send and the buffer is empty",
            TryRecvError::Closed => "the channel is closed and drained",
        })
    }
}

impl core::error::Error for TryRecvError {}

/// Makes a channel whose buffer holds `cap` elements; with 0, sender and receiver meet (Go: `make(chan T, cap)`).
///
/// # Panics
/// If `cap` elements are more than an allocation can hold.
pub fn make<T>(cap: usize) -> Chan<T> {
    let Some((layout, at)) = Chan::<T>::layout(cap) else { panic!("makechan: size out of range") };
    // SAFETY: the layout is not empty, it holds at least `Shared`.
    let shared = unsafe { alloc(layout) }.cast::<Shared>();
    if shared.is_null() {
        handle_alloc_error(layout);
    }
    // SAFETY: the allocation has room for a `Shared` and, at `at`, for `cap` elements.
    unsafe {
        let hchan = Hchan::new(cap, shared.cast::<u8>().add(at), size_of::<T>());
        shared.write(Shared { hchan, refs: AtomicUsize::new(1) });
    }
    Chan { shared, elements: PhantomData }
}

impl<T> Chan<T> {
    /// The nil channel: send and receive wait for ever, close panics.
    pub const fn nil() -> Chan<T> {
        Chan { shared: null(), elements: PhantomData }
    }

    /// Whether this is the nil channel.
    #[inline]
    pub fn is_nil(&self) -> bool {
        self.shared.is_null()
    }

    /// Whether this is the only handle, in any form.
    pub(crate) fn is_unique(&self) -> bool {
        !self.is_nil() && self.shared().refs.load(Ordering::Acquire) == 1
    }

    /// The handle that one of the references counted in `shared` stands for.
    ///
    /// # Safety
    /// `shared` is a channel of `T`, and the reference is the caller's.
    pub(super) unsafe fn from_shared(shared: *const Shared) -> Chan<T> {
        Chan { shared, elements: PhantomData }
    }

    /// What the handles share. Not of the nil channel.
    pub(super) fn shared(&self) -> &Shared {
        // SAFETY: a handle that is not nil keeps the channel alive.
        unsafe { &*self.shared }
    }

    fn layout(cap: usize) -> Option<(Layout, usize)> {
        Layout::new::<Shared>().extend(Layout::array::<T>(cap).ok()?).ok()
    }

    #[inline(always)]
    pub(super) fn core(&self) -> *const Hchan {
        // `hchan` is the first field.
        self.shared.cast()
    }

    pub(super) fn hchan(&self) -> Option<&Hchan> {
        // SAFETY: a handle that is not nil keeps the channel alive.
        unsafe { self.core().as_ref() }
    }

    /// Sends `value`, waiting until a receiver or room in the buffer is there. On the nil channel it waits for ever.
    ///
    /// # Panics
    /// If the channel is closed, or is closed while this waits; `value` is dropped.
    #[inline(always)]
    pub fn send(&self, value: T) {
        let value = ManuallyDrop::new(value);
        // SAFETY: the handle keeps the channel alive; the value is given up if it was sent.
        let sent: Sent = unsafe { chansend(self.core(), (&raw const value).cast(), size_of::<T>(), true) };
        if sent != Sent::Done {
            send_on_closed(ManuallyDrop::into_inner(value));
        }
    }

    /// Sends `value` if that is possible at once, else gives it back (Go: `select` with `default`).
    ///
    /// # Panics
    /// If the channel is closed; `value` is dropped.
    #[inline(always)]
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        let value = ManuallyDrop::new(value);
        // SAFETY: the handle keeps the channel alive; the value is given up if it was sent.
        match unsafe { chansend::<Sent>(self.core(), (&raw const value).cast(), size_of::<T>(), false) } {
            Sent::Done => Ok(()),
            Sent::WouldBlock => Err(TrySendError(ManuallyDrop::into_inner(value))),
            Sent::Closed => send_on_closed(ManuallyDrop::into_inner(value)),
        }
    }

    /// Receives, waiting until there is something; `None` once the channel is closed and drained (Go: `v, ok := <-c`). On the
    /// nil channel it waits for ever.
    #[inline(always)]
    pub fn recv(&self) -> Option<T> {
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: the handle keeps the channel alive; `value` has room for an element.
        let received: Received =
            unsafe { chanrecv(self.core(), value.as_mut_ptr().cast(), size_of::<T>(), true) };
        match received {
            // SAFETY: an element was moved there.
            Received::Element => Some(unsafe { value.assume_init() }),
            _ => None,
        }
    }

    /// Receives if something is there (Go: `select` with `default`).
    ///
    /// # Errors
    /// [`TryRecvError::Empty`] if not, also on the nil channel; [`TryRecvError::Closed`] if there never will be.
    #[inline(always)]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: the handle keeps the channel alive; `value` has room for an element.
        match unsafe { chanrecv::<Received>(self.core(), value.as_mut_ptr().cast(), size_of::<T>(), false) } {
            // SAFETY: an element was moved there.
            Received::Element => Ok(unsafe { value.assume_init() }),
            Received::WouldBlock => Err(TryRecvError::Empty),
            Received::Closed => Err(TryRecvError::Closed),
        }
    }

    /// Says that nothing more will be sent: receivers get what is in the buffer and then `None`.
    ///
    /// # Panics
    /// If the channel is nil or closed already.
    pub fn close(&self) {
        // SAFETY: the handle keeps the channel alive.
        unsafe { closechan(self.core()) }
    }

    /// How many elements are in the buffer at some moment.
    pub fn len(&self) -> usize {
        self.hchan().map_or(0, Hchan::len)
    }

    /// Whether the buffer is empty at some moment.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many elements the buffer holds.
    pub fn cap(&self) -> usize {
        self.hchan().map_or(0, Hchan::cap)
    }

    /// Receives until the channel is closed and drained (Go: `for v := range c`).
    pub fn iter(&self) -> Iter<'_, T> {
        Iter(self)
    }

    /// A handle that can only send (Go: `chan<- T`).
    pub fn sender(&self) -> Sender<T> {
        self.clone().into()
    }

    /// A handle that can only receive (Go: `<-chan T`).
    pub fn receiver(&self) -> Receiver<T> {
        self.clone().into()
    }

    /// A send arm of `select!`.
    #[doc(hidden)]
    #[inline(always)]
    pub fn select_send(&self, value: T) -> SendSlot<'_, T> {
        SendSlot::new(self, value)
    }

    /// A receive arm of `select!`.
    #[doc(hidden)]
    #[inline(always)]
    pub fn select_recv<'a>(&'a self, slot: &'a mut RecvSlot<T>) -> RecvArm<'a> {
        slot.arm(self)
    }

    #[cold]
    #[inline(never)]
    fn free(&mut self) {
        let shared = self.shared.cast_mut();
        // SAFETY: this was the last handle: nobody waits (a waiter has a handle) and nobody looks. The elements in the buffer are the channel's,
        // each is dropped once; the layout is that of `make`.
        unsafe {
            let hchan = &mut (*shared).hchan;
            if !hchan.timer.is_null() {
                return timer_chan::abandon(hchan.timer);
            }
            let cap = hchan.cap();
            let free = FreeOnDrop(shared.cast(), Self::layout(cap));
            if core::mem::needs_drop::<T>() {
                let mut oldest = hchan.take_oldest();
                while !oldest.is_null() {
                    oldest.cast::<T>().drop_in_place();
                    oldest = hchan.take_oldest();
                }
            }
            drop(free);
        }
    }
}

/// Frees the channel also if an element's destructor panics.
struct FreeOnDrop(*mut u8, Option<(Layout, usize)>);

impl Drop for FreeOnDrop {
    fn drop(&mut self) {
        if let Some((layout, _)) = self.1 {
            // SAFETY: `make` allocated it with this layout, and the last handle is gone.
            unsafe { dealloc(self.0, layout) };
        }
    }
}

#[cold]
#[inline(never)]
pub(super) fn send_on_closed<T>(value: T) -> ! {
    drop(value);
    panic!("send on closed channel")
}

impl<T> Clone for Chan<T> {
    #[inline]
    fn clone(&self) -> Chan<T> {
        if !self.is_nil() {
            // Relaxed: whoever clones a handle has one, so the channel is not being freed.
            // SAFETY: the handle keeps the channel alive.
            unsafe { (*self.shared).refs.fetch_add(1, Ordering::Relaxed) };
        }
        Chan { shared: self.shared, elements: PhantomData }
    }
}

impl<T> Drop for Chan<T> {
    #[inline]
    fn drop(&mut self) {
        // Release: what was done through this handle comes before the freeing; the fence is the acquiring side.
        // SAFETY: the handle keeps the channel alive up to here.
        if !self.is_nil() && unsafe { (*self.shared).refs.fetch_sub(1, Ordering::Release) } == 1 {
            fence(Ordering::Acquire);
            self.free();
        }
    }
}

impl<T> Default for Chan<T> {
    fn default() -> Chan<T> {
        Chan::nil()
    }
}

/// Handles of one channel are equal, as are all nil channels.
impl<T> PartialEq for Chan<T> {
    fn eq(&self, other: &Chan<T>) -> bool {
        self.shared == other.shared
    }
}

impl<T> Eq for Chan<T> {}

impl<T> fmt::Debug for Chan<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.hchan() {
            None => f.write_str("Chan(nil)"),
            Some(c) => write!(f, "Chan({c:p}, {} of {})", c.len(), c.cap()),
        }
    }
}

/// See [`Chan::iter`].
pub struct Iter<'a, T>(&'a Chan<T>);

impl<T> Iterator for Iter<'_, T> {
    type Item = T;
    #[inline(always)]
    fn next(&mut self) -> Option<T> {
        self.0.recv()
    }
}

/// Receives through a handle of its own until the channel is closed and drained.
pub struct IntoIter<T>(Chan<T>);

impl<T> Iterator for IntoIter<T> {
    type Item = T;
    #[inline(always)]
    fn next(&mut self) -> Option<T> {
        self.0.recv()
    }
}

impl<T> IntoIterator for Chan<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;
    fn into_iter(self) -> IntoIter<T> {
        IntoIter(self)
    }
}

impl<'a, T> IntoIterator for &'a Chan<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;
    fn into_iter(self) -> Iter<'a, T> {
        Iter(self)
    }
}
