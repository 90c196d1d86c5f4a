// A select among channels that are all ready chooses at random, with equal chances: none starves.

package main

import "fmt"

const rounds = 1_000_000

// closed makes a channel that is always ready.
func closed() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

func main() {
	a, b, c, d := closed(), closed(), closed(), closed()
	var chosen [5]int
	for range rounds {
		select {
		case <-a:
			chosen[0]++
		case <-b:
			chosen[1]++
		case <-c:
			chosen[2]++
		case <-d:
			chosen[3]++
		default:
			chosen[4]++
		}
	}
	for i, arm := range []string{"first", "second", "third", "fourth", "default"} {
		fmt.Printf("%s: %.0f %%\n", arm, float64(chosen[i])*100/rounds)
	}
}
