// What must not stay alive: objects that only words lead to which Go calls dead. boot/tests/qemu/go_gc.rs runs it.

package main

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"weak"
)

type item struct {
	next *item
	n    int
}

// smash overwrites what earlier calls left on the stack.
//
//go:noinline
func smash(n int) int {
	var a [100]int
	for i := range a {
		a[i] = n
	}
	if n > 0 {
		return smash(n-1) + a[n%100]
	}
	return 0
}

func collect() {
	smash(20)
	runtime.GC()
}

const slots = 12

//go:noinline
func fill[T any](c chan T, element func(*item) T) (sent [slots]weak.Pointer[item]) {
	for i := range sent {
		t := &item{n: i}
		sent[i] = weak.Make(t)
		c <- element(t)
	}
	return sent
}

// drain receives in every way there is.
//
//go:noinline
func drain[T any](c chan T) {
	var other chan int
	for range slots / 6 {
		<-c
		v := <-c
		v, _ = <-c
		select {
		case v = <-c:
		default:
			panic("nothing was sent")
		}
		select {
		case v = <-c:
		case <-other:
		}
		select {
		case <-c:
		case <-other:
		}
		_ = v
	}
}

// received says whether what was taken from a buffer is gone, though the buffer is there.
func received[T any](element func(*item) T) bool {
	c := make(chan T, slots+3)
	sent := fill(c, element)
	drain(c)
	collect()
	gone := 0
	for _, w := range sent {
		if w.Value() == nil {
			gone++
		}
	}
	runtime.KeepAlive(c)
	return gone == slots
}

type pair struct {
	n int
	t *item
}

type wide struct {
	t    *item
	tail [9]int
}

// object is one that a cleanup tells of.
//
//go:noinline
func object(gone *atomic.Int32) *item {
	t := &item{n: 1}
	runtime.AddCleanup(t, func(gone *atomic.Int32) { gone.Add(1) }, gone)
	return t
}

//go:noinline
func use(t *item) int { return t.n }

// await collects until so many cleanups have run; false: that does not come.
func await(gone *atomic.Int32, n int32) bool {
	for range 3 {
		runtime.GC()
		for range 1000 {
			if gone.Load() == n {
				return true
			}
			runtime.Gosched()
		}
	}
	return false
}

// local says whether an object is gone whose last use is over, though its slot is in a frame that goes on.
func local() bool {
	var gone atomic.Int32
	t := object(&gone)
	kept := object(new(atomic.Int32))
	for range use(t) {
		collect()
	}
	if gone.Load() != 0 {
		return false
	}
	n := use(t) + use(kept)
	alive := await(&gone, 1)
	return alive && n == use(kept)*2
}

// argument does so for what lay in a parameter.
//
//go:noinline
func argument(t *item, more [8]*item, gone *atomic.Int32) bool {
	n := use(t) + use(more[7])
	return await(gone, 2) && n == 2
}

// parked does so for frames of goroutines that wait, with a deferred call that holds an object and one that does not.
func parked() bool {
	const n = 20
	var gone, kept atomic.Int32
	var stand, end sync.WaitGroup
	c := make(chan int)
	stand.Add(n)
	for range n {
		end.Go(func() {
			dead, t := object(&gone), object(&kept)
			defer func() {
				if use(t) != 1 {
					panic("what a deferred call holds was freed")
				}
			}()
			use(dead)
			stand.Done()
			<-c
		})
	}
	stand.Wait()
	all := await(&gone, n) && kept.Load() == 0
	close(c)
	end.Wait()
	return all && await(&kept, n)
}

// deep does so below frames that hold an object for each of their callers, preempted in a loop.
func deep(n int, stop *atomic.Bool, ready *sync.WaitGroup, gone, kept *atomic.Int32) int {
	dead, t := object(gone), object(kept)
	sum := use(dead)
	if n == 0 {
		ready.Done()
		for !stop.Load() {
			sum++
			sum--
		}
		return sum + use(t)
	}
	sum += deep(n-1, stop, ready, gone, kept)
	return sum + use(t)
}

func preempted() bool {
	const n, depth = 3, 50
	var gone, kept atomic.Int32
	var stop atomic.Bool
	var ready, end sync.WaitGroup
	ready.Add(n)
	for range n {
		end.Go(func() {
			if deep(depth-1, &stop, &ready, &gone, &kept) != 2*depth {
				panic("an object of a frame was freed")
			}
		})
	}
	ready.Wait()
	// The innermost frames are interrupted anywhere: what they hold may stay.
	all := false
	for deadline := time.Now().Add(20 * time.Second); !all && time.Now().Before(deadline); {
		runtime.GC()
		runtime.Gosched()
		all = gone.Load() >= n*(depth-1)
	}
	all = all && kept.Load() == 0
	stop.Store(true)
	end.Wait()
	return all && await(&kept, n*depth)
}

// faulted does so for a frame whose code faulted, with a deferred call that goes on.
func faulted() (whole bool) {
	t := object(new(atomic.Int32))
	var none *item
	defer func() {
		recover()
		runtime.GC()
		smash(20)
		whole = use(t) == 1
	}()
	return use(none.next) == 0
}

func main() {
	fmt.Println("received:",
		received(func(t *item) *item { return t }),
		received(func(t *item) any { return t }),
		received(func(t *item) pair { return pair{1, t} }),
		received(func(t *item) [3]*item { return [3]*item{nil, nil, t} }),
		received(func(t *item) wide { return wide{t: t} }))
	fmt.Println("local:", local())
	var gone atomic.Int32
	fmt.Println("argument:", argument(object(&gone), [8]*item{7: object(&gone)}, &gone))
	fmt.Println("parked:", parked())
	fmt.Println("preempted:", preempted())
	fmt.Println("faulted:", faulted())
}
