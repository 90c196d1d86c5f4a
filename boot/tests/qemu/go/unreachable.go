// What must not stay alive: objects that only words lead to which Go calls dead. boot/tests/qemu/go_gc.rs runs it.

package main

import (
	"fmt"
	"runtime"
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

func main() {
	fmt.Println("received:",
		received(func(t *item) *item { return t }),
		received(func(t *item) any { return t }),
		received(func(t *item) pair { return pair{1, t} }),
		received(func(t *item) [3]*item { return [3]*item{nil, nil, t} }),
		received(func(t *item) wide { return wide{t: t} }))
}
