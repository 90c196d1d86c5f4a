// Start, goroutines, the main goroutine.

package runtime

import (
	"internal/abi"
	"internal/cpu"
	"internal/runtime/exithook"
	"internal/runtime/maps"
	"internal/runtime/sys"
	"unsafe"
)

var (
	modinfo           string
	runtime_inittasks []*initTask
	gzseed            [4]uint64
)

//go:linkname main_main main.main
func main_main()

// gzstart is the main goroutine, from the image's entry: what Go's schedinit and main do.
func gzstart() {
	getg().goid = 1
	numCPUStartup = int32(gzNcpu())
	gomaxprocs = int32(gzGomaxprocs(0))
	crashFD.Store(^uintptr(0))
	for i := range gzseed {
		gzseed[i] = gzRandom()
	}
	startupRand = (*[32]byte)(unsafe.Pointer(&gzseed))[:]
	ticks.init()
	moduledataverify()
	randinit()
	argslice, envs = gzwords(false), gzwords(true)
	godebug := gogetenv("GODEBUG")
	cpu.Initialize(godebug)
	x86HasAVX, x86HasFMA = cpu.X86.HasAVX, cpu.X86.HasFMA
	x86HasPOPCNT, x86HasSSE41 = cpu.X86.HasPOPCNT, cpu.X86.HasSSE41
	maps.AlgInit()
	modulesinit()
	typelinksinit()
	itabsinit()
	stkobjinit()
	parseRuntimeDebugVars(godebug)
	if disableMemoryProfiling {
		MemProfileRate = 0
	}
	finishDebugVarsSetup()
	exithook.Goid = func() uint64 { return getg().goid }
	exithook.Throw = throw
	exithook.Gosched = Gosched
	main()
}

// gzwords reads the arguments, or the environment.
func gzwords(environ bool) []string {
	all := []string{}
	for i := uintptr(0); ; i++ {
		var n uintptr
		var p *byte
		if environ {
			p = gzEnviron(i, &n)
		} else {
			p = gzArg(i, &n)
		}
		if p == nil {
			return all
		}
		all = append(all, unsafe.String(p, int(n)))
	}
}

func gzinit(tasks []*initTask) {
	for _, t := range tasks {
		if t.state == 2 {
			continue
		}
		if t.state == 1 {
			throw("recursive call during initialization - linker skew")
		}
		t.state = 1
		first := add(unsafe.Pointer(t), unsafe.Sizeof(initTask{}))
		for i := uintptr(0); i < uintptr(t.nfns); i++ {
			at := add(first, i*8)
			(*(*func())(unsafe.Pointer(&at)))()
		}
		t.state = 2
	}
}

func main() {
	gzinit(runtime_inittasks)
	for md := &firstmoduledata; md != nil; md = md.next {
		gzinit(md.inittasks)
	}
	fn := main_main
	fn()
	if runningPanicDefers.Load() != 0 {
		// Deferred functions of a goroutine that panics end the program themselves.
		for c := 0; c < 1000 && runningPanicDefers.Load() != 0; c++ {
			Gosched()
		}
	}
	if panicking.Load() != 0 {
		block()
	}
	exithook.Run(0)
	exit(0)
}

func newproc(fn *funcval)

// goexit1 ends the goroutine.
func goexit1()

// gzclear takes from the current g what its next goroutine must not find there.
func gzclear()

//go:linkname Gosched
func Gosched()
func goschedguarded() { Gosched() }

func LockOSThread()     { gzLockOSThread(1) }
func UnlockOSThread()   { gzLockOSThread(0) }
func NumCPU() int       { return int(numCPUStartup) }
func NumGoroutine() int { return int(gzNumgoroutine()) - int(gzsystem.Load()) }
func GOMAXPROCS(n int) int {
	old := int(gzGomaxprocs(uintptr(max(n, 0))))
	gomaxprocs = int32(gzGomaxprocs(0))
	return old
}
func SetDefaultGOMAXPROCS()           { GOMAXPROCS(NumCPU()) }
func defaultGOMAXPROCSUpdateGODEBUG() {}

func readgstatus(gp *g) uint32

// forEachGRace calls fn with each goroutine, after the kernel has written into its g what it does and where it stands.
func forEachGRace(fn func(gp *g)) {
	for gp := gzNextG(nil); gp != nil; gp = gzNextG(gp) {
		gp.waitreason = gzwaitreason(gp.waitreason)
		fn(gp)
	}
}

// gzdurable is set beside the kernel's number for the reason of a goroutine that blocks durably
// (runtime/src/goabi/report.rs).
const gzdurable = 0x80

