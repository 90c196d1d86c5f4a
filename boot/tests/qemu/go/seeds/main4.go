package main

func main() {
	const x, y = 1, 2
	var max int
	if x < y {
		max = y
	} else {
		max = x
	}
	if max == x {
		panic(x)
	}
}
