// Profiles of goroutines and threads, labels, and the limits of runtime/debug.

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"sync"
)

func fail(what ...any) {
	fmt.Println(what...)
	os.Exit(1)
}

func waits(c chan int) { <-c }

func spins(stop *bool, mu *sync.Mutex) {
	for {
		mu.Lock()
		done := *stop
		mu.Unlock()
		if done {
			return
		}
		runtime.Gosched()
	}
}

// text is the goroutines' profile.
func text(debug int) string {
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, debug); err != nil {
		fail("profile", debug, err)
	}
	return b.String()
}

// settle waits until n goroutines wait in a function.
func settle(n int, in string) {
	for {
		count := 0
		records := make([]runtime.StackRecord, runtime.NumGoroutine()+10)
		n2, ok := runtime.GoroutineProfile(records)
		if !ok {
			fail("no room for", n2)
		}
		for _, r := range records[:n2] {
			frames := runtime.CallersFrames(r.Stack())
			for more := true; more; {
				var f runtime.Frame
				f, more = frames.Next()
				if f.Function == in {
					count++
				}
			}
		}
		if count == n {
			return
		}
		runtime.Gosched()
	}
}

func down(n int) int {
	var pad [1024]byte
	if n == 0 {
		return len(pad)
	}
	return down(n-1) + int(pad[n%1024])
}

func main() {
	before := runtime.NumGoroutine()
	c := make(chan int)
	labels := pprof.Labels("part", "waiting")
	pprof.Do(context.Background(), labels, func(context.Context) {
		for range 7 {
			// The labels are those of who started it.
			go waits(c)
		}
	})
	for range 3 {
		go waits(c)
	}
	var stop bool
	var mu sync.Mutex
	go spins(&stop, &mu)
	settle(10, "main.waits")
	settle(1, "main.spins")
	settle(1, "main.main")

	if n, ok := runtime.GoroutineProfile(nil); ok || n != before+11 {
		fail("goroutines", n, ok)
	}
	if n := pprof.Lookup("goroutine").Count(); n != before+11 {
		fail("count", n)
	}
	all := text(1)
	for _, part := range []string{
		fmt.Sprintf("goroutine profile: total %d\n", before+11),
		"\n7 @ 0x", "\n# labels: {\"part\":\"waiting\"}\n", "\n3 @ 0x", "main.waits+", "main.main+",
	} {
		if !strings.Contains(all, part) {
			fail("no", part, "in", all)
		}
	}
	if strings.Count(all, "# labels") != 1 {
		fail("labels of others in", all)
	}
	if binary := text(0); len(binary) < 100 || binary[0] != 0x1f || binary[1] != 0x8b {
		fail("no compressed profile:", len(binary))
	}
	traces := text(2)
	if n := strings.Count(traces, "[chan receive]:\nmain.waits("); n != 3 {
		fail(n, "of 3 traces in", traces)
	}
	if n := strings.Count(traces, "[chan receive] {part: waiting}:\nmain.waits("); n != 7 {
		fail(n, "of 7 traces with labels in", traces)
	}

	mu.Lock()
	stop = true
	mu.Unlock()
	close(c)
	for runtime.NumGoroutine() > before {
		runtime.Gosched()
	}
	threads := pprof.Lookup("threadcreate").Count()
	if n, ok := runtime.ThreadCreateProfile(make([]runtime.StackRecord, 100)); !ok || n < runtime.GOMAXPROCS(0) || threads < 1 {
		fail("threads", n, ok, threads)
	}

	if old := debug.SetMaxThreads(500); old != 10000 {
		fail("max threads", old)
	}
	if old := debug.SetMaxThreads(10000); old != 500 {
		fail("max threads", old)
	}
	// A limit that was lowered and raised again does no harm to a stack that grows meanwhile.
	old := debug.SetMaxStack(64 << 10)
	debug.SetMaxStack(old)
	if down(4000) != 1024 {
		fail("down")
	}
	fmt.Println("ok")
}
