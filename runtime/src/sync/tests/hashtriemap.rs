//! What Go asks of its map's core, for each operation on many keys, with good hashes, with equal ones, and with such that differ in few bits (Go:
//! `internal/sync/hashtriemap_test.go`).

use super::on_goroutines;
use crate::sync::Map;
use crate::{gomaxprocs, kernel_test};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hash::{BuildHasher, Hasher};
use foldhash::fast::FixedState;

const KEYS: usize = 64;

/// Keeps the bits of a hash that the mask has.
#[derive(Clone)]
struct Masked(u64);

struct MaskedHasher<H>(H, u64);

impl BuildHasher for Masked {
    type Hasher = MaskedHasher<<FixedState as BuildHasher>::Hasher>;

    fn build_hasher(&self) -> Self::Hasher {
        MaskedHasher(FixedState::with_seed(1).build_hasher(), self.0)
    }
}

impl<H: Hasher> Hasher for MaskedHasher<H> {
    fn finish(&self) -> u64 {
        self.0.finish() & self.1
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }
}

type M = Map<String, usize, Masked>;

/// Runs `f` with maps of each kind of hash (Go: `TestHashTrieMap`, `…BadHash`, `…TruncHash`).
fn with_all_hashes(f: impl Fn(M, &[String])) {
    let keys: Vec<_> = (0..KEYS).map(|i| format!("key {}{i}", "x".repeat(i % 7))).collect();
    for mask in [u64::MAX, 0, 0xf] {
        f(Map::with_hasher(Masked(mask)), &keys);
    }
}

fn fill(map: &M, keys: &[String]) {
    for (i, s) in keys.iter().enumerate() {
        assert_eq!(map.load(s), None);
        assert_eq!(map.load_or_store(s.clone(), i), (i, false));
        assert_eq!(map.load(s), Some(i));
        assert_eq!(map.load_or_store(s.clone(), usize::MAX), (i, true));
    }
}

/// Runs `f(map, key, id)` for keys of each goroutine's own, in two passes.
fn concurrently(map: &Arc<M>, keys: &[String], f: fn(&M, &str, usize, bool)) {
    let (map, keys) = (map.clone(), keys.to_vec());
    on_goroutines(gomaxprocs(), move |id| {
        for second in [false, true] {
            for s in &keys {
                f(&map, &format!("{s}-{id}"), id, second);
            }
        }
    });
}

/// `load` that finds what is not there, `load_or_store` that replaces or does not store, `range` that misses one (Go: `LoadEmpty`, `LoadOrStore`, `All`).
#[kernel_test]
fn load_or_store() {
    with_all_hashes(|map, keys| {
        fill(&map, keys);
        for (i, s) in keys.iter().enumerate() {
            assert_eq!(map.load_or_store(s.clone(), usize::MAX), (i, true));
        }
        let mut seen = Vec::new();
        map.range(|k, v| {
            assert_eq!(keys[*v], *k);
            seen.push(*v);
            true
        });
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..KEYS));
    });
}

/// A delete that ignores the value, takes another key's entry, or loses one beside it (Go: `CompareAndDelete`).
#[kernel_test]
fn compare_and_delete() {
    with_all_hashes(|map, keys| {
        for _ in 0..3 {
            fill(&map, keys);
            for (i, s) in keys.iter().enumerate() {
                assert!(!map.compare_and_delete(s, &usize::MAX));
                assert!(map.compare_and_delete(s, &i));
                assert!(!map.compare_and_delete(s, &i));
                assert_eq!(map.load(s), None);
            }
        }
        fill(&map, keys);
        map.range(|k, v| map.compare_and_delete(k, v));
        assert!(keys.iter().all(|s| map.load(s).is_none()));
        let map = Arc::new(map);
        concurrently(&map, keys, |map, key, id, second| {
            if second {
                assert_eq!(map.load(key), Some(id));
                assert!(map.compare_and_delete(key, &id));
            } else {
                assert_eq!(map.load_or_store(key.into(), id), (id, false));
            }
            assert_eq!(map.load(key).is_none(), second);
        });
    });
}

