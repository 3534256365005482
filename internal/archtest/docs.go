package archtest

import (
	"go/ast"
	"go/token"
	"strings"
)

// leastWords is how long a package comment must be: "Package x contains the X object." says nothing.
const leastWords = 12

// PackageDocs wants exactly one comment per package that says what it is for.
func PackageDocs(t *Tree) []Violation {
	var bad []Violation
	dirs, files := t.packages()
	for _, dir := range dirs {
		var found *File
		for _, f := range files[dir] {
			switch {
			case f.Go.Doc == nil:
			case found != nil:
				bad = append(bad, Violation{f.Path, 1, "the package has a second comment, beside " + found.Path})
			default:
				found = f
			}
		}
		if found == nil {
			bad = append(bad, Violation{files[dir][0].Path, 1, "package " + dir + " has no comment that says what it is for"})
			continue
		}
		text := found.Go.Doc.Text()
		start := "Package " + found.Go.Name.Name + " "
		if found.Go.Name.Name == "main" {
			start = "Command "
		}
		if !strings.HasPrefix(text, start) {
			bad = append(bad, t.at(found, found.Go.Doc.Pos(), "the package comment must begin with %q", start))
		} else if len(strings.Fields(text)) < leastWords {
			bad = append(bad, t.at(found, found.Go.Doc.Pos(), "the package comment says little more than its name"))
		}
	}
	return bad
}

// NameDocs wants a comment on every exported type, function, method, constant and variable outside package main. A comment on a
// group covers its members.
func NameDocs(t *Tree) []Violation {
	var bad []Violation
	for f := range t.code {
		if f.Go.Name.Name == "main" || f.generated() {
			continue
		}
		want := func(n *ast.Ident, docs ...*ast.CommentGroup) {
			if !n.IsExported() {
				return
			}
			for _, d := range docs {
				if d != nil {
					return
				}
			}
			bad = append(bad, t.at(f, n.Pos(), "%s has no comment", n.Name))
		}
		for _, d := range f.Go.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if ofExported(d) {
					want(d.Name, d.Doc)
				}
			case *ast.GenDecl:
				genDocs(d, want)
			}
		}
	}
	return bad
}

func genDocs(d *ast.GenDecl, want func(*ast.Ident, ...*ast.CommentGroup)) {
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			if d.Lparen.IsValid() {
				want(s.Name, s.Doc)
			} else {
				want(s.Name, d.Doc)
			}
		case *ast.ValueSpec:
			for _, n := range s.Names {
				want(n, d.Doc, s.Doc, s.Comment)
			}
		}
	}
}

// ofExported reports whether a function is one that others see: no method of an unexported type.
func ofExported(d *ast.FuncDecl) bool {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return true
	}
	e := d.Recv.List[0].Type
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return true
		}
	}
}

// lines counts the lines from one place of a file to another, both included.
func (t *Tree) lines(from, to token.Pos) int { return t.line(to) - t.line(from) + 1 }
