// Profiles of memory and of blocking, against what the program did.

package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"time"
)

func fail(what ...any) {
	fmt.Println(what...)
	os.Exit(1)
}

var kept [][]byte
var sink any

//go:noinline
func keeps(n, size int) {
	for range n {
		kept = append(kept, make([]byte, size))
	}
}

type node struct {
	next *node
	data [5]int
}

//go:noinline
func drops(n int) {
	for range n {
		sink = &node{next: new(node)}
	}
}

// memory sums the heap profile's records of a function.
func memory(in string) (sum runtime.MemProfileRecord) {
	runtime.GC()
	var records []runtime.MemProfileRecord
	n, ok := runtime.MemProfile(nil, true)
	for !ok {
		records = make([]runtime.MemProfileRecord, n+50)
		n, ok = runtime.MemProfile(records, true)
	}
	for _, r := range records[:n] {
		if has(r.Stack(), in) {
			sum.AllocBytes += r.AllocBytes
			sum.FreeBytes += r.FreeBytes
			sum.AllocObjects += r.AllocObjects
			sum.FreeObjects += r.FreeObjects
		}
	}
	return
}

func has(stack []uintptr, in string) bool {
	frames := runtime.CallersFrames(stack)
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		if f.Function == in {
			return true
		}
	}
	return false
}

func text(name string, debug int) string {
	var b bytes.Buffer
	if err := pprof.Lookup(name).WriteTo(&b, debug); err != nil {
		fail(name, err)
	}
	return b.String()
}

// all objects: the rate is 1.
func everyObject() {
	keeps(1000, 24)
	keeps(300, 1000)
	keeps(20, 100_000)
	drops(2000)
	sink = nil
	k, d := memory("main.keeps"), memory("main.drops")
	bytes := int64(1000*24 + 300*1024 + 20*106496)
	// What kept itself was copied to counts, too.
	if k.AllocObjects < 1320 || k.AllocObjects > 1340 || k.InUseBytes() < bytes || k.InUseObjects() > 1321 {
		fail("kept", k.AllocObjects, k.InUseObjects(), k.InUseBytes(), "and not", bytes)
	}
	if d.AllocObjects != 4000 || d.AllocBytes != 4000*48 || d.FreeObjects < 3990 {
		fail("dropped", d.AllocObjects, d.AllocBytes, d.FreeObjects)
	}
	kept = nil
	if k = memory("main.keeps"); k.InUseObjects() > 2 {
		fail("kept by nobody:", k.InUseObjects())
	}
	all := text("heap", 1)
	for _, part := range []string{"heap profile: ", "main.keeps+", "main.drops+", "\n# NumGC = "} {
		if !strings.Contains(all, part) {
			fail("no", part, "in", all)
		}
	}
	if binary := text("allocs", 0); len(binary) < 100 || binary[0] != 0x1f {
		fail("no compressed profile:", len(binary))
	}
}

// samples: the sum of 20,000 objects of 1 KiB, as one object in 16 KiB shows it.
func samples() {
	before := memory("main.keeps").AllocObjects
	const n, size, rate = 20_000, 1024, 16 << 10
	keeps(n, size)
	got := memory("main.keeps").AllocObjects - before
	share := 1 - math.Exp(-float64(size)/rate)
	expected := n * share
	if math.Abs(float64(got)-expected) > 6*math.Sqrt(expected)+25 {
		fail(got, "samples, not", expected)
	}
	kept = nil
}

//go:noinline
func blocks(n int) {
	c := make(chan int)
	go func() {
		for i := range n {
			time.Sleep(2 * time.Millisecond)
			c <- i
		}
	}()
	for range n {
		<-c
	}
}

//go:noinline
func selects() {
	c, never := make(chan int), make(chan int)
	go func() {
		time.Sleep(5 * time.Millisecond)
		close(c)
	}()
	select {
	case <-c:
	case <-never:
	}
}

//go:noinline
func unlocks(mu *sync.Mutex) { mu.Unlock() }

//go:noinline
func locks(mu *sync.Mutex) { mu.Lock() }

func contend(n int) {
	for range n {
		var mu sync.Mutex
		var end sync.WaitGroup
		mu.Lock()
		end.Go(func() {
			locks(&mu)
			unlocks(&mu)
		})
		time.Sleep(2 * time.Millisecond)
		unlocks(&mu)
		end.Wait()
	}
}

// waits sums the records of a profile of blocking that begin in one function and lead through
// another.
func waits(profile func([]runtime.BlockProfileRecord) (int, bool), first, in string) (count int64, took time.Duration) {
	records := make([]runtime.BlockProfileRecord, 1000)
	n, ok := profile(records)
	if !ok {
		fail("no room for", n)
	}
	for _, r := range records[:n] {
		f, _ := runtime.CallersFrames(r.Stack()).Next()
		if f.Function == first && has(r.Stack(), in) {
			count += r.Count
			took += time.Duration(r.Cycles)
		}
	}
	return
}

func blocking() {
	blocks(3)
	if n, _ := runtime.BlockProfile(nil); n != 0 {
		fail(n, "records before")
	}
	runtime.SetBlockProfileRate(1)
	if old := runtime.SetMutexProfileFraction(1); old != 0 {
		fail("fraction", old)
	}
	blocks(10)
	selects()
	contend(10)
	runtime.SetBlockProfileRate(0)
	if old := runtime.SetMutexProfileFraction(0); old != 1 || runtime.SetMutexProfileFraction(-1) != 0 {
		fail("fraction", old)
	}
	for _, w := range []struct {
		profile   func([]runtime.BlockProfileRecord) (int, bool)
		first, in string
		n         int64
	}{
		{runtime.BlockProfile, "runtime.chanrecv1", "main.blocks", 10},
		{runtime.BlockProfile, "runtime.selectgo", "main.selects", 1},
		{runtime.BlockProfile, "sync.(*Mutex).Lock", "main.locks", 10},
		{runtime.MutexProfile, "sync.(*Mutex).Unlock", "main.unlocks", 10},
	} {
		count, took := waits(w.profile, w.first, w.in)
		// A goroutine may come so late that there is nothing to wait for.
		if count < (w.n+1)/2 || count > w.n || took <= 0 {
			fail(w.in, count, took)
		}
	}
	before, _ := waits(runtime.BlockProfile, "runtime.chanrecv1", "main.blocks")
	blocks(3)
	if after, _ := waits(runtime.BlockProfile, "runtime.chanrecv1", "main.blocks"); after != before {
		fail(after-before, "records after")
	}
	for _, name := range []string{"block", "mutex"} {
		if all := text(name, 1); !strings.Contains(all, "cycles/second=") || !strings.Contains(all, "main.") {
			fail(name, all)
		}
	}
}

func main() {
	runtime.MemProfileRate = 1
	// The runs that were there are given up.
	runtime.GC()
	everyObject()
	runtime.MemProfileRate = 16 << 10
	runtime.GC()
	samples()
	blocking()
	fmt.Println("ok")
}
