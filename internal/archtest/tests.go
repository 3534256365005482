package archtest

import (
	"go/ast"
	"regexp"
	"strings"
)

// NoSleepInTests refuses time.Sleep in tests: a test that waits is slow, and flaky the day it waits too little. Inside a function handed to
// synctest.Test, or to a helper of the package that calls it, time is not real and sleeping is how one lets it pass. Helpers that
// are only called in there say so in their name: it ends in "InBubble".
func NoSleepInTests(t *Tree) []Violation {
	bubbles := bubbleHelpers(t)
	var bad []Violation
	for f := range t.ours {
		if !f.Test {
			continue
		}
		ast.Inspect(f.Go, func(n ast.Node) bool {
			if fn, ok := n.(*ast.FuncDecl); ok && strings.HasSuffix(fn.Name.Name, "InBubble") {
				return false
			}
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			name, _ := call.Fun.(*ast.Ident)
			switch {
			case isSelector(call.Fun, "synctest", "Test"), name != nil && bubbles[f.Dir()+"."+name.Name]:
				return false
			case isSelector(call.Fun, "time", "Sleep"):
				bad = append(bad, t.at(f, call.Pos(), "time.Sleep in a test: wait for the thing itself, or use testing/synctest"))
			}
			return true
		})
	}
	return bad
}

// bubbleHelpers finds the functions of tests that call synctest.Test, or another such function, as "dir.name".
func bubbleHelpers(t *Tree) map[string]bool {
	found := map[string]bool{}
	for n := -1; n != len(found); { // until nothing new is found
		n = len(found)
		for f := range t.ours {
			if f.Test {
				noteBubbles(f, found)
			}
		}
	}
	return found
}

func noteBubbles(f *File, found map[string]bool) {
	for _, d := range f.Go.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Recv != nil {
			continue
		}
		ast.Inspect(fn, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			name, _ := call.Fun.(*ast.Ident)
			if isSelector(call.Fun, "synctest", "Test") || name != nil && found[f.Dir()+"."+name.Name] {
				found[f.Dir()+"."+fn.Name.Name] = true
			}
			return true
		})
	}
}

func isSelector(e ast.Expr, pkg, name string) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != name {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == pkg
}

// NoLooseTODO wants an issue number behind every note to self; a promise without one is forgotten.
func NoLooseTODO(t *Tree) []Violation {
	word := regexp.MustCompile(`TODO|FIXME|XXX|HACK`)
	note := regexp.MustCompile(`(?://|/\*|<!--|^\s*#|--).*\b(TODO|FIXME|XXX|HACK)\b(.*)`)
	number := regexp.MustCompile(`^\s*\(?#\d+`)
	var bad []Violation
	for _, f := range t.Files {
		if !isCode(f.Path) || under(f.Dir(), "internal/archtest") || !word.MatchString(f.Src) {
			continue
		}
		for i, line := range strings.Split(f.Src, "\n") {
			if m := note.FindStringSubmatch(line); m != nil && !number.MatchString(m[2]) {
				bad = append(bad, Violation{f.Path, i + 1, m[1] + " needs an issue number: " + m[1] + "(#12)"})
			}
		}
	}
	return bad
}
