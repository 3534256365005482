package yamlfile_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/internal/yamlfile"
)

type sensor struct {
	Entity string        `yaml:"entity"`
	Every  time.Duration `yaml:"every"`
	Offset float64       `yaml:"offset"`
}

type config struct {
	Hub     string            `yaml:"hub"`
	Port    uint16            `yaml:"port"`
	Debug   bool              `yaml:"debug"`
	Sensors []sensor          `yaml:"sensors"`
	Labels  map[string]string `yaml:"labels"`
	Limit   *int              `yaml:"limit"`
}

func TestKeysOfTheFileReplaceDefaultsAndOthersStay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.yaml")
	text := "# a comment\nport: 9000\nsensors:\n  - entity: air\n    every: 1m30s\n    offset: -0.5\nlabels: {room: attic}\nlimit: 3\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := config{Hub: "ws://localhost", Port: 1}
	if _, err := yamlfile.Load(path, &c); err != nil {
		t.Fatal(err)
	}
	if c.Hub != "ws://localhost" || c.Port != 9000 || len(c.Sensors) != 1 || c.Labels["room"] != "attic" || c.Limit == nil || *c.Limit != 3 {
		t.Errorf("got %+v", c)
	}
	if c.Sensors[0] != (sensor{"air", 90 * time.Second, -0.5}) {
		t.Errorf("got %+v", c.Sensors[0])
	}
}

func TestEmptyFileKeepsDefaults(t *testing.T) {
	for _, text := range []string{"", "\n\n", "# only a comment\n", "---\n"} {
		c := config{Port: 7}
		if _, err := yamlfile.Decode("x.yaml", []byte(text), &c); err != nil || c.Port != 7 {
			t.Errorf("%q: %v, %+v", text, err, c)
		}
	}
}

func TestMistakesAreNamedWithTheirPlace(t *testing.T) {
	cases := []struct{ name, text, want string }{
		{"unknown key", "hub: a\nprot: 1\n", `x.yaml:2:1: unknown key "prot" (did you mean "port"?)`},
		{"unknown nested key", "sensors:\n  - entity: a\n    evry: 1s\n", `x.yaml:3:5: unknown key "evry" (did you mean "every"?)`},
		{"unknown key without a neighbour", "zzzzzzzz: 1\n", `x.yaml:1:1: unknown key "zzzzzzzz"`},
		{"text for a number", "port: many\n", `x.yaml:1:7: want a whole number, not negative, got text`},
		{"list for text", "hub: [a]\n", `x.yaml:1:6: want text, got a list`},
		{"text for a list", "sensors: none\n", `x.yaml:1:10: want a sequence, got a string`},
		{"text for a block", "sensors: [air]\n", `x.yaml:1:11: want a mapping, got a string`},
		{"number for a switch", "debug: 7\n", `x.yaml:1:8: want true or false, got a whole number, not negative`},
		{"number for a duration", "sensors:\n  - every: soon\n", `x.yaml:2:12: invalid duration "soon"; want one like "10s" or "5m"`},
		{"out of range", "port: 70000\n", `x.yaml:1:7: 70000 is out of range for a whole number, not negative`},
		{"repeated key", "hub: a\nhub: b\n", `x.yaml:2:1: mapping key "hub" already defined at [1:1]`},
		{"two documents", "hub: a\n---\nhub: b\n", `x.yaml: holds more than one document; remove the "---" between them`},
		{"tag", "hub: x\nlabels: !y {k: v}\n", `x.yaml:2:9: anchors, aliases`},
		{"alias", "hub: &a x\nlabels: {k: *a}\n", `x.yaml:1:6: anchors, aliases`},
		{"not YAML", "hub: [a\n", `x.yaml:1:6: `},
		{"too deep", strings.Repeat("[", 100000), `x.yaml:1:1: nested deeper than 32 levels`},
		{"too deep by dashes", strings.Repeat("- ", 100000), `x.yaml:1:1: nested deeper than 32 levels`},
		{"too large", strings.Repeat("# x\n", 1<<19), `x.yaml: the file is larger than 1048576 bytes`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var out config
			_, err := yamlfile.Decode("x.yaml", []byte(c.text), &out)
			var e *yamlfile.Error
			if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Error("an error must be one line")
			}
		})
	}
}

func TestLaterChecksKnowThePlaceOfAValue(t *testing.T) {
	var c config
	doc, err := yamlfile.Decode("x.yaml", []byte("hub: a\nsensors:\n  - entity: a\n  - entity: b\n    every: 0s\n"), &c)
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct{ path, want string }{
		{"$.sensors[1].every", "x.yaml:5:12: bad"},
		{"$.sensors[0].every", "x.yaml:3:5: bad"},
		{"$.sensors[1]", "x.yaml:4:5: bad"},
		{"$.port", "x.yaml: bad"},
	}
	for _, k := range cases {
		if got := doc.Errorf(k.path, "bad").Error(); got != k.want {
			t.Errorf("%s: got %q, want %q", k.path, got, k.want)
		}
	}
}

func TestMissingFileSaysWhich(t *testing.T) {
	if _, err := yamlfile.Load(filepath.Join(t.TempDir(), "none.yaml"), &config{}); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("got %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{"hub: a\nport: 1\n", "sensors:\n  - {entity: a, every: 1s}\n", "labels: {a: b}", "a: &x [*x]", "? a\n: b", "|\n x", "\"\\u00", "- - - a", "!!binary x", "limit: 0x_1", "hub: >-\n\n  x\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		var c config
		doc, err := yamlfile.Decode("x.yaml", src, &c)
		if err == nil {
			_ = doc.Errorf("$.sensors[0].every", "x")
			return
		}
		var e *yamlfile.Error
		if !errors.As(err, &e) || e.Message == "" {
			t.Errorf("want an *Error in words, got %#v", err)
		}
	})
}
