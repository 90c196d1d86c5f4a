package main

import (
	"fmt"
	"sync"
	"time"
)

func mutexTest() {
	mutex := sync.Mutex{}
	for i := 0; i < 10; i++ {
		go func() {
			mutex.Lock()
			fmt.Printf("%d goroutine get mutex", i)
			//模拟实际开发中的操作耗时
			time.Sleep(100 * time.Millisecond)
		}()
	}
	time.Sleep(10 * time.Second)
}

func main() {
	mutexTest()
}
