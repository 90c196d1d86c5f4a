// Package runtime/metrics. The kernel counts (runtime/src/goabi/{collect,metrics}.rs); here the figures
// get Go's names.
//
// What is 0 because there is no such thing here: calls of C, marking beside the program and its assists,
// the scavenger, the limiter, memory that is reserved and not backed, profiles' buckets. /sched/latencies
// has no samples: nothing is counted when a goroutine is readied.

package runtime

import (
	"internal/godebugs"
	"unsafe"
)

// Kinds of values, as package runtime/metrics numbers them.
const (
	gzBad = iota
	gzUint64
	gzFloat64
	gzHistogram
)

// gzSample is a metrics.Sample, gzValue a metrics.Value, gzCounts a metrics.Float64Histogram.
type gzSample struct {
	name  string
	value gzValue
}

type gzValue struct {
	kind    int
	scalar  uint64
	pointer unsafe.Pointer
}

type gzCounts struct {
	counts  []uint64
	buckets []float64
}

// gzLengths counts how long things took: those below 0, those of each length in gzlengths, those that are
// longer (runtime/src/proc/durations.rs).
type gzLengths [4*(48-9+1) + 2]uint64

// gzSched is what the scheduler counts, as runtime/src/goabi/metrics.rs writes it. Times are in nanoseconds.
type gzSched struct {
	goroutines, created, running, runnable, inCalls, threads uint64
	totalTime, idleTime, mutexWait                           uint64
	stoppingGC, totalGC, stoppingOther, totalOther           gzLengths
}

// gzAll is all that was counted at some moment.
type gzAll struct {
	mem   gzStats
	sched gzSched
}

// With the world stopped all Ps wait for the one that collects.
func (a *gzAll) gcTime() uint64 { return a.mem.pauseTotal * uint64(gomaxprocs) }

func (a *gzAll) userTime() uint64 {
	return a.sched.totalTime - min(a.sched.totalTime, a.sched.idleTime+a.gcTime())
}

func (a *gzAll) waiting() uint64 {
	return a.sched.goroutines - min(a.sched.goroutines, a.sched.running+a.sched.runnable+a.sched.inCalls)
}

// gzScalar is a metric of one number; of a gzFloat64 that is nanoseconds.
type gzScalar struct {
	name string
	kind int
	read func(*gzAll) uint64
}

