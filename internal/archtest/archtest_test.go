package archtest_test

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/telltale-iot/telltale/internal/archtest"
)

func TestTheTreeKeepsItsRules(t *testing.T) {
	tree, err := archtest.Load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.Files) < 30 {
		t.Fatalf("only %d files: the walk is broken", len(tree.Files))
	}
	for _, rule := range archtest.Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			for _, v := range rule.Check(tree) {
				t.Errorf("%s", v)
			}
		})
	}
	for _, v := range archtest.LongFunctions(tree) {
		t.Logf("long: %s", v)
	}
}

// tree parses files given as path → text. Go files without a package clause get one.
func tree(t *testing.T, files map[string]string) *archtest.Tree {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range files {
		if strings.HasSuffix(name, ".go") && !strings.Contains(text, "package ") {
			text = "package p\n" + text
		}
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	tr, err := archtest.Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

const ours = archtest.Module + "/"

func imports(paths ...string) string {
	var b strings.Builder
	b.WriteString("package p\n")
	for _, p := range paths {
		b.WriteString("import _ \"" + p + "\"\n")
	}
	return b.String()
}

// Every rule finds what is bad, says it in words, and lets the good through.
func TestEveryRuleCanFail(t *testing.T) {
	long := strings.Repeat("// line\n", 601)
	cases := []struct {
		rule string
		bad  map[string]string
		says string
		good map[string]string
	}{
		{"arrows", map[string]string{"schema/a.go": imports(ours + "internal/cli")}, "schema must not import internal/cli", map[string]string{"schema/a.go": imports("fmt")}},
		{"arrows", map[string]string{"hub/internal/room/a.go": imports(ours + "hub/internal/store")}, "hub/app connects them", map[string]string{"hub/internal/room/a.go": imports(ours+"schema", ours+"hub/internal/room/ring")}},
		{"arrows", map[string]string{"device-agent/agent/a.go": imports(ours + "hub/app")}, "no hub", map[string]string{"device-agent/agent/a.go": imports(ours+"device-agent/config", ours+"internal/yamlfile")}},
		{"arrows", map[string]string{"firmware-sim/fleet/a.go": imports(ours + "hub")}, "knows no hub", map[string]string{"firmware-sim/fleet/a.go": imports(ours + "device-agent/agent")}},
		{"arrows", map[string]string{"hub/app/a.go": imports(ours + "device-agent/agent")}, "knows no agent", map[string]string{"hub/app/a.go": imports(ours+"hub/internal/room", ours+"hub/internal/store", ours+"dashboard")}},
		{"arrows", map[string]string{"internal/cli/a.go": imports(ours + "internal/yamlfile")}, "thin", map[string]string{"internal/cli/a_test.go": imports(ours + "internal/memnet")}},
		{"arrows", map[string]string{"device-agent/agent/a.go": imports(ours + "device-agent/device/devicetest")}, "that is for tests", map[string]string{"device-agent/agent/a_test.go": imports(ours + "device-agent/device/devicetest"), "device-agent/device/devicetest/a.go": imports(ours + "internal/memnet")}},
		{"libraries", map[string]string{"hub/internal/room/a.go": imports("database/sql")}, "nothing but the store knows SQL", map[string]string{"hub/internal/store/a.go": imports("database/sql", "github.com/mattn/go-sqlite3")}},
		{"libraries", map[string]string{"hub/internal/api/a.go": imports("github.com/gorilla/websocket")}, "socket library", map[string]string{"hub/internal/socket/a.go": imports("github.com/gorilla/websocket"), "hub/app/a_test.go": imports("github.com/gorilla/websocket")}},
		{"libraries", map[string]string{"device-agent/a.go": imports("C")}, "no C", map[string]string{"device-agent/host/a.go": imports("periph.io/x/host/v3", "periph.io/x/conn/v3/i2c")}},
		{"libraries", map[string]string{"hub/a.go": imports("example.com/shiny")}, "needs a reason", map[string]string{"hub/a.go": imports("log/slog", "golang.org/x/time/rate")}},
		{"libraries", map[string]string{"hub/a.go": imports("log")}, "log/slog", map[string]string{"schema/gen/a.go": imports("reflect")}},
		{"package docs", map[string]string{"a/a.go": "package a"}, "no comment", map[string]string{"a/a.go": "// Package a says in a dozen words or more what it is for and why.\npackage a", "a/a_test.go": "package a"}},
		{"package docs", map[string]string{"a/a.go": "// Package a contains the A object.\npackage a"}, "little more than its name", nil},
		{"package docs", map[string]string{"a/a.go": "// Package a is one.\npackage a", "a/b.go": "// Package a is two.\npackage a"}, "second comment", nil},
		{"package docs", map[string]string{"a/a.go": "// Helpers.\npackage a"}, "must begin with", map[string]string{"a/main.go": "// Command a says in a dozen words or more what it is for and why.\npackage main"}},
		{"name docs", map[string]string{"a/a.go": "type T struct{}\nfunc (t *T) M() {}\nconst X = 1"}, "M has no comment", map[string]string{"a/a.go": "// T is.\ntype T struct{}\n// All.\nconst (\nX = 1\nY = 2 // two\n)\nfunc (u *u) M() {}\ntype u int"}},
		{"sizes", map[string]string{"a/a.go": "package a\n" + long}, "602 lines", map[string]string{"a/a.go": "// Code generated by x; DO NOT EDIT.\npackage a\n" + long}},
		{"sizes", map[string]string{"a/main.go": "package main\n" + long[:8*80]}, "main.go", map[string]string{"dashboard/src/a.ts": long[:800]}},
		{"sizes", map[string]string{"dashboard/src/a.svelte": long}, "601 lines", map[string]string{"README.md": long}},
		{"no init", map[string]string{"a/a.go": "func init() {}"}, "no init", map[string]string{"a/a.go": "type t int\nfunc (t) init() {}"}},
		{"no mutable globals", map[string]string{"a/a.go": "var count int"}, "count is a mutable global", map[string]string{"a/a.go": "import \"errors\"\nvar ErrX = errors.New(\"x\")\nvar _ = 1\nvar table = []int{1}\nfunc f() int { return table[0] }"}},
		{"no mutable globals", map[string]string{"a/a.go": "var table = map[string]int{}\nfunc f() { table[\"a\"] = 1 }"}, "table", map[string]string{"a/a_test.go": "var update = false"}},
		{"no mutable globals", map[string]string{"a/a.go": "import \"sync\"\nvar mu sync.Mutex"}, "mu", map[string]string{"internal/cli/a.go": "var version string", "dashboard/a.go": "import \"embed\"\n//go:embed all:dist\nvar dist embed.FS"}},
		{"no sleep in tests", map[string]string{"a/a_test.go": "import \"time\"\nfunc f() { time.Sleep(1) }"}, "time.Sleep", map[string]string{"a/a_test.go": "import (\"time\"; \"testing/synctest\")\nfunc f() { synctest.Test(nil, func() { time.Sleep(1) }) }\nfunc passInBubble() { time.Sleep(1) }\nfunc run(f func()) { synctest.Test(nil, f) }\nfunc TestX() { run(func() { time.Sleep(1) }) }", "a/a.go": "import \"time\"\nfunc g() { time.Sleep(1) }"}},
		{"no loose TODO", map[string]string{"a/a.go": "// TODO: later"}, "needs an issue number", map[string]string{"a/a.go": "// TODO(#12): later\nvar x = \"TODO\""}},
		{"no loose TODO", map[string]string{"dashboard/src/a.css": "/* FIXME */"}, "FIXME", nil},
		{"logger is passed in", map[string]string{"a/a.go": "import \"log/slog\"\nfunc f() { slog.Info(\"x\") }"}, "global logger", map[string]string{"a/a.go": "import \"log/slog\"\nfunc f(l *slog.Logger) { l.Info(\"x\") }"}},
		{"logger is passed in", map[string]string{"a/a.go": "import \"fmt\"\nfunc f() { fmt.Println(1) }"}, "fmt.Println", map[string]string{"a/a_test.go": "import \"fmt\"\nfunc f() { fmt.Println(1) }"}},
		{"log keys", map[string]string{"a/a.go": "func (s *s) f() { s.log.Info(\"x\", \"sensorId\", 1) }"}, "sensorId", map[string]string{"a/a.go": "func (s *s) f() { s.log.Info(\"x\", \"device\", \"anything\", slog.Int(\"seq\", 1), \"err\", nil) }"}},
		{"log keys", map[string]string{"a/a.go": "func f() { _ = slog.Int(\"Seq\", 1) }"}, "Seq", map[string]string{"a/a.go": "func f(x t) { x.Info(\"not a logger\", \"zzz\") }"}},
		{"dashboard layers", map[string]string{"dashboard/src/wire/a.ts": "import { x } from '../live/b'"}, "wire must not import live", map[string]string{"dashboard/src/view/A.svelte": "<script>import { x } from '../live/b'\nimport type { Y } from '../wire/schema.gen'\nimport uPlot from 'uplot'</script>"}},
		{"dashboard layers", map[string]string{"dashboard/src/live/a.ts": "import { onMount } from 'svelte'"}, "only view knows frameworks", map[string]string{"dashboard/src/live/a.ts": "import { x } from './b'"}},
		{"dashboard layers", map[string]string{"dashboard/src/view/A.svelte": "const m = await import(\"../wire/socket\")"}, "must not import the socket", map[string]string{"dashboard/src/main.ts": "import './wire/socket'"}},
		{"no workplace paths", map[string]string{"Makefile": "cp a /tmp/x"}, "path of one machine", map[string]string{"Makefile": "cp a /var/lib/x bin/tmp/x"}},
		{"links lead somewhere", map[string]string{"docs/a.md": "[x](b.md)"}, "b.md leads nowhere", map[string]string{"docs/a.md": "[x](../hub/) [y](a.md#z) [z](https://e.org/)", "hub/a.go": "package hub"}},
		{"named tests exist", map[string]string{"a/a.go": "// F is. Held by TestGone.\nfunc F() {}"}, "TestGone", map[string]string{"a/a.go": "// F is. Held by TestHere.\nfunc F() {}", "a/a_test.go": "func TestHere() {}"}},
	}
	checks := map[string]func(*archtest.Tree) []archtest.Violation{}
	tried := map[string]bool{}
	for _, r := range archtest.Rules() {
		checks[r.Name] = r.Check
	}
	for _, c := range cases {
		t.Run(c.rule+"/"+c.says, func(t *testing.T) {
			tried[c.rule] = true
			var found []string
			for _, v := range checks[c.rule](tree(t, c.bad)) {
				found = append(found, v.String())
			}
			if !strings.Contains(strings.Join(found, "\n"), c.says) {
				t.Errorf("found %q, want one that says %q", found, c.says)
			}
			if v := checks[c.rule](tree(t, c.good)); len(v) > 0 {
				t.Errorf("refuses what is good: %v", v)
			}
		})
	}
	for name := range checks {
		if !tried[name] {
			t.Errorf("the rule %q has no bad tree", name)
		}
	}
}

func TestLongFunctionsAreListed(t *testing.T) {
	tr := tree(t, map[string]string{"a/a.go": "func f() {\n" + strings.Repeat("\n", 60) + "}\nfunc g() {}"})
	if long := archtest.LongFunctions(tr); len(long) != 1 || !strings.Contains(long[0].String(), "f has 62 lines") {
		t.Errorf("got %v", long)
	}
}

func TestNestedModulesAndTestDataAreLeftAlone(t *testing.T) {
	tr := tree(t, map[string]string{"tools/go.mod": "module tools", "tools/a.go": imports("example.com/shiny"), "a/testdata/b.go": imports("C"), "node_modules/a.go": "package a"})
	if v := archtest.Libraries(tr); len(v) > 0 {
		t.Errorf("got %v", v)
	}
}
