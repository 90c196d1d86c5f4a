//! `Map`: a hash map that many goroutines use at once (Go: `sync.Map`, since Go 1.24 `HashTrieMap` in `internal/sync/hashtriemap.go`).
//!
//! # Problem
//! Readers should neither wait for each other nor for a writer of another key; what a reader found must stay while it looks at it, though a writer has
//! replaced or deleted it meanwhile.
//!
//! # Rejected
//! Go's trie, which readers walk without any lock: it leaves what writers unhook to the collector. Without one, readers would have to announce themselves
//! (hazard pointers, epochs); and either the program's `Eq`, `Clone` and destructors run while they are announced, where a goroutine must not be
//! preempted or block, or each read pays for two stores with barriers, as much as for a lock that nobody contends. One lock for the map: its word
//! bounces between all cores.
//!
//! # What it is
//! [`SHARDS`] tables, each under an [`RwMutex`] of its own, chosen by the key's hash. A table's entry is a reference-counted pair that never changes: a
//! store puts another in its place. Under the lock run the key's `Eq` (and the value's, where values are compared); values are cloned and dropped
//! outside of it. [`Map::range`] takes the entries of one table at a time and calls the program with no lock held.
//!
//! Each operation on a key takes effect at one moment, while it has the table's lock; [`Map::clear`] while it has all of them.

use super::RwMutex;
use crate::boot_key::BootState;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::borrow::Borrow;
use core::fmt;
use core::hash::{BuildHasher, Hash};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// How many tables a map has.
const SHARDS: usize = 16;
/// Bits of the hash that choose the table: those that the table itself looks at last.
const SHARD_SHIFT: u32 = 40;

/// A map from `K` to `V` that many goroutines use at once. To share one, put it into a `static` or an [`Arc`].
///
/// ```no_run
/// use runtime::sync::Map;
/// static AGES: Map<&str, u32> = Map::new();
/// AGES.store("gopher", 15);
/// assert_eq!(AGES.load("gopher"), Some(15));
/// assert_eq!(AGES.load_or_store("gopher", 16), (15, true));
/// ```
///
/// Values come out as clones: put an [`Arc`] into it if that is dear. The key's `Eq` and the value's must not use the map themselves.
///
/// Keys and values are shared:
/// ```compile_fail,E0277
/// use runtime::sync::Map;
/// fn shared<T: Sync>(_: T) {}
/// shared(Map::<u32, std::cell::Cell<u32>>::new());
/// ```
pub struct Map<K, V, S = BootState> {
    shards: [Shard<K, V>; SHARDS],
    hasher: S,
}

/// On cache lines of its own.
#[repr(align(128))]
struct Shard<K, V>(RwMutex<HashTable<Arc<Pair<K, V>>>>);

struct Pair<K, V> {
    key: K,
    value: V,
}

impl<K, V> Map<K, V> {
    /// An empty map whose keys are hashed with a key of this boot's.
    pub const fn new() -> Map<K, V> {
        Map::with_hasher(BootState)
    }
}

impl<K, V, S> Map<K, V, S> {
    /// An empty map whose keys are hashed by `hasher`.
    pub const fn with_hasher(hasher: S) -> Map<K, V, S> {
        Map { shards: [const { Shard(RwMutex::new(HashTable::new())) }; SHARDS], hasher }
    }

    /// The shard with some hash.
    fn shard(&self, hash: u64) -> &RwMutex<HashTable<Arc<Pair<K, V>>>> {
        &self.shards[(hash >> SHARD_SHIFT) as usize % SHARDS].0
    }

    /// Deletes all entries, at one moment.
    pub fn clear(&self) {
        // In the one order; all other operations take one lock only.
        let mut tables: Vec<_> = self.shards.iter().map(|shard| shard.0.write()).collect();
        let old: Vec<_> = tables.iter_mut().map(|table| core::mem::take(&mut **table)).collect();
        drop(tables);
        drop(old);
    }

    /// Calls `f` with each entry, in no order to be relied upon, until it returns false. It may use the map.
    ///
    /// Not a snapshot, but each key comes once at most, and one that is there all the time comes; its value is that of some moment of the call.
    pub fn range(&self, mut f: impl FnMut(&K, &V) -> bool) {
        for shard in &self.shards {
            let entries: Vec<_> = shard.0.read().iter().cloned().collect();
            if !entries.iter().all(|entry| f(&entry.key, &entry.value)) {
                return;
            }
        }
    }
}

