// Package runtime/metrics against what the program did, and against MemStats.

//go:debug panicnil=1

package main

import (
	"fmt"
	_ "math/rand" // has settings that are counted
	"os"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// reading is all metrics, read at once.
type reading map[string]metrics.Value

func read() reading {
	var samples []metrics.Sample
	for _, d := range metrics.All() {
		samples = append(samples, metrics.Sample{Name: d.Name})
	}
	metrics.Read(samples)
	r := reading{}
	for i, d := range metrics.All() {
		if samples[i].Value.Kind() != d.Kind {
			fail(d.Name, "kind", samples[i].Value.Kind(), d.Kind)
		}
		r[d.Name] = samples[i].Value
	}
	return r
}

func (r reading) n(name string) uint64  { return r[name].Uint64() }
func (r reading) f(name string) float64 { return r[name].Float64() }

// count is how many samples a histogram has, and how many of them from the bound on that holds at.
func (r reading) count(name string, at float64) (all, from uint64) {
	h := r[name].Float64Histogram()
	for i, n := range h.Counts {
		all += n
		if at < h.Buckets[i+1] {
			from += n
		}
	}
	return all, from
}

// class is how many objects of a size there are in a histogram.
func (r reading) class(name string, size float64) uint64 {
	h := r[name].Float64Histogram()
	i, found := slices.BinarySearch(h.Buckets, size)
	if !found {
		i--
	}
	return h.Counts[i]
}

func fail(why ...any) {
	fmt.Println(append([]any{"wrong:"}, why...)...)
	os.Exit(1)
}

func same(what string, a, b uint64) {
	if a != b {
		fail(what, a, b)
	}
}

func between(what string, low, n, high uint64) {
	if n < low || n > high {
		fail(what, low, n, high)
	}
}

func sums(r reading) {
	var memory uint64
	cpu := r.f("/cpu/classes/total:cpu-seconds")
	for name := range r {
		if strings.HasPrefix(name, "/memory/classes/") && !strings.HasPrefix(name, "/memory/classes/total") {
			memory += r.n(name)
		}
		switch name {
		case "/cpu/classes/user:cpu-seconds", "/cpu/classes/idle:cpu-seconds",
			"/cpu/classes/gc/total:cpu-seconds", "/cpu/classes/scavenge/total:cpu-seconds":
			cpu -= r.f(name)
		}
	}
	same("memory", memory, r.n("/memory/classes/total:bytes"))
	if cpu > 1e-6 || cpu < -1e-6 {
		fail("cpu", cpu)
	}
	same("cycles", r.n("/gc/cycles/total:gc-cycles"),
		r.n("/gc/cycles/automatic:gc-cycles")+r.n("/gc/cycles/forced:gc-cycles"))
	same("scan", r.n("/gc/scan/total:bytes"),
		r.n("/gc/scan/globals:bytes")+r.n("/gc/scan/heap:bytes")+r.n("/gc/scan/stack:bytes"))
	goroutines := uint64(0)
	for _, state := range []string{"waiting", "runnable", "running", "not-in-go"} {
		goroutines += r.n("/sched/goroutines/" + state + ":goroutines")
	}
	same("goroutines", goroutines, r.n("/sched/goroutines:goroutines"))
}

type object struct {
	words [25]uintptr
	next  *object
}

var list *object

func objects() {
	const n = 1000
	before := read()
	for range n {
		list = &object{next: list}
	}
	list = nil
	runtime.GC()
	after := read()
	grown := func(name string) uint64 { return after.class(name, 208) - before.class(name, 208) }
	between("objects", n, grown("/gc/heap/allocs-by-size:bytes"), n+100)
	between("freed", n, grown("/gc/heap/frees-by-size:bytes"), n+100)
	between("bytes", n*208, after.n("/gc/heap/allocs:bytes")-before.n("/gc/heap/allocs:bytes"), n*208+1<<20)
	same("forced", after.n("/gc/cycles/forced:gc-cycles"), before.n("/gc/cycles/forced:gc-cycles")+1)
	for _, name := range []string{"/gc/pauses:seconds", "/sched/pauses/total/gc:seconds", "/sched/pauses/stopping/gc:seconds"} {
		pauses, _ := after.count(name, 0)
		same(name, pauses, after.n("/gc/cycles/total:gc-cycles"))
	}
}

func goroutines() {
	const n = 10
	var started, end sync.WaitGroup
	before, stop := read(), make(chan bool)
	started.Add(n)
	for range n {
		end.Go(func() { started.Done(); <-stop })
	}
	started.Wait()
	for read().n("/sched/goroutines/waiting:goroutines") < n {
		runtime.Gosched()
	}
	after := read()
	sums(after)
	for _, name := range []string{"/sched/goroutines:goroutines", "/sched/goroutines-created:goroutines"} {
		same(name, after.n(name), before.n(name)+n)
	}
	between("running", 1, after.n("/sched/goroutines/running:goroutines"), uint64(runtime.GOMAXPROCS(0)))
	close(stop)
	end.Wait()
}

// waits has a goroutine wait for a mutex, while no P has work.
func waits() {
	const nap = 30 * time.Millisecond
	before := read()
	var mu sync.Mutex
	mu.Lock()
	go func() { time.Sleep(nap); mu.Unlock() }()
	mu.Lock()
	after := read()
	for _, name := range []string{"/sync/mutex/wait/total:seconds", "/cpu/classes/idle:cpu-seconds"} {
		if waited := after.f(name) - before.f(name); waited < nap.Seconds()/2 {
			fail(name, waited)
		}
	}
}

// finalizers has some of n objects found dead: a stack may hold some of them by chance.
func finalizers() {
	const n = 64
	var ran [2]atomic.Uint64
	before := read()
	for range n {
		runtime.SetFinalizer(new(object), func(*object) { ran[0].Add(1) })
		runtime.AddCleanup(new(object), func(int) { ran[1].Add(1) }, 0)
	}
	for ran[0].Load() < n/2 || ran[1].Load() < n/2 {
		runtime.GC()
		runtime.Gosched()
	}
	for i, kind := range []string{"finalizers", "cleanups"} {
		for {
			after := read()
			delta := func(what string) uint64 {
				name := "/gc/" + kind + "/" + what + ":" + kind
				return after.n(name) - before.n(name)
			}
			if queued := delta("queued"); delta("executed") == queued {
				between(kind, n/2, queued, n)
				same(kind, queued, ran[i].Load())
				break
			}
			runtime.Gosched()
		}
	}
}

// pauses has somebody collect while the figures are read: they are of one moment, and a pause has one length and one end.
func pauses() {
	var stop atomic.Bool
	var end sync.WaitGroup
	runtime.GC()
	end.Go(func() {
		for !stop.Load() {
			runtime.GC()
		}
	})
	var before, after runtime.MemStats
	for range 300 {
		runtime.ReadMemStats(&before)
		runtime.ReadMemStats(&after)
		last := int(before.NumGC) - 1
		same("LastGC", before.LastGC, before.PauseEnd[last%256])
		previous := uint64(0)
		for cycle := max(0, int(after.NumGC)-256); cycle <= last; cycle++ {
			length, end := before.PauseNs[cycle%256], before.PauseEnd[cycle%256]
			same("PauseNs", length, after.PauseNs[cycle%256])
			same("PauseEnd", end, after.PauseEnd[cycle%256])
			between("ends", previous+1, end, before.LastGC)
			previous = end
		}
	}
	stop.Store(true)
	end.Wait()
}

func godebugs() {
	const name = "/godebug/non-default-behavior/panicnil:events"
	before := read().n(name)
	func() {
		defer func() { recover() }()
		panic(nil)
	}()
	same(name, read().n(name), before+1)
}

func main() {
	sums(read())
	objects()
	goroutines()
	waits()
	finalizers()
	pauses()
	godebugs()
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	r := read()
	sums(r)
	same("NumGC", uint64(m.NumGC), r.n("/gc/cycles/total:gc-cycles"))
	same("NextGC", m.NextGC, r.n("/gc/heap/goal:bytes"))
	same("GCSys", m.GCSys, r.n("/memory/classes/metadata/other:bytes"))
	between("HeapAlloc", m.HeapAlloc, r.n("/memory/classes/heap/objects:bytes"), m.HeapAlloc+1<<20)
	between("Mallocs", m.Mallocs, r.n("/gc/heap/allocs:objects")+r.n("/gc/heap/tiny/allocs:objects"), m.Mallocs+10000)
	same("HeapSys", m.HeapIdle+m.HeapInuse, m.HeapSys)
	unknown := []metrics.Sample{{Name: "/no/such:thing"}}
	metrics.Read(unknown)
	same("unknown", uint64(unknown[0].Value.Kind()), uint64(metrics.KindBad))
	if _, long := r.count("/sched/latencies:seconds", 0); long != 0 {
		fail("latencies", long)
	}
	fmt.Println("ok")
}
