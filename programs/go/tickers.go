// Two tickers of different periods; one goroutine receives from both until the slow one has ticked often enough.

package main

import (
	"fmt"
	"time"
)

const ticks = 4

func main() {
	fast := time.NewTicker(10 * time.Millisecond)
	slow := time.NewTicker(50 * time.Millisecond)
	fastTicks, slowTicks := 0, 0
	for slowTicks < ticks {
		select {
		case <-fast.C:
			fastTicks++
		case <-slow.C:
			slowTicks++
			fmt.Println("slow tick", slowTicks)
		}
	}
	fmt.Println(fastTicks, "fast ticks meanwhile")

	fast.Stop()
	slow.Stop()
	select {
	case <-fast.C:
		fmt.Println("a tick after the stop")
	case <-slow.C:
		fmt.Println("a tick after the stop")
	case <-time.After(100 * time.Millisecond):
		fmt.Println("stopped, they tick no more")
	}

	slow.Reset(time.Millisecond)
	<-slow.C
	fmt.Println("reset, it ticks again")
}
