// The records of profiles by stack: a table that only grows, in memory that holds no pointers to
// what is collected.

package runtime

import "unsafe"

// Kinds of profiles. Those of blocking the kernel knows, too (runtime/src/goabi/profile.rs).
const (
	gzprofblock = iota
	gzprofmutex
	gzprofmem
	gzprofkinds
)

// gzprof is the table, under its lock but for cycle, which counts collections and changes while the
// world stands.
var gzprof struct {
	lock  mutex
	cycle uint32
	kinds [gzprofkinds]*gzrecord
	table *[1 << 12]*gzrecord
}

// gzrecord counts what has happened at one place: the addresses of its stack lie behind it.
type gzrecord struct {
	// The next of the same hash, and of the same kind.
	chain, next *gzrecord
	kind        int
	hash        uintptr
	size        uintptr
	depth       int
	mem         gzmem
	block       gzblock
}

func (r *gzrecord) stack() []uintptr {
	return unsafe.Slice((*uintptr)(add(unsafe.Pointer(r), unsafe.Sizeof(*r))), r.depth)
}

// gzprofstack has room for the deepest stack.
type gzprofstack [maxProfStackDepth]uintptr

// room is as much as the program wants of a stack.
func (s *gzprofstack) room() []uintptr { return s[:debug.profstackdepth] }

// gzrecordof finds or makes the record of a place and a size.
func gzrecordof(kind int, size uintptr, pcs []uintptr) *gzrecord {
	hash := uintptr(kind)*31 + size
	for _, pc := range pcs {
		hash = (hash + pc) * 0x9e3779b97f4a7c15
		hash ^= hash >> 29
	}
	lock(&gzprof.lock)
	r := gzfindrecord(kind, size, hash, pcs)
	unlock(&gzprof.lock)
	if r != nil {
		return r
	}
	// The kernel's heap has locks of its own.
	fresh := (*gzrecord)(gzPersistent(unsafe.Sizeof(*r) + uintptr(len(pcs))*unsafe.Sizeof(pcs[0])))
	*fresh = gzrecord{kind: kind, hash: hash, size: size, depth: len(pcs)}
	copy(fresh.stack(), pcs)
	if gzprof.table == nil {
		table := gzPersistent(unsafe.Sizeof(*gzprof.table))
		lock(&gzprof.lock)
		if gzprof.table == nil {
			gzprof.table = (*[1 << 12]*gzrecord)(table)
		}
		unlock(&gzprof.lock)
	}
	lock(&gzprof.lock)
	// Another may have been quicker.
	r = gzfindrecord(kind, size, hash, pcs)
	if r == nil {
		r = fresh
		at := &gzprof.table[hash%uintptr(len(gzprof.table))]
		r.chain, *at = *at, r
		r.next, gzprof.kinds[kind] = gzprof.kinds[kind], r
	}
	unlock(&gzprof.lock)
	return r
}

// gzfindrecord finds a record, under the lock.
func gzfindrecord(kind int, size, hash uintptr, pcs []uintptr) *gzrecord {
	if gzprof.table == nil {
		return nil
	}
search:
	for r := gzprof.table[hash%uintptr(len(gzprof.table))]; r != nil; r = r.chain {
		if r.hash != hash || r.kind != kind || r.size != size || r.depth != len(pcs) {
			continue
		}
		for i, pc := range r.stack() {
			if pc != pcs[i] {
				continue search
			}
		}
		return r
	}
	return nil
}
