//! `OnceValue`, `OnceFunc`: what a function returned when it was called once (Go: `sync/oncefunc.go`).

use super::Once;
use crate::panic::recover;
use alloc::string::String;
use core::cell::UnsafeCell;
use core::fmt;

/// A value that a function makes when it is first asked for (Go: `OnceValue`; `OnceValues` is one of a tuple).
///
/// ```no_run
/// use runtime::sync::OnceValue;
/// static WORDS: OnceValue<Vec<String>> = OnceValue::new(|| std::env::args().collect());
/// fn first() -> &'static str {
///     &WORDS.get()[0]
/// }
/// ```
///
/// It is shared only if what it shares may be:
/// ```compile_fail,E0277
/// use runtime::sync::OnceValue;
/// fn shared<T: Sync>(_: T) {}
/// shared(OnceValue::<std::rc::Rc<u8>>::new(|| std::rc::Rc::new(1)));
/// ```
pub struct OnceValue<T, F = fn() -> T> {
    once: Once,
    state: UnsafeCell<State<T, F>>,
}

/// A function that is called once, however often [`OnceFunc::call`] is (Go: `OnceFunc`).
pub type OnceFunc<F = fn()> = OnceValue<(), F>;

enum State<T, F> {
    /// Not called so far.
    Function(F),
    /// It returned.
    Value(T),
    /// It panicked, with this text.
    Panicked(String),
    /// It is being called, or it ended its goroutine.
    Nothing,
}

// SAFETY: the function is called by one goroutine, `once` sees to that, and dropped there; then all share the value, and any may drop it.
unsafe impl<T: Send + Sync, F: Send> Sync for OnceValue<T, F> {}

impl<T, F: FnOnce() -> T> OnceValue<T, F> {
    /// What `f` will return.
    pub const fn new(f: F) -> OnceValue<T, F> {
        OnceValue { once: Once::new(), state: UnsafeCell::new(State::Function(f)) }
    }

    /// The value; the first call makes it, others wait for that.
    ///
    /// # Panics
    /// If the function panicked: the first time with its panic, later with the same text. If it ended its goroutine.
    #[inline]
    #[track_caller]
    pub fn get(&self) -> &T {
        self.once.call_once(|| self.make());
        // SAFETY: the call is over: nobody changes the state any more.
        match unsafe { &*self.state.get() } {
            State::Value(value) => value,
            State::Panicked(text) => again(text),
            State::Function(_) | State::Nothing => again("sync: the function of a OnceValue called goexit"),
        }
    }

    fn make(&self) {
        // Not one reference over the call: the function may look at what is left here, by `Debug`.
        let state = self.state.get();
        // SAFETY: `once` lets one goroutine through, once, and nobody else looks at the state before it has.
        let State::Function(f) = (unsafe { state.replace(State::Nothing) }) else { return };
        match recover(f) {
            // SAFETY: as above.
            Ok(value) => unsafe { state.write(State::Value(value)) },
            Err(panic) => {
                // SAFETY: as above.
                unsafe { state.write(State::Panicked(panic.message.clone())) };
                panic.resume()
            }
        }
    }
}

impl<F: FnOnce()> OnceFunc<F> {
    /// Calls the function the first time; later calls wait for the end of that.
    ///
    /// # Panics
    /// As [`OnceValue::get`].
    #[inline]
    #[track_caller]
    pub fn call(&self) {
        self.get();
    }
}

impl<T: fmt::Debug, F> fmt::Debug for OnceValue<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.once.is_completed() {
            return f.write_str("OnceValue(<not made>)");
        }
        // SAFETY: the call is over: nobody changes the state any more.
        match unsafe { &*self.state.get() } {
            State::Value(value) => f.debug_tuple("OnceValue").field(value).finish(),
            _ => f.write_str("OnceValue(<panicked>)"),
        }
    }
}

#[cold]
#[inline(never)]
#[track_caller]
fn again(text: &str) -> ! {
    panic!("{text}")
}
