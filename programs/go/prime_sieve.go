// The concurrent prime sieve: a chain of goroutines, each of which lets pass what its prime does not divide.
//
// `prime_sieve.go [N]` prints the first N primes, 100 unless told.

package main

import (
	"fmt"
	"os"
	"strconv"
)

// generate sends 2, 3, 4, … to out.
func generate(out chan<- int) {
	for i := 2; ; i++ {
		out <- i
	}
}

// filter copies what prime does not divide from in to out.
func filter(in <-chan int, out chan<- int, prime int) {
	for i := range in {
		if i%prime != 0 {
			out <- i
		}
	}
}

func main() {
	n := 100
	if len(os.Args) > 1 {
		var err error
		if n, err = strconv.Atoi(os.Args[1]); err != nil || n < 0 {
			fmt.Printf("prime_sieve: %q is not a number\n", os.Args[1])
			os.Exit(64)
		}
	}
	in := make(chan int)
	go generate(in)
	for i := 1; i <= n; i++ {
		prime := <-in
		end := " "
		if i%10 == 0 || i == n {
			end = "\n"
		}
		fmt.Print(prime, end)
		out := make(chan int)
		go filter(in, out, prime)
		in = out
	}
}
