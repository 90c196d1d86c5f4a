// Two goroutines throw a ball to each other over two unbuffered channels.

package main

import "fmt"

const rounds = 10_000

func main() {
	ping, pong := make(chan int), make(chan int)
	go func() {
		for ball := range ping {
			pong <- ball + 1
		}
		close(pong)
	}()
	ball := 0
	for range rounds {
		ping <- ball + 1
		ball = <-pong
	}
	close(ping)
	if _, ok := <-pong; ok {
		panic("the other goroutine threw a ball that it did not get")
	}
	fmt.Printf("%d rounds, the ball was hit %d times\n", rounds, ball)
}
