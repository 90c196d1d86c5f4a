// Fibonacci numbers with a goroutine and a channel for every left branch: nothing but spawning, parking and waking.
//
// `parfib.go [N]` computes the Nth, the 25th unless told.

package main

import (
	"fmt"
	"os"
	"strconv"
)

func fib(n uint) uint64 {
	if n < 2 {
		return uint64(n)
	}
	left := make(chan uint64, 1)
	go func() { left <- fib(n - 1) }()
	right := fib(n - 2)
	return <-left + right
}

func main() {
	n := uint64(25)
	if len(os.Args) > 1 {
		var err error
		if n, err = strconv.ParseUint(os.Args[1], 10, 32); err != nil || n > 40 {
			fmt.Printf("parfib: %q is not a number up to 40\n", os.Args[1])
			os.Exit(64)
		}
	}
	fmt.Printf("fib(%d) = %d\n", n, fib(uint(n)))
}
