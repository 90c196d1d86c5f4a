// A goroutine's stack has its full size from the start and is backed where it is touched: it is never copied.

package runtime

import (
	"internal/abi"
	"unsafe"
)

// stackRoom is what stays free below a goroutine's guard: for functions without a check of their own, and for the kernel's, which run on the same stack.
const stackRoom = 16384

func gzyield()

// newstack is called by morestack, on the scheduler's stack, for a goroutine in the prologue of a function: its guard was poisoned so that it gives
// way, or its stack is full.
//
//go:nowritebarrierrec
func newstack() {
	gp := getg().m.curg
	if gp.stackguard0 == stackPreempt {
		gp.stackguard0 = gp.stackguard1
		mp := gp.m
		if mp.locks == 0 && mp.mallocing == 0 && mp.preemptoff == "" {
			// Goes on in gzyield, which returns to the prologue.
			gp.preempt = false
			sp := gp.sched.sp - 8
			*(*uintptr)(unsafe.Pointer(sp)) = gp.sched.pc
			gp.sched.sp = sp
			gp.sched.pc = abi.FuncPCABI0(gzyield)
		}
		// Else releasem poisons the guard again.
		gogo(&gp.sched)
	}
	sp := gp.sched.sp
	print("runtime: goroutine stack exceeds ", maxstacksize, "-byte limit\n")
	print("runtime: sp=", hex(sp), " stack=[", hex(gp.stack.lo), ", ", hex(gp.stack.hi), "]\n")
	gp.syscallsp = 0
	throw("stack overflow")
}
