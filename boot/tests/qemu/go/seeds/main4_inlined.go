package main

func main() {
	const x, y = 1, 2
	const max = y
	if max == x {
		panic(x)
	}
}
