package archtest

import (
	"go/ast"
	"regexp"
	"strings"
)

// NoSleepInTests refuses time.Sleep in tests: a test that waits is slow, and flaky the day it waits too little. Inside a function handed to
// synctest.Test, where time is not real, sleeping is how one lets it pass; helpers that run only there say so in their name: they end
// in "InBubble".
func NoSleepInTests(t *Tree) []Violation {
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
			switch {
			case isSelector(call.Fun, "synctest", "Test"):
				return false
			case isSelector(call.Fun, "time", "Sleep"):
				bad = append(bad, t.at(f, call.Pos(), "time.Sleep in a test: wait for the thing itself, or use testing/synctest"))
			}
			return true
		})
	}
	return bad
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
	note := regexp.MustCompile(`(?://|/\*|<!--|^\s*#|--).*\b(TODO|FIXME|XXX|HACK)\b(.*)`)
	number := regexp.MustCompile(`^\s*\(?#\d+`)
	var bad []Violation
	for _, f := range t.Files {
		if !isCode(f.Path) || under(f.Dir(), "internal/archtest") {
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
