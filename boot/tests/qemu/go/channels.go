// Channels and selects in all forms that have ways of their own: words and other elements, with a
// buffer and without one, elements that nobody wants, channels that are closed.

package main

import (
	"fmt"
	"os"
	"reflect"
	"runtime"
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

// said is what f panics with.
func said(f func()) (s string) {
	defer func() { s = fmt.Sprint(recover()) }()
	f()
	return
}

// elements sends two values that differ, or two that are all there is, in all ways.
func elements[T comparable](a, b T) {
	var zero T
	for _, n := range []int{0, 1, 3} {
		c := make(chan T, n)
		go func() {
			for range 2 {
				c <- a
				c <- b
			}
			reflect.ValueOf(c).Send(reflect.ValueOf(a))
			select {
			case c <- b:
			case c <- b:
			}
			c <- a
			close(c)
		}()
		check(<-c == a, n)
		v, ok := <-c
		check(ok && v == b, n, v)
		<-c
		v = <-c
		check(v == b, n, v)
		got, ok := reflect.ValueOf(c).Recv()
		check(ok && got.Interface() == any(a), n)
		select {
		case <-c:
		case <-(chan int)(nil):
		}
		select {
		case v, ok = <-c:
		case <-(chan T)(nil):
		}
		check(ok && v == a, n, v)

		// Closed: zeros for whoever wants them.
		v, ok = <-c
		check(!ok && v == zero, n, v)
		v = a
		v = <-c
		check(v == zero, n, v)
		v, ok = a, true
		select {
		case v, ok = <-c:
		case <-(chan T)(nil):
		}
		check(!ok && v == zero, n, v)
		v, ok = a, true
		select {
		case v, ok = <-c:
		default:
			check(false, n)
		}
		check(!ok && v == zero, n, v)
		<-c
		got, ok = reflect.ValueOf(c).Recv()
		check(!ok && got.IsZero(), n)

		const closed = "send on closed channel"
		check(said(func() { c <- a }) == closed)
		check(said(func() {
			select {
			case c <- a:
			case <-(chan int)(nil):
			}
		}) == closed)
		check(said(func() {
			select {
			case c <- a:
			default:
			}
		}) == closed)

		// A sender, and one that selects, waits when it is closed.
		c = make(chan T, n)
		for range n {
			c <- a
		}
		done := make(chan string)
		go func() { done <- said(func() { c <- b }) }()
		go func() {
			done <- said(func() {
				select {
				case c <- b:
				case <-(chan int)(nil):
				}
			})
		}()
		for range 10 {
			runtime.Gosched()
		}
		close(c)
		check(<-done == closed)
		check(<-done == closed)
		// A receiver waits, with the room for its element full of something else.
		c = make(chan T, n)
		go func() {
			v, ok := a, true
			v, ok = <-c
			check(!ok && v == zero, n, v)
			done <- ""
		}()
		for range 10 {
			runtime.Gosched()
		}
		close(c)
		<-done
	}
	// More arms than have their waiters on the stack, elements that nobody wants, of two sizes.
	for range 20 {
		var cs [10]chan T
		for i := range cs {
			cs[i] = make(chan T)
		}
		go func() { cs[9] <- a }()
		other := make(chan [99]int)
		select {
		case <-cs[0]:
		case <-cs[1]:
		case <-cs[2]:
		case <-cs[3]:
		case <-cs[4]:
		case <-cs[5]:
		case <-cs[6]:
		case <-cs[7]:
		case <-cs[8]:
		case v := <-cs[9]:
			check(v == a, v)
			continue
		case <-other:
		}
		check(false)
	}
}

// crowd has many send and receive on one channel; the collector runs meanwhile.
func crowd(n int) {
	const senders, each = 4, 500
	c, boxes := make(chan int, n), make(chan *[4]int, n)
	var sum atomic.Int64
	var sending, receiving sync.WaitGroup
	for i := range senders {
		sending.Go(func() {
			for j := range each {
				c <- i*each + j
				boxes <- &[4]int{i*each + j}
			}
		})
		receiving.Go(func() {
			for v := range c {
				box := <-boxes
				sum.Add(int64(v + box[0]))
			}
		})
	}
	runtime.GC()
	sending.Wait()
	close(c)
	receiving.Wait()
	const all = senders * each
	check(sum.Load() == all*(all-1), n, sum.Load())
}

func main() {
	elements(struct{}{}, struct{}{})
	elements(byte(1), 2)
	elements(1, 2)
	elements(new(int), new(int))
	elements("a", "b")
	elements([3]int{1, 2, 3}, [3]int{4, 5, 6})
	elements([40]int{39: 1}, [40]int{2})
	elements(any(1), any("b"))
	for _, n := range []int{0, 1, 64} {
		crowd(n)
	}
	fmt.Println("ok")
}
