// Profiles of blocking: how long goroutines have waited, by where they waited, and how long others
// have waited for mutexes, by where those were unlocked. The kernel measures
// (runtime/src/goabi/profile.rs); which waits are recorded is decided here.

package runtime

import (
	"internal/profilerecord"
	"internal/runtime/atomic"
	"internal/stringslite"
	_ "unsafe"
)

// gzblock counts waits. Where only some are recorded the figures are what all would come to.
type gzblock struct {
	count float64
	ticks int64
}

// Of waits of that many ticks each is recorded, of shorter ones so many that they make one of that
// length; and one of so many waits for mutexes is. 0: none is.
var gzblockrate, gzmutexrate atomic.Int64

// SetBlockProfileRate has about one wait for so many nanoseconds of waiting recorded; 1: all, 0:
// none.
func SetBlockProfileRate(rate int) {
	ticks := int64(max(rate, 0))
	if rate > 1 {
		ticks = max(int64(float64(rate)*float64(ticksPerSecond())/1e9), 1)
	}
	gzblockrate.Store(ticks)
	gzProfileWaits(gztableaddr(), gzprofblock, gzbool(ticks != 0))
}

// SetMutexProfileFraction has one of rate waits for mutexes recorded, 0: none. A rate below 0
// changes nothing.
func SetMutexProfileFraction(rate int) int {
	old := gzmutexrate.Load()
	if rate >= 0 {
		gzmutexrate.Store(int64(rate))
		gzProfileWaits(gztableaddr(), gzprofmutex, gzbool(rate != 0))
	}
	return int(old)
}

// gzblocked is called by the kernel, on a scheduler's stack: the goroutine has waited, or has let
// one go on that has waited for a mutex, in a call by the stub. what is how long, and in the lowest
// bit the kind.
func gzblocked(gp *g, stub uintptr, what int64) {
	kind := int(what & 1)
	wait := gzsamplewait(kind, what>>1)
	if wait.count == 0 {
		return
	}
	var pcs gzprofstack
	n, room := 0, pcs.room()
	inner := gzinner(gp)
	if inner == 0 && len(room) != 0 && !gzisinner(funcname(findfunc(stub))) {
		room[0], n = stub, 1
	}
	n += gcallers(gp, inner, room[n:])
	gzaddwait(kind, wait, pcs[:n])
}

// blockevent records that the goroutine has waited, as a test says.
//
//go:linkname blockevent
func blockevent(ticks int64, skip int) {
	if wait := gzsamplewait(gzprofblock, ticks); wait.count != 0 {
		var pcs gzprofstack
		gzaddwait(gzprofblock, wait, pcs[:callers(skip, pcs.room())])
	}
}

// gzsamplewait says what a wait counts for: nothing, or itself and some that are not recorded.
func gzsamplewait(kind int, ticks int64) gzblock {
	ticks = max(ticks, 1)
	if kind == gzprofmutex {
		every := gzmutexrate.Load()
		if every <= 0 || cheaprand64()%every != 0 {
			return gzblock{}
		}
		return gzblock{float64(every), ticks * every}
	}
	rate := gzblockrate.Load()
	switch {
	case rate <= 0 || ticks < rate && cheaprand64()%rate > ticks:
		return gzblock{}
	case ticks < rate:
		return gzblock{float64(rate) / float64(ticks), rate}
	}
	return gzblock{1, ticks}
}

func gzaddwait(kind int, wait gzblock, pcs []uintptr) {
	r := gzrecordof(kind, 0, pcs)
	lock(&gzprof.lock)
	r.block.count += wait.count
	r.block.ticks += wait.ticks
	unlock(&gzprof.lock)
}

// gzinner counts the innermost frames of a goroutine that do not interest who looks for what it
// waited for.
func gzinner(gp *g) (n int) {
	var u unwinder
	for u.init(gp, unwindSilentErrors); u.valid(); u.next() {
		for iu, uf := newInlineUnwinder(u.frame.fn, u.symPC()); uf.valid(); uf = iu.next(uf) {
			if !gzisinner(iu.srcFunc(uf).name()) {
				return
			}
			n++
		}
	}
	return
}

func gzisinner(name string) bool {
	return stringslite.HasPrefix(name, "runtime.gz") || stringslite.HasPrefix(name, "internal/sync.") ||
		stringslite.HasPrefix(name, "sync.runtime_")
}

type BlockProfileRecord struct {
	Count, Cycles int64
	StackRecord
}

// gzblockprofile passes the records of a kind to each, if there are at most size, and returns how
// many there are.
func gzblockprofile(kind, size int, each func(*gzrecord)) (n int, ok bool) {
	lock(&gzprof.lock)
	for r := gzprof.kinds[kind]; r != nil; r = r.next {
		n++
	}
	ok = n <= size
	for r := gzprof.kinds[kind]; ok && r != nil; r = r.next {
		each(r)
	}
	unlock(&gzprof.lock)
	return
}

func gzwritewaits(kind int, p []BlockProfileRecord) (n int, ok bool) {
	at := 0
	return gzblockprofile(kind, len(p), func(r *gzrecord) {
		p[at].Count, p[at].Cycles = int64(r.block.count), r.block.ticks
		p[at].set(r.stack())
		at++
	})
}

func gzwriteinternal(kind int, p []profilerecord.BlockProfileRecord) (n int, ok bool) {
	at := 0
	return gzblockprofile(kind, len(p), func(r *gzrecord) {
		p[at] = profilerecord.BlockProfileRecord{Count: int64(r.block.count), Cycles: r.block.ticks, Stack: r.stack()}
		at++
	})
}

// BlockProfile writes the n places where goroutines have waited to p, if there is room for all.
func BlockProfile(p []BlockProfileRecord) (n int, ok bool) { return gzwritewaits(gzprofblock, p) }

// MutexProfile writes the n places where mutexes were unlocked that others waited for to p, if
// there is room for all.
func MutexProfile(p []BlockProfileRecord) (n int, ok bool) { return gzwritewaits(gzprofmutex, p) }

//go:linkname pprof_blockProfileInternal
func pprof_blockProfileInternal(p []profilerecord.BlockProfileRecord) (n int, ok bool) {
	return gzwriteinternal(gzprofblock, p)
}

//go:linkname pprof_mutexProfileInternal
func pprof_mutexProfileInternal(p []profilerecord.BlockProfileRecord) (n int, ok bool) {
	return gzwriteinternal(gzprofmutex, p)
}

//go:linkname pprof_makeProfStack
func pprof_makeProfStack() []uintptr { return make([]uintptr, maxProfStackDepth) }

// Frames are expanded when they are recorded.
//
//go:linkname pprof_fpunwindExpand
func pprof_fpunwindExpand(dst, src []uintptr) int { return copy(dst, src) }

//go:linkname pprof_cyclesPerSecond runtime/pprof.runtime_cyclesPerSecond
func pprof_cyclesPerSecond() int64 { return ticksPerSecond() }
