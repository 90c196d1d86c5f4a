//! Why a goroutine waits, in Go's words (Go: `waitReason` in `runtime2.go`).

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Why a goroutine waits.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum WaitReason { $($(#[$doc])* $name,)* }

        /// The texts by number: a table in memory, which a debugger reads too.
        static TEXTS: [&str; [$($text),*].len()] = [$($text),*];
        static ALL: [WaitReason; TEXTS.len()] = [$(WaitReason::$name),*];

        impl WaitReason {
            /// Go's text for it, as tracebacks print it.
            pub fn text(self) -> &'static str {
                TEXTS[self as usize]
            }

            /// The reason with this number, as Go code names it.
            pub(crate) fn of_number(n: usize) -> WaitReason {
                ALL.get(n).copied().unwrap_or(WaitReason::Zero)
            }
        }
    };
}

reasons! {
    /// Nothing, or no reason is given.
    Zero = "",
    /// A receive from a nil channel: for ever, in no structure.
    ChanReceiveNilChan = "chan receive (nil chan)",
    /// A send on a nil channel: for ever, in no structure.
    ChanSendNilChan = "chan send (nil chan)",
    /// A `select` with no cases: for ever, in no structure.
    SelectNoCases = "select (no cases)",
    /// A `select`: a `Sudog` for each case in its channel's `recvq` or `sendq`.
    Select = "select",
    /// A receive: a `Sudog` in the channel's `recvq`.
    ChanReceive = "chan receive",
    /// A send: a `Sudog` in the channel's `sendq`.
    ChanSend = "chan send",
    /// A semaphore of the runtime's: a `Waiter` in the treap of its `SemaRoot`.
    Semacquire = "semacquire",
    /// `time::sleep`: a timer in the heap of the P; in a bubble an entry in the bubble's list.
    Sleep = "sleep",
    /// `Cond::wait`: a `Waiter` in the condition's list.
    SyncCondWait = "sync.Cond.Wait",
    /// `Mutex::lock`: a `Waiter` in the treap of its semaphore's `SemaRoot`.
    SyncMutexLock = "sync.Mutex.Lock",
    /// `RwMutex::read`: a `Waiter` in the treap of the readers' semaphore.
    SyncRwMutexRLock = "sync.RWMutex.RLock",
    /// `RwMutex::write`: a `Waiter` in the treap of the writers' semaphore.
    SyncRwMutexLock = "sync.RWMutex.Lock",
    /// `WaitGroup::wait`: a `Waiter` in the treap of its semaphore's `SemaRoot`.
    SyncWaitGroupWait = "sync.WaitGroup.Wait",
    /// Stopping the world: a `Waiter` in the treap of `WORLDSEMA`; then nothing, until the other Ps stand.
    StoppingTheWorld = "stopping the world",
    /// A switch to another goroutine, which has the M now: the word `gp` of Go's `coro`.
    Coroutine = "coroutine",
    /// The root of a bubble, while the bubble runs: the bubble.
    SynctestRun = "synctest.Run",
    /// A wait until the bubble is idle: the bubble.
    SynctestWait = "synctest.Wait",
    /// `WaitGroup::wait` on a group of the goroutine's bubble: a `Waiter` in the treap of its semaphore.
    SynctestWaitGroupWait = "sync.WaitGroup.Wait",
}

#[cfg(test)]
mod tests {
    use super::ALL;
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    /// The reasons' names by number, in small letters: Go writes `RW`.
    fn names() -> Vec<String> {
        ALL.iter().map(|reason| format!("{reason:?}").to_lowercase()).collect()
    }

    #[test]
    fn go_has_the_same_list() {
        let list = include_str!("../../../go/runtime/proc.go").split_once("var gzwaitreasons").unwrap().1;
        let list = list.split_once("\n}").unwrap().0;
        let go: Vec<String> = list
            .lines()
            .filter_map(|line| line.trim().strip_prefix("waitReason")?.strip_suffix(','))
            .map(str::to_lowercase)
            .collect();
        assert_eq!(go, names());
    }

    #[test]
    fn go_has_the_same_numbers() {
        let mut constants = 0;
        for line in include_str!("../../../go/runtime/select.go").lines() {
            let Some((name, number)) =
                line.trim().strip_prefix("gzWait").and_then(|line| line.split_once('='))
            else {
                continue;
            };
            let name = name.trim().to_lowercase();
            let reason = &names()[number.trim().parse::<usize>().unwrap()];
            let said = [&name, &format!("sync{name}"), &format!("{name}wait"), &format!("sync{name}wait")];
            assert!(said.contains(&reason), "gzWait{name} is the number of {reason}");
            constants += 1;
        }
        assert_eq!(constants, 7);
    }
}
