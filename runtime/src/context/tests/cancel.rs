//! Cancellation and deadlines.

use super::{LONG, SHORT, assert_done, assert_not_done, assert_times_out};
use crate::context::{
    CancelFunc, Context, Error, background, todo, with_cancel, with_deadline, with_timeout, with_value,
    without_cancel,
};
use crate::rand::Rand;
use crate::sync::WaitGroup;
use crate::time::{Duration, now};
use crate::{go, gosched, kernel_test};
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Go: `TestBackground`, `TestTODO`. A root that is or can be cancelled, or another name.
#[kernel_test]
fn roots_are_never_done() {
    for (ctx, name) in [(background(), "context.Background"), (todo(), "context.TODO")] {
        assert!(ctx.done().is_nil());
        assert_not_done(&ctx);
        assert_eq!(ctx.deadline(), None);
        assert_eq!(ctx.to_string(), name);
    }
}

/// Go: `TestWithCancel`. Cancellation that does not reach a child before the function returns.
#[kernel_test]
fn cancel_reaches_children_at_once() {
    let (c1, cancel) = with_cancel(&background());
    assert_eq!(c1.to_string(), "context.Background.WithCancel");
    let (c2, _) = with_cancel(&c1);
    let c3 = c2.clone();
    assert!(c1.done() == c1.done() && c2.done() == c3.done() && c1.done() != c2.done());
    for c in [&c1, &c2, &c3] {
        assert_not_done(c);
    }
    cancel.cancel();
    cancel.cancel();
    for c in [&c1, &c2, &c3] {
        assert_done(c, Error::Canceled);
    }
}

/// Go: `TestWithCancelCanceledParent`. A child of one that is cancelled waits for ever.
#[kernel_test]
fn a_child_of_a_cancelled_parent_is_cancelled() {
    let (parent, cancel) = with_cancel(&background());
    cancel.cancel();
    assert_done(&with_cancel(&parent).0, Error::Canceled);
    assert_done(&with_timeout(&parent, LONG).0, Error::Canceled);
}

/// Go: `TestWithCancelSimultaneouslyCanceledParent`. A child made at the moment when its parent is cancelled escapes.
#[kernel_test]
fn a_child_made_while_the_parent_is_cancelled() {
    for _ in 0..500 {
        let (parent, cancel) = with_cancel(&background());
        go(move || cancel.cancel());
        gosched();
        let (child, _) = with_cancel(&parent);
        assert_eq!(child.done().recv(), None);
        assert_done(&child, Error::Canceled);
    }
}

/// Go: `TestDeadline`, `TestTimeout`. A deadline that does not come, or comes before its time; a text other than Go's.
#[kernel_test]
fn deadlines_pass() {
    let start = now();
    let (c, _cancel) = with_deadline(&background(), start + SHORT);
    assert_eq!(c.deadline(), Some(start + SHORT));
    assert!(c.to_string().starts_with("context.Background.WithDeadline("), "{c}");
    assert_times_out(&c);
    assert!(start.elapsed() >= SHORT);

    // A later deadline below an earlier one.
    let (parent, _cancel) = with_timeout(&background(), SHORT);
    let (c, _cancel) = with_timeout(&parent, LONG);
    assert_eq!(c.deadline(), parent.deadline());
    assert_times_out(&c);

    // Past ones.
    assert_done(&with_deadline(&background(), start).0, Error::DeadlineExceeded);
    assert_done(&with_timeout(&background(), Duration::ZERO).0, Error::DeadlineExceeded);
}

/// Go: `TestDeadlineExceededSupportsTimeout`. Another text than Go's, or no error for Rust.
#[kernel_test]
fn errors_have_the_texts_of_go() {
    let errors: [&dyn core::error::Error; 2] = [&Error::Canceled, &Error::DeadlineExceeded];
    let texts: Vec<String> = errors.iter().map(|e| e.to_string()).collect();
    assert_eq!(texts, ["context canceled", "context deadline exceeded"]);
    assert!(Error::DeadlineExceeded.timeout() && !Error::Canceled.timeout());
}

/// Go: `TestCanceledTimeout`. Cancelling one with a deadline waits for that, or says that it passed.
#[kernel_test]
fn cancel_comes_before_the_deadline() {
    let (parent, _cancel) = with_timeout(&background(), LONG);
    let (c, cancel) = with_timeout(&parent, LONG);
    cancel.cancel();
    assert_done(&c, Error::Canceled);
    assert_not_done(&parent);
}

