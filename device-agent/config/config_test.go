package config_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
)

func TestExampleFileIsRight(t *testing.T) {
	c, err := config.Load("../agent.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Sensors) < 10 || len(c.Actuators) != 4 || len(c.Climates) != 1 {
		t.Errorf("%d sensors, %d actuators, %d climates", len(c.Sensors), len(c.Actuators), len(c.Climates))
	}
	if d := config.Default(); c.Outbox != d.Outbox || c.Heartbeat != d.Heartbeat || c.Hub != d.Hub {
		t.Error("the example says other defaults than the program has")
	}
}

func TestExampleShowsEveryDriver(t *testing.T) {
	src, err := os.ReadFile("../agent.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range []string{config.SensorDrivers, config.ActuatorDrivers} {
		for d := range strings.SplitSeq(list, ", ") {
			if !strings.Contains(string(src), "driver: "+d) && !strings.Contains(string(src), d+" (") && !strings.Contains(string(src), d+" the same") {
				t.Errorf("driver %s is missing", d)
			}
		}
	}
}

func TestEmptyFileMeansThisMachine(t *testing.T) {
	c, err := config.Parse("empty.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Sensors) != 1 || c.Sensors[0].Driver != "host" || c.Sensors[0].Interval != 2*time.Second || c.Device == "" {
		t.Errorf("%+v", c)
	}
}

func TestMistakesAreNamedWithTheirPlace(t *testing.T) {
	cases := []struct{ name, yaml, want string }{
		{"unknown key", "hub: http://localhost:8080\nnmae: Garage\n", `a.yaml:2:1: unknown key "nmae"`},
		{"unknown key in a list", "sensors:\n  - driver: host\n    intervall: 5s\n", "a.yaml:3:5:"},
		{"wrong type", "heartbeat: soon\n", "a.yaml:1:12:"},
		{"no address", "hub: localhost\n", `a.yaml:1:6: "localhost" is not an address`},
		{"bad device", "device: My Pi\n", "a.yaml:1:9:"},
		{"unknown driver", "sensors:\n  - driver: bme820\n", `a.yaml:2:13: there is no driver "bme820"`},
		{"no driver", "sensors:\n  - id: x\n", "a sensor needs a driver"},
		{"wrong address", "sensors:\n  - driver: bme280\n    address: 0x48\n", "a.yaml:3:14: a bme280 cannot be at 0x48; it can be at 0x76 or 0x77"},
		{"same id twice", "sensors:\n  - {driver: host, id: a}\n  - {driver: ds18b20, id: a}\n", `a.yaml:3:27: "a" is the id of sensors[0].id already`},
		{"too fast", "sensors:\n  - driver: host\n    interval: 1ms\n", "a.yaml:3:15: must be 100ms to 24h"},
		{"scd4x too fast", "sensors:\n  - driver: scd4x\n    interval: 1s\n", "a.yaml:3:15: a scd4x"},
		{"contact without pin", "sensors:\n  - driver: contact\n", "a contact needs a pin"},
		{"shunt", "sensors:\n  - driver: ina219\n    shunt_ohms: -1\n", "a.yaml:3:17: must be 0.00001 to 100"},
		{"one port twice", "sensors:\n  - {driver: sds011, port: ttyUSB0}\n  - {driver: mhz19, port: ttyUSB0}\n", "a.yaml:3:27: ttyUSB0 is the port of sensors[0] already"},
		{"pulses", "sensors:\n  - {driver: pulse, pin: GPIO5, per_unit: -1}\n", "a.yaml:2:43: must be over 0"},
		{"meter without pin", "sensors:\n  - driver: pulse\n", "a pulse needs a pin"},
		{"scale with one pin", "sensors:\n  - {driver: hx711, pin: GPIO5}\n", "needs two pins"},
		{"two waveforms", "sensors:\n  - driver: ads1115\n    inputs:\n      - {id: a, pin: A0, rate_hz: 125}\n      - {id: b, pin: A1}\n", "no time for other inputs"},
		{"input pin", "sensors:\n  - driver: ads1115\n    inputs:\n      - {id: a, pin: A7}\n", "must be one of A0"},
		{"relay without pin", "actuators:\n  - driver: relay\n", "a relay needs a pin"},
		{"kind", "actuators:\n  - {driver: relay, pin: GPIO1, kind: climate}\n", "a relay can be [switch light fan]"},
		{"safe state", "actuators:\n  - {driver: relay, pin: GPIO1, safe_state: closed}\n", `must be off or on, not "closed"`},
		{"short lease", "actuators:\n  - {driver: relay, pin: GPIO1, lease: 1s}\n", "at least 3s"},
		{"max_on when on is safe", "actuators:\n  - {driver: relay, pin: GPIO1, safe_state: \"on\", max_on: 1h}\n", "makes no sense"},
		{"restoring a button", "actuators:\n  - {driver: button, pin: GPIO1, on_boot: restore}\n", "no state to restore"},
		{"climate without heater", "climates:\n  - {sensor: air_temperature, heater: stove}\n", `"stove" is not the id of a relay`},
		{"target out of range", "actuators:\n  - {driver: relay, id: h, pin: GPIO1}\nclimates:\n  - {sensor: a, heater: h, target: 60}\n", "must be 5 to 30"},
		{"NaN", "sensors:\n  - driver: bme280\n    calibration: {temperature: {offset: .nan}}\n", "must be finite"},
		{"small outbox", "outbox: {max_disk_mb: 0}\n", "must be 1 to 65536"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := config.Parse("a.yaml", []byte(c.yaml))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	src, err := os.ReadFile("../agent.example.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(src)
	f.Add([]byte("sensors: [{driver: host}]"))
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := config.Parse("fuzz.yaml", src)
		if err == nil {
			if err := c.Validate(); err != nil {
				t.Fatalf("what was accepted is refused the second time: %v", err)
			}
		}
	})
}
