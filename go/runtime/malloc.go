// Allocation: the kernel's collected heap. Small objects in malloc_amd64.s.

package runtime

import (
	"internal/runtime/gc"
	"internal/runtime/math"
	"unsafe"
)

// mallocgc allocates an object of a type, or several back to back. Without a type it holds no pointers.
//
//go:linkname mallocgc
func mallocgc(size uintptr, typ *_type, needzero bool) unsafe.Pointer

func newobject(typ *_type) unsafe.Pointer

//go:linkname newarray
func newarray(typ *_type, n int) unsafe.Pointer {
	size, overflow := math.MulUintptr(typ.Size_, uintptr(n))
	if overflow || size > maxAlloc || n < 0 {
		panic(plainError("runtime: allocation size out of range"))
	}
	return mallocgc(size, typ, true)
}

// gzclasses says for malloc_amd64.s how far from a P's first run that of a size lies, by (size+7)/8:
// each size class has two runs. An array of no elements takes a slot of the smallest class.
var gzclasses [512/8 + 1]uint16

func gzinitclasses() {
	for i := range gzclasses {
		gzclasses[i] = uint16(max(gc.SizeToSizeClass8[i], 1)) * 2 * gzKernelRunBytes
	}
}

// The compiler calls these for sizes that it knows.

func mallocgcTinySC2(size uintptr, typ *_type, needzero bool) unsafe.Pointer
func mallocgcSmallNoScanSC1(size uintptr, typ *_type, needzero bool) unsafe.Pointer
func mallocgcSmallNoScanSC2(size uintptr, typ *_type, needzero bool) unsafe.Pointer
func mallocgcSmallNoScanSC3(size uintptr, typ *_type, needzero bool) unsafe.Pointer
func mallocgcSmallNoScanSC4(size uintptr, typ *_type, needzero bool) unsafe.Pointer
func mallocgcSmallNoScanSC5(size uintptr, typ *_type, needzero bool) unsafe.Pointer
func mallocgcSmallNoScanSC6(size uintptr, typ *_type, needzero bool) unsafe.Pointer
func mallocgcSmallNoScanSC7(size uintptr, typ *_type, needzero bool) unsafe.Pointer
func mallocgcSmallScanNoHeaderSC1(size uintptr, typ *_type, needzero bool) unsafe.Pointer
func mallocgcSmallScanNoHeaderSC2(size uintptr, typ *_type, needzero bool) unsafe.Pointer
func mallocgcSmallScanNoHeaderSC3(size uintptr, typ *_type, needzero bool) unsafe.Pointer
func mallocgcSmallScanNoHeaderSC4(size uintptr, typ *_type, needzero bool) unsafe.Pointer
func mallocgcSmallScanNoHeaderSC5(size uintptr, typ *_type, needzero bool) unsafe.Pointer
func mallocgcSmallScanNoHeaderSC6(size uintptr, typ *_type, needzero bool) unsafe.Pointer
func mallocgcSmallScanNoHeaderSC7(size uintptr, typ *_type, needzero bool) unsafe.Pointer

func freegc(ptr unsafe.Pointer, size uintptr, noscan bool) bool { return false }

func persistentalloc(size, align uintptr, stat *sysMemStat) unsafe.Pointer { return gzPersistent(size) }

func findObject(p, refBase, refOff uintptr) (base uintptr, s *mspan, objIndex uintptr) {
	base, _ = gzFindObject(p)
	return
}

//go:linkname maps_newarray internal/runtime/maps.newarray
func maps_newarray(typ *_type, n int) unsafe.Pointer { return newarray(typ, n) }

//go:linkname maps_newobject internal/runtime/maps.newobject
func maps_newobject(typ *_type) unsafe.Pointer { return newobject(typ) }

//go:linkname reflect_unsafe_New reflect.unsafe_New
func reflect_unsafe_New(typ *_type) unsafe.Pointer { return newobject(typ) }

//go:linkname reflect_unsafe_NewArray reflect.unsafe_NewArray
func reflect_unsafe_NewArray(typ *_type, n int) unsafe.Pointer { return newarray(typ, n) }

//go:linkname reflectlite_unsafe_New internal/reflectlite.unsafe_New
func reflectlite_unsafe_New(typ *_type) unsafe.Pointer { return newobject(typ) }

//go:linkname reflect_verifyNotInHeapPtr reflect.verifyNotInHeapPtr
func reflect_verifyNotInHeapPtr(p uintptr) bool { return true }
