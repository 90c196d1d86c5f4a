package main

/*
#include "cgo_example.c"
*/
import "C"
import "fmt"

func main() {
	s := C.get_string()
	fmt.Println(C.GoString(s))
	// 没有调用 C.free(s) 来释放内存
}
