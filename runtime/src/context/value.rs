//! Values under typed keys (Go: `valueCtx`).

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use core::any::{Any, type_name};

/// A key for values of one type. Keys of different types are never equal, so a type that only one crate can name keeps its values from others:
///
/// ```no_run
/// use runtime::context::{self, Key};
///
/// #[derive(PartialEq)]
/// struct User;
/// impl Key for User {
///     type Value = String;
/// }
/// let ctx = context::with_value(&context::background(), User, "gopher".to_string());
/// assert_eq!(ctx.value(&User).map(String::as_str), Some("gopher"));
/// ```
pub trait Key: PartialEq + Send + Sync + 'static {
    /// What is stored under it.
    type Value: Send + Sync + 'static;
}

/// A key and its value, whatever their types.
pub(super) trait Entry: Send + Sync {
    fn key(&self) -> &dyn Any;
    fn value(&self) -> &dyn Any;
    /// Their types; the texts themselves, as in Go, where they are texts.
    fn text(&self) -> String;
}

impl dyn Entry {
    /// The value, if it is under `key`.
    pub(super) fn find<K: Key>(&self, key: &K) -> Option<&K::Value> {
        let mine = self.key().downcast_ref::<K>()? == key;
        if mine { self.value().downcast_ref() } else { None }
    }
}

pub(super) struct Pair<K: Key> {
    key: K,
    value: K::Value,
}

impl<K: Key> Pair<K> {
    pub(super) fn entry(key: K, value: K::Value) -> Box<dyn Entry> {
        Box::new(Pair { key, value })
    }
}

impl<K: Key> Entry for Pair<K> {
    fn key(&self) -> &dyn Any {
        &self.key
    }

    fn value(&self) -> &dyn Any {
        &self.value
    }

    fn text(&self) -> String {
        format!("{}, {}", text(&self.key), text(&self.value))
    }
}

fn text<T: Any>(v: &T) -> &str {
    let v: &dyn Any = v;
    match (v.downcast_ref::<&'static str>(), v.downcast_ref::<String>()) {
        (Some(s), _) => s,
        (_, Some(s)) => s,
        _ => type_name::<T>(),
    }
}
