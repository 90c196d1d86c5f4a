//! The functions that Go code calls, by number: `go/runtime/gzero_amd64.s` has a stub for each, which passes Go's registers as this target's calling convention wants
//! them. A test compares both lists.

use super::{
    bubble, chan, collect, coro, layout, malloc, metrics, os, proc, profile, report, sema, syscall, time,
};
use crate::heap::system::Locked;
use crate::lock::{Lock, Rank};
use core::sync::atomic::{AtomicPtr, Ordering};

/// The address of a function of any type.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct Entry(*const ());

// SAFETY: the address of code.
unsafe impl Sync for Entry {}

impl Entry {
    pub(super) const fn new(function: *const ()) -> Entry {
        Entry(function)
    }

    pub(super) fn address(self) -> *mut () {
        self.0.cast_mut()
    }
}

macro_rules! table {
    ($($name:literal => $f:expr,)*) => {
        static TABLE: [Entry; [$($name),*].len()] = [$(Entry($f as *const ())),*];
        const NAMES: [&str; [$($name),*].len()] = [$($name),*];
    };
}

table! {
    "gzRegister" => layout::register,
    "gzRandom" => proc::random,
    "gzArg" => os::arg,
    "gzEnviron" => os::environ,
    "gzSyscall" => syscall::call,
    "write1" => os::write1,
    "gzReadRandom" => syscall::random,
    "exit" => os::exit,
    "gzNanotime" => os::nanotime,
    "now" => os::now,
    "gzPersistent" => malloc::persistent,
    "lock" => proc::lock,
    "unlock" => proc::unlock,
    "osyield" => proc::osyield,
    "newproc" => proc::newproc,
    "goexit1" => proc::goexit,
    "Gosched" => proc::gosched,
    "gzPark" => proc::park,
    "gzProcid" => proc::procid,
    "gzGomaxprocs" => proc::gomaxprocs,
    "gzNumgoroutine" => proc::numgoroutine,
    "gzLockOSThread" => proc::lock_os_thread,
    "gzFreezeTheWorld" => report::freeze,
    "gzNextG" => report::next_g,
    "gzCoroStart" => coro::start,
    "coroswitch" => coro::switch,
    "gzCoroExit" => coro::exit,
    "gzMakechan" => chan::make,
    "gzChansend" => chan::send,
    "gzChanrecv" => chan::recv,
    "gzClosechan" => chan::closechan,
    "selectgo" => chan::select,
    "gzSemacquire" => sema::acquire,
    "gzSemrelease" => sema::release,
    "gzCanspin" => proc::can_spin,
    "gzDospin" => proc::do_spin,
    "gzNotifyWait" => sema::notify_wait,
    "gzNotifyAll" => sema::notify_all,
    "gzNotifyOne" => sema::notify_one,
    "gzSleep" => time::sleep,
    "gzTimerInit" => time::init,
    "stopTimer" => time::stop,
    "resetTimer" => time::reset,
    "gzNcpu" => proc::ncpu,
    "gzChansendNB" => chan::send_nb,
    "gzChanrecvNB" => chan::recv_nb,
    "gzDescribe" => report::describe_current,
    "gzStopTheWorld" => proc::stop_the_world,
    "mallocgc" => malloc::mallocgc,
    "gzGC" => collect::gc_now,
    "gzSetGCPercent" => collect::set_percent,
    "gzSetMemoryLimit" => collect::set_limit,
    "gzFreeOSMemory" => collect::free_os_memory,
    "gzMemStats" => collect::stats,
    "gzAddSpecial" => collect::add_special,
    "gzRemoveSpecial" => collect::remove_special,
    "gzWeakHandle" => collect::weak_handle,
    "gzNextReady" => collect::next_ready,
    "gzQueued" => collect::queued,
    "gzFindObject" => collect::find_object,
    "gzSchedStats" => metrics::read,
    "gzBubbleBegin" => bubble::begin,
    "gzBubbleRun" => bubble::run,
    "gzBubbleWait" => bubble::wait,
    "gzBubbleHold" => bubble::hold,
    "gzAssociate" => bubble::associate,
    "gzDisassociate" => bubble::disassociate,
    "gzNano" => os::nanotime,
    "gzSetMaxThreads" => proc::set_max_threads,
    "gzClock" => os::clock,
    "gzProfileWaits" => profile_waits,
}

/// The number of a function.
const fn number(name: &str) -> usize {
    let name = name.as_bytes();
    let mut number = 0;
    loop {
        let other = NAMES[number].as_bytes();
        let mut i = 0;
        while i < name.len() && i < other.len() && name[i] == other[i] {
            i += 1;
        }
        if i == name.len() && i == other.len() {
            return number;
        }
        number += 1;
    }
}

/// A profile that measures calls; the numbers of `profrecord.go`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// How long calls wait.
    Block,
    /// How long others have waited for the mutexes that calls unlock.
    Mutex,
}

/// A call that is measured while a profile is taken: by which function, and where that finds what
/// it stands for.
pub(super) struct Measured {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) by: Entry,
    pub(super) measures: &'static AtomicPtr<()>,
}

