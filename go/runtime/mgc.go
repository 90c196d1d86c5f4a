// What a program asks of the collector, which is the kernel's (runtime/src/gc, runtime/src/goabi/collect.rs).

package runtime

import (
	"internal/runtime/atomic"
	"unsafe"
)

// GC collects: what nobody can reach now is free when it returns.
func GC() { gzGC() }

// A data segment's pointers as a bitmap: nobody asks, since data is looked at word by word.
func progToPointerMask(prog *byte, size uintptr) bitvector { return bitvector{} }

// gzpools are caches that a collection empties.
var gzpools struct {
	pool   func()
	caches []unsafe.Pointer
}

//go:linkname sync_runtime_registerPoolCleanup sync.runtime_registerPoolCleanup
func sync_runtime_registerPoolCleanup(f func()) { gzpools.pool = f }

//go:linkname boring_registerCache crypto/internal/boring/bcache.registerCache
func boring_registerCache(p unsafe.Pointer) {
	gzpools.caches = append(gzpools.caches, p)
}

// gzpoolcleanup is called by the kernel, on a scheduler's stack, with the world stopped, when a collection begins.
func gzpoolcleanup() {
	gzprof.cycle++
	if gzpools.pool != nil {
		gzpools.pool()
	}
	for _, p := range gzpools.caches {
		atomicstorep(p, nil)
	}
}

//go:linkname setGCPercent runtime/debug.setGCPercent
func setGCPercent(in int32) (out int32) { return int32(gzSetGCPercent(in)) }

//go:linkname setMemoryLimit runtime/debug.setMemoryLimit
func setMemoryLimit(in int64) (out int64) { return gzSetMemoryLimit(in) }

//go:linkname runtime_debug_freeOSMemory runtime/debug.freeOSMemory
func runtime_debug_freeOSMemory() { gzFreeOSMemory() }

//go:linkname reflect_gcbits reflect.gcbits
func reflect_gcbits(x any) []byte { return nil }

// gzweakcell is the handle of something that is not the collector's, such as a variable of a package: it never dies.
type gzweakcell struct {
	p    unsafe.Pointer
	next *gzweakcell
}

var gzimmortal struct {
	lock mutex
	list *gzweakcell
}

//go:linkname internal_weak_runtime_registerWeakPointer weak.runtime_registerWeakPointer
func internal_weak_runtime_registerWeakPointer(p unsafe.Pointer) unsafe.Pointer {
	if h := gzWeakHandle(p); h != nil {
		KeepAlive(p)
		return h
	}
	fresh := new(gzweakcell)
	fresh.p = p
	lock(&gzimmortal.lock)
	c := gzimmortal.list
	for c != nil && c.p != p {
		c = c.next
	}
	if c == nil {
		fresh.next = gzimmortal.list
		gzimmortal.list = fresh
		c = fresh
	}
	unlock(&gzimmortal.lock)
	return unsafe.Pointer(&c.p)
}

// A collection clears handles with the world stopped, when it has found nobody who holds the object.
//
//go:linkname internal_weak_runtime_makeStrongFromWeak weak.runtime_makeStrongFromWeak
func internal_weak_runtime_makeStrongFromWeak(u unsafe.Pointer) unsafe.Pointer {
	if u == nil {
		return nil
	}
	return atomic.Loadp(u)
}

// Arenas are an experiment that is off.

//go:linkname arena_newArena arena.runtime_arena_newArena
func arena_newArena() unsafe.Pointer { panic(plainError("arenas are not supported")) }

//go:linkname arena_arena_New arena.runtime_arena_arena_New
func arena_arena_New(arena unsafe.Pointer, typ any) any {
	panic(plainError("arenas are not supported"))
}

//go:linkname arena_arena_Slice arena.runtime_arena_arena_Slice
func arena_arena_Slice(arena unsafe.Pointer, slice any, cap int) {
	panic(plainError("arenas are not supported"))
}

//go:linkname arena_arena_Free arena.runtime_arena_arena_Free
func arena_arena_Free(arena unsafe.Pointer) { panic(plainError("arenas are not supported")) }

//go:linkname arena_heapify arena.runtime_arena_heapify
func arena_heapify(s any) any { return s }
