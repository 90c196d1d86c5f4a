// What a collector may break: objects that only stacks, channels, timers, closures or types made at run time hold; finalizers, cleanups, weak
// pointers; and the figures about it. boot/tests/qemu/go_gc.rs runs it with forced collections.

package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"
	"unique"
	"weak"
)

type item struct {
	next *item
	n    int
	buf  []byte
}

//go:noinline
func finalized(n int, ch chan int) {
	for i := range n {
		t := &item{n: i, buf: make([]byte, 100)}
		runtime.SetFinalizer(t, func(t *item) { ch <- t.n + len(t.buf) - 100 })
	}
}

//go:noinline
func weaklings() (weak.Pointer[item], weak.Pointer[item], *item) {
	a, b := &item{n: 1}, &item{n: 2}
	return weak.Make(a), weak.Make(b), b
}

//go:noinline
func cleanups(done chan string) {
	x := &item{n: 3}
	runtime.AddCleanup(x, func(s string) { done <- s }, "cleaned")
	y := &item{n: 4}
	c := runtime.AddCleanup(y, func(s string) { done <- s }, "never")
	c.Stop()
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

// madeTypes holds objects of a type that only their values know.
func madeTypes() {
	pointer := reflect.StructField{Name: "A", Type: reflect.TypeFor[*int]()}
	text := reflect.StructField{Name: "B", Type: reflect.TypeFor[string]()}
	t := reflect.StructOf([]reflect.StructField{pointer, text})
	var values []reflect.Value
	for i := range 200 {
		v := reflect.New(t).Elem()
		n := i
		v.Field(0).Set(reflect.ValueOf(&n))
		v.Field(1).SetString(fmt.Sprint(i))
		values = append(values, v)
	}
	runtime.GC()
	for i, v := range values {
		if *v.Field(0).Interface().(*int) != i || v.Field(1).String() != fmt.Sprint(i) {
			panic("a value of a type made at run time was freed")
		}
	}
}

func documents() {
	m := map[string]any{}
	for i := range 150 {
		m[fmt.Sprint(i)] = map[string]any{"x": i, "y": []any{i, "z", nil, 1.5}}
		if i%10 != 0 {
			continue
		}
		text, err := json.Marshal(m)
		var back map[string]any
		if err == nil {
			err = json.Unmarshal(text, &back)
		}
		if err != nil || len(back) != i+1 {
			panic(fmt.Sprint("a document came back otherwise: ", err, len(back)))
		}
	}
}

func channel() {
	c := make(chan *item)
	go func() {
		for i := range 300 {
			c <- &item{n: i, next: &item{n: -i}, buf: make([]byte, i)}
		}
		close(c)
	}()
	i := 0
	for t := range c {
		if t.n != i || t.next.n != -i || len(t.buf) != i {
			panic("what was sent was freed")
		}
		i++
	}
}

func timers() {
	<-time.NewTimer(time.Millisecond).C
	fired := make(chan *item)
	for i := range 20 {
		t := &item{n: i}
		time.AfterFunc(time.Duration(i)*time.Millisecond/4, func() { fired <- t })
	}
	sum := 0
	for range 20 {
		sum += (<-fired).n
	}
	if sum != 190 {
		panic("what a timer's function holds was freed")
	}
}

var (
	ints  []int
	octet *byte
)

func main() {
	ch := make(chan int, 2000)
	finalized(1000, ch)
	collect()
	for deadline := time.Now().Add(10 * time.Second); len(ch) < 990 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	fmt.Println("finalizers:", len(ch) >= 990, len(ch) <= 1000)

	dead, alive, held := weaklings()
	collect()
	fmt.Println("weak:", dead.Value() == nil, alive.Value() == held, alive == weak.Make(held))

	done := make(chan string, 10)
	cleanups(done)
	collect()
	fmt.Println("cleanup:", <-done)

	p := sync.Pool{New: func() any { return new(int) }}
	for range 10 {
		p.Put(new(int))
	}
	runtime.GC()
	runtime.GC()
	fmt.Println("unique:", unique.Make("a"+strings.Repeat("b", 3)) == unique.Make("abbb"))
	fmt.Println("allocations:", testing.AllocsPerRun(100, func() { ints = make([]int, 10) }),
		testing.AllocsPerRun(100, func() { octet = new(byte) }))
	fmt.Println("percent:", debug.SetGCPercent(50), debug.SetGCPercent(-1), debug.SetGCPercent(100))
	fmt.Println("limit:", debug.SetMemoryLimit(1<<30) > 1<<60, debug.SetMemoryLimit(-1))
	debug.FreeOSMemory()
	var stats debug.GCStats
	debug.ReadGCStats(&stats)
	fmt.Println("statistics:", stats.NumGC > 5, len(stats.Pause) == int(min(stats.NumGC, 256)))
	madeTypes()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			documents()
			channel()
			timers()
		})
	}
	wg.Wait()
	fmt.Println("ok")
}
