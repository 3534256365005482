package archtest

import (
	"go/ast"
	"path"
	"regexp"
	"strings"
)

// NoWorkplacePaths refuses absolute paths of somebody's machine: they mean nothing anywhere else.
func NoWorkplacePaths(t *Tree) []Violation {
	anywhere := regexp.MustCompile(`/(?:work|tmp|root|Users|home)/`)
	places := regexp.MustCompile(`(?:^|[\s"'` + "`" + `(=:,])(/(?:work|tmp|root|Users|home)/[\w.-]+)`)
	var bad []Violation
	for _, f := range t.Files {
		if under(f.Dir(), "internal/archtest") && f.Test || !anywhere.MatchString(f.Src) {
			continue // its bad trees; and most files, quickly
		}
		for i, line := range strings.Split(f.Src, "\n") {
			if m := places.FindStringSubmatch(line); m != nil {
				bad = append(bad, Violation{f.Path, i + 1, m[1] + " is a path of one machine"})
			}
		}
	}
	return bad
}

// LinksLeadSomewhere wants every relative link of a Markdown file to lead to a file or folder of the tree.
func LinksLeadSomewhere(t *Tree) []Violation {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	known := map[string]bool{".": true}
	for _, f := range t.Files {
		for p := f.Path; p != "." && !known[p]; p = path.Dir(p) {
			known[p] = true
		}
	}
	var bad []Violation
	for _, f := range t.Files {
		if path.Ext(f.Path) != ".md" {
			continue
		}
		for i, line := range strings.Split(f.Src, "\n") {
			for _, m := range link.FindAllStringSubmatch(line, -1) {
				target, _, _ := strings.Cut(m[1], "#")
				if target == "" || strings.Contains(target, ":") || path.IsAbs(target) {
					continue
				}
				to := path.Join(f.Dir(), target)
				if !known[to] && !skippedFile(to) && !underAny(to, []string{"docs/pictures"}) {
					bad = append(bad, Violation{f.Path, i + 1, "the link " + m[1] + " leads nowhere"})
				}
			}
		}
	}
	return bad
}

// NamedTestsExist wants every test that a document or a comment names as its proof to exist.
func NamedTestsExist(t *Tree) []Violation {
	named := regexp.MustCompile(`\b((?:Test|Fuzz|Benchmark)[A-Z]\w+)\b`)
	have := map[string]bool{}
	for _, f := range t.Files {
		if f.Go == nil || !f.Test {
			continue
		}
		for _, d := range f.Go.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				have[fn.Name.Name] = true
			}
		}
	}
	var bad []Violation
	missing := func(f *File, text string, line int) {
		for i, l := range strings.Split(text, "\n") {
			for _, m := range named.FindAllString(l, -1) {
				if !have[m] {
					bad = append(bad, Violation{f.Path, line + i, "names " + m + ", which does not exist"})
				}
			}
		}
	}
	for _, f := range t.Files {
		switch {
		case path.Ext(f.Path) == ".md" && path.Base(f.Path) != "CONTRIBUTING.md":
			missing(f, f.Src, 1)
		case f.Go != nil && !f.Test && !f.Foreign:
			for _, g := range f.Go.Comments {
				missing(f, g.Text(), t.line(g.Pos()))
			}
		}
	}
	return bad
}
