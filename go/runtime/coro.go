// Coroutines (iter.Pull): two goroutines of which one runs. A switch goes from one to the other without a run queue.

package runtime

import (
	"internal/abi"
	"internal/runtime/sys"
	"unsafe"
)

// gp is the goroutine that waits.
type coro struct {
	gp guintptr
	f  func(*coro)
}

//go:linkname newcoro
func newcoro(f func(*coro)) *coro {
	c := new(coro)
	c.f = f
	c.gp.set(gzCoroStart(gzclosureOf(abi.FuncPCABIInternal(corostart), unsafe.Pointer(c)), sys.GetCallerPC()))
	return c
}

// corostart is what the new goroutine runs. A prologue that calls the scheduler would lose the closure.
//
//go:nosplit
func corostart() { corobody((*coro)(gzclosureArg(sys.GetClosurePtr()))) }

func corobody(c *coro) {
	// Deferred for functions that call Goexit.
	defer coroexit(c)
	c.f(c)
}

// coroexit ends the goroutine and goes on with the one that waits.
func coroexit(c *coro) {
	to := c.gp.ptr()
	c.gp = 0
	gzclear()
	gzCoroExit(to)
}

//go:linkname coroswitch
func coroswitch(c *coro)

func corogone() { throw("coroswitch on exited coro") }