var gzscalars = [...]gzScalar{
	{"/cgo/go-to-c-calls:calls", gzUint64, func(_ *gzAll) uint64 { return 0 }},
	{"/cpu/classes/gc/mark/assist:cpu-seconds", gzFloat64, func(_ *gzAll) uint64 { return 0 }},
	{"/cpu/classes/gc/mark/dedicated:cpu-seconds", gzFloat64, func(_ *gzAll) uint64 { return 0 }},
	{"/cpu/classes/gc/mark/idle:cpu-seconds", gzFloat64, func(_ *gzAll) uint64 { return 0 }},
	{"/cpu/classes/gc/pause:cpu-seconds", gzFloat64, func(a *gzAll) uint64 { return a.gcTime() }},
	{"/cpu/classes/gc/total:cpu-seconds", gzFloat64, func(a *gzAll) uint64 { return a.gcTime() }},
	{"/cpu/classes/idle:cpu-seconds", gzFloat64, func(a *gzAll) uint64 { return a.sched.idleTime }},
	{"/cpu/classes/scavenge/assist:cpu-seconds", gzFloat64, func(_ *gzAll) uint64 { return 0 }},
	{"/cpu/classes/scavenge/background:cpu-seconds", gzFloat64, func(_ *gzAll) uint64 { return 0 }},
	{"/cpu/classes/scavenge/total:cpu-seconds", gzFloat64, func(_ *gzAll) uint64 { return 0 }},
	{"/cpu/classes/total:cpu-seconds", gzFloat64, func(a *gzAll) uint64 { return a.sched.totalTime }},
	{"/cpu/classes/user:cpu-seconds", gzFloat64, func(a *gzAll) uint64 { return a.userTime() }},
	{"/gc/cleanups/executed:cleanups", gzUint64, func(_ *gzAll) uint64 { return gzcleanups.executed.Load() }},
	{"/gc/cleanups/queued:cleanups", gzUint64, func(a *gzAll) uint64 { return a.mem.cleanups }},
	{"/gc/cycles/automatic:gc-cycles", gzUint64, func(a *gzAll) uint64 { return a.mem.cycles - min(a.mem.cycles, a.mem.forced) }},
	{"/gc/cycles/forced:gc-cycles", gzUint64, func(a *gzAll) uint64 { return min(a.mem.cycles, a.mem.forced) }},
	{"/gc/cycles/total:gc-cycles", gzUint64, func(a *gzAll) uint64 { return a.mem.cycles }},
	{"/gc/finalizers/executed:finalizers", gzUint64, func(_ *gzAll) uint64 { return gzfinalized.Load() }},
	{"/gc/finalizers/queued:finalizers", gzUint64, func(a *gzAll) uint64 { return a.mem.finalizers }},
	{"/gc/gogc:percent", gzUint64, func(a *gzAll) uint64 { return a.mem.percent }},
	{"/gc/gomemlimit:bytes", gzUint64, func(_ *gzAll) uint64 { return uint64(gzSetMemoryLimit(-1)) }},
	{"/gc/heap/allocs:bytes", gzUint64, func(a *gzAll) uint64 { return a.mem.totalAlloc }},
	{"/gc/heap/allocs:objects", gzUint64, func(a *gzAll) uint64 { return a.mem.mallocs - a.mem.tiny }},
	{"/gc/heap/frees:bytes", gzUint64, func(a *gzAll) uint64 { return a.mem.totalAlloc - a.mem.heapAlloc }},
	{"/gc/heap/frees:objects", gzUint64, func(a *gzAll) uint64 { return a.mem.frees - a.mem.tiny }},
	{"/gc/heap/goal:bytes", gzUint64, func(a *gzAll) uint64 { return a.mem.nextGC }},
	{"/gc/heap/live:bytes", gzUint64, func(a *gzAll) uint64 { return a.mem.marked }},
	{"/gc/heap/objects:objects", gzUint64, func(a *gzAll) uint64 { return a.mem.mallocs - a.mem.frees }},
	{"/gc/heap/tiny/allocs:objects", gzUint64, func(a *gzAll) uint64 { return a.mem.tiny }},
	{"/gc/limiter/last-enabled:gc-cycle", gzUint64, func(_ *gzAll) uint64 { return 0 }},
	{"/gc/scan/globals:bytes", gzUint64, func(a *gzAll) uint64 { return min(a.mem.globals, a.mem.roots) }},
	{"/gc/scan/heap:bytes", gzUint64, func(a *gzAll) uint64 { return a.mem.scanned }},
	{"/gc/scan/stack:bytes", gzUint64, func(a *gzAll) uint64 { return a.mem.roots - min(a.mem.globals, a.mem.roots) }},
	{"/gc/scan/total:bytes", gzUint64, func(a *gzAll) uint64 { return a.mem.scanned + a.mem.roots }},
	{"/gc/stack/starting-size:bytes", gzUint64, func(_ *gzAll) uint64 { return uint64(physPageSize) }},
	{"/memory/classes/heap/free:bytes", gzUint64, func(a *gzAll) uint64 { return a.mem.heapIdle }},
	{"/memory/classes/heap/objects:bytes", gzUint64, func(a *gzAll) uint64 { return a.mem.heapAlloc }},
	{"/memory/classes/heap/released:bytes", gzUint64, func(_ *gzAll) uint64 { return 0 }},
	{"/memory/classes/heap/stacks:bytes", gzUint64, func(a *gzAll) uint64 { return a.mem.stackInuse }},
	{"/memory/classes/heap/unused:bytes", gzUint64, func(a *gzAll) uint64 { return a.mem.heapInuse - a.mem.heapAlloc }},
	{"/memory/classes/metadata/mcache/free:bytes", gzUint64, func(_ *gzAll) uint64 { return 0 }},
	{"/memory/classes/metadata/mcache/inuse:bytes", gzUint64, func(a *gzAll) uint64 { return a.mem.mcache }},
	{"/memory/classes/metadata/mspan/free:bytes", gzUint64, func(a *gzAll) uint64 { return a.mem.spansSys - a.mem.spansInuse }},
	{"/memory/classes/metadata/mspan/inuse:bytes", gzUint64, func(a *gzAll) uint64 { return a.mem.spansInuse }},
	{"/memory/classes/metadata/other:bytes", gzUint64, func(a *gzAll) uint64 { return a.mem.gcSys() }},
	{"/memory/classes/os-stacks:bytes", gzUint64, func(a *gzAll) uint64 { return a.mem.stackSys - a.mem.stackInuse }},
	{"/memory/classes/other:bytes", gzUint64, func(a *gzAll) uint64 { return a.mem.otherSys() }},
	{"/memory/classes/profiling/buckets:bytes", gzUint64, func(_ *gzAll) uint64 { return 0 }},
	{"/memory/classes/total:bytes", gzUint64, func(a *gzAll) uint64 { return a.mem.sys }},
	{"/sched/gomaxprocs:threads", gzUint64, func(_ *gzAll) uint64 { return uint64(gomaxprocs) }},
	{"/sched/goroutines-created:goroutines", gzUint64, func(a *gzAll) uint64 { return a.sched.created }},
	{"/sched/goroutines/not-in-go:goroutines", gzUint64, func(a *gzAll) uint64 { return a.sched.inCalls }},
	{"/sched/goroutines/runnable:goroutines", gzUint64, func(a *gzAll) uint64 { return a.sched.runnable }},
	{"/sched/goroutines/running:goroutines", gzUint64, func(a *gzAll) uint64 { return a.sched.running }},
	{"/sched/goroutines/waiting:goroutines", gzUint64, func(a *gzAll) uint64 { return a.waiting() }},
	{"/sched/goroutines:goroutines", gzUint64, func(a *gzAll) uint64 { return a.sched.goroutines }},
	{"/sched/threads/total:threads", gzUint64, func(a *gzAll) uint64 { return a.sched.threads }},
	{"/sync/mutex/wait/total:seconds", gzFloat64, func(a *gzAll) uint64 { return a.sched.mutexWait }},
}

