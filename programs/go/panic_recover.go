// Panics unwind, deferred work runs, and recover gets the goroutine back.
//
// `panic_recover.go -unrecovered` lets the last one end the program.

package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
)

// A panic's value may be anything with a text.
type httpError int

func (e httpError) Error() string { return fmt.Sprintf("HTTP status %d", int(e)) }

func handle(request int) int {
	defer fmt.Printf("request %d: deferred\n", request)
	switch request {
	case 2:
		panic("request 2 is bad")
	case 3:
		return []int{1, 2, 3}[request]
	case 4:
		panic(httpError(418))
	}
	return request * 100
}

// guarded says how a request ended.
func guarded(request int) {
	defer func() {
		switch err := recover().(type) {
		case nil:
		case httpError:
			fmt.Printf("request %d: recovered, status %d\n", request, int(err))
		default:
			fmt.Printf("request %d: recovered: %v\n", request, err)
		}
	}()
	fmt.Printf("request %d: answer %d\n", request, handle(request))
}

func main() {
	for request := 1; request <= 4; request++ {
		guarded(request)
	}

	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		defer fmt.Println("goexit: deferred")
		runtime.Goexit()
	}()
	wg.Wait()

	if len(os.Args) > 1 && os.Args[1] == "-unrecovered" {
		handle(2)
	}
}
