//! Values.

use crate::context::{Context, Key, background, with_cancel, with_value};
use crate::kernel_test;
use alloc::string::{String, ToString};

macro_rules! keys {
    ($($name:ident)*) => {$(
        #[derive(PartialEq)]
        struct $name(u32);
        impl Key for $name {
            type Value = Option<&'static str>;
        }
    )*};
}

keys! { Key1 Key2 }

const K1: Key1 = Key1(1);
/// The same number, another type.
const K2: Key2 = Key2(1);
/// The same type, another number.
const K3: Key2 = Key2(3);

#[track_caller]
fn assert_values(ctx: &Context, v1: Option<&str>, v2: Option<&str>, v3: Option<&str>) {
    assert_eq!(ctx.value(&K1).copied().flatten(), v1);
    assert_eq!(ctx.value(&K2).copied().flatten(), v2);
    assert_eq!(ctx.value(&K3).copied().flatten(), v3);
}

/// Go: `TestValues`. A value found under another key of the same bits, an older one that hides a newer, or one lost below another context.
#[kernel_test]
fn values_are_found_by_type_and_key() {
    assert_values(&background(), None, None, None);
    let c1 = with_value(&background(), K1, Some("c1k1"));
    assert_values(&c1, Some("c1k1"), None, None);
    let c2 = with_value(&c1, K2, Some("c2k2"));
    assert_values(&c2, Some("c1k1"), Some("c2k2"), None);
    let c3 = with_value(&with_cancel(&c2).0, K3, Some("c3k3"));
    assert_values(&c3, Some("c1k1"), Some("c2k2"), Some("c3k3"));
    let c4 = with_value(&c3, K1, None);
    assert_values(&c4, None, Some("c2k2"), Some("c3k3"));
    assert_values(&c3, Some("c1k1"), Some("c2k2"), Some("c3k3"));
}

/// Another text than Go's: the key's type, and the value if it is text.
#[kernel_test]
fn values_are_named_as_in_go() {
    #[derive(PartialEq)]
    struct User;
    impl Key for User {
        type Value = String;
    }
    let text = with_value(&background(), User, "gopher".to_string()).to_string();
    assert!(text.starts_with("context.Background.WithValue("), "{text}");
    assert!(text.ends_with("User, gopher)"), "{text}");
}
