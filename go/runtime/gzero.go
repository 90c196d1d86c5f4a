// The way between this program and Gzero's kernel, which holds the scheduler, channels, timers and memory: a table of Rust functions that the kernel
// hands to the program's entry, and a record of addresses and offsets that the program hands back. Neither side knows the other's structures but by
// what it is told here. docs/go-programs.md of the Gzero project says how both halves work together.

package runtime

import (
	"internal/abi"
	"unsafe"
)

// gzVersion changes with every change of the table or of gzLayout. The kernel refuses another.
const gzVersion = 19

// gzLayout is runtime/src/goabi/layout.rs's Layout, word for word.
type gzLayout struct {
	version, size uintptr

	// Go's g lies right behind the kernel's G.
	gType, gSize                             uintptr
	gStackLo, gStackHi                       uintptr
	gStackguard0, gStackguard1               uintptr
	gM, gSched, gSyscallsp, gGoid            uintptr
	gAtomicstatus, gWaitsince, gWaitreason   uintptr
	gPreempt, gLockedm                       uintptr
	gSig, gSigcode0, gSigcode1, gSigpc       uintptr
	gParentGoid, gGopc, gStartpc             uintptr
	gobufSP, gobufPC, gobufG, gobufBP        uintptr
	mSize                                    uintptr
	mG0, mCurg, mLocks, mMallocing           uintptr
	mPreemptoff, mThrowing, mDying           uintptr
	gBubble, gLabels, hchanOwner             uintptr
	stackPreempt                             uintptr
	text, etext                              uintptr
	pclntab, ftab, nftab, findfunctab, pctab uintptr
	funcnametab                              uintptr

	// Where code here expects the kernel's fields.
	kernelGStackLo, kernelGStackHi                                                  uintptr
	kernelGM, kernelGLocks, kernelGStatus, kernelGGoid, kernelGStartarg, kernelMGoM uintptr
	shallowStack                                                                    uintptr

	// Code that the kernel enters.
	gostart, goexit, sigpanic, callgo uintptr
	minit, deadlock, timerFire        uintptr
	bubbleMisused                     uintptr

	// For the collector.
	poolCleanup                                 uintptr
	data, edata, bss, ebss                      uintptr
	gDefer, deferFn, deferLink                  uintptr
	gofunc, sigpanicID                          uintptr
	typeSize, typePtrBytes, typeFlags, typeMask uintptr

	// What the assembly for allocation assumes.
	kernelMP, kernelPRuns                                       uintptr
	kernelRunBytes                                              uintptr
	kernelRunNext, kernelRunEnd, kernelRunBitmap, kernelRunSize uintptr
	kernelTiny, kernelTinyOffset, kernelTinyAllocs              uintptr
	kernelChanShort                                             uintptr
	classes                                                     uintptr

	// For profiles.
	memProfileRate, blocked uintptr
}

// The offsets of the kernel's fields in gzero_amd64.s. Those of its G count from Go's g, which lies
// behind it.
const (
	gzKernelGStackLo  = -216
	gzKernelGStackHi  = -208
	gzKernelGM        = -192
	gzKernelGLocks    = -184
	gzKernelGStatus   = -180
	gzKernelGGoid     = -176
	gzKernelGStartarg = -168
	gzKernelMGoM      = 8
	gzKernelMP        = 24

	// A P's runs of free slots, and in a run.
	gzKernelPRuns      = 4832
	gzKernelRunBytes   = 48
	gzKernelRunNext    = 0
	gzKernelRunEnd     = 8
	gzKernelRunBitmap  = 16
	gzKernelRunSize    = 24
	gzKernelTinyInRuns = 136 * gzKernelRunBytes
	gzKernelTiny       = gzKernelPRuns + gzKernelTinyInRuns
	gzKernelTinyOffset = gzKernelTiny + 8
	gzKernelTinyAllocs = gzKernelTiny + 16

	// In a channel.
	gzKernelChanShort = 41

	// A type's descriptor, for the assembly.
	gzTypeSize     = unsafe.Offsetof(_type{}.Size_)
	gzTypePtrBytes = unsafe.Offsetof(_type{}.PtrBytes)
	gzTypeMask     = unsafe.Offsetof(_type{}.GCData)

	gzChanTypeElem = unsafe.Offsetof(chantype{}.Elem)
)

// gzM is what each of the kernel's Ms has of Go's: an m, and as much of a p as the kept files want, which is a cache of free _defers.
// What follows the cache in p is not there.
type gzM struct {
	m      m
	p      [unsafe.Offsetof(p{}.deferpool) + unsafe.Sizeof(p{}.deferpool)]byte
	defers [32]*_defer
}

// minit makes an M's memory, all zeros, usable. On that M's g0, or on the first goroutine's.
func minit(own *gzM) {
	mp := &own.m
	mp.cheaprand = uint32(gzRandom())
	mp.cheaprand64 = gzRandom()
	mp.chacha8.Init64([4]uint64{gzRandom(), gzRandom(), gzRandom(), gzRandom()})
	pp := (*p)(unsafe.Pointer(&own.p))
	pp.deferpool = *(*[]*_defer)(unsafe.Pointer(&slice{unsafe.Pointer(&own.defers), 0, len(own.defers)}))
	mp.p = puintptr(unsafe.Pointer(pp))
}

