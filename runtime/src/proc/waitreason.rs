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
    /// Not waiting, or no reason given.
    Zero = "",
    /// Receive on a nil channel.
    ChanReceiveNilChan = "chan receive (nil chan)",
    /// Send on a nil channel.
    ChanSendNilChan = "chan send (nil chan)",
    /// `select` with no cases.
    SelectNoCases = "select (no cases)",
    /// `select`.
    Select = "select",
    /// Receive.
    ChanReceive = "chan receive",
    /// Send.
    ChanSend = "chan send",
    /// A runtime semaphore.
    Semacquire = "semacquire",
    /// `time::sleep`.
    Sleep = "sleep",
    /// `Cond::wait`.
    SyncCondWait = "sync.Cond.Wait",
    /// `Mutex::lock`.
    SyncMutexLock = "sync.Mutex.Lock",
    /// `RwMutex::read`.
    SyncRwMutexRLock = "sync.RWMutex.RLock",
    /// `RwMutex::write`.
    SyncRwMutexLock = "sync.RWMutex.Lock",
    /// `WaitGroup::wait`.
    SyncWaitGroupWait = "sync.WaitGroup.Wait",
    /// Waits for the world to stop, or to be allowed to stop it.
    StoppingTheWorld = "stopping the world",
    /// Stopped by a preemption request.
    Preempted = "preempted",
    /// Another goroutine runs that it handed its M to.
    Coroutine = "coroutine",
    /// A bubble's root, while the bubble runs.
    SynctestRun = "synctest.Run",
    /// Waits until its bubble is idle.
    SynctestWait = "synctest.Wait",
    /// `WaitGroup::wait` on one of the goroutine's bubble.
    SynctestWaitGroupWait = "sync.WaitGroup.Wait",
}