// gzLength is a metric of durations; nil: there are no samples.
type gzLength struct {
	name string
	read func(*gzAll) *gzLengths
}

var gzpauses = [...]gzLength{
	{"/gc/pauses:seconds", func(a *gzAll) *gzLengths { return &a.sched.totalGC }},
	{"/sched/latencies:seconds", func(*gzAll) *gzLengths { return nil }},
	{"/sched/pauses/stopping/gc:seconds", func(a *gzAll) *gzLengths { return &a.sched.stoppingGC }},
	{"/sched/pauses/stopping/other:seconds", func(a *gzAll) *gzLengths { return &a.sched.stoppingOther }},
	{"/sched/pauses/total/gc:seconds", func(a *gzAll) *gzLengths { return &a.sched.totalGC }},
	{"/sched/pauses/total/other:seconds", func(a *gzAll) *gzLengths { return &a.sched.totalOther }},
}

const (
	gzAllocsBySize = "/gc/heap/allocs-by-size:bytes"
	gzFreesBySize  = "/gc/heap/frees-by-size:bytes"
)

// gzmetrics belongs to the holder of the semaphore.
var gzmetrics = struct {
	sema uint32
	all  gzAll
	// Bounds of histograms, nil before the first use; histograms that were handed out share them.
	lengths, sizes []float64
	// Functions of internal/godebug that count, by the metric's name.
	godebugs map[string]func() uint64
}{sema: 1}

func gzmetricslock() {
	gzSemacquire(&gzmetrics.sema, 1, gzWaitSemacquire)
	if gzmetrics.lengths != nil {
		return
	}
	gzmetrics.lengths = gzlengths()
	// Objects of a class have up to so many bytes; the bound above is exclusive.
	gzMemStats(&gzmetrics.all.mem)
	gzmetrics.sizes = []float64{1}
	for _, class := range gzmetrics.all.mem.bySize[1:] {
		gzmetrics.sizes = append(gzmetrics.sizes, float64(class.size+1))
	}
	gzmetrics.sizes = append(gzmetrics.sizes, gzinf(0))
	gzmetrics.godebugs = make(map[string]func() uint64)
	for _, info := range godebugs.All {
		if !info.Opaque {
			gzmetrics.godebugs["/godebug/non-default-behavior/"+info.Name+":events"] = nil
		}
	}
}

func gzmetricsunlock() { gzSemrelease(&gzmetrics.sema, 0) }