// gzregister tells the kernel what it has to know. Nothing of Go's runtime works before.
func gzregister() {
	gzinitclasses()
	gp := getg()
	md := &firstmoduledata
	info := gzLayout{
		version: gzVersion, size: unsafe.Sizeof(gzLayout{}),
		gType: uintptr(unsafe.Pointer(abi.TypeOf(gp).Elem())), gSize: unsafe.Sizeof(g{}),
		gStackLo:     unsafe.Offsetof(gp.stack) + unsafe.Offsetof(gp.stack.lo),
		gStackHi:     unsafe.Offsetof(gp.stack) + unsafe.Offsetof(gp.stack.hi),
		gStackguard0: unsafe.Offsetof(gp.stackguard0), gStackguard1: unsafe.Offsetof(gp.stackguard1),
		gM: unsafe.Offsetof(gp.m), gSched: unsafe.Offsetof(gp.sched), gSyscallsp: unsafe.Offsetof(gp.syscallsp),
		gGoid:         unsafe.Offsetof(gp.goid),
		gAtomicstatus: unsafe.Offsetof(gp.atomicstatus), gWaitsince: unsafe.Offsetof(gp.waitsince),
		gWaitreason: unsafe.Offsetof(gp.waitreason), gPreempt: unsafe.Offsetof(gp.preempt),
		gLockedm: unsafe.Offsetof(gp.lockedm),
		gSig:     unsafe.Offsetof(gp.sig), gSigcode0: unsafe.Offsetof(gp.sigcode0),
		gSigcode1: unsafe.Offsetof(gp.sigcode1), gSigpc: unsafe.Offsetof(gp.sigpc),
		gParentGoid: unsafe.Offsetof(gp.parentGoid), gGopc: unsafe.Offsetof(gp.gopc),
		gStartpc: unsafe.Offsetof(gp.startpc),
		gobufSP:  unsafe.Offsetof(gobuf{}.sp), gobufPC: unsafe.Offsetof(gobuf{}.pc),
		gobufG: unsafe.Offsetof(gobuf{}.g), gobufBP: unsafe.Offsetof(gobuf{}.bp),
		mSize: unsafe.Sizeof(gzM{}),
		mG0:   unsafe.Offsetof(m{}.g0), mCurg: unsafe.Offsetof(m{}.curg), mLocks: unsafe.Offsetof(m{}.locks),
		mMallocing: unsafe.Offsetof(m{}.mallocing), mPreemptoff: unsafe.Offsetof(m{}.preemptoff),
		mThrowing: unsafe.Offsetof(m{}.throwing), mDying: unsafe.Offsetof(m{}.dying),
		gBubble: unsafe.Offsetof(gp.bubble), gLabels: unsafe.Offsetof(gp.labels), hchanOwner: unsafe.Offsetof(hchan{}.owner),
		stackPreempt: stackPreempt,
		text:         md.text, etext: md.etext,
		pclntab: uintptr(unsafe.Pointer(&md.pclntable[0])), ftab: uintptr(unsafe.Pointer(&md.ftab[0])),
		nftab: uintptr(len(md.ftab)), findfunctab: md.findfunctab, pctab: uintptr(unsafe.Pointer(&md.pctab[0])),
		funcnametab:    uintptr(unsafe.Pointer(&md.funcnametab[0])),
		kernelGStackLo: gzOffset(gzKernelGStackLo), kernelGStackHi: gzOffset(gzKernelGStackHi),
		kernelGM: gzOffset(gzKernelGM), kernelGLocks: gzOffset(gzKernelGLocks), kernelGStatus: gzOffset(gzKernelGStatus), kernelGGoid: gzOffset(gzKernelGGoid),
		kernelGStartarg: gzOffset(gzKernelGStartarg), kernelMGoM: gzKernelMGoM,
		shallowStack: stackShallow,
		gostart:      abi.FuncPCABI0(gzgostart), goexit: abi.FuncPCABI0(goexit),
		sigpanic: abi.FuncPCABI0(sigpanic0), callgo: abi.FuncPCABI0(gzcallgo),
		minit: abi.FuncPCABIInternal(minit), deadlock: abi.FuncPCABIInternal(gzdeadlock),
		timerFire: abi.FuncPCABIInternal(timerFire), bubbleMisused: abi.FuncPCABIInternal(gzbubblemisused),

		poolCleanup: abi.FuncPCABIInternal(gzpoolcleanup),
		data:        md.data, edata: md.edata, bss: md.bss, ebss: md.ebss,
		gDefer: unsafe.Offsetof(gp._defer), deferFn: unsafe.Offsetof(_defer{}.fn),
		deferLink: unsafe.Offsetof(_defer{}.link),
		gofunc:    md.gofunc, sigpanicID: uintptr(abi.FuncID_sigpanic),
		typeSize: gzTypeSize, typePtrBytes: gzTypePtrBytes,
		typeFlags: unsafe.Offsetof(_type{}.TFlag), typeMask: gzTypeMask,
		kernelMP: gzKernelMP, kernelPRuns: gzKernelPRuns, kernelRunBytes: gzKernelRunBytes,
		kernelRunNext: gzKernelRunNext, kernelRunEnd: gzKernelRunEnd,
		kernelRunBitmap: gzKernelRunBitmap, kernelRunSize: gzKernelRunSize,
		kernelTiny: gzKernelTinyInRuns, kernelTinyOffset: gzKernelTinyInRuns + 8,
		kernelTinyAllocs: gzKernelTinyInRuns + 16,
		kernelChanShort:  gzKernelChanShort,
		classes:          uintptr(unsafe.Pointer(&gzclasses)),
		memProfileRate:   uintptr(unsafe.Pointer(&MemProfileRate)),
		blocked:          abi.FuncPCABIInternal(gzblocked),
	}
	gzRegister(&info)
	gzclock = gzClock(&gzstarted)
}

