package store

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestEveryQueryUsesAnIndex runs EXPLAIN QUERY PLAN on every constant of this package that is named sql….
func TestEveryQueryUsesAnIndex(t *testing.T) {
	t.Parallel()
	s := openPaired(t)
	queries := constants(t)
	for i, q := range dropRest() {
		queries["dropRest "+strconv.Itoa(i)] = q
	}
	if len(queries) < 40 {
		t.Fatalf("only %d queries found", len(queries))
	}
	err := s.writer.do(t.Context(), func(w *writer) error {
		for name, q := range queries {
			explain(t, w.conn, name, q)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func explain(t *testing.T, c *conn, name, q string) {
	rows, err := c.c.QueryContext(t.Context(), `EXPLAIN QUERY PLAN `+q, make([]any, strings.Count(q, "?"))...)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var plan string
		if err := rows.Scan(&id, &parent, &unused, &plan); err != nil {
			t.Error(err)
			return
		}
		scan := strings.HasPrefix(plan, "SCAN ") && !strings.HasPrefix(plan, "SCAN (") && !wantsAll(name)
		if scan || strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("%s: %s", name, plan)
		}
	}
	if err := rows.Err(); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

// wantsAll names the queries that want all there is of a table, or of an index, that holds nothing else.
func wantsAll(name string) bool {
	return slices.Contains([]string{"sqlAllOpenCommands", "sqlSlots", "sqlCountSlots", "sqlMakeRing", "sqlAllEvents", "sqlAllGaps",
		"sqlLegacySeries", "sqlRules", "sqlDropRules"}, name)
}

// constants returns the value of every string constant named sql….
func constants(t *testing.T) map[string]string {
	t.Helper()
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	exprs := map[string]ast.Expr{}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Values) == len(spec.Names) {
				for i, name := range spec.Names {
					exprs[name.Name] = spec.Values[i]
				}
			}
			return true
		})
	}
	queries := map[string]string{}
	for name, e := range exprs {
		if strings.HasPrefix(name, "sql") {
			queries[name] = text(exprs, e)
		}
	}
	return queries
}

func text(consts map[string]ast.Expr, e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		if err != nil {
			return ""
		}
		return s
	case *ast.BinaryExpr:
		return text(consts, e.X) + text(consts, e.Y)
	case *ast.Ident:
		return text(consts, consts[e.Name])
	}
	return ""
}
