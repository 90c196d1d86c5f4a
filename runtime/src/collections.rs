//! Hash tables under the names of `std::collections`; the tables are `hashbrown`'s, as they are in `std`.
//!
//! Each table has a key of its own from the runtime's random numbers (Go: `fastrand` in `makemap`): the order of iteration differs from table to table and
//! from run to run.

use crate::proc;
use core::fmt;
use core::hash::{BuildHasher, Hash};
use core::ops::{Deref, DerefMut};
use foldhash::fast::{FixedState, FoldHasher};

/// Hashes with a random key.
#[derive(Clone, Debug)]
pub struct RandomState(FixedState);

impl Default for RandomState {
    fn default() -> RandomState {
        RandomState(FixedState::with_seed(proc::random()))
    }
}

impl BuildHasher for RandomState {
    type Hasher = FoldHasher<'static>;

    fn build_hasher(&self) -> FoldHasher<'static> {
        self.0.build_hasher()
    }
}

/// What both tables have: `new`, and `hashbrown`'s methods by [`Deref`].
macro_rules! table {
    ($(#[$doc:meta])* $name:ident<$($t:ident),*>, item $item:ty, key $key:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name<$($t),*>(hashbrown::$name<$($t,)* RandomState>);

        impl<$($t),*> $name<$($t),*> {
            /// An empty table. Nothing is allocated.
            pub fn new() -> Self {
                Self::default()
            }

            /// An empty table with room for `capacity` entries.
            pub fn with_capacity(capacity: usize) -> Self {
                $name(hashbrown::$name::with_capacity_and_hasher(capacity, RandomState::default()))
            }
        }

        impl<$($t),*> Default for $name<$($t),*> {
            fn default() -> Self {
                $name(hashbrown::$name::default())
            }
        }

        impl<$($t),*> Deref for $name<$($t),*> {
            type Target = hashbrown::$name<$($t,)* RandomState>;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        impl<$($t),*> DerefMut for $name<$($t),*> {
            fn deref_mut(&mut self) -> &mut Self::Target {
                &mut self.0
            }
        }

        impl<$($t: fmt::Debug),*> fmt::Debug for $name<$($t),*> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl<$($t),*> FromIterator<$item> for $name<$($t),*> where $key: Eq + Hash {
            fn from_iter<I: IntoIterator<Item = $item>>(items: I) -> Self {
                $name(items.into_iter().collect())
            }
        }

        impl<$($t,)* const N: usize> From<[$item; N]> for $name<$($t),*> where $key: Eq + Hash {
            fn from(items: [$item; N]) -> Self {
                items.into_iter().collect()
            }
        }

        impl<$($t),*> Extend<$item> for $name<$($t),*> where $key: Eq + Hash {
            fn extend<I: IntoIterator<Item = $item>>(&mut self, items: I) {
                self.0.extend(items);
            }
        }

        impl<$($t),*> IntoIterator for $name<$($t),*> {
            type Item = $item;
            type IntoIter = <hashbrown::$name<$($t,)* RandomState> as IntoIterator>::IntoIter;

            fn into_iter(self) -> Self::IntoIter {
                self.0.into_iter()
            }
        }

        impl<'a, $($t),*> IntoIterator for &'a $name<$($t),*> {
            type Item = <&'a hashbrown::$name<$($t,)* RandomState> as IntoIterator>::Item;
            type IntoIter = <&'a hashbrown::$name<$($t,)* RandomState> as IntoIterator>::IntoIter;

            fn into_iter(self) -> Self::IntoIter {
                self.0.iter()
            }
        }
    };
}

table! {
    /// A hash map as `std::collections::HashMap`: `new` and `with_capacity` here, all else is [`hashbrown::HashMap`]'s.
    ///
    /// A map is for one goroutine, or behind a [`Mutex`](crate::sync::Mutex); [`sync::Map`](crate::sync::Map) is for many.
    ///
    /// ```no_run
    /// use runtime::collections::HashMap;
    ///
    /// let mut counts = HashMap::new();
    /// for word in "to be or not to be".split(' ') {
    ///     *counts.entry(word).or_insert(0) += 1;
    /// }
    /// assert_eq!(counts["be"], 2);
    /// ```
    HashMap<K, V>, item (K, V), key K
}

table! {
    /// A hash set as `std::collections::HashSet`: `new` and `with_capacity` here, all else is [`hashbrown::HashSet`]'s.
    HashSet<T>, item T, key T
}

impl<'a, K, V> IntoIterator for &'a mut HashMap<K, V> {
    type Item = (&'a K, &'a mut V);
    type IntoIter = hashbrown::hash_map::IterMut<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter_mut()
    }
}

impl<K: Eq + Hash, V: PartialEq> PartialEq for HashMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T: Eq + Hash> PartialEq for HashSet<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
