// Dining philosophers: each eats with two forks, one on either side; a fork lies in a channel of capacity 1.
//
// Everybody takes the fork with the lower number first, so they cannot all wait in a circle. `dining_philosophers.go -greedy` takes the
// left fork, waits until everybody has one, and wants the right one: a deadlock, reported.

package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
)

const meals = 100

var names = []string{"Aristotle", "Plato", "Socrates", "Zeno", "Hypatia"}

// A fork knows how often it was used.
type fork struct{ uses int }

func dine(first, second chan *fork) {
	for range meals {
		one := <-first
		runtime.Gosched()
		other := <-second
		one.uses++
		other.uses++
		second <- other
		first <- one
	}
}

func greedy(forks []chan *fork) {
	var everybody sync.WaitGroup
	everybody.Add(len(names))
	for seat, name := range names {
		left, right := forks[seat], forks[(seat+1)%len(names)]
		go func() {
			one := <-left
			everybody.Done()
			everybody.Wait()
			other := <-right
			fmt.Printf("%s eats with forks used %d and %d times\n", name, one.uses, other.uses)
		}()
	}
	everybody.Wait()
	fmt.Println("everybody has one fork")
	<-forks[0]
}

func main() {
	var forks []chan *fork
	for range names {
		place := make(chan *fork, 1)
		place <- &fork{}
		forks = append(forks, place)
	}
	if len(os.Args) > 1 && os.Args[1] == "-greedy" {
		greedy(forks)
		return
	}
	var done sync.WaitGroup
	for seat, name := range names {
		next := (seat + 1) % len(names)
		low, high := forks[min(seat, next)], forks[max(seat, next)]
		done.Go(func() {
			dine(low, high)
			fmt.Printf("%s ate %d times\n", name, meals)
		})
	}
	done.Wait()
	uses := 0
	for _, place := range forks {
		uses += (<-place).uses
	}
	fmt.Printf("forks were used %d times\n", uses)
}
