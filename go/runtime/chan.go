// Channels: the kernel's. Their memory is Go's, since their elements are.

package runtime

import (
	"internal/runtime/math"
	"unsafe"
)

// hchan is the kernel's channel (runtime/src/chan/hchan.rs): it knows the first two words, and there is room for the rest. The names are those that
// the linker describes to debuggers.
type hchan struct {
	qcount, dataqsiz uint
	buf              unsafe.Pointer
	elemsize         uintptr
	recvq, sendq     waitq
	_                [7]uintptr
	elemtype         *_type
	// The timer that sends here, else the bubble that it belongs to, or nil.
	owner unsafe.Pointer
}

// gzChanBytes is how many bytes the assembly of makechan clears. If they are not the size of a
// channel, one of the two arrays has a negative length.
const gzChanBytes = 136

var (
	_ [gzChanBytes - unsafe.Sizeof(hchan{})]struct{}
	_ [unsafe.Sizeof(hchan{}) - gzChanBytes]struct{}
)

func panicsendclosed() { panic(plainError("send on closed channel")) }

// In malloc_amd64.s: what is small and holds no pointers is allocated there, and else by gzmakechan.
func makechan(t *chantype, size int) *hchan

func gzmakechan(t *chantype, size int) *hchan {
	elem := t.Elem
	mem, overflow := math.MulUintptr(elem.Size_, uintptr(size))
	if overflow || mem > maxAlloc-unsafe.Sizeof(hchan{}) || size < 0 {
		panic(plainError("makechan: size out of range"))
	}
	var c *hchan
	var buf unsafe.Pointer
	if !elem.Pointers() && getg().bubble == nil {
		// One object, with the buffer behind the channel: neither holds a pointer to what could be freed before it. The kernel writes every
		// word of the channel, and of the buffer none is read before it was sent.
		c = (*hchan)(mallocgc(unsafe.Sizeof(hchan{})+mem, nil, false))
		buf = unsafe.Pointer(uintptr(unsafe.Pointer(c)) + unsafe.Sizeof(hchan{}))
	} else {
		c = new(hchan)
		if mem != 0 {
			buf = mallocgc(mem, elem, true)
		}
	}
	// As numbers: what the words held before is no pointer that a barrier might look at.
	*(*uintptr)(unsafe.Pointer(&c.elemtype)) = uintptr(unsafe.Pointer(elem))
	*(*uintptr)(unsafe.Pointer(&c.owner)) = 0
	gzMakechan(c, buf, elem.Size_, uintptr(size), elem.PtrBytes)
	return c
}

func makechan64(t *chantype, size int64) *hchan {
	if int64(int(size)) != size {
		panic(plainError("makechan: size out of range"))
	}
	return makechan(t, int(size))
}

//go:noescape
func chansend1(c *hchan, elem unsafe.Pointer)

//go:noescape
func chanrecv1(c *hchan, elem unsafe.Pointer)

//go:noescape
func chanrecv2(c *hchan, elem unsafe.Pointer) bool

// What does not wait is told apart: it may run on a scheduler's stack.
func chansend(c *hchan, ep unsafe.Pointer, block bool) bool {
	var r uint8
	if block {
		r = gzChansend(c, ep)
	} else {
		r = gzChansendNB(c, ep)
	}
	if r == 2 {
		panicsendclosed()
	}
	return r == 0
}

func chanrecv(c *hchan, ep unsafe.Pointer, block bool) (selected, received bool) {
	var r uint8
	if block {
		r = gzChanrecv(c, ep)
	} else {
		r = gzChanrecvNB(c, ep)
	}
	return r != 1, r == 0
}

//go:noescape
func selectnbsend(c *hchan, elem unsafe.Pointer) bool

//go:noescape
func selectnbrecv(elem unsafe.Pointer, c *hchan) (selected, received bool)

func closechan(c *hchan) {
	switch gzClosechan(c) {
	case 1:
		panic(plainError("close of nil channel"))
	case 2:
		panic(plainError("close of closed channel"))
	}
}

func chanlen(c *hchan) int {
	if c == nil {
		return 0
	}
	return int(c.qcount)
}

func chancap(c *hchan) int {
	if c == nil {
		return 0
	}
	return int(c.dataqsiz)
}

//go:linkname reflect_chancap reflect.chancap
func reflect_chancap(c *hchan) int { return chancap(c) }

//go:linkname reflect_chanclose reflect.chanclose
func reflect_chanclose(c *hchan) { closechan(c) }

//go:linkname reflect_chanlen reflect.chanlen
func reflect_chanlen(c *hchan) int { return chanlen(c) }

//go:linkname reflect_chanrecv reflect.chanrecv
func reflect_chanrecv(c *hchan, nb bool, elem unsafe.Pointer) (selected bool, received bool) {
	return chanrecv(c, elem, !nb)
}

//go:linkname reflect_chansend reflect.chansend0
func reflect_chansend(c *hchan, elem unsafe.Pointer, nb bool) (selected bool) {
	return chansend(c, elem, !nb)
}

//go:linkname reflect_makechan reflect.makechan
func reflect_makechan(t *chantype, size int) *hchan { return makechan(t, size) }

//go:linkname reflectlite_chanlen internal/reflectlite.chanlen
func reflectlite_chanlen(c *hchan) int { return chanlen(c) }
