//! Work that begins when a context is done.

use super::SHORT;
use crate::chan::{self, TryRecvError};
use crate::context::{Context, after_func, background, with_cancel, with_timeout};
use crate::{gosched, kernel_test};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};

/// A function that was asked for, and the channel that it closes.
fn asked(ctx: &Context) -> (crate::context::Stop, chan::Chan<()>) {
    let ran = chan::make(0);
    let end = ran.clone();
    (after_func(ctx, move || end.close()), ran)
}

/// Go: `TestAfterFuncCalledAfterCancel`. A function that runs before, or not after, or more than once.
#[kernel_test]
fn it_is_called_after_cancel() {
    let (ctx, cancel) = with_cancel(&background());
    let (stop, ran) = asked(&ctx);
    assert_eq!(ran.try_recv(), Err(TryRecvError::Empty));
    cancel.cancel();
    assert_eq!(ran.recv(), None);
    assert!(!stop.stop(), "it has run");
}

/// Go: `TestAfterFuncCalledAfterTimeout`. A deadline that passes without it.
#[kernel_test]
fn it_is_called_after_the_deadline() {
    let (ctx, _cancel) = with_timeout(&background(), SHORT);
    assert_eq!(asked(&ctx).1.recv(), None);
    // Nobody else has the context.
    let ran = {
        let (ctx, _cancel) = with_timeout(&background(), SHORT);
        asked(&ctx).1
    };
    assert_eq!(ran.recv(), None);
}

/// Go: `TestAfterFuncCalledImmediately`. A context that is done already: it is never called.
#[kernel_test]
fn it_is_called_at_once_if_done() {
    let (ctx, cancel) = with_cancel(&background());
    cancel.cancel();
    let (stop, ran) = asked(&ctx);
    assert_eq!(ran.recv(), None);
    assert!(!stop.stop());
}

/// Go: `TestAfterFuncNotCalledAfterStop`. A function that was stopped and runs, or a stop that is granted twice.
#[kernel_test]
fn it_is_not_called_after_stop() {
    let (ctx, cancel) = with_cancel(&background());
    let (stop, ran) = asked(&ctx);
    let (_stop2, ran2) = asked(&ctx);
    assert!(stop.stop());
    assert!(!stop.stop());
    cancel.cancel();
    assert_eq!(ran2.recv(), None);
    for _ in 0..100 {
        gosched();
    }
    assert_eq!(ran.try_recv(), Err(TryRecvError::Empty));
}

/// Go: `TestAfterFuncCalledAsynchronously`. A function that runs inside `cancel`, and with what it waits for holds that up.
#[kernel_test]
fn it_is_called_asynchronously() {
    let (ctx, cancel) = with_cancel(&background());
    let c = chan::make(0);
    let end = c.clone();
    after_func(&ctx, move || end.send(7));
    cancel.cancel();
    assert_eq!(c.recv(), Some(7));
}

/// Stop against cancel: the function runs and `stop` says that it does not, or neither.
#[kernel_test]
fn stop_against_cancel() {
    for _ in 0..300 {
        let (ctx, cancel) = with_cancel(&background());
        let runs = Arc::new(AtomicU32::new(0));
        let runs2 = runs.clone();
        let stop = after_func(&ctx, move || _ = runs2.fetch_add(1, Ordering::SeqCst));
        crate::go(move || cancel.cancel());
        gosched();
        if stop.stop() {
            ctx.done().recv();
            gosched();
            assert_eq!(runs.load(Ordering::SeqCst), 0);
        } else {
            while runs.load(Ordering::SeqCst) == 0 {
                gosched();
            }
        }
    }
}
