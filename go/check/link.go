package main

import (
	"errors"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A source is a Go file as far as links go.
type source struct {
	// Functions that are declared, with their types; those without a body.
	functions map[string]string
	bodyless  map[string]bool
	// Linknames: local name and target, which may be empty.
	links [][2]string
}

// readSource parses a file.
func readSource(path string) (*source, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	s := &source{functions: map[string]string{}, bodyless: map[string]bool{}}
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil {
			typ := text[fset.Position(f.Type.Params.Pos()).Offset:fset.Position(f.Type.End()).Offset]
			s.functions[f.Name.Name] = strings.Join(strings.Fields(string(typ)), " ")
			s.bodyless[f.Name.Name] = f.Body == nil
		}
	}
	for _, group := range file.Comments {
		for _, comment := range group.List {
			words := strings.Fields(comment.Text)
			if len(words) > 1 && (words[0] == "//go:linkname" || words[0] == "//go:linknamestd") {
				s.links = append(s.links, [2]string{words[1], strings.Join(words[2:], "")})
			}
		}
	}
	return s, nil
}

// links has what others than kept Go files have of the files that are left out:
//
//   - `push TARGET FUNCTION-TYPE`: a function or variable that a linkname gives to another package;
//   - `pull NAME FUNCTION-TYPE by PACKAGES`: one that other packages take;
//   - `compiler NAME TYPE`, `assembly NAME TYPE`: one that compiled code, or assembly that is kept, calls.
func (t *tree) links() ([]string, error) {
	out := map[string]string{} // What the files that are left out have, by name.
	var lines []string
	for _, name := range t.goFiles {
		if !t.leftOut[name] {
			continue
		}
		s, err := readSource(filepath.Join(t.pkg(), name))
		if err != nil {
			return nil, err
		}
		for function, typ := range s.functions {
			out[function] = typ
		}
		for _, link := range s.links {
			if local, target := link[0], link[1]; target != "" && target != "runtime."+local && !s.bodyless[local] {
				lines = append(lines, strings.TrimSpace("push "+target+" "+s.functions[local]))
			}
		}
	}
	pulls, err := t.pulls(out)
	if err != nil {
		return nil, err
	}
	calls, err := t.calls(out)
	return slices.Concat(lines, pulls, calls), err
}

// pulls looks through the packages of the standard library for linknames of what out has.
func (t *tree) pulls(out map[string]string) ([]string, error) {
	packages := map[string][]string{}
	src := filepath.Join(t.root, "src")
	err := filepath.WalkDir(src, func(dir string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		path, _ := filepath.Rel(src, dir)
		if base := filepath.Base(dir); base == "testdata" || path == "cmd" || strings.HasPrefix(base, "_") {
			return filepath.SkipDir
		}
		if path == "runtime" {
			return nil
		}
		pkg, err := build.ImportDir(dir, 0)
		var none *build.NoGoError
		if errors.As(err, &none) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, name := range pkg.GoFiles {
			s, err := readSource(filepath.Join(dir, name))
			if err != nil {
				return err
			}
			for _, link := range s.links {
				name, ok := strings.CutPrefix(link[1], "runtime.")
				if _, has := out[name]; ok && has && !slices.Contains(packages[name], path) {
					packages[name] = append(packages[name], path)
				}
			}
		}
		return nil
	})
	var lines []string
	for name, by := range packages {
		lines = append(lines, "pull "+name+" "+out[name]+" by "+strings.Join(by, " "))
	}
	return lines, err
}

var (
	builtin = regexp.MustCompile(`\{"runtime\.(\w+)", \d\}`)
	// The compiler makes these names: one for each size class that it knows an allocation to be of.
	sized     = regexp.MustCompile(`^mallocgc(Tiny|Small\w+)SC\d+$`)
	reference = regexp.MustCompile(`(?:runtime)?·(\w+)(?:<ABIInternal>)?(?:\+[^(]*)?\(SB\)`)
)

// calls has those of out that the compiler's list of the runtime's functions names, where Go's distribution has that, and those that kept
// assembly names.
func (t *tree) calls(out map[string]string) ([]string, error) {
	var lines []string
	add := func(kind, file string, names *regexp.Regexp) error {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, match := range names.FindAllStringSubmatch(string(text), -1) {
			if typ, has := out[match[1]]; has {
				lines = append(lines, kind+" "+match[1]+" "+typ)
			}
		}
		return nil
	}
	for name, typ := range out {
		if sized.MatchString(name) {
			lines = append(lines, "compiler "+name+" "+typ)
		}
	}
	list := filepath.Join(t.root, "src/cmd/internal/goobj/builtinlist.go")
	if err := add("compiler", list, builtin); err != nil {
		return nil, err
	}
	for _, name := range t.asmFiles {
		if t.leftOut[name] {
			continue
		}
		if err := add("assembly", filepath.Join(t.pkg(), name), reference); err != nil {
			return nil, err
		}
	}
	return lines, nil
}