// gzinf is positive infinity, or with 1 negative.
func gzinf(sign uint64) float64 {
	bits := sign<<63 | 0x7ff<<52
	return *(*float64)(unsafe.Pointer(&bits))
}

// gzlengths are the bounds of a gzLengths in seconds: powers of two nanoseconds from 256 on, each in four
// parts, as is what lies below.
func gzlengths() []float64 {
	bounds := []float64{gzinf(1)}
	for part := range uint64(4) {
		bounds = append(bounds, float64(part<<6)/1e9)
	}
	for power := 8; power < 47; power++ {
		for part := range uint64(4) {
			bounds = append(bounds, float64((4+part)<<(power-2))/1e9)
		}
	}
	return append(bounds, float64(uint64(1)<<47)/1e9, gzinf(0))
}

// histogram makes the value a histogram with such bounds, one that is there already if it fits, and
// returns its counts.
func (v *gzValue) histogram(bounds []float64) []uint64 {
	h := (*gzCounts)(v.pointer)
	if v.kind != gzHistogram || h == nil {
		h = new(gzCounts)
		v.kind, v.pointer = gzHistogram, unsafe.Pointer(h)
	}
	h.buckets = bounds
	if len(h.counts) != len(bounds)-1 {
		h.counts = make([]uint64, len(bounds)-1)
	}
	return h.counts
}

// bysize writes how many objects there were of each class: class 0 holds those that are larger than all
// others.
func (v *gzValue) bysize(freed bool) {
	counts := v.histogram(gzmetrics.sizes)
	last := len(counts) - 1
	for i := range gzmetrics.all.mem.bySize {
		class := &gzmetrics.all.mem.bySize[i]
		n := class.mallocs
		if freed {
			n = class.frees
		}
		counts[(i+last)%(last+1)] = n
	}
}

// read writes the metric of that name as it was counted last.
func (v *gzValue) read(name string) {
	for i := range gzscalars {
		if m := &gzscalars[i]; m.name == name {
			v.kind, v.scalar = m.kind, m.read(&gzmetrics.all)
			if m.kind == gzFloat64 {
				v.scalar = float64bits(float64(v.scalar) / 1e9)
			}
			return
		}
	}
	for i := range gzpauses {
		if m := &gzpauses[i]; m.name == name {
			counts := v.histogram(gzmetrics.lengths)
			clear(counts)
			if lengths := m.read(&gzmetrics.all); lengths != nil {
				copy(counts, lengths[:])
			}
			return
		}
	}
	switch name {
	case gzAllocsBySize:
		v.bysize(false)
	case gzFreesBySize:
		v.bysize(true)
	default:
		read, known := gzmetrics.godebugs[name]
		if !known {
			v.kind = gzBad
			return
		}
		v.kind, v.scalar = gzUint64, 0
		if read != nil {
			v.scalar = read()
		}
	}
}

// readMetrics writes the values of samples by their names. All are of one reading of the counts.
//
//go:linkname readMetrics runtime/metrics.runtime_readMetrics
func readMetrics(samplesp unsafe.Pointer, len int, cap int) {
	gzmetricslock()
	gzMemStats(&gzmetrics.all.mem)
	gzSchedStats(&gzmetrics.all.sched)
	samples := unsafe.Slice((*gzSample)(samplesp), len)
	for i := range samples {
		samples[i].value.read(samples[i].name)
	}
	gzmetricsunlock()
}

//go:linkname readMetricNames runtime/metrics_test.runtime_readMetricNames
func readMetricNames() []string {
	gzmetricslock()
	names := []string{gzAllocsBySize, gzFreesBySize}
	for i := range gzscalars {
		names = append(names, gzscalars[i].name)
	}
	for i := range gzpauses {
		names = append(names, gzpauses[i].name)
	}
	for name := range gzmetrics.godebugs {
		names = append(names, name)
	}
	gzmetricsunlock()
	return names
}

//go:linkname godebug_registerMetric internal/godebug.registerMetric
func godebug_registerMetric(name string, read func() uint64) {
	gzmetricslock()
	if _, known := gzmetrics.godebugs[name]; !known {
		throw("runtime: unexpected metric registration for " + name)
	}
	gzmetrics.godebugs[name] = read
	gzmetricsunlock()
}
