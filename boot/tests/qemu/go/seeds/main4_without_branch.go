package main

func main() {
	const x, y = 1, 2
	const max = y
}
