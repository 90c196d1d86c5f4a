// A goroutine's stack has its full size from the start and is backed where it is touched: it is never copied.

package runtime

import (
	"internal/abi"
	"unsafe"
)

// stackRoom is what stays free below a goroutine's guard: for functions without a check of their own, and for the kernel's, which run on the same stack.
const stackRoom = 16384

// stackShallow is how much of a stack, from its top, is its own from the start
// (runtime/src/port.rs). Stacks share page tables while they are shallow: in what lies deeper there
// may be another's pages. The kernel gives a stack tables of its own when it touches the next page,
// and a large frame of Go code would step over that. So the guard first stands where the shallow
// part ends, and goes on from there by doubling the depth, as Go's stacks grow: then newstack looks
// again at how deep a stack may be.
const stackShallow = 160 << 10

func gzyield()
func gzdeepen()

// newstack is called by morestack, on the scheduler's stack, for a goroutine in the prologue of a function: its guard was poisoned so that it gives
// way, or its stack leaves the shallow part, or is full.
//
//go:nowritebarrierrec
func newstack() {
	gp := getg().m.curg
	if gp.stackguard0 == stackPreempt {
		gp.stackguard0 = gp.stackguard1
		mp := gp.m
		// The kernel counts locks of package runtime. A goroutine that yields while it holds one
		// deadlocks with the next that wants it.
		locks := *(*uint32)(unsafe.Pointer(uintptr(unsafe.Pointer(gp)) + gzOffset(gzKernelGLocks)))
		if locks == 0 && mp.locks == 0 && mp.mallocing == 0 && mp.preemptoff == "" {
			gp.preempt = false
			gzdetour(gp, abi.FuncPCABI0(gzyield))
		}
		// Else the kernel's timer poisons the guard again soon.
		gogo(&gp.sched)
	}
	full := max(gp.stack.lo, gp.stack.hi-min(maxstacksize, gp.stack.hi)) + stackRoom
	if guard := gp.stackguard1; guard > full {
		// Step by step: the limit is looked at again when the stack is twice as deep.
		size := gp.stack.hi - (guard - stackRoom)
		gp.stackguard1 = max(full, gp.stack.hi-min(2*size, gp.stack.hi)+stackRoom)
		gp.stackguard0 = gp.stackguard1
		if size <= stackShallow && 2*size > stackShallow {
			gzdetour(gp, abi.FuncPCABI0(gzdeepen))
		}
		gogo(&gp.sched)
	}
	sp := gp.sched.sp
	print("runtime: goroutine stack exceeds ", maxstacksize, "-byte limit\n")
	print("runtime: sp=", hex(sp), " stack=[", hex(gp.stack.lo), ", ", hex(gp.stack.hi), "]\n")
	gp.syscallsp = 0
	throw("stack overflow")
}

// gzdetour has the goroutine go on at pc, which returns to the prologue that it stands in.
//
//go:nosplit
func gzdetour(gp *g, pc uintptr) {
	sp := gp.sched.sp - 8
	*(*uintptr)(unsafe.Pointer(sp)) = gp.sched.pc
	gp.sched.sp = sp
	gp.sched.pc = pc
}
