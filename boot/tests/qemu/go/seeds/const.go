package main

const name = "aaa"

func main() {

}
