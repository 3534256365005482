package archtest

import (
	"fmt"
	"go/token"
	"strings"
)

// arrow says what of this module the packages under a folder may import. The longest matching folder decides; a folder may always
// import what is inside itself.
type arrow struct {
	from string
	to   []string
	why  string
}

func arrows() []arrow {
	shared := []string{"schema", "internal/cli", "internal/yamlfile"}
	return []arrow{
		{"schema", nil, "all arrows point to schema; it imports the standard library only"},
		{"schema/gen", []string{"schema"}, "the generator knows the protocol and nothing else"},
		{"internal", nil, "internal packages are thin and know nothing of the product"},
		{"dashboard", nil, "the dashboard package only carries files"},
		{"hub", append([]string{"dashboard"}, shared...), "the hub knows no agent and no simulator"},
		{"hub/internal", []string{"schema"}, "parts of the hub never import each other; hub/app connects them, and whoever needs an ability declares a small interface for it"},
		{"device-agent", shared, "the agent runs on small machines alone: no hub, no simulator"},
		{"firmware-sim", append([]string{"device-agent"}, shared...), "the simulator runs the shipped agent and knows no hub"},
	}
}

// Arrows holds the direction of imports between our own packages. Tests, and helper packages for tests, whose names end in "test", may
// also use memnet; e2e and bench may use everything.
func Arrows(t *Tree) []Violation {
	var bad []Violation
	for f := range t.ours {
		rule, own := arrowOf(f.Dir())
		if rule == nil {
			continue
		}
		f.imports(func(p string, at token.Pos) {
			to, ok := local(p)
			switch {
			case !ok:
			case strings.HasSuffix(to, "test") && !f.forTests():
				bad = append(bad, t.at(f, at, "%s must not import %s: that is for tests", f.Dir(), to))
			case !under(to, own) && !underAny(to, rule.to) && (!f.forTests() || !underAny(to, testHelpers())):
				bad = append(bad, t.at(f, at, "%s must not import %s: %s", f.Dir(), to, rule.why))
			}
		})
	}
	return bad
}

// testHelpers are packages that any test may use.
func testHelpers() []string { return []string{"internal/memnet", "internal/crashfs", "schema"} }

// arrowOf finds the rule of a directory and the folder it may move in freely: below hub/internal that is its own part.
func arrowOf(dir string) (rule *arrow, own string) {
	for _, a := range arrows() {
		if under(dir, a.from) && (rule == nil || len(a.from) > len(rule.from)) {
			rule = &a
		}
	}
	if rule == nil {
		return nil, ""
	}
	own = rule.from
	if own == "hub/internal" || own == "internal" {
		part, _, _ := strings.Cut(strings.TrimPrefix(dir, own+"/"), "/")
		own += "/" + part
	}
	return rule, own
}

// library says which packages may know an outside library (an import path or a prefix of one).
type library struct {
	path string
	at   []string // folders; nil = nowhere
	test bool     // tests may use it anywhere
	why  string
}

func libraries() []library {
	everywhere := []string{"."}
	return []library{
		{"github.com/gorilla/websocket", []string{"hub/internal/socket", "device-agent/internal/uplink", "bench", "e2e"}, true, "one package per side owns the socket library"},
		{"github.com/mattn/go-sqlite3", []string{"hub/internal/store", "e2e", "bench"}, false, "nothing but the store knows SQL"},
		{"database/sql", []string{"hub/internal/store", "e2e", "bench"}, false, "nothing but the store knows SQL"},
		{"github.com/alecthomas/kong", []string{"internal/cli"}, false, "programs speak to internal/cli"},
		{"github.com/goccy/go-yaml", []string{"internal/yamlfile"}, false, "programs speak to internal/yamlfile"},
		{"github.com/dustin/go-humanize", []string{"hub/app"}, false, "reads amounts of storage as people write them"},
		{"github.com/prometheus/", []string{"hub/internal/metrics"}, false, "one package owns the metrics library"},
		{"github.com/warthog618/go-gpiocdev", []string{"device-agent/host"}, false, "one package owns the machine's pins"},
		{"periph.io/x/host/", []string{"device-agent/host"}, false, "one package owns the machine's buses"},
		{"periph.io/x/devices/", []string{"device-agent/drivers", "firmware-sim/chip"}, true, "drivers wrap chips"},
		{"periph.io/x/conn/", []string{"device-agent", "firmware-sim"}, false, "its interfaces are the border between drivers and chips"},
		{"github.com/parquet-go/parquet-go", []string{"hub/internal/export"}, true, "one package owns the Parquet format; its files are read by what people analyse with, and writing it ourselves would be thousands of lines"},
		{"github.com/shirou/gopsutil/", []string{"device-agent"}, false, "the agent measures its own machine"},
		{"github.com/hanwen/go-fuse/v2", []string{"internal/crashfs"}, false, "the disk that loses power is a file system of its own; only tests mount it"},
		{"golang.org/x/sync/", everywhere, true, "the standard library's annex"},
		{"golang.org/x/sys/", everywhere, true, "the standard library's annex"},
		{"golang.org/x/time/", everywhere, true, "the standard library's annex"},
		{"github.com/google/go-cmp/", nil, true, "comparing is for tests"},
		{"C", nil, false, "no C of our own"},
		{"unsafe", nil, false, "nothing here needs it"},
		{"reflect", []string{"schema/gen", "internal/yamlfile"}, true, "no reflection outside the generator and the YAML reader"},
		{"log", nil, false, "log/slog, with the logger passed in"},
	}
}

// Libraries holds one package per outside library, and refuses every library that the table does not name.
func Libraries(t *Tree) []Violation {
	var bad []Violation
	for f := range t.ours {
		f.imports(func(p string, at token.Pos) {
			if _, ours := local(p); ours {
				return
			}
			if msg := refused(p, f); msg != "" {
				bad = append(bad, t.at(f, at, "%s", msg))
			}
		})
	}
	return bad
}

func refused(p string, f *File) string {
	for _, l := range libraries() {
		if p != l.path && !(strings.HasSuffix(l.path, "/") && strings.HasPrefix(p, l.path)) && !strings.HasPrefix(p, l.path+"/") {
			continue
		}
		if l.path == "log" && p != "log" {
			continue
		}
		if f.forTests() && l.test || underAny(f.Dir(), l.at) || len(l.at) > 0 && l.at[0] == "." {
			return ""
		}
		return fmt.Sprintf("%s must not import %s: %s", f.Dir(), p, l.why)
	}
	if host, _, _ := strings.Cut(p, "/"); strings.Contains(host, ".") {
		return fmt.Sprintf("%s is not in the table of libraries; a new dependency needs a reason there", p)
	}
	return ""
}
