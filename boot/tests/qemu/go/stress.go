// A scheduler's day: goroutines that send, select, sleep, lock, loop without a call, allocate and end, all at once, with sums that tell whether one was
// lost or served twice. boot/tests/qemu/go_soak.rs runs it under forced collections; its argument is the seed.

package main

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"weak"
)

type message struct {
	n    int
	back chan *message
	pad  []byte
}

func check(what string, got, want int) {
	if got != want {
		panic(fmt.Sprint(what, ": ", got, ", not ", want))
	}
}

// pipeline sends through stages with buffers of their own, each message with memory that the next one checks.
func pipeline(r *rand.Rand) {
	const messages = 200
	first := make(chan *message, r.IntN(4))
	in := first
	for range 1 + r.IntN(6) {
		out := make(chan *message, r.IntN(4))
		go func(in <-chan *message, out chan<- *message) {
			defer close(out)
			for m := range in {
				next := &message{n: m.n + 1, pad: make([]byte, 1+m.n%300)}
				next.pad[len(next.pad)-1] = byte(m.n)
				check("pad", int(m.pad[len(m.pad)-1]), int(byte(m.n-1)))
				out <- next
			}
		}(in, out)
		in = out
	}
	go func() {
		for i := range messages {
			first <- &message{n: i, pad: []byte{byte(i - 1)}}
		}
		close(first)
	}()
	sum, n := 0, 0
	for m := range in {
		sum += m.n
		n++
	}
	check("messages", n, messages)
	check("stages", (sum-messages*(messages-1)/2)%messages, 0)
}

// servers answers requests by select over two channels, a timer and the end.
func servers(r *rand.Rand) {
	const clients, requests = 8, 40
	a, b, end := make(chan message), make(chan message, 2), make(chan struct{})
	var served atomic.Int64
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for {
				var m message
				select {
				case m = <-a:
				case m = <-b:
				case <-tick.C:
					continue
				case <-end:
					return
				}
				served.Add(1)
				m.back <- &message{n: m.n * 2}
			}
		})
	}
	var asked sync.WaitGroup
	for c := range clients {
		seed := r.Uint64()
		asked.Go(func() {
			r := rand.New(rand.NewPCG(seed, 0))
			for i := range requests {
				m := message{n: c*requests + i, back: make(chan *message, r.IntN(2))}
				select {
				case a <- m:
				case b <- m:
				}
				check("answer", (<-m.back).n, m.n*2)
			}
		})
	}
	asked.Wait()
	close(end)
	all.Wait()
	check("served", int(served.Load()), clients*requests)
}

// locks counts under every kind of lock, with loops that have to be preempted.
func locks(r *rand.Rand) {
	const goroutines, rounds = 10, 50
	var mu sync.Mutex
	var rw sync.RWMutex
	var cond = sync.NewCond(&mu)
	var all sync.WaitGroup
	n, turns, done := 0, 0, 0
	for i := range goroutines {
		spin := r.IntN(3000)
		all.Go(func() {
			for range rounds {
				mu.Lock()
				for turns%goroutines != i {
					cond.Wait()
				}
				turns++
				n++
				cond.Broadcast()
				mu.Unlock()
				for x := 0; x < spin; x++ {
				}
				if i%3 == 0 {
					rw.Lock()
					done++
					rw.Unlock()
				} else {
					rw.RLock()
					_ = done
					rw.RUnlock()
				}
			}
		})
	}
	all.Wait()
	check("turns", n, goroutines*rounds)
	check("writes", done, (goroutines+2)/3*rounds)
}

// timers waits for deadlines, some of which are taken back.
func timers(r *rand.Rand) {
	var fired atomic.Int64
	var all sync.WaitGroup
	const n = 40
	stopped := 0
	for range n {
		all.Add(1)
		t := time.AfterFunc(time.Duration(r.IntN(3000))*time.Microsecond, func() {
			fired.Add(1)
			all.Done()
		})
		if r.IntN(3) == 0 && t.Stop() {
			stopped++
			all.Done()
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	<-ctx.Done()
	all.Wait()
	check("fired", int(fired.Load())+stopped, n)
}

type tree struct{ left, right *tree }

func grow(depth int) *tree {
	if depth == 0 {
		return &tree{}
	}
	return &tree{grow(depth - 1), grow(depth - 1)}
}

func (t *tree) nodes() int {
	if t.left == nil {
		return 1
	}
	return 1 + t.left.nodes() + t.right.nodes()
}

func memory(r *rand.Rand) {
	depth := 4 + r.IntN(7)
	t := grow(depth)
	w := weak.Make(t)
	m := map[int]*tree{}
	for i := range 200 {
		m[i] = grow(i % 3)
	}
	runtime.Gosched()
	nodes := 0
	for _, t := range m {
		nodes += t.nodes()
	}
	check("map", nodes, 67*1+67*3+66*7)
	check("tree", w.Value().nodes(), 1<<(depth+1)-1)
	runtime.KeepAlive(t)
}

func coroutines(r *rand.Rand) {
	n := 20 + r.IntN(50)
	next, stop := iter.Pull(func(yield func(*message) bool) {
		for i := 0; yield(&message{n: i}); i++ {
		}
	})
	sum := 0
	for range n {
		m, _ := next()
		sum += m.n
	}
	stop()
	check("pulled", sum, n*(n-1)/2)
}

func panics(r *rand.Rand) {
	depth := r.IntN(40)
	var down func(n int, m *message) int
	down = func(n int, m *message) (result int) {
		held := &message{n: n}
		defer func() {
			if e := recover(); e != nil {
				result = held.n + m.n
				if n < depth {
					panic(e)
				}
			}
		}()
		if n == 0 {
			var none *message
			return none.n
		}
		return down(n-1, held)
	}
	check("recovered", down(depth, &message{n: 7}), depth+7)
}

func main() {
	seed, _ := strconv.ParseUint(os.Args[1], 10, 64)
	kinds := []func(*rand.Rand){pipeline, servers, locks, timers, memory, coroutines, panics}
	var all sync.WaitGroup
	for g := range 12 {
		all.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(g)))
			for range 4 {
				kinds[r.IntN(len(kinds))](r)
			}
		})
	}
	all.Wait()
	fmt.Println("whole")
}
