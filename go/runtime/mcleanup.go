// Cleanups: functions that are called when an object is gone.

package runtime

import (
	"internal/abi"
	"internal/runtime/atomic"
	"unsafe"
)

// Cleanup is what AddCleanup returns: it can be taken back.
type Cleanup struct {
	id  uint64
	ptr uintptr
}

var gzcleanups struct {
	created  atomic.Uint32
	executed atomic.Uint64
}

// AddCleanup has cleanup(arg) called, in a goroutine of its own, after nobody can reach ptr.
func AddCleanup[T, S any](ptr *T, cleanup func(S), arg S) Cleanup {
	ptr = abi.Escape(ptr)
	if ptr == nil {
		panic("runtime.AddCleanup: ptr is nil")
	}
	if abi.TypeOf(arg) != nil && abi.TypeOf(arg).Kind() == abi.Pointer && *(*unsafe.Pointer)(unsafe.Pointer(&arg)) == unsafe.Pointer(ptr) {
		panic("runtime.AddCleanup: ptr is equal to arg, cleanup will never run")
	}
	fn := func() { cleanup(arg) }
	c := gzaddcleanup(unsafe.Pointer(ptr), abi.Escape(*(**funcval)(unsafe.Pointer(&fn))))
	KeepAlive(ptr)
	return c
}

// gzaddcleanup is not part of what other packages instantiate: assembly may be called from this package only.
//
//go:noinline
func gzaddcleanup(p unsafe.Pointer, fn *funcval) Cleanup {
	if gzcleanups.created.CompareAndSwap(0, 1) {
		gzsystem.Add(1)
		go runCleanups()
	}
	what := [4]uintptr{uintptr(unsafe.Pointer(fn))}
	id := gzAddSpecial(gzCleanup, p, &what)
	KeepAlive(fn)
	if id == 0 {
		if gzoutside(uintptr(p)) {
			// It never dies.
			return Cleanup{}
		}
		panic("runtime.AddCleanup: ptr not in allocated block")
	}
	return Cleanup{id, uintptr(p)}
}

// Stop takes the cleanup back, unless it is due already.
func (c Cleanup) Stop() {
	if c.id != 0 {
		gzRemoveSpecial(gzCleanup, c.ptr, c.id)
	}
}

// runCleanups is the goroutine that calls cleanups. Its name is known to tracebacks.
func runCleanups() {
	for {
		gzruncleanup()
	}
}

//go:noinline
func gzruncleanup() {
	var due [5]uintptr
	gzNextReady(gzCleanup, &due)
	at := unsafe.Pointer(&due[1])
	(*(*func())(at))()
	due = [5]uintptr{}
	gzcleanups.executed.Add(1)
}

// gzcleanupsdone waits until every cleanup that ever became due has returned; false if that takes
// longer than timeout nanoseconds. An empty queue is not enough: a cleanup leaves it before it runs.
func gzcleanupsdone(timeout int64) bool {
	for start := nanotime(); nanotime()-start < timeout; Gosched() {
		if _, queued := gzQueued(); queued == gzcleanups.executed.Load() {
			return true
		}
	}
	return false
}

//go:linkname unique_runtime_blockUntilEmptyCleanupQueue unique.runtime_blockUntilEmptyCleanupQueue
func unique_runtime_blockUntilEmptyCleanupQueue(timeout int64) bool { return gzcleanupsdone(timeout) }

//go:linkname sync_test_runtime_blockUntilEmptyCleanupQueue sync_test.runtime_blockUntilEmptyCleanupQueue
func sync_test_runtime_blockUntilEmptyCleanupQueue(timeout int64) bool {
	return gzcleanupsdone(timeout)
}
