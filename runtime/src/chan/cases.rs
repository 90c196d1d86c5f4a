//! Select over cases that are made at run time (Go: `reflect.Select`).

use super::arms::{RecvSlot, SendSlot};
use super::select::{MAX_CASES, Scase, Selected, block, selectgo};
use super::waitq::Sudog;
use super::{Chan, send_on_closed};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// A receive for [`select`]; [`Chan::recv_case`] makes it. It may be chosen again and again.
pub struct RecvCase<'a, T> {
    c: &'a Chan<T>,
    slot: RecvSlot<T>,
}

/// A send for [`select`]; [`Chan::send_case`] makes it. When it has been chosen it is never ready until it is given another value.
pub struct SendCase<'a, T> {
    slot: SendSlot<'a, T>,
}

/// What [`select`] chooses from: [`RecvCase`]s and [`SendCase`]s, and references to and boxes of them: a slice of `&mut dyn SelectCase` holds cases of
/// any kinds.
pub trait SelectCase: sealed::Case {}

impl<C: sealed::Case + ?Sized> SelectCase for C {}

mod sealed {
    use super::Scase;

    pub trait Case {
        /// The case for the core, and whether it is a send. Its addresses are good until the case is used again.
        fn arm(&mut self) -> (Scase, bool);

        /// The case was chosen.
        ///
        /// # Safety
        /// `moved` says truly whether the element has gone (send) or come (receive) since the last call of `arm`.
        unsafe fn chosen(&mut self, moved: bool);
    }

    impl<C: Case + ?Sized> Case for &mut C {
        fn arm(&mut self) -> (Scase, bool) {
            (**self).arm()
        }

        unsafe fn chosen(&mut self, moved: bool) {
            // SAFETY: as the caller promises.
            unsafe { (**self).chosen(moved) }
        }
    }

    impl<C: Case + ?Sized> Case for super::Box<C> {
        fn arm(&mut self) -> (Scase, bool) {
            (**self).arm()
        }

        unsafe fn chosen(&mut self, moved: bool) {
            // SAFETY: as the caller promises.
            unsafe { (**self).chosen(moved) }
        }
    }
}

/// Waits until one of the cases can be served, chosen at random if several can, and serves it; returns its index.
///
/// As [`select!`](crate::select!), for cases whose number is not known when the program is compiled. No cases: waits for ever. What a
/// receive got is in the case:
///
/// ```no_run
/// use runtime::chan::{self, Receiver};
///
/// /// What all send, as it comes, until all are closed.
/// fn merged(mut from: Vec<Receiver<u64>>, mut each: impl FnMut(u64)) {
///     while !from.is_empty() {
///         let closed = {
///             let mut cases: Vec<_> = from.iter().map(Receiver::recv_case).collect();
///             loop {
///                 let i = chan::select(&mut cases);
///                 match cases[i].take() {
///                     Some(v) => each(v),
///                     None => break i,
///                 }
///             }
///         };
///         from.swap_remove(closed);
///     }
/// }
/// ```
///
/// Cases of several kinds:
///
/// ```no_run
/// # let (numbers, texts) = (runtime::chan::make::<u8>(1), runtime::chan::make::<String>(0));
/// use runtime::chan::{self, SelectCase};
///
/// let mut number = numbers.send_case(5);
/// let mut text = texts.recv_case();
/// let cases: &mut [&mut dyn SelectCase] = &mut [&mut number, &mut text];
/// match chan::select(cases) {
///     0 => println!("sent"),
///     _ => println!("received {:?}; {:?} was not sent", text.take(), number.take()),
/// }
/// ```
///
/// # Panics
/// If there are more than [`MAX_CASES`]; if the chosen case is a send on a closed channel, whose value stays in the case.
pub fn select<C: SelectCase>(cases: &mut [C]) -> usize {
    if cases.is_empty() {
        block();
    }
    choose(cases, true)
}

/// [`select`] if one of the cases can be served at this moment; `None` if not (Go: `select` with `default`).
///
/// # Panics
/// As [`select`].
pub fn try_select<C: SelectCase>(cases: &mut [C]) -> Option<usize> {
    let chosen = choose(cases, false);
    (chosen != Selected::NONE).then_some(chosen)
}

fn choose<C: SelectCase>(cases: &mut [C], block: bool) -> usize {
    let n = cases.len();
    assert!(n <= MAX_CASES, "chan::select: too many cases (max {MAX_CASES})");
    // The core wants the sends first.
    let mut arms: Vec<(usize, Scase)> = Vec::with_capacity(n);
    let mut recvs = Vec::new();
    for (i, case) in cases.iter_mut().enumerate() {
        let (scase, is_send) = case.arm();
        if is_send { arms.push((i, scase)) } else { recvs.push((i, scase)) }
    }
    let nsends = arms.len();
    arms.append(&mut recvs);
    let scases: Vec<Scase> = arms.iter().map(|(_, scase)| *scase).collect();
    let mut order = Vec::<u16>::with_capacity(2 * n);
    let mut sudogs = Vec::<Sudog>::with_capacity(n);
    // SAFETY: the arrays are as long as wanted. The cases are borrowed: their addresses are good, and their channels live.
    let Selected { index, moved } = unsafe {
        selectgo(scases.as_ptr(), order.as_mut_ptr(), sudogs.as_mut_ptr(), nsends, n - nsends, block)
    };
    if index == Selected::NONE {
        return index;
    }
    if index < nsends && !moved {
        send_on_closed(());
    }
    let chosen = arms[index].0;
    // SAFETY: as the core has said.
    unsafe { cases[chosen].chosen(moved) };
    chosen
}

impl<T> RecvCase<'_, T> {
    /// What was received when the case was last chosen; `None` if its channel was closed, or if it was not chosen, or this is asked again.
    pub fn take(&mut self) -> Option<T> {
        self.slot.take()
    }
}

impl<T> Drop for RecvCase<'_, T> {
    fn drop(&mut self) {
        drop(self.slot.take());
    }
}

impl<T> SendCase<'_, T> {
    /// Takes the value back; `None` if it has been sent.
    pub fn take(&mut self) -> Option<T> {
        self.slot.take()
    }

    /// Has the case send `value` instead of the one that it has, if any.
    pub fn put(&mut self, value: T) {
        self.slot.put(value);
    }
}

impl<T> sealed::Case for RecvCase<'_, T> {
    fn arm(&mut self) -> (Scase, bool) {
        drop(self.slot.take());
        (self.slot.arm(self.c).case, false)
    }

    unsafe fn chosen(&mut self, moved: bool) {
        // SAFETY: as the caller promises.
        unsafe { self.slot.set_full(moved) };
    }
}

impl<T> sealed::Case for SendCase<'_, T> {
    fn arm(&mut self) -> (Scase, bool) {
        (self.slot.arm().case, true)
    }

    unsafe fn chosen(&mut self, moved: bool) {
        if moved {
            self.slot.forget();
        }
    }
}

impl<T> Chan<T> {
    /// A receive for [`select`].
    pub fn recv_case(&self) -> RecvCase<'_, T> {
        RecvCase { c: self, slot: RecvSlot::new() }
    }

    /// A send of `value` for [`select`].
    pub fn send_case(&self, value: T) -> SendCase<'_, T> {
        SendCase { slot: SendSlot::new(self, value) }
    }
}
