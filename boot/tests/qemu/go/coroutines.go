// Coroutines (iter.Pull) by many goroutines at once: sums, panics and ends that cross them, locked
// threads, deep stacks, looks at the stacks of those that wait, and who made them.

package main

import (
	"context"
	"fmt"
	"iter"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
)

func check(ok bool, what ...any) {
	if !ok {
		_, _, line, _ := runtime.Caller(1)
		fmt.Println(append([]any{"line", line}, what...)...)
		os.Exit(1)
	}
}

func said(f func()) (s string) {
	defer func() { s = fmt.Sprint(recover()) }()
	f()
	return
}

// deep calls f with n frames below it.
func deep(n int, f func()) int {
	var room [16]int
	if n == 0 {
		f()
		return 0
	}
	room[n%16] = n
	return room[n%16] - n + 1 + deep(n-1, f)
}

// boxes yields n values that lie in the heap, each from another depth.
func boxes(n int) iter.Seq[*int] {
	return func(yield func(*int) bool) {
		for i := range n {
			goesOn := true
			deep(i%40, func() { goesOn = yield(&[]int{i}[0]) })
			if !goesOn {
				return
			}
		}
	}
}

// sums of a coroutine that pulls from a coroutine.
func nested(n int) {
	next, stop := iter.Pull(func(yield func(int) bool) {
		inner, stop := iter.Pull(boxes(n))
		defer stop()
		for {
			v, ok := inner()
			if !ok || !yield(*v) {
				return
			}
		}
	})
	defer stop()
	sum := 0
	for {
		v, ok := next()
		if !ok {
			break
		}
		sum += v
	}
	check(sum == n*(n-1)/2, n, sum)
}

// passed is a coroutine whose puller is another goroutine each time.
func passed(n int) {
	next, stop := iter.Pull(boxes(n))
	var sum int
	var pull func()
	var done sync.WaitGroup
	done.Add(1)
	pull = func() {
		v, ok := next()
		if !ok {
			done.Done()
			return
		}
		sum += *v
		go pull()
	}
	go pull()
	done.Wait()
	stop()
	check(sum == n*(n-1)/2, n, sum)
}

// ends of coroutines: stopped before the first value and between two, a panic, Goexit.
func ends() {
	_, stop := iter.Pull(boxes(3))
	stop()
	next, stop := iter.Pull(boxes(3))
	next()
	stop()
	_, ok := next()
	check(!ok)
	next, _ = iter.Pull(func(yield func(*int) bool) {
		yield(nil)
		panic("in a coroutine")
	})
	next()
	check(said(func() { next() }) == "in a coroutine")
	_, stop = iter.Pull(func(func(*int) bool) { panic("not reached") })
	stop()
	gone := make(chan bool)
	go func() {
		defer close(gone)
		next, _ := iter.Pull(func(yield func(*int) bool) {
			yield(nil)
			runtime.Goexit()
		})
		next()
		next()
		check(false, "Goexit came back")
	}()
	<-gone
}

// made looks at coroutines that wait, before they begin and in yield: they have the labels of their
// creator, and their tracebacks name it.
func made() {
	pprof.Do(context.Background(), pprof.Labels("part", "made"), func(context.Context) {
		next, stop := iter.Pull(boxes(3))
		defer stop()
		_, stopOther := iter.Pull(boxes(3))
		defer stopOther()
		next()
		var b strings.Builder
		check(pprof.Lookup("goroutine").WriteTo(&b, 2) == nil)
		found := 0
		for _, one := range strings.Split(b.String(), "\n\n") {
			if strings.Contains(one, " [coroutine] {part: made}:\n") {
				check(strings.Contains(one, "\ncreated by iter.Pull[...] in goroutine 1\n"), one)
				found++
			}
		}
		check(found == 2, found, b.String())
	})
}

// locked is pulled by a goroutine that has a thread of its own.
func locked(n int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	nested(n)
}

func main() {
	made()
	var looking atomic.Bool
	looking.Store(true)
	var looks sync.WaitGroup
	looks.Go(func() {
		buf := make([]byte, 1<<18)
		for looking.Load() {
			all := string(buf[:runtime.Stack(buf, true)])
			check(!strings.Contains(all, "unexpected return pc"), all)
			runtime.GC()
			runtime.Gosched()
		}
	})
	for range 3 {
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				nested(200 + i)
				passed(60 + i)
				ends()
			})
		}
		all.Wait()
		all.Go(func() { locked(50) })
		all.Go(func() { nested(300) })
		all.Wait()
	}
	looking.Store(false)
	looks.Wait()
	fmt.Println("ok")
}
