// Profiles of the processor: without samples. Profiles of goroutines that wait for ever: none.

package runtime

import (
	"internal/profilerecord"
	"unsafe"
)

// gzcpu is the profile that is being taken.
var gzcpu struct {
	hz    int
	begun bool
	ended uint32
}

func CPUProfile() []byte { return nil }

// SetCPUProfileRate begins a profile, or with a rate of 0 ends it.
func SetCPUProfileRate(hz int) {
	switch {
	case hz > 0:
		gzcpu.hz, gzcpu.begun = hz, false
	case gzcpu.hz != 0:
		gzcpu.hz = 0
		gzSemrelease(&gzcpu.ended, 0)
	}
}

// runtime_pprof_readProfile returns what a profile begins with, and when it has ended that there is
// no more.
//
//go:linkname runtime_pprof_readProfile runtime/pprof.readProfile
func runtime_pprof_readProfile() ([]uint64, []unsafe.Pointer, bool) {
	if !gzcpu.begun {
		gzcpu.begun = true
		// Its length, no time, the rate.
		return []uint64{3, 0, uint64(max(gzcpu.hz, 1))}, []unsafe.Pointer{nil}, false
	}
	gzSemacquire(&gzcpu.ended, 0, gzWaitSemacquire)
	return nil, nil, true
}

//go:linkname pprof_goroutineLeakProfileWithLabels
func pprof_goroutineLeakProfileWithLabels(p []profilerecord.StackRecord, labels []unsafe.Pointer) (n int, ok bool) {
	return 0, true
}

//go:linkname goroutineLeakGC runtime/pprof.runtime_goroutineLeakGC
func goroutineLeakGC() {}

//go:linkname goroutineleakcount runtime/pprof.runtime_goroutineleakcount
func goroutineleakcount() int { return 0 }
