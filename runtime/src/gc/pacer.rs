//! When to collect (Go: `mgcpacer.go`).
//!
//! Go's rule: the heap may grow to what was live after the last cycle, plus GOGC percent of that and
//! of the roots (stacks and globals), and to 4 MiB × GOGC / 100 at least. `GOMEMLIMIT` is soft: the goal is
//! lowered so that the heap and everything else that the program has from the machine stay below
//! it, but not to less than an eighth above what is live: a program that needs more than its limit
//! gets it, slowly, instead of one that only collects.
//!
//! With the world stopped for the whole cycle the goal is the trigger. What counts as allocated is what runs
//! were given, a span at a time, and large objects at once: those two are the allocations that can
//! start a cycle.

use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicI32, AtomicUsize};

/// The smallest heap that is collected at GOGC=100 (Go: `heapMinimum`).
const MIN_HEAP: usize = 4 << 20;
/// No limit, and no goal.
pub const UNLIMITED: usize = usize::MAX;

/// See the module's text.
pub(super) struct Pacer {
    /// GOGC; below 0: off.
    percent: AtomicI32,
    limit: AtomicUsize,
    /// Bytes live after the last cycle, and bytes that runs and large objects have now.
    marked: AtomicUsize,
    live: AtomicUsize,
    /// Bytes of roots that the last cycle looked at.
    roots: AtomicUsize,
    /// Bytes that the program has from the machine beside the objects; known if there is a limit.
    others: AtomicUsize,
    goal: AtomicUsize,
    /// Bytes after which there is a cycle in any case; 0: none.
    stress: AtomicUsize,
}

impl Pacer {
    pub(super) const fn new() -> Pacer {
        Pacer {
            percent: AtomicI32::new(100),
            limit: AtomicUsize::new(UNLIMITED),
            marked: AtomicUsize::new(0),
            live: AtomicUsize::new(0),
            roots: AtomicUsize::new(0),
            others: AtomicUsize::new(0),
            goal: AtomicUsize::new(MIN_HEAP),
            stress: AtomicUsize::new(0),
        }
    }

    /// So many bytes were given to a run or a large object.
    pub(super) fn allocated(&self, bytes: usize) {
        self.live.fetch_add(bytes, Relaxed);
    }

    /// Whether a cycle is due.
    pub(super) fn due(&self) -> bool {
        self.live.load(Relaxed) >= self.goal.load(Relaxed)
    }

    pub(super) fn live(&self) -> usize {
        self.live.load(Relaxed)
    }

    /// Bytes live after the last cycle, and of roots that it looked at.
    pub(super) fn last(&self) -> (usize, usize) {
        (self.marked.load(Relaxed), self.roots.load(Relaxed))
    }

    /// GOGC, below 0: off.
    pub(super) fn percent(&self) -> i32 {
        self.percent.load(Relaxed)
    }

    pub(super) fn goal(&self) -> usize {
        self.goal.load(Relaxed)
    }

    /// A cycle has ended.
    pub(super) fn cycle(&self, live: usize, roots: usize, others: usize) {
        self.marked.store(live, Relaxed);
        self.live.store(live, Relaxed);
        self.roots.store(roots, Relaxed);
        self.others.store(others, Relaxed);
        self.set_goal();
    }

    fn set_goal(&self) {
        let goal = goal(
            self.percent.load(Relaxed),
            self.limit.load(Relaxed),
            self.marked.load(Relaxed),
            self.roots.load(Relaxed),
            self.others.load(Relaxed),
        );
        let stress = self.stress.load(Relaxed);
        let most = if stress == 0 { UNLIMITED } else { self.marked.load(Relaxed) + stress };
        self.goal.store(goal.min(most), Relaxed);
    }

    /// Sets GOGC, below 0 for off; returns what it was (Go: `setGCPercent`).
    pub(super) fn set_percent(&self, percent: i32) -> i32 {
        let old = self.percent.swap(percent.max(-1), Relaxed);
        self.set_goal();
        old
    }

