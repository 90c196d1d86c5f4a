package main

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"strings"
)

// uses has what kept files of package runtime use of the files that are left out, `KIND NAME TYPE`. The type checker says what each name
// stands for. A type's line has no more than its name: the fields that are used have lines of their own.
func (t *tree) uses() ([]string, error) {
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range t.goFiles {
		file, err := parser.ParseFile(fset, filepath.Join(t.pkg(), name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: importer.ForCompiler(fset, "source", nil), Sizes: types.SizesFor("gc", "amd64")}
	pkg, err := config.Check("runtime", fset, files, info)
	if err != nil {
		return nil, err
	}
	fields := fieldOwners(pkg.Scope())
	isLeftOut := func(pos token.Pos) bool { return t.leftOut[filepath.Base(fset.Position(pos).Filename)] }
	var lines []string
	for name, object := range info.Uses {
		if object.Pkg() == pkg && isLeftOut(object.Pos()) && !isLeftOut(name.Pos()) {
			if line := describe(pkg, fields, object); line != "" {
				lines = append(lines, line)
			}
		}
	}
	return lines, nil
}

// describe is an object's line; none if it is inside a function.
func describe(pkg *types.Package, fields map[types.Object]string, object types.Object) string {
	text := func(typ types.Type) string { return types.TypeString(typ, types.RelativeTo(pkg)) }
	signature := func(f *types.Func) string { return strings.TrimPrefix(text(f.Type()), "func") }
	isGlobal := object.Parent() == pkg.Scope()
	switch object := object.(type) {
	case *types.Func:
		object = object.Origin()
		if receiver := object.Signature().Recv(); receiver != nil {
			return fmt.Sprintf("method (%s).%s%s", text(receiver.Type()), object.Name(), signature(object))
		}
		return fmt.Sprintf("func %s%s", object.Name(), signature(object))
	case *types.Var:
		object = object.Origin()
		if owner, ok := fields[object]; ok {
			return fmt.Sprintf("field %s.%s %s", owner, object.Name(), text(object.Type()))
		}
		if isGlobal {
			return fmt.Sprintf("var %s %s", object.Name(), text(object.Type()))
		}
	case *types.Const:
		if isGlobal {
			return fmt.Sprintf("const %s %s = %s", object.Name(), text(object.Type()), object.Val())
		}
	case *types.TypeName:
		if isGlobal {
			return "type " + object.Name()
		}
	}
	return ""
}

// fieldOwners names, for each field, the type or variable that it belongs to, with the fields in between.
func fieldOwners(scope *types.Scope) map[types.Object]string {
	owners := map[types.Object]string{}
	var walk func(owner string, typ types.Type)
	walk = func(owner string, typ types.Type) {
		switch typ := typ.(type) {
		case *types.Struct:
			for field := range typ.Fields() {
				if _, known := owners[field]; !known {
					owners[field] = owner
					walk(owner+"."+field.Name(), field.Type())
				}
			}
		case interface{ Elem() types.Type }:
			walk(owner, typ.Elem())
		}
	}
	for _, name := range scope.Names() {
		switch object := scope.Lookup(name).(type) {
		case *types.TypeName:
			walk(name, object.Type().Underlying())
		case *types.Var:
			walk(name, object.Type())
		}
	}
	return owners
}
