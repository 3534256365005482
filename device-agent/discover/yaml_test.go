package discover

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/device-agent/config"
)

func two() []Found {
	return []Found{{Bus: "1", Address: 0x77, Drivers: []string{"bme280"}, Certainty: Sure, Note: "says so itself"},
		{Bus: "1", Address: 0x48, Drivers: []string{"ads1115", "tmp102"}, Certainty: Likely, Note: "its registers fit"},
		{Bus: "1", Address: 0x68, Note: "something answers"}, {Serial: "28-0316a2795cff", Drivers: []string{"ds18b20"}, Certainty: Sure, Note: "listed"}}
}

const withComments = `# my garage
hub: http://localhost:8080
sensors:            # what measures
    # the old one
    - driver: host
      id: pi
      interval: 5s  # often

# what acts
actuators:
  - {driver: relay, id: lamp, pin: GPIO17}
`

func TestFindingsAreAddedAndEverythingElseStays(t *testing.T) {
	out, err := Add("a.yaml", []byte(withComments), YAML(two()))
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(withComments) {
		if !strings.Contains(string(out), l) {
			t.Errorf("the line %q is gone:\n%s", l, out)
		}
	}
	c, err := config.Parse("a.yaml", out)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if len(c.Sensors) != 3 || c.Sensors[1].ID != "bme280_77" || c.Sensors[2].Serial != "28-0316a2795cff" || c.Sensors[2].ID != "thermometer_5cff" {
		t.Errorf("%+v", c.Sensors)
	}
	if !strings.Contains(string(out), "    # - driver: ads1115") || strings.Contains(string(out), "0x68") {
		t.Errorf("what is not sure is not offered as a comment, or what is unknown is:\n%s", out)
	}
	if left := New(two(), c); len(left) != 2 || left[0].Address != 0x48 {
		t.Errorf("after adding, new are %+v", left)
	}
}

func TestFilesOfAllShapes(t *testing.T) {
	entries := YAML(two()[:1])
	for name, src := range map[string]string{
		"empty":             "",
		"only comments":     "# nothing yet\n",
		"no sensors":        "hub: http://localhost:8080",
		"sensors last":      "name: x\nsensors:\n- driver: host\n  id: a",
		"flow entries":      "sensors:\n  - {driver: host, id: a}\n  - {driver: ds18b20, id: b}\nname: x\n",
		"comment at bottom": "sensors:\n  - driver: host\n    id: a\n# the end\n",
		"nested lists":      "sensors:\n  - driver: ads1115\n    inputs:\n      - {id: a, pin: A0}\nheartbeat: 10s\n",
	} {
		t.Run(name, func(t *testing.T) {
			before, err := config.Parse(name, []byte(src))
			if err != nil {
				t.Fatal(err)
			}
			out, err := Add(name, []byte(src), entries)
			if err != nil {
				t.Fatal(err)
			}
			after, err := config.Parse(name, out)
			if err != nil || after.Sensors[len(after.Sensors)-1].Driver != "bme280" {
				t.Errorf("%v\n%s", err, out)
			}
			if strings.Contains(src, "sensors:") && len(after.Sensors) != len(before.Sensors)+1 {
				t.Errorf("%d sensors became %d:\n%s", len(before.Sensors), len(after.Sensors), out)
			}
		})
	}
}

func TestWhatCannotBeAddedToSafelyIsLeftAlone(t *testing.T) {
	entries := YAML(two()[:1])
	for name, src := range map[string]string{
		"one line":    "sensors: [{driver: host, id: a}]\n",
		"same id":     "sensors:\n  - {driver: bmp280, id: bme280_77}\n",
		"block above": "name: |\n  sensors:\n  - x\nsensors: []\n",
	} {
		if out, err := Add(name, []byte(src), entries); !errors.Is(err, errByHand) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	if _, err := Add("wrong", []byte("sensros: []\n"), entries); err == nil || errors.Is(err, errByHand) {
		t.Errorf("a file that was wrong before: %v", err)
	}
}

func TestWriteMakesAFileOrKeepsItsMode(t *testing.T) {
	file := filepath.Join(t.TempDir(), "agent.yaml")
	if err := Write(file, YAML(two()[:1])); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Write(file, YAML(two()[3:])); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(file)
	if err != nil || len(c.Sensors) != 2 {
		t.Fatalf("%+v %v", c, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if Write(file, YAML(two()[:1])) == nil {
		t.Error("the same sensor was added twice")
	}
	if after, err := os.ReadFile(file); err != nil || string(after) != string(before) {
		t.Errorf("a refused addition changed the file: %v", err)
	}
}

func FuzzAdd(f *testing.F) {
	f.Add([]byte(withComments))
	f.Add([]byte("sensors:\n- driver: host\n"))
	entries := YAML(two())
	f.Fuzz(func(t *testing.T, src []byte) {
		out, err := Add("fuzz.yaml", src, entries)
		if err != nil {
			return
		}
		if _, err := config.Parse("fuzz.yaml", out); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	})
}