/// An exchange that ignores the value or leaves the old one (Go: `CompareAndSwap`).
#[kernel_test]
fn compare_and_swap() {
    with_all_hashes(|map, keys| {
        fill(&map, keys);
        for j in 0..3 {
            for (i, s) in keys.iter().enumerate() {
                assert!(!map.compare_and_swap(s, &usize::MAX, i + j + 1));
                assert!(map.compare_and_swap(s, &(i + j), i + j + 1));
                assert!(!map.compare_and_swap(s, &(i + j), i + j + 1));
                assert_eq!(map.load(s), Some(i + j + 1));
            }
        }
        let map = Arc::new(map);
        concurrently(&map, keys, |map, key, id, second| {
            if second {
                assert!(map.compare_and_swap(key, &id, id + 1));
                assert_eq!(map.load(key), Some(id + 1));
                assert!(map.compare_and_delete(key, &(id + 1)));
                assert!(!map.compare_and_swap(key, &(id + 1), id + 2));
            } else {
                assert_eq!(map.load_or_store(key.into(), id), (id, false));
            }
        });
    });
}

/// A swap that returns another value than the last, or none (Go: `Swap`).
#[kernel_test]
fn swap() {
    with_all_hashes(|map, keys| {
        for (i, s) in keys.iter().enumerate() {
            assert_eq!(map.swap(s.clone(), i), None);
            assert_eq!(map.swap(s.clone(), i + 1), Some(i));
            assert_eq!(map.load(s), Some(i + 1));
        }
        let map = Arc::new(map);
        concurrently(&map, keys, |map, key, id, second| {
            assert_eq!(map.swap(key.into(), id), second.then_some(id + 1));
            assert_eq!(map.swap(key.into(), id + 1), Some(id));
        });
        let all = keys.to_vec();
        on_goroutines(gomaxprocs(), move |_| {
            for (i, s) in all.iter().enumerate() {
                map.swap(s.clone(), i + 2);
                assert_eq!(map.load(s), Some(i + 2));
            }
        });
    });
}

/// A delete that returns another value, or leaves the entry (Go: `LoadAndDelete`).
#[kernel_test]
fn load_and_delete() {
    with_all_hashes(|map, keys| {
        fill(&map, keys);
        for i in [1, 50, 6, 35] {
            assert_eq!(map.load_and_delete(&keys[i]), Some(i));
            assert_eq!(map.load_and_delete(&keys[i]), None);
        }
        for (i, s) in keys.iter().enumerate() {
            assert_eq!(map.load(s), (![1, 50, 6, 35].contains(&i)).then_some(i));
        }
        let map = Arc::new(map);
        concurrently(&map, keys, |map, key, id, second| {
            if second {
                assert_eq!(map.load_and_delete(key), Some(id));
                assert_eq!(map.load(key), None);
            } else {
                map.store(key.into(), id);
            }
        });
        let all = keys.to_vec();
        on_goroutines(gomaxprocs(), move |_| {
            for s in &all {
                map.load_and_delete(s);
                assert_eq!(map.load(s), None);
            }
        });
    });
}

/// One entry that two goroutines delete or exchange, both with success (Go: `ConcurrentSharedKeys` of `CompareAndSwap` and `CompareAndDelete`).
#[kernel_test]
fn shared_keys() {
    with_all_hashes(|map, keys| {
        fill(&map, keys);
        let map = Arc::new(map);
        let wins = Arc::new(Map::<(usize, usize), ()>::new());
        let (shared, won, all) = (map.clone(), wins.clone(), keys.to_vec());
        on_goroutines(2 * gomaxprocs(), move |_| {
            for (i, s) in all.iter().enumerate() {
                let done =
                    [shared.compare_and_swap(s, &i, i + KEYS), shared.compare_and_delete(s, &(i + KEYS))];
                for (step, _) in done.into_iter().enumerate().filter(|(_, done)| *done) {
                    assert_eq!(won.load_or_store((i, step), ()), ((), false), "done twice: {step} of {s}");
                }
                assert_ne!(shared.load(s), Some(i));
            }
        });
        let mut n = 0;
        wins.range(|_, ()| {
            n += 1;
            true
        });
        assert_eq!(n, 2 * KEYS);
        assert!(keys.iter().all(|s| map.load(s).is_none()));
    });
}