// gzwaitreason is Go's reason for the kernel's.
func gzwaitreason(kernel waitReason) waitReason {
	why := gzwaitreasons[kernel&^gzdurable]
	if kernel&gzdurable != 0 {
		switch why {
		case waitReasonChanReceive:
			return waitReasonSynctestChanReceive
		case waitReasonChanSend:
			return waitReasonSynctestChanSend
		case waitReasonSelect:
			return waitReasonSynctestSelect
		}
	}
	return why
}

// gzwaitreasons are Go's reasons by the kernel's numbers (runtime/src/proc/waitreason.rs).
var gzwaitreasons = [...]waitReason{
	waitReasonZero,
	waitReasonChanReceiveNilChan,
	waitReasonChanSendNilChan,
	waitReasonSelectNoCases,
	waitReasonSelect,
	waitReasonChanReceive,
	waitReasonChanSend,
	waitReasonSemacquire,
	waitReasonSleep,
	waitReasonSyncCondWait,
	waitReasonSyncMutexLock,
	waitReasonSyncRWMutexRLock,
	waitReasonSyncRWMutexLock,
	waitReasonSyncWaitGroupWait,
	waitReasonStoppingTheWorld,
	waitReasonCoroutine,
	waitReasonSynctestRun,
	waitReasonSynctestWait,
	waitReasonSynctestWaitGroupWait,
}

// freezetheworld begins a fatal report, whose first goroutine is the current one.
func freezetheworld() {
	if gp := getg().m.curg; gp != nil {
		gzDescribe(gp)
	}
	gzFreezeTheWorld()
}

func schedtrace(detailed bool) {}

// gzdeadlock is called by the kernel, on a scheduler's stack, when no goroutine can go on.
func gzdeadlock() {
	getg().m.curg = nil
	if gzNumgoroutine() == 0 {
		fatal("no goroutines (main called runtime.Goexit) - deadlock!")
	}
	fatal("all goroutines are asleep - deadlock!")
}

//go:nosplit
func procPin() int {
	getg().m.locks++
	return int(gzProcid())
}

//go:nosplit
func procUnpin() { getg().m.locks-- }

//go:linkname sync_runtime_procPin sync.runtime_procPin
//go:nosplit
func sync_runtime_procPin() int { return procPin() }

//go:linkname sync_runtime_procUnpin sync.runtime_procUnpin
//go:nosplit
func sync_runtime_procUnpin() { procUnpin() }

//go:linkname sync_atomic_runtime_procPin sync/atomic.runtime_procPin
//go:nosplit
func sync_atomic_runtime_procPin() int { return procPin() }

//go:linkname sync_atomic_runtime_procUnpin sync/atomic.runtime_procUnpin
//go:nosplit
func sync_atomic_runtime_procUnpin() { procUnpin() }

//go:linkname internal_sync_runtime_canSpin internal/sync.runtime_canSpin
func internal_sync_runtime_canSpin(i int) bool { return gzCanspin(uintptr(i)) != 0 }

//go:linkname internal_sync_runtime_doSpin internal/sync.runtime_doSpin
func internal_sync_runtime_doSpin() { gzDospin() }

//go:linkname sync_runtime_canSpin sync.runtime_canSpin
func sync_runtime_canSpin(i int) bool { return gzCanspin(uintptr(i)) != 0 }

//go:linkname sync_runtime_doSpin sync.runtime_doSpin
func sync_runtime_doSpin() { gzDospin() }

// setMaxThreads sets how many Ms there may be.
//
//go:linkname setMaxThreads runtime/debug.setMaxThreads
func setMaxThreads(in int) (out int) {
	return int(gzSetMaxThreads(uintptr(min(max(in, 0), 1<<31-1))))
}

// What asm_amd64.s calls and nothing here reaches.
func osinit()               { throw("osinit") }
func schedinit()            { throw("schedinit") }
func mstart0()              { throw("mstart0") }
func badmcall(fn func(*g))  { throw("runtime: mcall called on m->g0 stack") }
func badmcall2(fn func(*g)) { throw("runtime: mcall function returned") }
func badmorestackg0()       { throw("runtime: morestack on g0") }
func badmorestackgsignal()  { throw("runtime: morestack on gsignal") }
func badreflectcall()       { panic(plainError("arg size to reflect.call more than 1GB")) }

// gzclosure is a func value made by hand: the compiler refuses closures here that escape.
type gzclosure struct {
	fn uintptr
	a  unsafe.Pointer
}

func gzclosureOf(fn uintptr, a unsafe.Pointer) *funcval {
	return (*funcval)(unsafe.Pointer(&gzclosure{fn, a}))
}

//go:nosplit
func gzclosureArg(p uintptr) unsafe.Pointer { return (*gzclosure)(unsafe.Pointer(p)).a }

var _ = abi.FuncPCABI0
var _ = sys.GetCallerPC
