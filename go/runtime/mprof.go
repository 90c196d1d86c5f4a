// The heap profile: where the objects were allocated that the kernel has sampled
// (runtime/src/gc/sample.rs), and how many of them are free again. Records of both are in gzprof's
// table.
//
// A profile is of the last collection: what was allocated since has had no chance to be freed.
// Before the first one it is of now, as in Go.

package runtime

import (
	"internal/profilerecord"
	"unsafe"
)

var MemProfileRate int = 512 * 1024

// disableMemoryProfiling is set by the linker, if nothing of the program leads to
// memProfileInternal.
var disableMemoryProfiling bool

type MemProfileRecord struct {
	AllocBytes, FreeBytes, AllocObjects, FreeObjects int64
	Stack0                                           [32]uintptr
}

func (r *MemProfileRecord) InUseBytes() int64   { return r.AllocBytes - r.FreeBytes }
func (r *MemProfileRecord) InUseObjects() int64 { return r.AllocObjects - r.FreeObjects }
func (r *MemProfileRecord) Stack() []uintptr    { return (&StackRecord{r.Stack0}).Stack() }

// gzmem counts the sampled objects of one size that were allocated at one place.
type gzmem struct {
	// Until the last collection but those of `fresh`, and since the one with the number `cycle`.
	allocs, fresh int64
	cycle         uint32
	// Written by the kernel, with the world stopped.
	frees uint64
}

// publish counts what was allocated before the last collection with the rest.
func (m *gzmem) publish() {
	if m.cycle != gzprof.cycle {
		m.allocs += m.fresh
		m.fresh, m.cycle = 0, gzprof.cycle
	}
}

// gzsampled is called by gzsample for an object that was just allocated.
func gzsampled(p unsafe.Pointer, size uintptr) {
	mp := acquirem()
	var pcs gzprofstack
	// Without this function and gzsample.
	n := callers(2, pcs.room())
	r := gzrecordof(gzprofmem, size, pcs[:n])
	lock(&gzprof.lock)
	r.mem.publish()
	r.mem.fresh++
	unlock(&gzprof.lock)
	payload := [4]uintptr{uintptr(unsafe.Pointer(&r.mem.frees))}
	gzAddSpecial(gzSampled, p, &payload)
	releasem(mp)
}

// memProfileInternal passes the records to each, if there are at most size, and returns how many
// there are. Those of which all is free only with all. The linker looks for it.
//
//go:noinline
func memProfileInternal(size int, all bool, each func(*gzrecord)) (n int, ok bool) {
	lock(&gzprof.lock)
	for r := gzprof.kinds[gzprofmem]; r != nil; r = r.next {
		if gzprof.cycle == 0 {
			r.mem.allocs += r.mem.fresh
			r.mem.fresh = 0
		}
		r.mem.publish()
		if all || r.mem.allocs != int64(r.mem.frees) {
			n++
		}
	}
	ok = n <= size
	for r := gzprof.kinds[gzprofmem]; ok && r != nil; r = r.next {
		if all || r.mem.allocs != int64(r.mem.frees) {
			each(r)
		}
	}
	unlock(&gzprof.lock)
	return
}

// MemProfile writes the heap profile's n records to p, if there is room for all.
func MemProfile(p []MemProfileRecord, inuseZero bool) (n int, ok bool) {
	at := 0
	return memProfileInternal(len(p), inuseZero, func(r *gzrecord) {
		to, size, allocs, frees := &p[at], int64(r.size), r.mem.allocs, int64(r.mem.frees)
		*to = MemProfileRecord{AllocBytes: allocs * size, FreeBytes: frees * size, AllocObjects: allocs, FreeObjects: frees}
		copy(to.Stack0[:], r.stack())
		at++
	})
}

//go:linkname pprof_memProfileInternal
func pprof_memProfileInternal(p []profilerecord.MemProfileRecord, inuseZero bool) (n int, ok bool) {
	at := 0
	return memProfileInternal(len(p), inuseZero, func(r *gzrecord) {
		p[at] = profilerecord.MemProfileRecord{
			ObjectSize: int64(r.size), AllocObjects: r.mem.allocs, FreeObjects: int64(r.mem.frees), Stack: r.stack(),
		}
		at++
	})
}
