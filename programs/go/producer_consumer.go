// Producers and consumers share a buffer of four places, a channel: who finds it full, or empty, waits.

package main

import (
	"fmt"
	"runtime"
	"sync"
)

const (
	producers = 3
	consumers = 2
	items     = 1000
)

type total struct{ taken, sum int }

// produce puts as many numbers as items says into the buffer, other ones than every other producer.
func produce(producer int, buffer chan<- int) {
	for i := range items {
		buffer <- producer*items + i
	}
}

// consume returns how many numbers it took out of the buffer, and their sum.
func consume(buffer <-chan int) (t total) {
	for item := range buffer {
		t.taken++
		t.sum += item
		// Digesting takes longer than producing: the buffer fills up.
		runtime.Gosched()
	}
	return t
}

func main() {
	buffer, results := make(chan int, 4), make(chan total)
	var producing sync.WaitGroup
	for producer := range producers {
		producing.Go(func() { produce(producer, buffer) })
	}
	for range consumers {
		go func() { results <- consume(buffer) }()
	}
	producing.Wait()
	// Consumers get what is in the buffer still, and then nothing.
	close(buffer)
	var all total
	for range consumers {
		t := <-results
		all.taken += t.taken
		all.sum += t.sum
	}
	fmt.Printf("%d producers, %d consumers: %d items, sum %d\n", producers, consumers, all.taken, all.sum)
}
