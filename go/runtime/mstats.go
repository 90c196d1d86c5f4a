// Figures about memory.

package runtime

import _ "unsafe"

type MemStats struct {
	Alloc, TotalAlloc, Sys, Lookups, Mallocs, Frees                    uint64
	HeapAlloc, HeapSys, HeapIdle, HeapInuse, HeapReleased, HeapObjects uint64
	StackInuse, StackSys, MSpanInuse, MSpanSys, MCacheInuse, MCacheSys uint64
	BuckHashSys, GCSys, OtherSys                                       uint64
	NextGC, LastGC, PauseTotalNs                                       uint64
	PauseNs, PauseEnd                                                  [256]uint64
	NumGC, NumForcedGC                                                 uint32
	GCCPUFraction                                                      float64
	EnableGC, DebugGC                                                  bool
	BySize                                                             [61]struct {
		Size           uint32
		Mallocs, Frees uint64
	}
}

// gzStats is what the kernel counts, as runtime/src/goabi/collect.rs writes it.
type gzStats struct {
	mallocs, frees, totalAlloc, heapAlloc, heapInuse, nextGC uint64
	records, spansInuse, spansSys                            uint64
	cycles, forced, pauseTotal                               uint64
	heapIdle, stackInuse, stackSys, mcache, sys, released    uint64
	lastGC, pageSize                                         uint64
	tiny, marked, scanned, roots, globals                    uint64
	finalizers, cleanups, percent                            uint64
	bySize                                                   [68]struct{ size, mallocs, frees uint64 }
	pauses, pauseEnds                                        [256]uint64
}

// gcSys is what the collector has beside the records of spans.
func (s *gzStats) gcSys() uint64 { return s.records - min(s.records, s.spansSys) }

// otherSys is what has no name of its own.
func (s *gzStats) otherSys() uint64 {
	known := s.heapInuse + s.heapIdle + s.stackSys + s.spansSys + s.mcache + s.gcSys()
	return s.sys - min(s.sys, known)
}

// ReadMemStats tells how memory is used. The figures are of one moment, with the world stopped.
func ReadMemStats(m *MemStats) {
	var s gzStats
	gzMemStats(&s)
	*m = MemStats{
		Alloc: s.heapAlloc, TotalAlloc: s.totalAlloc, Sys: s.sys, Mallocs: s.mallocs, Frees: s.frees,
		HeapAlloc: s.heapAlloc, HeapSys: s.heapInuse + s.heapIdle, HeapIdle: s.heapIdle, HeapInuse: s.heapInuse,
		// Pages that went back to the machine are not in HeapIdle: the heap does not keep them.
		HeapObjects: s.mallocs - s.frees,
		StackInuse:  s.stackInuse, StackSys: s.stackSys,
		MSpanInuse: s.spansInuse, MSpanSys: s.spansSys, MCacheInuse: s.mcache, MCacheSys: s.mcache,
		GCSys: s.gcSys(), OtherSys: s.otherSys(),
		NextGC: s.nextGC, LastGC: s.lastGC, PauseTotalNs: s.pauseTotal,
		PauseNs: s.pauses, PauseEnd: s.pauseEnds,
		NumGC: uint32(s.cycles), NumForcedGC: uint32(s.forced), EnableGC: true,
	}
	for i := range m.BySize {
		b := &s.bySize[i]
		m.BySize[i].Size, m.BySize[i].Mallocs, m.BySize[i].Frees = uint32(b.size), b.mallocs, b.frees
	}
}

// readGCStats writes the last pauses and their ends, newest first, the end of the last one, how many there were and how long they
// all took.
//
//go:linkname readGCStats runtime/debug.readGCStats
func readGCStats(pauses *[]uint64) {
	var s gzStats
	gzMemStats(&s)
	n := min(s.cycles, uint64(len(s.pauses)))
	p := (*pauses)[:0]
	for i := uint64(0); i < n; i++ {
		p = append(p, s.pauses[(s.cycles-1-i)%uint64(len(s.pauses))])
	}
	for i := uint64(0); i < n; i++ {
		p = append(p, s.pauseEnds[(s.cycles-1-i)%uint64(len(s.pauses))])
	}
	*pauses = append(p, s.lastGC, s.cycles, s.pauseTotal)
}

//go:linkname runtime_debug_WriteHeapDump runtime/debug.WriteHeapDump
func runtime_debug_WriteHeapDump(fd uintptr) { panic(plainError("heap dumps are not supported")) }
