// What a program asks of the collector. There is none so far: memory is not taken back, finalizers and cleanups do not run, weak pointers stay strong.

package runtime

import "unsafe"

func GC() {}

// A data segment's pointers as a bitmap: nobody asks.
func progToPointerMask(prog *byte, size uintptr) bitvector { return bitvector{} }

//go:linkname sync_runtime_registerPoolCleanup sync.runtime_registerPoolCleanup
func sync_runtime_registerPoolCleanup(f func()) {}

//go:linkname boring_registerCache crypto/internal/boring/bcache.registerCache
func boring_registerCache(p unsafe.Pointer) {}

//go:linkname setGCPercent runtime/debug.setGCPercent
func setGCPercent(in int32) (out int32) { return 100 }

//go:linkname setMemoryLimit runtime/debug.setMemoryLimit
func setMemoryLimit(in int64) (out int64) { return 1<<63 - 1 }

//go:linkname runtime_debug_freeOSMemory runtime/debug.freeOSMemory
func runtime_debug_freeOSMemory() {}

//go:linkname reflect_gcbits reflect.gcbits
func reflect_gcbits(x any) []byte { return nil }

//go:linkname internal_weak_runtime_registerWeakPointer weak.runtime_registerWeakPointer
func internal_weak_runtime_registerWeakPointer(p unsafe.Pointer) unsafe.Pointer {
	b := new(unsafe.Pointer)
	*b = p
	return unsafe.Pointer(b)
}

//go:linkname internal_weak_runtime_makeStrongFromWeak weak.runtime_makeStrongFromWeak
func internal_weak_runtime_makeStrongFromWeak(u unsafe.Pointer) unsafe.Pointer {
	if u == nil {
		return nil
	}
	return *(*unsafe.Pointer)(u)
}

//go:linkname unique_runtime_blockUntilEmptyCleanupQueue unique.runtime_blockUntilEmptyCleanupQueue
func unique_runtime_blockUntilEmptyCleanupQueue(timeout int64) bool { return true }

//go:linkname sync_test_runtime_blockUntilEmptyCleanupQueue sync_test.runtime_blockUntilEmptyCleanupQueue
func sync_test_runtime_blockUntilEmptyCleanupQueue(timeout int64) bool { return true }

type Cleanup struct {
	id  uint64
	ptr uintptr
}

func (c Cleanup) Stop() {}

func AddCleanup[T, S any](ptr *T, cleanup func(S), arg S) Cleanup { return Cleanup{} }

func SetFinalizer(obj any, finalizer any) {}

type Pinner struct{ *pinner }

func (p *Pinner) Pin(pointer any) {}
func (p *Pinner) Unpin()          {}

// Arenas are an experiment that is off.

//go:linkname arena_newArena arena.runtime_arena_newArena
func arena_newArena() unsafe.Pointer { panic(plainError("arenas are not supported")) }

//go:linkname arena_arena_New arena.runtime_arena_arena_New
func arena_arena_New(arena unsafe.Pointer, typ any) any { panic(plainError("arenas are not supported")) }

//go:linkname arena_arena_Slice arena.runtime_arena_arena_Slice
func arena_arena_Slice(arena unsafe.Pointer, slice any, cap int) {
	panic(plainError("arenas are not supported"))
}

//go:linkname arena_arena_Free arena.runtime_arena_arena_Free
func arena_arena_Free(arena unsafe.Pointer) { panic(plainError("arenas are not supported")) }

//go:linkname arena_heapify arena.runtime_arena_heapify
func arena_heapify(s any) any { return s }
