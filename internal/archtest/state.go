package archtest

import (
	"go/ast"
	"go/token"
	"strings"
)

// NoInit refuses init functions: what happens before main has no error and no order.
func NoInit(t *Tree) []Violation {
	var bad []Violation
	for f := range t.ours {
		for _, d := range f.Go.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				bad = append(bad, t.at(f, fn.Pos(), "no init: let main call what must happen"))
			}
		}
	}
	return bad
}

// NoMutableGlobals refuses package-level variables outside tests, but for those that cannot change: errors, assertions that a type has an
// interface, embedded files, compiled patterns, a linker-set version, and tables that nothing in the package writes to.
func NoMutableGlobals(t *Tree) []Violation {
	var bad []Violation
	dirs, files := t.packages()
	for _, dir := range dirs {
		written := map[string]bool{}
		for _, f := range files[dir] {
			noteWrites(f.Go, written)
		}
		for _, f := range files[dir] {
			for _, d := range f.Go.Decls {
				if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
					bad = append(bad, t.globals(f, g, written)...)
				}
			}
		}
	}
	return bad
}

func (t *Tree) globals(f *File, g *ast.GenDecl, written map[string]bool) []Violation {
	var bad []Violation
	for _, spec := range g.Specs {
		s, ok := spec.(*ast.ValueSpec)
		if !ok || embedded(g, s) {
			continue
		}
		for i, n := range s.Names {
			switch {
			case n.Name == "_":
			case n.Name == "version" && f.Dir() == "internal/cli" && !written[n.Name]:
			case i < len(s.Values) && fixed(s.Values[i]) && !written[n.Name]:
			default:
				bad = append(bad, t.at(f, n.Pos(), "%s is a mutable global: pass it in, or make it a constant or a function", n.Name))
			}
		}
	}
	return bad
}

func embedded(g *ast.GenDecl, s *ast.ValueSpec) bool {
	for _, doc := range []*ast.CommentGroup{g.Doc, s.Doc} {
		if doc != nil {
			for _, c := range doc.List {
				if strings.HasPrefix(c.Text, "//go:embed ") {
					return true
				}
			}
		}
	}
	return false
}

// fixed reports whether an expression makes a value that stays as it is: an error, a pattern, a replacer, or a table written out.
func fixed(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.CompositeLit:
		return true
	case *ast.CallExpr:
		switch fn := e.Fun.(type) {
		case *ast.SelectorExpr:
			pkg, _ := fn.X.(*ast.Ident)
			if pkg == nil {
				return false
			}
			switch pkg.Name + "." + fn.Sel.Name {
			case "errors.New", "fmt.Errorf", "regexp.MustCompile", "strings.NewReplacer", "template.Must", "netip.MustParsePrefix",
				"netip.MustParseAddr", "crc32.MakeTable", "crc64.MakeTable", "big.NewInt":
				return true
			}
		case *ast.ArrayType: // []byte("…")
			return true
		}
	case *ast.UnaryExpr:
		lit, ok := e.X.(*ast.CompositeLit)
		return ok && e.Op == token.AND && lit != nil
	}
	return false
}

// noteWrites collects the names that a file assigns to, takes the address of, or writes elements of. Names are not resolved: a local variable of the
// same name counts too, which errs on the strict side.
func noteWrites(f *ast.File, written map[string]bool) {
	note := func(e ast.Expr) {
		for {
			switch x := e.(type) {
			case *ast.IndexExpr:
				e = x.X
			case *ast.SelectorExpr:
				e = x.X
			case *ast.ParenExpr:
				e = x.X
			case *ast.StarExpr:
				e = x.X
			case *ast.Ident:
				written[x.Name] = true
				return
			default:
				return
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				for _, e := range n.Lhs {
					note(e)
				}
			}
		case *ast.IncDecStmt:
			note(n.X)
		case *ast.UnaryExpr:
			if _, ok := n.X.(*ast.CompositeLit); n.Op == token.AND && !ok {
				note(n.X)
			}
		case *ast.CallExpr:
			if fn, ok := n.Fun.(*ast.Ident); ok && (fn.Name == "delete" || fn.Name == "clear" || fn.Name == "copy") && len(n.Args) > 0 {
				note(n.Args[0])
			}
		}
		return true
	})
}
