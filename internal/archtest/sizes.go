package archtest

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
)

// The bounds of sizes, in lines.
const (
	mostLines    = 600 // of a file; aim at 400
	mostMain     = 80  // of a main.go
	mostFunction = 60  // of a function; longer ones are listed by LongFunctions, not refused
)

// Sizes bounds files: what does not fit is two things.
func Sizes(t *Tree) []Violation {
	var bad []Violation
	for _, f := range t.Files {
		if f.generated() || !isCode(f.Path) {
			continue
		}
		n := strings.Count(f.Src, "\n")
		if n > mostLines {
			bad = append(bad, Violation{f.Path, 0, fmt.Sprintf("%d lines, at most %d", n, mostLines)})
		}
		if path.Base(f.Path) == "main.go" && n > mostMain {
			bad = append(bad, Violation{f.Path, 0, fmt.Sprintf("%d lines, at most %d in a main.go: wire elsewhere", n, mostMain)})
		}
	}
	return bad
}

func isCode(name string) bool {
	return slices.Contains([]string{".go", ".ts", ".mjs", ".js", ".svelte", ".css", ".sql", ".sh"}, path.Ext(name)) || strings.HasPrefix(name, "scripts/")
}

// LongFunctions lists functions outside tests that are over the length to aim at. It is advice, not a rule.
func LongFunctions(t *Tree) []Violation {
	var long []Violation
	for f := range t.code {
		for _, d := range f.Go.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			if n := t.lines(fn.Pos(), fn.End()); n > mostFunction {
				long = append(long, t.at(f, fn.Pos(), "%s has %d lines, aim at %d", fn.Name.Name, n, mostFunction))
			}
		}
	}
	return long
}
