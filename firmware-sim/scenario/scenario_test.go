package scenario

import (
	"strings"
	"testing"
)

func TestEveryScenarioOfTheProgramCanBeOpened(t *testing.T) {
	names := Names()
	if len(names) < 6 || names[0] != Usual {
		t.Fatalf("scenarios %v", names)
	}
	for _, name := range names {
		s, err := Open(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if s.Name != name || s.Description == "" {
			t.Errorf("%s calls itself %q: %q", name, s.Name, s.Description)
		}
	}
	if _, err := Open("hmoe"); err == nil || !strings.Contains(err.Error(), "home, bench") {
		t.Errorf("unknown name: %v", err)
	}
}

const small = `name: small
world:
  rooms: [{name: room}]
devices:
  - agent:
      device: one
      sensors: [{driver: bme280, id: air}]
      actuators: [{driver: relay, id: lamp, pin: GPIO17}]
    wiring:
      air: {at: room}
`

func TestMistakesAreNamedWithTheirPlace(t *testing.T) {
	if _, err := Parse("small", []byte(small)); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string][3]string{ // replace, by, want
		"unknown key":       {"wiring:", "wirign:", "small:9:5"},
		"unknown place":     {"{at: room}", "{at: rom}", `no quantity "rom/air_temperature"`},
		"unknown entity":    {"air: {at: room}", "air: {at: room}\n      fan: {drives: room/x}", "no sensor or actuator fan"},
		"unknown input":     {"air: {at: room}", "air: {at: room}\n      lamp: {drives: room/x}", `no input "room/x"`},
		"sensor drives":     {"{at: room}", "{drives: room/x}", "does not drive"},
		"actuator measures": {"air: {at: room}", "air: {at: room}\n      lamp: {at: room}", "does not measure"},
		"unwired":           {"air: {at: room}", "{}", "needs `at`"},
		"wrong driver":      {"driver: bme280", "driver: bme281", "there is no driver"},
		"hub":               {"device: one", "device: one\n      hub: http://x", "leave them out"},
		"no device":         {"device: one\n", "name: one\n", "needs an id"},
		"no devices":        {small[strings.Index(small, "devices:"):], "", "there are 0 devices"},
		"fault":             {"name: small", "name: small\nfaults: [fire:x]", "unknown kind"},
		"world":             {"{name: room}", "{name: room, volume: -1}", "volume is -1"},
		"name":              {"name: small", "name: Small", "a scenario's name"},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(small, tc[0]) {
				t.Fatal("the test replaces nothing")
			}
			_, err := Parse("small", []byte(strings.Replace(small, tc[0], tc[1], 1)))
			if err == nil || !strings.Contains(err.Error(), tc[2]) || !strings.HasPrefix(err.Error(), "small:") {
				t.Errorf("%v, want %q", err, tc[2])
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(small)
	for _, name := range Names() {
		src, err := files.ReadFile(name + ".yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(src))
	}
	f.Fuzz(func(_ *testing.T, src string) {
		_, _ = Parse("fuzz", []byte(src)) // must not panic; what it says is another test
	})
}
