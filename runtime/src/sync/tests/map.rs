//! `Map` (Go: `sync/map_test.go`).

use super::on_goroutines;
use crate::rand::Rand;
use crate::sync::{Map, WaitGroup};
use crate::{gomaxprocs, kernel_test};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};

/// Any operation that does another thing than a map under one lock would (Go: `TestMapMatchesRWMutex`, `TestMapMatchesDeepCopy`).
#[kernel_test]
fn matches_a_plain_map() {
    for seed in 1..=30 {
        let rand = Rand::new(seed);
        let (map, mut model) = (Map::<u32, u32>::new(), BTreeMap::new());
        for step in 0..200 {
            let (k, v, old) = (rand.below(6), rand.below(4), rand.below(4));
            let at = format_args!("seed {seed} step {step}");
            match rand.below(100) {
                0..15 => assert_eq!(map.load(&k), model.get(&k).copied(), "load, {at}"),
                15..30 => {
                    map.store(k, v);
                    model.insert(k, v);
                }
                30..45 => {
                    let want = (*model.get(&k).unwrap_or(&v), model.contains_key(&k));
                    assert_eq!(map.load_or_store(k, v), want, "load_or_store, {at}");
                    model.entry(k).or_insert(v);
                }
                45..55 => assert_eq!(map.load_and_delete(&k), model.remove(&k), "load_and_delete, {at}"),
                55..62 => {
                    map.delete(&k);
                    model.remove(&k);
                }
                62..75 => assert_eq!(map.swap(k, v), model.insert(k, v), "swap, {at}"),
                75..86 => {
                    let want = model.get(&k) == Some(&old);
                    assert_eq!(map.compare_and_swap(&k, &old, v), want, "compare_and_swap, {at}");
                    if want {
                        model.insert(k, v);
                    }
                }
                86..98 => {
                    let want = model.get(&k) == Some(&old);
                    assert_eq!(map.compare_and_delete(&k, &old), want, "compare_and_delete, {at}");
                    if want {
                        model.remove(&k);
                    }
                }
                _ => {
                    map.clear();
                    model.clear();
                }
            }
        }
        let mut all = BTreeMap::new();
        map.range(|k, v| all.insert(*k, *v).is_none());
        assert_eq!(all, model, "seed {seed}");
    }
}

/// A key that `range` leaves out or visits twice, a value that was never stored, while others store (Go: `TestConcurrentRange`).
#[kernel_test]
fn range_beside_stores() {
    const SIZE: u64 = 256;
    let map = Arc::new(Map::<u64, u64>::new());
    for n in 1..=SIZE {
        map.store(n, n);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let wg = Arc::new(WaitGroup::new());
    for g in 1..=gomaxprocs() as u64 {
        let (map, stop) = (map.clone(), stop.clone());
        wg.go(move || {
            let rand = Rand::new(g);
            for i in 1.. {
                for n in 1..SIZE {
                    if rand.below(8) == 0 {
                        map.store(n, n * i * g);
                    } else {
                        assert!(map.load(&n).is_some_and(|v| v % n == 0));
                    }
                }
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                crate::gosched();
            }
        });
    }
    for _ in 0..16 {
        let mut seen = BTreeSet::new();
        map.range(|k, v| {
            assert_eq!(v % k, 0, "a value that was not stored for {k}");
            assert!(seen.insert(*k), "{k} was visited twice");
            true
        });
        assert_eq!(seen.len() as u64, SIZE);
    }
    stop.store(true, Ordering::Relaxed);
    wg.wait();
}

/// `range` that holds a lock while it calls, or does not see what the callee did (Go: `TestMapRangeNestedCall`, issue 46399).
#[kernel_test]
fn range_may_use_the_map() {
    let map = Map::<u32, &str>::new();
    for (i, v) in ["hello", "world", "Go"].into_iter().enumerate() {
        map.store(i as u32, v);
    }
    map.range(|key, _| {
        map.range(|key, value| {
            // The outer call deletes as it goes.
            assert!(map.load(key).is_none_or(|v| v == *value));
            assert_eq!(map.load_or_store(42, "dummy"), ("dummy", false));
            map.store(42, "sync.Map");
            assert_eq!(map.load_and_delete(&42), Some("sync.Map"));
            true
        });
        map.delete(key);
        true
    });
    let mut left = 0;
    map.range(|_, _| {
        left += 1;
        true
    });
    assert_eq!(left, 0);
}

/// `range` that goes on after it was told to stop.
#[kernel_test]
fn range_stops() {
    let map = Map::<u32, u32>::new();
    for n in 0..100 {
        map.store(n, n);
    }
    let mut calls = 0;
    map.range(|_, _| {
        calls += 1;
        calls < 3
    });
    assert_eq!(calls, 3);
}

/// An exchange that makes an entry (Go: `TestCompareAndSwap_NonExistingKey`).
#[kernel_test]
fn compare_and_swap_wants_an_entry() {
    let map = Map::<u32, Option<u32>>::new();
    assert!(!map.compare_and_swap(&1, &None, Some(42)));
    assert_eq!(map.load(&1), None);
}

/// An entry that stays after `delete` or `clear`, or a map of no use after that (Go: `TestMapDelete`, `TestMapClear`).
#[kernel_test]
fn delete_and_clear() {
    let map = Map::<&str, f64>::new();
    for clear in [false, true] {
        map.store("go", 1.21);
        assert_eq!(map.load("go"), Some(1.21));
        if clear {
            map.clear();
        } else {
            map.delete("go");
        }
        assert_eq!(map.load("go"), None);
    }
    map.store("go", 1.22);
    assert_eq!(map.load("go"), Some(1.22));
}

/// A deadlock of `clear` with itself or with stores, an entry that outlives the last `clear` (Go: `TestConcurrentClear`).
#[kernel_test]
fn concurrent_clear() {
    let map = Arc::new(Map::<usize, usize>::new());
    let shared = map.clone();
    on_goroutines(30, move |i| match i / 10 {
        0 => shared.store(i, i * 10),
        1 => assert!(shared.load(&(i % 10)).is_none_or(|v| v == i % 10 * 10)),
        _ => shared.clear(),
    });
    map.clear();
    map.range(|k, v| panic!("({k}, {v}) is left"));
}

/// Keys or values that are dropped never, or twice, when they are replaced, deleted, cleared, or left (Go: `TestIssue40999`).
#[kernel_test]
fn drops_keys_and_values() {
    let (key, value) = (Arc::new(1), Arc::new(2));
    let map = Map::new();
    for n in 0..4 {
        map.store((n, key.clone()), value.clone());
        map.store((n, key.clone()), value.clone());
    }
    assert_eq!((Arc::strong_count(&key), Arc::strong_count(&value)), (5, 5));
    drop(map.swap((0, key.clone()), value.clone()));
    drop(map.load_and_delete(&(0, key.clone())));
    map.delete(&(1, key.clone()));
    assert_eq!((Arc::strong_count(&key), Arc::strong_count(&value)), (3, 3));
    map.clear();
    assert_eq!((Arc::strong_count(&key), Arc::strong_count(&value)), (1, 1));
    map.store((9, key.clone()), value.clone());
    drop(map);
    assert_eq!((Arc::strong_count(&key), Arc::strong_count(&value)), (1, 1));
}
