//! Several Ps on host threads: what one allocates another frees, and memory flows back.

use super::Rng;
use super::source;
use crate::heap::MCache;
use std::alloc::Layout;
use std::sync::mpsc;
use std::thread;
use std::vec::Vec;

const THREADS: usize = 4;
const STEPS: usize = 30_000;

struct Parcel {
    p: *mut u8,
    layout: Layout,
    tag: u8,
}

// SAFETY: the object goes with the parcel.
unsafe impl Send for Parcel {}

impl Parcel {
    fn check(&self) {
        for i in [0, self.layout.size() / 2, self.layout.size() - 1] {
            // SAFETY: within the object.
            assert_eq!(unsafe { self.p.add(i).read() }, self.tag, "{:p} {:?}", self.p, self.layout);
        }
    }
}

#[test]
fn objects_travel_between_threads() {
    let heap = source::heap(1 << 30);
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..THREADS).map(|_| mpsc::channel::<Parcel>()).unzip();
    let caches: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = receivers
            .into_iter()
            .enumerate()
            .map(|(me, receiver)| {
                let senders = senders.clone();
                scope.spawn(move || {
                    let mut rng = Rng::new(100 + me as u64);
                    let mut cache = MCache::new();
                    let free = |cache: &mut MCache, parcel: Parcel| {
                        parcel.check();
                        // SAFETY: the object came with the parcel, which ends here.
                        unsafe { heap.dealloc(cache, parcel.p, parcel.layout) };
                    };
                    for step in 0..STEPS {
                        let bits = if rng.below(100) == 0 { 18 } else { 11 };
                        let layout = Layout::from_size_align(rng.size(bits), 8).unwrap();
                        // SAFETY: the cache is this thread's.
                        let p = unsafe { heap.alloc(&mut cache, layout) };
                        assert!(!p.is_null());
                        let tag = (step ^ me) as u8;
                        // SAFETY: the object is new.
                        unsafe { p.write_bytes(tag, layout.size()) };
                        senders[rng.below(THREADS)].send(Parcel { p, layout, tag }).unwrap();
                        while let Ok(parcel) = receiver.try_recv() {
                            free(&mut cache, parcel);
                        }
                    }
                    drop(senders);
                    (cache, receiver)
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    drop(senders);
    let mut left = Vec::new();
    for (mut cache, receiver) in caches {
        for parcel in receiver.try_iter() {
            parcel.check();
            // SAFETY: as above.
            unsafe { heap.dealloc(&mut cache, parcel.p, parcel.layout) };
        }
        left.push(cache);
    }
    source::assert_all_back(heap, &mut left);
}

#[test]
fn a_producer_and_a_consumer_use_bounded_memory() {
    let heap = source::heap(256 << 20);
    let layout = Layout::new::<[u64; 12]>();
    let (sender, receiver) = mpsc::sync_channel::<Parcel>(100);
    let mut caches = thread::scope(|scope| {
        let producer = scope.spawn(move || {
            let mut cache = MCache::new();
            for _ in 0..200_000 {
                // SAFETY: the cache is this thread's.
                let p = unsafe { heap.alloc(&mut cache, layout) };
                sender.send(Parcel { p, layout, tag: 0 }).unwrap();
            }
            cache
        });
        let mut cache = MCache::new();
        for parcel in receiver {
            // SAFETY: the object came with the parcel.
            unsafe { heap.dealloc(&mut cache, parcel.p, parcel.layout) };
        }
        [producer.join().unwrap(), cache]
    });
    assert!(heap.sys.out() < 1 << 20, "{}", heap.sys.out());
    source::assert_all_back(heap, &mut caches);
}

/// Ps that make and drop up to a magazine of objects in turn share no lock after a few rounds, and with a thousand objects
/// about one for each half magazine. (With magazines of 64 a batch of a hundred took five, and two cores were 1.15 times as
/// fast as one; with flushes of a half always, it depended on what had been in the magazine before.)
#[test]
fn batches_meet_few_locks() {
    let heap = source::heap(64 << 20);
    let layout = Layout::new::<[u64; 8]>();
    let mut cache = MCache::new();
    let take = |cache: &mut MCache, objects: usize| -> Vec<*mut u8> {
        // SAFETY: the cache is this thread's.
        (0..objects).map(|_| unsafe { heap.alloc(cache, layout) }).collect()
    };
    let give = |cache: &mut MCache, batch: Vec<*mut u8>| {
        // SAFETY: the objects came from `take`.
        batch.into_iter().for_each(|p| unsafe { heap.dealloc(cache, p, layout) });
    };
    let batches = |cache: &mut MCache, objects: usize, rounds: usize| {
        let before = source::LOCKED.get();
        for _ in 0..rounds {
            let batch = take(cache, objects);
            give(cache, batch);
        }
        source::LOCKED.get() - before
    };
    for batch in [70, 100, 112] {
        // However full the magazine was before.
        for held in 0..128 {
            let kept = take(&mut cache, held);
            batches(&mut cache, batch, 8);
            assert_eq!(batches(&mut cache, batch, 10), 0, "batches of {batch} beside {held} others");
            give(&mut cache, kept);
        }
    }
    let locked = batches(&mut cache, 1000, 100);
    // Both ways 16 times for half a magazine, and for the 8 spans that come and go.
    assert!(locked <= 100 * 2 * (16 + 8), "{locked} times");
    source::assert_all_back(heap, &mut [cache]);
}
