// The interface between the files of Go's package runtime that stay and what stands in for the others.
//
//	go run go/check/*.go [-goroot DIR] [-write]
//
// compares the interface that the Go at DIR has (the one that runs this) with the one that the Go half was written for, in
// go/check/interface, and prints the lines that differ: `-` what was, `+` what is. Its exit status is 1 then. With -write it writes
// that file, and go/check/kept with the hashes of the files that stay, by which the tool tells without Go's help that it knows a Go.
//
// The interface has a line for each
//
//   - const, var, func, type, field or method of a file that is left out which a kept file uses (use.go);
//   - function or variable of a file that is left out which another package has by a linkname (link.go);
//   - name of a file that is left out which the compiler, or assembly that is kept, uses (link.go).
//
// A change of it either does not compile or, which is worse, does: so it is read by a person, who brings the Go half along, and then
// written.
package main

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"go/build"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// A tree is a GOROOT without the files that are left out.
type tree struct {
	root string
	// Go and assembly files of package runtime for linux/amd64, and those of them that are left out.
	goFiles, asmFiles []string
	leftOut           map[string]bool
}

// pkg is the directory of package runtime.
func (t *tree) pkg() string { return filepath.Join(t.root, "src", "runtime") }

// newTree finds which files are left out: those in the list and those that the Go half has one of the same name for.
func newTree(root, half string) (*tree, error) {
	text, err := os.ReadFile(filepath.Join(half, "leftout"))
	if err != nil {
		return nil, err
	}
	own, err := os.ReadDir(filepath.Join(half, "runtime"))
	if err != nil {
		return nil, err
	}
	t := &tree{root: root, leftOut: map[string]bool{}}
	for _, file := range own {
		t.leftOut[file.Name()] = true
	}
	for _, line := range strings.Fields(string(text)) {
		if name, ok := strings.CutPrefix(line, "src/runtime/"); ok {
			t.leftOut[name] = true
		}
	}
	// As `go build` does for Gzero, whatever this program was built for.
	build.Default.GOROOT, build.Default.GOOS, build.Default.GOARCH = root, "linux", "amd64"
	build.Default.CgoEnabled = false
	pkg, err := build.ImportDir(t.pkg(), 0)
	if err != nil {
		return nil, err
	}
	t.goFiles, t.asmFiles = pkg.GoFiles, pkg.SFiles
	return t, nil
}

// kept has a line for each file that stays, and one for the names of all files: its SHA-256 and its name below GOROOT.
func (t *tree) kept() ([]string, error) {
	var lines []string
	for _, name := range slices.Concat(t.goFiles, t.asmFiles) {
		if t.leftOut[name] {
			continue
		}
		text, err := os.ReadFile(filepath.Join(t.pkg(), name))
		if err != nil {
			return nil, err
		}
		lines = append(lines, fmt.Sprintf("%x  src/runtime/%s", sha256.Sum256(text), name))
	}
	entries, err := os.ReadDir(t.pkg())
	if err != nil {
		return nil, err
	}
	var names bytes.Buffer
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasSuffix(name, "_test.go") && (strings.HasSuffix(name, ".go") || strings.HasSuffix(name, ".s")) {
			fmt.Fprintln(&names, name)
		}
	}
	return append(lines, fmt.Sprintf("%x  src/runtime", sha256.Sum256(names.Bytes()))), nil
}

// lines is the whole interface, sorted.
func (t *tree) lines() ([]string, error) {
	uses, err := t.uses()
	if err != nil {
		return nil, err
	}
	links, err := t.links()
	if err != nil {
		return nil, err
	}
	all := slices.Concat(uses, links)
	slices.Sort(all)
	return slices.Compact(all), nil
}

// difference marks what only one of two sorted lists has.
func difference(was, is []string) []string {
	var marked []string
	for len(was) > 0 || len(is) > 0 {
		switch {
		case len(is) == 0 || len(was) > 0 && was[0] < is[0]:
			marked = append(marked, "- "+was[0])
			was = was[1:]
		case len(was) == 0 || is[0] < was[0]:
			marked = append(marked, "+ "+is[0])
			is = is[1:]
		default:
			was, is = was[1:], is[1:]
		}
	}
	return marked
}

func run(root, half string, write bool) (same bool, err error) {
	t, err := newTree(root, half)
	if err != nil {
		return false, err
	}
	is, err := t.lines()
	if err != nil {
		return false, err
	}
	file := filepath.Join(half, "check", "interface")
	if write {
		kept, err := t.kept()
		if err != nil {
			return false, err
		}
		slices.Sort(kept)
		for name, lines := range map[string][]string{file: is, filepath.Join(half, "check", "kept"): kept} {
			if err := os.WriteFile(name, []byte(strings.Join(lines, "\n")+"\n"), 0o666); err != nil {
				return false, err
			}
		}
		return true, nil
	}
	was, err := os.ReadFile(file)
	if err != nil {
		return false, err
	}
	marked := difference(strings.Split(strings.TrimSpace(string(was)), "\n"), is)
	for _, line := range marked {
		fmt.Println(line)
	}
	return len(marked) == 0, nil
}

func main() {
	_, here, _, _ := runtime.Caller(0)
	root := flag.String("goroot", build.Default.GOROOT, "the Go that is compared")
	half := flag.String("half", filepath.Dir(filepath.Dir(here)), "the folder of the Go half")
	write := flag.Bool("write", false, "write the files of go/check")
	flag.Parse()
	same, err := run(*root, *half, *write)
	if err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
		os.Exit(2)
	}
	if !same {
		os.Exit(1)
	}
}
