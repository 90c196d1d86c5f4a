// Skynet: a goroutine with ten children, each with ten of its own, down to a million leaves, which send their numbers up to be added.
//
// `skynet.go [LEAVES]`, a power of ten, a million unless told. Prints the sum, how many goroutines there were and how long they took.

package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

const children = 10

// node sends the sum of the numbers from first, as many as leaves, to parent.
func node(parent chan<- uint64, first, leaves uint64) {
	if leaves == 1 {
		parent <- first
		return
	}
	sums := make(chan uint64)
	share := leaves / children
	for i := range uint64(children) {
		go node(sums, first+i*share, share)
	}
	sum := uint64(0)
	for range children {
		sum += <-sums
	}
	parent <- sum
}

func isPowerOfTen(n uint64) bool {
	for n != 0 && n%10 == 0 {
		n /= 10
	}
	return n == 1
}

func main() {
	leaves := uint64(1_000_000)
	if len(os.Args) > 1 {
		var err error
		if leaves, err = strconv.ParseUint(os.Args[1], 10, 64); err != nil || !isPowerOfTen(leaves) {
			fmt.Fprintf(os.Stderr, "skynet: %q is not a power of ten\n", os.Args[1])
			os.Exit(64)
		}
	}
	start := time.Now()
	sum := make(chan uint64)
	go node(sum, 0, leaves)
	fmt.Println("sum", <-sum)
	// 1 + 10 + 100 + … + leaves.
	goroutines := (leaves*children - 1) / (children - 1)
	fmt.Printf("%d goroutines in %v\n", goroutines, time.Since(start))
}
