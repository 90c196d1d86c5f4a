//! Directional handles (Go: `chan<- T`, `<-chan T`).

use super::arms::{RecvArm, RecvSlot, SendSlot};
use super::{Chan, IntoIter, Iter, RecvCase, SendCase, TryRecvError, TrySendError};
use core::fmt;

macro_rules! end {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub struct $name<T>(Chan<T>);

        impl<T> $name<T> {
            /// Whether this is the nil channel.
            pub fn is_nil(&self) -> bool {
                self.0.is_nil()
            }

            /// As [`Chan::len`].
            pub fn len(&self) -> usize {
                self.0.len()
            }

            /// As [`Chan::is_empty`].
            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }

            /// As [`Chan::cap`].
            pub fn cap(&self) -> usize {
                self.0.cap()
            }
        }

        impl<T> Clone for $name<T> {
            fn clone(&self) -> $name<T> {
                $name(self.0.clone())
            }
        }

        impl<T> From<Chan<T>> for $name<T> {
            fn from(c: Chan<T>) -> $name<T> {
                $name(c)
            }
        }

        impl<T> Default for $name<T> {
            fn default() -> $name<T> {
                $name(Chan::nil())
            }
        }

        impl<T> PartialEq for $name<T> {
            fn eq(&self, other: &$name<T>) -> bool {
                self.0 == other.0
            }
        }

        impl<T> Eq for $name<T> {}

        impl<T> fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

end! {
    /// A handle of a channel that can only send and close it.
    ///
    /// It cannot receive, nor become a handle that can:
    ///
    /// ```compile_fail,E0599
    /// runtime::chan::make::<u8>(1).sender().recv();
    /// ```
    ///
    /// ```compile_fail,E0277
    /// for _ in runtime::chan::make::<u8>(1).sender() {}
    /// ```
    ///
    /// ```compile_fail,E0308
    /// let c: runtime::chan::Chan<u8> = runtime::chan::make(1).sender();
    /// ```
    ///
    /// ```compile_fail,E0308
    /// let c: runtime::chan::Receiver<u8> = runtime::chan::make(1).sender();
    /// ```
    Sender
}

end! {
    /// A handle of a channel that can only receive.
    ///
    /// It can neither send nor close, nor become a handle that can:
    ///
    /// ```compile_fail,E0599
    /// runtime::chan::make::<u8>(1).receiver().send(1);
    /// ```
    ///
    /// ```compile_fail,E0599
    /// runtime::chan::make::<u8>(1).receiver().close();
    /// ```
    ///
    /// ```compile_fail,E0308
    /// let c: runtime::chan::Chan<u8> = runtime::chan::make(1).receiver();
    /// ```
    ///
    /// ```compile_fail,E0308
    /// let c: runtime::chan::Sender<u8> = runtime::chan::make(1).receiver();
    /// ```
    Receiver
}

impl<T> Sender<T> {
    /// As [`Chan::send`].
    #[inline(always)]
    pub fn send(&self, value: T) {
        self.0.send(value)
    }

    /// As [`Chan::try_send`].
    ///
    /// # Errors
    /// If nobody is ready to receive and the buffer is full.
    #[inline(always)]
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        self.0.try_send(value)
    }

    /// As [`Chan::close`].
    pub fn close(&self) {
        self.0.close()
    }

    /// As [`Chan::send_case`].
    pub fn send_case(&self, value: T) -> SendCase<'_, T> {
        self.0.send_case(value)
    }

    #[doc(hidden)]
    #[inline(always)]
    pub fn select_send(&self, value: T) -> SendSlot<'_, T> {
        self.0.select_send(value)
    }
}

impl<T> Receiver<T> {
    /// As [`Chan::recv`].
    #[inline(always)]
    pub fn recv(&self) -> Option<T> {
        self.0.recv()
    }

    /// As [`Chan::try_recv`].
    ///
    /// # Errors
    /// If nothing is there now, or the channel is closed and drained.
    #[inline(always)]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.0.try_recv()
    }

    /// As [`Chan::recv_case`].
    pub fn recv_case(&self) -> RecvCase<'_, T> {
        self.0.recv_case()
    }

    #[doc(hidden)]
    #[inline(always)]
    pub fn select_recv<'a>(&'a self, slot: &'a mut RecvSlot<T>) -> RecvArm<'a> {
        self.0.select_recv(slot)
    }

    /// As [`Chan::iter`].
    pub fn iter(&self) -> Iter<'_, T> {
        self.0.iter()
    }
}

impl<T> IntoIterator for Receiver<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;
    fn into_iter(self) -> IntoIter<T> {
        self.0.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a Receiver<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;
    fn into_iter(self) -> Iter<'a, T> {
        self.0.iter()
    }
}