    /// Sets GOMEMLIMIT; returns what it was. `others` are as in [`Pacer::cycle`].
    pub(super) fn set_limit(&self, limit: usize, others: usize) -> usize {
        self.others.store(others, Relaxed);
        let old = self.limit.swap(limit, Relaxed);
        self.set_goal();
        old
    }

    pub(super) fn limit(&self) -> usize {
        self.limit.load(Relaxed)
    }

    /// Has a cycle every so many bytes in any case, 0: not.
    pub(super) fn set_stress(&self, bytes: usize) {
        self.stress.store(bytes, Relaxed);
        self.set_goal();
    }
}

/// The rule.
fn goal(percent: i32, limit: usize, live: usize, roots: usize, others: usize) -> usize {
    let by_percent = match usize::try_from(percent) {
        Err(_) => UNLIMITED,
        Ok(percent) => {
            let grow = (live + roots) as u128 * percent as u128 / 100;
            let least = MIN_HEAP as u128 * percent as u128 / 100;
            usize::try_from((live as u128 + grow).max(least)).unwrap_or(UNLIMITED)
        }
    };
    if limit == UNLIMITED {
        return by_percent;
    }
    let by_limit = limit.saturating_sub(others).max(live + live / 8).max(MIN_HEAP / 16);
    by_percent.min(by_limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn the_goal_is_gos() {
        assert_eq!(goal(100, UNLIMITED, 0, 0, 0), 4 * MIB);
        assert_eq!(goal(400, UNLIMITED, 0, 0, 0), 16 * MIB);
        assert_eq!(goal(10, UNLIMITED, 0, 0, 0), 4 * MIB / 10);
        assert_eq!(goal(100, UNLIMITED, 10 * MIB, 0, 0), 20 * MIB);
        // Stacks and globals count half.
        assert_eq!(goal(50, UNLIMITED, 10 * MIB, 2 * MIB, 0), 16 * MIB);
        assert_eq!(goal(0, UNLIMITED, 10 * MIB, 0, 0), 10 * MIB);
        assert_eq!(goal(-1, UNLIMITED, 10 * MIB, 0, 0), UNLIMITED);
        assert_eq!(goal(i32::MAX, UNLIMITED, usize::MAX / 2, 0, 0), UNLIMITED);
    }

    #[test]
    fn a_limit_lowers_the_goal_but_leaves_room_to_work() {
        assert_eq!(goal(100, 64 * MIB, 10 * MIB, 0, 0), 20 * MIB);
        assert_eq!(goal(-1, 64 * MIB, 10 * MIB, 0, 4 * MIB), 60 * MIB);
        assert_eq!(goal(100, 15 * MIB, 10 * MIB, 0, MIB), 14 * MIB);
        assert_eq!(goal(100, 8 * MIB, 16 * MIB, 0, MIB), 18 * MIB);
        assert_eq!(goal(100, 1, 0, 0, MIB), MIB / 4);
    }

    #[test]
    fn what_is_allocated_makes_a_cycle_due() {
        let pacer = Pacer::new();
        pacer.allocated(4 * MIB - 1);
        assert!(!pacer.due());
        pacer.allocated(1);
        assert!(pacer.due());
        pacer.cycle(3 * MIB, 0, 0);
        assert!(!pacer.due());
        assert_eq!((pacer.live(), pacer.goal()), (3 * MIB, 6 * MIB));
        assert_eq!(pacer.set_percent(-5), 100);
        pacer.allocated(100 * MIB);
        assert!(!pacer.due());
        assert_eq!(pacer.set_percent(50), -1);
        assert!(pacer.due());
        pacer.cycle(3 * MIB, 0, 0);
        pacer.set_stress(4096);
        pacer.allocated(4096);
        assert!(pacer.due());
    }
}