/// `done` taken while handles go away, or before anybody cancels: it is never closed.
#[kernel_test]
fn done_outlives_its_context() {
    let (parent, cancel) = with_cancel(&background());
    let below = with_cancel(&parent).0.done();
    let timed = with_timeout(&parent, SHORT).0.done();
    assert_eq!(timed.recv(), None);
    cancel.cancel();
    assert_eq!(below.recv(), None);
    drop(parent);
    let timed = with_timeout(&background(), SHORT).0.done();
    assert_eq!(timed.recv(), None);
}

/// Go: `TestSimultaneousCancels`. Cancellations of a tree's contexts that meet: one waits for ever, or two wait for each other.
#[kernel_test]
fn a_tree_is_cancelled_everywhere_at_once() {
    for seed in 1..=5 {
        let rand = Rand::new(seed);
        let mut tree = Vec::from([with_cancel(&background())]);
        while tree.len() < 100 {
            let parent = tree[rand.below(tree.len() as u32) as usize].0.clone();
            tree.push(with_cancel(&parent));
        }
        let wg = Arc::new(WaitGroup::new());
        let mut cancels: Vec<CancelFunc> = tree.iter().map(|t| t.1.clone()).collect();
        while !cancels.is_empty() {
            let cancel = cancels.swap_remove(rand.below(cancels.len() as u32) as usize);
            wg.go(move || cancel.cancel());
        }
        for (ctx, _) in &tree {
            assert_eq!(ctx.done().recv(), None);
        }
        wg.wait();
        tree.iter().for_each(|(ctx, _)| assert_done(ctx, Error::Canceled));
    }
}

/// Go: `TestInterlockedCancels`. A child cancelled by one who waits for its parent, while that cancels it.
#[kernel_test]
fn a_child_is_cancelled_by_two() {
    for _ in 0..100 {
        let (parent, cancel_parent) = with_cancel(&background());
        let (child, cancel_child) = with_cancel(&parent);
        go(move || {
            parent.done().recv();
            cancel_child.cancel();
        });
        cancel_parent.cancel();
        assert_eq!(child.done().recv(), None);
    }
}

/// Go: `TestLayersCancel`, `TestLayersTimeout`. A random pile of contexts: what one layer does is lost in another.
#[kernel_test]
fn layers() {
    #[derive(PartialEq)]
    struct Layer(usize);
    impl crate::context::Key for Layer {
        type Value = usize;
    }
    for seed in 1..=20 {
        let (rand, times_out) = (Rand::new(seed), seed % 2 == 0);
        let (mut ctx, mut values, mut cancels): (Context, Vec<usize>, Vec<CancelFunc>) =
            (background(), Vec::new(), Vec::new());
        let mut timers = 0;
        for i in 0.. {
            if i >= 30 && timers != 0 && cancels.len() > timers && !values.is_empty() {
                break;
            }
            let made = match rand.below(3) {
                0 => {
                    ctx = with_value(&ctx, Layer(i), i);
                    values.push(i);
                    continue;
                }
                1 => with_cancel(&ctx),
                _ => {
                    timers += 1;
                    with_timeout(&ctx, if times_out { SHORT } else { LONG })
                }
            };
            ctx = made.0;
            cancels.push(made.1);
        }
        assert!(ctx.to_string().starts_with("context.Background."), "seed {seed}: {ctx}");
        if times_out {
            assert_times_out(&ctx);
        } else {
            assert_not_done(&ctx);
            cancels[rand.below(cancels.len() as u32) as usize].cancel();
            assert_done(&ctx, Error::Canceled);
        }
        assert!(values.iter().all(|v| ctx.value(&Layer(*v)) == Some(v)), "seed {seed}");
    }
}

/// Go: `TestWithoutCancel`. One that is not to be cancelled with its parent, and is; or that lost its values.
#[kernel_test]
fn without_cancel_keeps_values_only() {
    #[derive(PartialEq)]
    struct K;
    impl crate::context::Key for K {
        type Value = &'static str;
    }
    let (parent, cancel) = with_timeout(&with_value(&background(), K, "v"), LONG);
    let ctx = without_cancel(&parent);
    let (child, cancel_child) = with_cancel(&ctx);
    cancel.cancel();
    assert_eq!(ctx.value(&K), Some(&"v"));
    assert!(ctx.done().is_nil() && ctx.deadline().is_none());
    assert_not_done(&ctx);
    assert_not_done(&child);
    assert!(ctx.to_string().ends_with(".WithoutCancel"), "{ctx}");
    cancel_child.cancel();
    assert_done(&child, Error::Canceled);
}
