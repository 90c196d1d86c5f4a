// Profiles of the goroutines and threads that there are.

package runtime

import (
	"internal/profilerecord"
	"internal/runtime/sys"
	"unsafe"
)

// StackRecord is where a goroutine stands: up to the first 0.
type StackRecord struct{ Stack0 [32]uintptr }

// Stack returns the addresses.
func (r *StackRecord) Stack() []uintptr {
	for i, pc := range r.Stack0 {
		if pc == 0 {
			return r.Stack0[:i]
		}
	}
	return r.Stack0[:]
}

func (r *StackRecord) set(pcs []uintptr) { clear(r.Stack0[copy(r.Stack0[:], pcs):]) }

// GoroutineProfile writes where each of the n goroutines stands to p, if there is room for all.
func GoroutineProfile(p []StackRecord) (n int, ok bool) {
	records := make([]profilerecord.StackRecord, len(p))
	n, ok = gzgoroutineprofile(records, nil)
	if ok {
		for i := range records[:n] {
			p[i].set(records[i].Stack)
		}
	}
	return
}

//go:linkname pprof_goroutineProfileWithLabels
func pprof_goroutineProfileWithLabels(p []profilerecord.StackRecord, labels []unsafe.Pointer) (n int, ok bool) {
	if len(labels) != len(p) {
		labels = nil
	}
	return gzgoroutineprofile(p, labels)
}

// gzgoroutineprofile takes the profile of one moment, with the world stopped: the current goroutine
// first, then the others, but for the runtime's own. labels is nil, or as long as p.
func gzgoroutineprofile(p []profilerecord.StackRecord, labels []unsafe.Pointer) (n int, ok bool) {
	me := getg()
	pc, sp := sys.GetCallerPC(), sys.GetCallerSP()
	// Before the world stops: what is allocated meanwhile must not be due for a collection.
	pcs := make([]uintptr, maxProfStackDepth)
	gzStopTheWorld(1)
	mp := acquirem()
	n = 1
	forEachGRace(func(gp *g) {
		if gzinprofile(me, gp) {
			n++
		}
	})
	ok = n <= len(p)
	if ok {
		at := 0
		record := func(gp *g, pc, sp uintptr) {
			var depth int
			systemstack(func() {
				var u unwinder
				u.initAt(pc, sp, 0, gp, unwindSilentErrors)
				depth = tracebackPCs(&u, 0, pcs)
			})
			p[at].Stack = append([]uintptr(nil), pcs[:depth]...)
			if labels != nil {
				labels[at] = gp.labels
			}
			at++
		}
		record(me, pc, sp)
		forEachGRace(func(gp *g) {
			if gzinprofile(me, gp) {
				record(gp, ^uintptr(0), ^uintptr(0))
			}
		})
	}
	releasem(mp)
	gzStopTheWorld(0)
	return
}

// gzinprofile says whether another goroutine is to be shown.
func gzinprofile(me, gp *g) bool { return gp != me && !isSystemGoroutine(gp, false) }

// ThreadCreateProfile has a record for each thread. What made it is not known, as in Go.
func ThreadCreateProfile(p []StackRecord) (n int, ok bool) {
	n, ok = gzthreads(len(p))
	if ok {
		clear(p[:n])
	}
	return
}

//go:linkname pprof_threadCreateInternal
func pprof_threadCreateInternal(p []profilerecord.StackRecord) (n int, ok bool) {
	n, ok = gzthreads(len(p))
	if ok {
		clear(p[:n])
	}
	return
}

// gzthreads returns how many threads there are, and whether there is room for so many records.
func gzthreads(room int) (n int, ok bool) {
	var s gzSched
	gzSchedStats(&s)
	return int(s.threads), int(s.threads) <= room
}
