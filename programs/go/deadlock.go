// All goroutines asleep: nobody can ever run again, and the report shows where everyone waits.

package main

import (
	"runtime"
	"sync"
)

func main() {
	var ready sync.WaitGroup
	ready.Add(3)

	go func() {
		nobodyReceives := make(chan int)
		ready.Done()
		nobodyReceives <- 42
	}()

	go func() {
		nobodySends := make(chan int)
		ready.Done()
		<-nobodySends
	}()

	// A goroutine that waits to be counted down by itself.
	go func() {
		var neverDone sync.WaitGroup
		neverDone.Add(1)
		// Its thread waits for it and for nobody else: that one is asleep, too.
		runtime.LockOSThread()
		ready.Done()
		neverDone.Wait()
		neverDone.Done()
	}()

	ready.Wait()
	<-make(chan int)
}