/// Which entries a program has instead of the plain ones.
pub(super) struct Wanted {
    /// Those of [`IN_BUBBLES`].
    pub(super) bubbles: bool,
    /// By [`Kind`]: those of `profile.rs`, over these.
    pub(super) profiles: [bool; 2],
}

static WANTED: Locked<Lock, Wanted> =
    Locked::new(Lock::new(Rank::Sema), Wanted { bubbles: false, profiles: [false; 2] });

/// Changes which entries a program has. Another core may use the ones before for a while.
///
/// # Safety
/// `entries` is the program's table.
pub(super) unsafe fn exchange(entries: *mut AtomicPtr<()>, change: impl FnOnce(&mut Wanted)) {
    let mut wanted = WANTED.lock();
    change(&mut wanted);
    for (i, plain) in TABLE.iter().enumerate() {
        let in_bubbles = IN_BUBBLES.iter().find(|(number, _)| wanted.bubbles && *number == i);
        let mut entry = in_bubbles.map_or(plain, |(_, entry)| entry);
        if let Some(call) = profile::MEASURED.iter().find(|call| call.name == NAMES[i]) {
            call.measures.store(entry.address(), Ordering::Relaxed);
            if wanted.profiles[call.kind as usize] {
                entry = &call.by;
            }
        }
        // SAFETY: as the caller promises. What is stored for measuring is there before.
        unsafe { (*entries.add(i)).store(entry.address(), Ordering::Release) };
    }
}

/// Has calls measured for a profile, or not.
pub(super) unsafe extern "C" fn profile_waits(entries: *mut AtomicPtr<()>, kind: usize, on: usize) {
    // SAFETY: the program's table.
    unsafe { exchange(entries, |wanted| wanted.profiles[kind & 1] = on != 0) };
}

macro_rules! in_bubbles {
    ($($name:literal => $f:expr,)*) => {
        /// What the entries become of a program that makes bubbles.
        static IN_BUBBLES: [(usize, Entry); [$($name),*].len()] =
            [$((const { number($name) }, Entry($f as *const ()))),*];
    };
}

in_bubbles! {
    "newproc" => bubble::newproc,
    "gzCoroStart" => bubble::coro_start,
    "coroswitch" => bubble::coro_switch,
    "gzMakechan" => bubble::make,
    "gzChansend" => bubble::send,
    "gzChansendNB" => bubble::send_nb,
    "gzChanrecv" => bubble::recv,
    "gzChanrecvNB" => bubble::recv_nb,
    "gzClosechan" => bubble::closechan,
    "selectgo" => bubble::select,
    "gzPark" => bubble::park,
    "gzSemacquire" => bubble::semacquire,
    "gzNotifyWait" => bubble::notify_wait,
    "gzNotifyAll" => bubble::notify_all,
    "gzNotifyOne" => bubble::notify_one,
    "gzSleep" => bubble::sleep,
    "now" => bubble::now,
    "gzNano" => bubble::nano,
    "gzTimerInit" => bubble::timer_init,
    "stopTimer" => bubble::timer_stop,
    "resetTimer" => bubble::timer_reset,
}

/// Enters the program at `entry` as the main goroutine, with the table.
pub(super) fn enter(entry: usize) -> ! {
    crate::proc::become_foreign();
    // SAFETY: the entry of a program whose linker was given the Go half; if it was not, its first instructions show it.
    let entry = unsafe { core::mem::transmute::<usize, extern "C" fn(*const Entry, usize) -> !>(entry) };
    entry(TABLE.as_ptr(), TABLE.len())
}

#[cfg(test)]
mod tests {
    use super::NAMES;
    use std::collections::BTreeMap;
    use std::string::String;

    /// The stubs: `RUST(PACKAGE·NAME, NUMBER, …)`, `PARKS(…)`.
    fn stubs() -> BTreeMap<String, usize> {
        include_str!("../../../go/runtime/gzero_amd64.s")
            .lines()
            .filter_map(|line| line.strip_prefix("RUST(").or(line.strip_prefix("PARKS(")))
            .filter_map(|rest| {
                let (name, rest) = rest.split_once('·')?.1.split_once(", ")?;
                Some((name.into(), rest.split_once(',')?.0.parse().ok()?))
            })
            .collect()
    }

    #[test]
    fn stubs_name_the_functions_that_they_call() {
        let stubs = stubs();
        for (name, &number) in &stubs {
            // Two names of Go's for one function.
            let name = name.strip_suffix('2').filter(|n| ["lock", "unlock"].contains(n)).unwrap_or(name);
            assert_eq!(NAMES[number], name, "stub {number} in gzero_amd64.s");
        }
        let by_hand = ["newproc", "goexit1", "now", "mallocgc", "coroswitch", "selectgo"];
        for name in NAMES.iter().filter(|name| !by_hand.contains(name)) {
            assert!(stubs.contains_key(*name), "gzero_amd64.s has no stub for {name}");
        }
    }

    #[test]
    fn both_tables_have_one_length() {
        let text = include_str!("../../../go/runtime/gzero_amd64.s");
        assert!(text.contains(&std::format!("#define TABLE {}\n", NAMES.len())));
    }
}
