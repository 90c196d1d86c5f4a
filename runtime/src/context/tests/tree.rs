//! Parents and children: who is in whose list, and what is left.

use super::{LONG, SHORT, assert_done, assert_not_done, assert_times_out};
use crate::context::{
    CancelFunc, Context, Error, Key, after_func, background, with_cancel, with_timeout, with_value,
};
use crate::proc::timers_len;
use crate::{kernel_test, mem_stats};
use alloc::vec::Vec;

#[derive(PartialEq)]
struct Name;

impl Key for Name {
    type Value = &'static str;
}

/// How many children a context has in its list.
fn children(ctx: &Context) -> usize {
    ctx.core().map_or(0, |core| core.children())
}

/// Go: `TestParentFinishesChild`. A child that is not in its parent's list, or stays there.
#[kernel_test]
fn a_parent_cancels_its_children() {
    // parent -> cancel child; parent -> value -> timer child
    let (parent, cancel) = with_cancel(&background());
    let (cancel_child, _stop) = with_cancel(&parent);
    let value_child = with_value(&parent, Name, "value");
    let (timer_child, _stop) = with_timeout(&value_child, LONG);
    let all = [&parent, &cancel_child, &value_child, &timer_child];
    all.iter().for_each(|c| assert_not_done(c));
    assert_eq!(children(&parent), 2);
    cancel.cancel();
    assert_eq!(children(&parent), 0);
    all.iter().for_each(|c| assert_done(c, Error::Canceled));
    assert_done(&with_value(&parent, Name, "late"), Error::Canceled);
}

/// Go: `TestChildFinishesFirst`. A child that is cancelled and stays in its parent's list, or takes the parent with it.
#[kernel_test]
fn a_child_is_cancelled_alone() {
    let (cancelable, _stop) = with_cancel(&background());
    for parent in [background(), cancelable] {
        let (child, cancel) = with_cancel(&parent);
        assert_not_done(&child);
        assert_eq!(children(&parent), usize::from(parent.core().is_some()));
        cancel.cancel();
        assert_eq!(children(&parent), 0);
        assert_done(&child, Error::Canceled);
        assert_not_done(&parent);
    }
}

/// Go: `TestCancelRemoves`. A child of any kind that stays in the list after it was cancelled, or its deadline passed.
#[kernel_test]
fn cancel_removes() {
    let (ctx, _stop) = with_cancel(&background());
    let (_child, cancel) = with_cancel(&ctx);
    assert_eq!(children(&ctx), 1);
    cancel.cancel();
    assert_eq!(children(&ctx), 0);
    let (_child, cancel) = with_timeout(&ctx, LONG);
    assert_eq!(children(&ctx), 1);
    cancel.cancel();
    assert_eq!(children(&ctx), 0);
    let (child, _cancel) = with_timeout(&ctx, SHORT);
    assert_times_out(&child);
    while children(&ctx) != 0 {
        crate::gosched();
    }
    let stop = after_func(&ctx, || {});
    assert_eq!(children(&ctx), 1);
    assert!(stop.stop());
    assert_eq!(children(&ctx), 0);
}

/// Contexts that were let go of uncancelled and stay in their parent's list, their timers in a heap. (Go leaks these.)
#[kernel_test]
fn forgotten_contexts_leave_nothing() {
    let (ctx, _stop) = with_cancel(&background());
    let (entries, objects) = (timers_len(), mem_stats().heap_objects);
    for _ in 0..1000 {
        drop(with_cancel(&ctx));
        drop(with_timeout(&ctx, LONG));
        let (parent, _) = with_cancel(&ctx);
        drop(with_cancel(&parent));
        drop(ctx.done());
    }
    assert_eq!(children(&ctx), 0);
    assert!(timers_len() <= entries + 32 * crate::gomaxprocs(), "{} timers", timers_len());
    let left = mem_stats().heap_objects.saturating_sub(objects);
    assert!(left < 500, "{left} objects");
}

/// Recursion along a chain that is longer than a stack is deep: when it is cancelled, let go of, or asked.
#[kernel_test]
fn chains_may_be_long() {
    let (root, cancel) = with_cancel(&with_value(&background(), Name, "root"));
    let (mut ctx, mut last) = (root, None::<CancelFunc>);
    for i in 0..20_000 {
        if i % 2 == 0 {
            ctx = with_value(&ctx, Name, "link");
        } else {
            let made = with_cancel(&ctx);
            ctx = made.0;
            last = Some(made.1);
        }
    }
    assert_eq!(ctx.value(&Name), Some(&"link"));
    assert_not_done(&ctx);
    cancel.cancel();
    assert_done(&ctx, Error::Canceled);
    last.expect("there are links").cancel();
    drop(ctx);
    // And uncancelled, but looked at.
    let mut ctx = background();
    let mut looks = Vec::new();
    for _ in 0..5000 {
        ctx = with_cancel(&ctx).0;
        looks.push(ctx.done());
    }
    drop(ctx);
    drop(looks);
}