impl<K: Eq + Hash, V: Clone, S: BuildHasher> Map<K, V, S> {
    /// The value for a key, if there is one.
    pub fn load<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let hash = self.hasher.hash_one(key);
        let found = self.shard(hash).read().find(hash, |e| e.key.borrow() == key).cloned();
        found.map(|entry| entry.value.clone())
    }

    /// Sets the value for a key.
    pub fn store(&self, key: K, value: V) {
        drop(self.replace(key, value));
    }

    /// Sets the value for a key and returns the one that it had.
    pub fn swap(&self, key: K, value: V) -> Option<V> {
        self.replace(key, value).map(value_of)
    }

    /// The value for a key, with true; or if there is none, sets it to `value` and returns that, with false.
    pub fn load_or_store(&self, key: K, value: V) -> (V, bool) {
        if let Some(value) = self.load(&key) {
            return (value, true);
        }
        let hash = self.hasher.hash_one(&key);
        let new = Arc::new(Pair { key, value });
        let mut table = self.shard(hash).write();
        let (found, loaded) = match table.entry(hash, |e| e.key == new.key, |e| self.hasher.hash_one(&e.key))
        {
            Entry::Occupied(entry) => (entry.get().clone(), true),
            Entry::Vacant(entry) => (entry.insert(new.clone()).get().clone(), false),
        };
        drop(table);
        (found.value.clone(), loaded)
    }

    /// Deletes a key's entry and returns its value.
    pub fn load_and_delete<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.remove_if(key, |_| true).map(value_of)
    }

    /// Deletes a key's entry.
    pub fn delete<Q: Eq + Hash + ?Sized>(&self, key: &Q)
    where
        K: Borrow<Q>,
    {
        drop(self.remove_if(key, |_| true));
    }

    /// Sets the value for a key to `new` if it is `old`; tells whether it was. False if there is none.
    pub fn compare_and_swap<Q: Eq + Hash + ?Sized>(&self, key: &Q, old: &V, new: V) -> bool
    where
        K: Borrow<Q> + Clone,
        V: PartialEq,
    {
        let hash = self.hasher.hash_one(key);
        let mut table = self.shard(hash).write();
        let Some(entry) = table.find_mut(hash, |e| e.key.borrow() == key).filter(|e| e.value == *old) else {
            return false;
        };
        let new = Arc::new(Pair { key: entry.key.clone(), value: new });
        let replaced = core::mem::replace(entry, new);
        drop(table);
        drop(replaced);
        true
    }

    /// Deletes a key's entry if its value is `old`; tells whether it was. False if there is none.
    pub fn compare_and_delete<Q: Eq + Hash + ?Sized>(&self, key: &Q, old: &V) -> bool
    where
        K: Borrow<Q>,
        V: PartialEq,
    {
        self.remove_if(key, |value| value == old).is_some()
    }

    /// Sets the value for a key; returns the entry that it takes the place of.
    fn replace(&self, key: K, value: V) -> Option<Arc<Pair<K, V>>> {
        let hash = self.hasher.hash_one(&key);
        let new = Arc::new(Pair { key, value });
        let mut table = self.shard(hash).write();
        match table.entry(hash, |e| e.key == new.key, |e| self.hasher.hash_one(&e.key)) {
            Entry::Occupied(mut entry) => Some(core::mem::replace(entry.get_mut(), new)),
            Entry::Vacant(entry) => {
                entry.insert(new);
                None
            }
        }
    }

    /// Deletes a key's entry if its value is as wanted, and returns it.
    fn remove_if<Q: Eq + Hash + ?Sized>(
        &self,
        key: &Q,
        wanted: impl FnOnce(&V) -> bool,
    ) -> Option<Arc<Pair<K, V>>>
    where
        K: Borrow<Q>,
    {
        let hash = self.hasher.hash_one(key);
        let mut table = self.shard(hash).write();
        let entry = table.find_entry(hash, |e| e.key.borrow() == key).ok()?;
        wanted(&entry.get().value).then(|| entry.remove().0)
    }
}

/// The value of an entry that is no longer in the map: itself, unless somebody still looks at it.
fn value_of<K, V: Clone>(entry: Arc<Pair<K, V>>) -> V {
    Arc::try_unwrap(entry).map_or_else(|shared| shared.value.clone(), |pair| pair.value)
}

impl<K, V, S: Default> Default for Map<K, V, S> {
    fn default() -> Self {
        Map::with_hasher(S::default())
    }
}

impl<K: fmt::Debug, V: fmt::Debug, S> fmt::Debug for Map<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        self.range(|key, value| {
            map.entry(key, value);
            true
        });
        map.finish()
    }
}
