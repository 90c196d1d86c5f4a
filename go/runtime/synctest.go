// Bubbles of package testing/synctest: the kernel's (runtime/src/proc/bubble.rs,
// runtime/src/goabi/bubble.rs).

package runtime

import (
	"internal/runtime/atomic"
	"unsafe"
)

// synctestBubble begins with what the kept files name; the rest is the kernel's.
type synctestBubble struct {
	id     uint64
	kernel [40]uintptr
}

type synctestDeadlockError struct {
	reason string
	bubble *synctestBubble
}

func (e synctestDeadlockError) Error() string { return e.reason }

// gzbubbles counts the bubbles there ever were.
var gzbubbles atomic.Uint64

// gzbubblewords say what a goroutine outside did to what is a bubble's (Misuse in
// runtime/src/goabi/bubble.rs).
var gzbubblewords = [...]string{
	"send on synctest channel from outside bubble",
	"receive on synctest channel from outside bubble",
	"close of synctest channel from outside bubble",
	"select on synctest channel from outside bubble",
	"synctest timer accessed from outside bubble",
	"stop of synctest timer from outside bubble",
	"reset of synctest timer from outside bubble",
	"semaphore wake of synctest goroutine from outside bubble",
}

// gzbubblemisused is called by the kernel, on a scheduler's stack. goid is the goroutine that was
// woken, or 0.
func gzbubblemisused(how, goid uintptr) {
	if goid != 0 {
		println("semaphore wake of synctest goroutine", goid, "from outside bubble")
	}
	fatal(gzbubblewords[how])
}

//go:linkname synctestRun internal/synctest.Run
func synctestRun(f func()) {
	gp := getg()
	if gp.bubble != nil {
		panic("synctest.Run called from within a synctest bubble")
	}
	b := &synctestBubble{id: gzbubbles.Add(1)}
	gzBubbleBegin(b, gztableaddr())
	gzclock = &gznoclock
	gp.bubble = b
	defer func() { getg().bubble = nil }()
	newproc(*(**funcval)(unsafe.Pointer(&f)))
	switch gzBubbleRun(b) {
	case 1:
		gzbubbledeadlock(b, "all goroutines in bubble are blocked")
	case 2:
		gzbubbledeadlock(b, "main bubble goroutine has exited but blocked goroutines remain")
	}
}

func gzbubbledeadlock(b *synctestBubble, why string) {
	panic(synctestDeadlockError{"deadlock: " + why, b})
}

//go:linkname synctestWait internal/synctest.Wait
func synctestWait() {
	b := getg().bubble
	if b == nil {
		panic("goroutine is not in a bubble")
	}
	if gzBubbleWait(b) == 0 {
		panic("wait already in progress")
	}
}

//go:linkname synctest_isInBubble internal/synctest.IsInBubble
func synctest_isInBubble() bool { return getg().bubble != nil }

//go:linkname synctest_acquire internal/synctest.acquire
func synctest_acquire() any {
	if b := getg().bubble; b != nil {
		gzBubbleHold(b, 1)
		return b
	}
	return nil
}

//go:linkname synctest_release internal/synctest.release
func synctest_release(bubble any) { gzBubbleHold(bubble.(*synctestBubble), -1) }

//go:linkname synctest_inBubble internal/synctest.inBubble
func synctest_inBubble(bubble any, f func()) {
	gp := getg()
	if gp.bubble != nil {
		panic("goroutine is already bubbled")
	}
	gp.bubble = bubble.(*synctestBubble)
	defer func() { getg().bubble = nil }()
	f()
}

//go:linkname synctest_associate internal/synctest.associate
func synctest_associate(p unsafe.Pointer) int {
	return int(gzAssociate(p, uintptr(getg().bubble.id), 1))
}

//go:linkname synctest_disassociate internal/synctest.disassociate
func synctest_disassociate(p unsafe.Pointer) { gzDisassociate(p) }

//go:linkname synctest_isAssociated internal/synctest.isAssociated
func synctest_isAssociated(p unsafe.Pointer) bool {
	return gzAssociate(p, uintptr(getg().bubble.id), 0) == 1
}