// Where the assembly reads the time: words of the kernel's (runtime/src/port.rs, clock_words), and
// wall time at the clock's start in nanoseconds since 1970.
var (
	gzclock   *[3]uint64
	gzstarted int64
)

// gznoclock is a clock that must be asked for the time.
var gznoclock = [3]uint64{2: 1}

// gzOffset is an offset for the kernel, which adds it with wrap-around.
func gzOffset(o int) uintptr { return uintptr(o) }

func gzbool(b bool) uintptr {
	if b {
		return 1
	}
	return 0
}

// Assembly that the kernel enters.
func gzgostart()
func gzcallgo()

// The kernel's functions, in the order of its table; gzero_amd64.s has their stubs.

//go:noescape
func gzRegister(info *gzLayout)
func gzRandom() uint64

//go:noescape
func gzArg(i uintptr, n *uintptr) *byte

//go:noescape
func gzEnviron(i uintptr, n *uintptr) *byte

//go:noescape
func gzPersistent(size uintptr) unsafe.Pointer
func gzPark(reason uintptr)
func gzProcid() uintptr
func gzGomaxprocs(n uintptr) uintptr
func gzNumgoroutine() uintptr
func gzLockOSThread(lock uintptr)
func gzFreezeTheWorld()
func gzStopTheWorld(stop uintptr)

//go:noescape
func gzNextG(after *g) *g

//go:noescape
func gzDescribe(gp *g)
func gzCoroStart(fn *funcval, pc uintptr) *g
func gzCoroExit(to *g)
func gzMakechan(c *hchan, buf unsafe.Pointer, elemsize, n, pointers uintptr)

//go:noescape
func gzChansend(c *hchan, elem unsafe.Pointer) uint8

//go:noescape
func gzChansendNB(c *hchan, elem unsafe.Pointer) uint8

//go:noescape
func gzChanrecv(c *hchan, elem unsafe.Pointer) uint8

//go:noescape
func gzChanrecvNB(c *hchan, elem unsafe.Pointer) uint8
func gzClosechan(c *hchan) uintptr

//go:noescape
func gzSemacquire(addr *uint32, lifo, reason uintptr)

//go:noescape
func gzSemrelease(addr *uint32, handoff uintptr)
func gzCanspin(i uintptr) uintptr
func gzDospin()

//go:noescape
func gzNotifyWait(l *notifyList, t uint32)

//go:noescape
func gzNotifyAll(l *notifyList)

//go:noescape
func gzNotifyOne(l *notifyList)
func gzSleep(ns int64)
func gzTimerInit(k *[10]uintptr, t *timeTimer, when, period int64, c *hchan)
func gzNcpu() uintptr
func gzGC()
func gzSetGCPercent(percent int32) int
func gzSetMemoryLimit(limit int64) int64
func gzFreeOSMemory()

//go:noescape
func gzMemStats(s *gzStats)

//go:noescape
func gzAddSpecial(kind uintptr, p unsafe.Pointer, payload *[4]uintptr) uint64
func gzRemoveSpecial(kind uintptr, p uintptr, id uint64)
func gzWeakHandle(p unsafe.Pointer) unsafe.Pointer

//go:noescape
func gzNextReady(kind uintptr, out *[5]uintptr)
func gzQueued() (finalizers, cleanups uint64)
func gzFindObject(p uintptr) (base, size uintptr)

func gztableaddr() *uintptr
func gzBubbleBegin(b *synctestBubble, table *uintptr)
func gzBubbleRun(b *synctestBubble) uintptr
func gzBubbleWait(b *synctestBubble) uintptr
func gzBubbleHold(b *synctestBubble, by int)
func gzAssociate(p unsafe.Pointer, id, add uintptr) uintptr
func gzDisassociate(p unsafe.Pointer)
func gzNano() int64
func gzSetMaxThreads(n uintptr) uintptr
func gzProfileWaits(table *uintptr, kind int, on uintptr)
func gzNanotime() int64

//go:noescape
func gzClock(started *int64) *[3]uint64

//go:noescape
func gzSchedStats(s *gzSched)
func gzSyscall(num, a1, a2, a3 uintptr) int

//go:noescape
func gzReadRandom(p *byte, n uintptr)
