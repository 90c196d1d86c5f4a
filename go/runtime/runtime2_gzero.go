// Types that the kept files name. What Go's runtime keeps in them the kernel keeps, so most are empty.

package runtime

import (
	"internal/abi"
	"internal/runtime/atomic"
	"unsafe"
)

const (
	mutexMLocksDelta                  = 16
	mallocHeaderSize                  = 8
	maxAlloc                          = 1 << 48
	maxSmallSize                      = 32768
	minLegalPointer           uintptr = 4096
	pageSize                          = 8192
	maxProfStackDepth                 = 1024
	osHasLowResClockInt               = 0
	fixedStack                        = 2048
	stackDebug                        = 0
	stackPreempt                      = 1<<64 - 1314
	stackGuard                        = 928
	fingRunningFinalizer      uint32  = 2
	defaultTraceAdvancePeriod         = 1e9
)

type (
	cgoCallers                  [32]uintptr
	waitq                       struct{ first, last *sudog }
	dlogPerM                    struct{}
	timeHistogram               struct{}
	lfstack                     uint64
	mWaitList                   struct{ _ uintptr }
	notInHeap                   struct{ _ uintptr }
	persistentAlloc             struct{}
	mcache                      struct{ _ uintptr }
	cleanupBlock                struct{ _ uintptr }
	gcBgMarkWorkerNode          struct{ _ uintptr }
	gcMarkWorkerMode            int
	limiterEvent                struct{}
	gcWork                      struct{}
	mspan                       struct{ _ uintptr }
	pageCache                   struct{}
	goroutineProfileStateHolder struct{}
	mLockProfile                struct{}
	mOS                         struct{}
	sigset                      [2]uint32
	xRegPerG                    struct{}
	xRegPerP                    struct{}
	gList                       struct{ head guintptr }
	gQueue                      struct{ head guintptr }
	initTask                    struct{ state, nfns uint32 }
	pMask                       []uint32
	sysmontick                  struct{}
	gsignalStack                struct{}
	timer                       struct{ _ uintptr }
	timers                      struct{}
	gTraceState                 struct{}
	mTraceState                 struct{}
	pTraceState                 struct{}
	traceBlockReason            uint8
	traceTime                   uint64
	pollDesc                    struct{ _ uintptr }
	sysMemStat                  uint64
	fixalloc                    struct{ size uintptr }
	mheap                       struct{ cachealloc fixalloc }
	mstats                      struct{ other_sys sysMemStat }
	gcControllerState           struct{}

	bitvector struct {
		n        int32
		bytedata *uint8
	}
	stackObjectRecord struct {
		off, size, ptrBytes int32
		gcdataoff           uint32
	}
	wbBuf struct {
		next, end uintptr
		buf       [2]uintptr
	}
)

func (b *wbBuf) get2() *[2]uintptr                   { return (*[2]uintptr)(unsafe.Pointer(&b.buf[0])) }
func (c *gcControllerState) addGlobals(amount int64) {}

var (
	physPageSize uintptr = 4096
	zerobase     uintptr
	fingStatus   atomic.Uint32
	writeBarrier struct {
		enabled bool
		pad     [3]byte
		alignme uint64
	}
	gcController gcControllerState
	// Not 0, or panics say that there is no heap so far.
	mheap_       = mheap{fixalloc{1}}
	memstats     mstats
	maxstacksize uintptr = 1000000000

	g0     g
	gcrash g
	m0     m
)

func addb(p *byte, n uintptr) *byte { return (*byte)(unsafe.Pointer(uintptr(unsafe.Pointer(p)) + n)) }

func round2(x int32) int32 {
	s := uint(0)
	for 1<<s < x {
		s++
	}
	return 1 << s
}

func cgoCheckMemmove2(typ *_type, dst, src unsafe.Pointer, off, size uintptr) {}
func cgoCheckPtrWrite(dst *unsafe.Pointer, src unsafe.Pointer)                {}
func cgoCheckSliceCopy(typ *_type, dst, src unsafe.Pointer, n int)            {}
func cgocall(fn, arg unsafe.Pointer) int32                                    { throw("cgo is not supported"); return 0 }
func cgocallbackg(fn, frame unsafe.Pointer, ctxt uintptr)                     {}
func NumCgoCall() int64                                                       { return 0 }
func needAndBindM()                                                           {}
func dropm()                                                                  {}
func libInit()                                                                {}
func printDebugLog()                                                          {}
func debugPinnerV1() *Pinner                                                  { return nil }
func debugCallCheck(pc uintptr) string                                        { return "" }
func debugCallWrap(dispatch uintptr)                                          {}

// The barrier is off while the collector stops the world.

//go:nosplit
func wbBufFlush() {}

//go:nosplit
func bulkBarrierPreWrite(dst, src, size uintptr, typ *abi.Type) {}

//go:nosplit
func bulkBarrierPreWriteSrcOnly(dst, src, size uintptr, typ *abi.Type) {}
