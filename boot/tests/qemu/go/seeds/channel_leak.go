package main

import (
	"fmt"
	"time"
)

func channelTest() {
	//声明未初始化的channel读写都会阻塞
	var c chan int
	//向channel中写数据
	go func() {
		c <- 1
		fmt.Println("g1 send succeed")
		time.Sleep(1 * time.Second)
	}()
	//从channel中读数据
	go func() {
		<-c
		fmt.Println("g2 receive succeed")
		time.Sleep(1 * time.Second)
	}()
	time.Sleep(10 * time.Second)
}

func main() {
	channelTest()
}
