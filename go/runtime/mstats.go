// Figures about memory.

package runtime

import "unsafe"

type MemStats struct {
	Alloc, TotalAlloc, Sys, Lookups, Mallocs, Frees                        uint64
	HeapAlloc, HeapSys, HeapIdle, HeapInuse, HeapReleased, HeapObjects     uint64
	StackInuse, StackSys, MSpanInuse, MSpanSys, MCacheInuse, MCacheSys     uint64
	BuckHashSys, GCSys, OtherSys                                           uint64
	NextGC, LastGC, PauseTotalNs                                           uint64
	PauseNs, PauseEnd                                                      [256]uint64
	NumGC, NumForcedGC                                                     uint32
	GCCPUFraction                                                          float64
	EnableGC, DebugGC                                                      bool
	BySize                                                                 [61]struct {
		Size          uint32
		Mallocs, Frees uint64
	}
}

// ReadMemStats fills in what is counted: nothing so far.
func ReadMemStats(m *MemStats) { *m = MemStats{EnableGC: true} }

//go:linkname readGCStats runtime/debug.readGCStats
func readGCStats(pauses *[]uint64) { *pauses = append((*pauses)[:0], 0, 0, 0) }

//go:linkname godebug_registerMetric internal/godebug.registerMetric
func godebug_registerMetric(name string, read func() uint64) {}

//go:linkname readMetrics runtime/metrics.runtime_readMetrics
func readMetrics(samplesp unsafe.Pointer, len int, cap int) {}

//go:linkname readMetricNames runtime/metrics_test.runtime_readMetricNames
func readMetricNames() []string { return nil }

//go:linkname runtime_debug_WriteHeapDump runtime/debug.WriteHeapDump
func runtime_debug_WriteHeapDump(fd uintptr) { panic(plainError("heap dumps are not supported")) }
