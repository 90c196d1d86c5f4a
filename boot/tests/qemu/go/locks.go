// Locks of package runtime, held by goroutines that are asked to yield: types are made under one of
// them, by functions that check the stack. A goroutine that yields there deadlocks the program.

package main

import (
	"fmt"
	"reflect"
	"strconv"
	"sync"
)

const makers, types = 2, 20000

func main() {
	var wg sync.WaitGroup
	wrong := make(chan string, makers)
	for maker := range makers {
		wg.Go(func() {
			for i := range types {
				name := "F" + strconv.Itoa(i*makers+maker)
				field := reflect.StructField{Name: name, Type: reflect.TypeFor[int]()}
				t := reflect.FuncOf([]reflect.Type{reflect.StructOf([]reflect.StructField{field})}, nil, false)
				if got := t.In(0).Field(0).Name; got != name {
					wrong <- "a field is " + got + ", not " + name
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case what := <-wrong:
		fmt.Println(what)
	default:
		fmt.Println("ok")
	}
}
