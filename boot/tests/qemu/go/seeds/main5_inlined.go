package main

func main() {
	n := 1
	for i := 0; i < 10; i++ {
		n += 1
	}
	println(n)
}
