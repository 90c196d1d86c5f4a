package main

import (
	"fmt"
	"sync"
)

type job struct {
	id   int
	name string
}

func work(j job, out chan<- int, wg *sync.WaitGroup) {
	total := 0
	for i := range j.id {
		total += i * i
	}
	out <- total
	wg.Done()
}

func main() {
	out := make(chan int)
	var wg sync.WaitGroup
	blocked := make(chan bool)
	go func() { <-blocked }()
	for n := range 3 {
		wg.Add(1)
		go work(job{n + 2, fmt.Sprint("job ", n)}, out, &wg)
	}
	sum := 0
	for range 3 {
		sum += <-out
	}
	wg.Wait()
	fmt.Println("sum", sum)
}
