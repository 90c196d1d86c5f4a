// A worker pool: a few goroutines take jobs from one channel, in whatever order they are free, and send the results to another.
//
// The job is to count the steps by which a number comes to 1 in Collatz' sequence.

package main

import "fmt"

const (
	workers = 3
	jobs    = 9
)

type done struct{ job, steps int }

func collatz(n int) int {
	steps := 0
	for ; n != 1; steps++ {
		if n%2 == 0 {
			n /= 2
		} else {
			n = 3*n + 1
		}
	}
	return steps
}

func work(in <-chan int, results chan<- done) {
	for job := range in {
		results <- done{job, collatz(job)}
	}
}

func main() {
	in, results := make(chan int, jobs), make(chan done, jobs)
	for range workers {
		go work(in, results)
	}
	for job := 1; job <= jobs; job++ {
		in <- job
	}
	close(in)
	var steps [jobs + 1]int
	for range jobs {
		d := <-results
		steps[d.job] = d.steps
	}
	for job := 1; job <= jobs; job++ {
		fmt.Printf("%d: %d steps\n", job, steps[job])
	}
}
