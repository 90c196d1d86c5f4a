// Bubbles of package testing/synctest: none. synctest.Test says so.

package runtime

import "unsafe"

type (
	synctestBubble        struct{ id uint64 }
	synctestDeadlockError struct{ bubble *synctestBubble }
)

func (e synctestDeadlockError) Error() string {
	return "deadlock: all goroutines in bubble are blocked"
}
func (e synctestDeadlockError) RuntimeError() {}

//go:linkname synctestRun internal/synctest.Run
func synctestRun(f func()) { panic(plainError("synctest is not supported")) }

//go:linkname synctestWait internal/synctest.Wait
func synctestWait() { panic(plainError("goroutine is not in a bubble")) }

//go:linkname synctest_acquire internal/synctest.acquire
func synctest_acquire() any { return nil }

//go:linkname synctest_release internal/synctest.release
func synctest_release(bubble any) {}

//go:linkname synctest_inBubble internal/synctest.inBubble
func synctest_inBubble(bubble any, f func()) { f() }

//go:linkname synctest_isInBubble internal/synctest.IsInBubble
func synctest_isInBubble() bool { return false }

//go:linkname synctest_associate internal/synctest.associate
func synctest_associate(p unsafe.Pointer) int { return 0 }

//go:linkname synctest_disassociate internal/synctest.disassociate
func synctest_disassociate(p unsafe.Pointer) {}

//go:linkname synctest_isAssociated internal/synctest.isAssociated
func synctest_isAssociated(p unsafe.Pointer) bool { return false }
