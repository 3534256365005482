package drivers_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/device-agent/device/devicetest"
	"github.com/telltale-iot/telltale/device-agent/drivers"
	"github.com/telltale-iot/telltale/schema"
	"periph.io/x/conn/v3/gpio"
)

// registers is a chip of byte registers on the bus: a write of one byte sets the pointer, pairs set registers.
type registers struct {
	addr uint16
	mem  map[byte][]byte // register → what reading from it gives
	nak  bool
	set  map[byte]byte
	at   byte
}

func (c *registers) tx(addr uint16, w, r []byte) error {
	if c.nak || addr != c.addr {
		return errors.New("no acknowledge")
	}
	for i := 0; i+1 < len(w); i += 2 {
		c.set[w[i]] = w[i+1]
	}
	if len(w) == 1 {
		c.at = w[0]
	}
	if m, ok := c.mem[c.at]; ok {
		copy(r, m)
	} else if len(r) > 0 {
		r[0] = c.set[c.at]
	}
	return nil
}

// bme280 holds calibration and a measurement taken from a real chip by periph's authors.
func bme280(id byte) *registers {
	return &registers{addr: 0x76, set: map[byte]byte{}, mem: map[byte][]byte{
		0xD0: {id},
		0x88: {0xC9, 0x6C, 0x63, 0x65, 0x32, 0x00, 0x77, 0x93, 0x98, 0xD5, 0xD0, 0x0B, 0x67, 0x23, 0xBA, 0x00, 0xF9, 0xFF, 0xAC, 0x26, 0x0A, 0xD8, 0xBD, 0x10, 0x00, 0x4B},
		0xE1: {0x5C, 0x01, 0x00, 0x15, 0x0F, 0x00, 0x1E},
		0xF3: {0},
		0xF7: {0x51, 0x9F, 0xC0, 0x9E, 0x3A, 0x50, 0x5E, 0x5B},
	}}
}

// sensor opens the only sensor of a configuration on a host.
func sensor(t *testing.T, host *devicetest.Host, yaml string) device.Sensor {
	t.Helper()
	c, err := config.Parse("test.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	s, err := drivers.OpenSensor(host, c.Sensors[0])
	if err != nil {
		t.Fatal(err)
	}
	described(t, s.Describe())
	return s
}

func described(t *testing.T, all []schema.Entity) {
	t.Helper()
	d := schema.Descriptor{Name: "test", Entities: all}
	if err := d.Validate(); err != nil {
		t.Error(err)
	}
}

// sense does one round as "entity value" and "entity quality", in order.
func sense(t *testing.T, s device.Sensor) string {
	t.Helper()
	got, err := s.Sense(t.Context())
	if err != nil {
		return "error: " + err.Error()
	}
	return text(got)
}

func text(got []device.Reading) string {
	var out []string
	for _, r := range got {
		v := r.Value.String()
		if r.Value.IsNull() {
			v = string(r.Quality)
		}
		out = append(out, r.Entity+" "+v)
	}
	return strings.Join(out, ", ")
}

func TestBME280(t *testing.T) {
	chip := bme280(0x60)
	host := &devicetest.Host{Tx: chip.tx}
	s := sensor(t, host, "sensors: [{driver: bme280, id: air, calibration: {temperature: {offset: -0.68}, humidity: {scale: 0.5}}}]")
	// 9.95 % is what that chip said; it had been wired the wrong way round once.
	const want = "air_temperature 62, air_pressure 995.759, air_humidity 4.98"
	if got := sense(t, s); got != want {
		t.Errorf("got %s", got)
	}
	chip.nak = true
	if got := sense(t, s); !strings.Contains(got, "no acknowledge") {
		t.Errorf("got %s", got)
	}
	chip.nak = false
	if got := sense(t, s); got != want {
		t.Errorf("after the fault: %s", got)
	}
	delete(chip.set, 0xF2) // it lost power and came back between two rounds: humidity is off
	if got := sense(t, s); got != want || chip.set[0xF2] == 0 {
		t.Errorf("after a power loss: %s, humidity oversampling %d", got, chip.set[0xF2])
	}
	chip.mem[0xF7] = []byte{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF} // a bus stuck at high
	if got := sense(t, s); !strings.Contains(got, "air_temperature range") {
		t.Errorf("stuck bus: %s", got)
	}
}

func TestBMP280HasNoHumidityAndChipsAreNotMixedUp(t *testing.T) {
	chip := bme280(0x58)
	host := &devicetest.Host{Tx: chip.tx}
	if got := sense(t, sensor(t, host, "sensors: [{driver: bmp280, id: air}]")); got != "air_temperature 62.68, air_pressure 995.759" {
		t.Errorf("got %s", got)
	}
	if got := sense(t, sensor(t, host, "sensors: [{driver: bme280, id: air}]")); !strings.Contains(got, "says it is 0x58, a bme280 says 0x60") {
		t.Errorf("got %s", got)
	}
}

func TestADS1115(t *testing.T) {
	volts := []byte{0x40, 0x00} // half of full scale
	chip := &registers{addr: 0x48, set: map[byte]byte{}, mem: map[byte][]byte{0: volts}}
	host := &devicetest.Host{Tx: chip.tx}
	s := sensor(t, host, "sensors: [{driver: ads1115, inputs: [{id: soil, pin: A0, max_volts: 4, unit: '%', scale: 10, offset: 5, max: 26}, {id: raw, pin: A1, max_volts: 4}]}]")
	if drivers.Waves(s) != nil {
		t.Error("slow inputs are no waveform")
	}
	if got := sense(t, s); got != "soil 25.48, raw 2.048" {
		t.Errorf("got %s", got)
	}
	volts[0] = 0x48
	if got := sense(t, s); got != "soil range, raw 2.304" {
		t.Errorf("got %s", got)
	}
	chip.nak = true
	if got := sense(t, s); got != "soil fault, raw fault" {
		t.Errorf("got %s", got)
	}
}

func TestADXL345(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sample := []byte{0x00, 0x01, 0x00, 0xFF, 0x00, 0x00} // +256, −256, 0 counts
		chip := &registers{addr: 0x53, set: map[byte]byte{}, mem: map[byte][]byte{0: {0xE5}, 0x30: {0}, 0x39: {16}, 0x32: sample}}
		s := sensor(t, &devicetest.Host{Tx: chip.tx}, "sensors: [{driver: adxl345, id: motor, rate_hz: 400}]")
		w := drivers.Waves(s)
		blocks, err := w.SenseWave(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(blocks) != 3 || len(blocks[0].Values) < 100 || blocks[0].Step != 2500*time.Microsecond {
			t.Fatalf("%d blocks of %d samples, step %s", len(blocks), len(blocks[0].Values), blocks[0].Step)
		}
		if x, y := blocks[0].Values[0], blocks[1].Values[0]; x < 9.78 || x > 9.80 || y != -x {
			t.Errorf("x %g, y %g m/s²", x, y)
		}
		if chip.set[0x2C] != 0x0C || chip.set[0x2D] != 0x08 || chip.set[0x38] != 0x80 {
			t.Errorf("set-up: %v", chip.set)
		}
		chip.nak = true
		if _, err := w.SenseWave(t.Context()); err == nil {
			t.Error("no error from a dead chip")
		}
		chip.nak = false
		chip.mem[0] = []byte{0x00}
		if _, err := w.SenseWave(t.Context()); err == nil || !strings.Contains(err.Error(), "0xe5") {
			t.Errorf("got %v", err)
		}
	})
}

func TestBH1750(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lux := []byte{0x00, 0x06}
		host := &devicetest.Host{Tx: func(_ uint16, w, r []byte) error { copy(r, lux); return nil }}
		s := sensor(t, host, "sensors: [{driver: bh1750, id: light}]")
		if got := sense(t, s); got != "light_illuminance 5" {
			t.Errorf("got %s", got)
		}
		lux[0], lux[1] = 0xFF, 0xFF
		if got := sense(t, s); got != "light_illuminance range" {
			t.Errorf("saturated: %s", got)
		}
	})
}

func TestSCD4x(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// The answer is the example of Sensirion's data sheet, table 11: 500 ppm, 25 °C, 37 %.
		answer := map[uint16][]byte{0xE4B8: {0x80, 0x06, 0x04}, 0xEC05: {0x01, 0xF4, 0x33, 0x66, 0x67, 0xA2, 0x5E, 0xB9, 0x3C}}
		var cmd uint16
		var commands []uint16
		host := &devicetest.Host{Tx: func(_ uint16, w, r []byte) error {
			if len(w) == 2 {
				cmd = uint16(w[0])<<8 | uint16(w[1])
				commands = append(commands, cmd)
			}
			copy(r, answer[cmd])
			return nil
		}}
		s := sensor(t, host, "sensors: [{driver: scd4x, id: air}]")
		if got := sense(t, s); got != "" || commands[len(commands)-1] != 0x21B1 {
			t.Errorf("the first round started nothing: %q %x", got, commands)
		}
		if got := sense(t, s); !strings.HasPrefix(got, "air_co2 500, air_temperature 25.003") || !strings.Contains(got, "air_humidity 37") {
			t.Errorf("got %s", got)
		}
		answer[0xEC05][2]++
		if got := sense(t, s); !strings.Contains(got, "checksum") {
			t.Errorf("got %s", got)
		}
		answer[0xE4B8] = []byte{0x80, 0x00, 0xA2}
		if got := sense(t, s); got != "" {
			t.Errorf("nothing new, and still: %s", got)
		}
		time.Sleep(20 * time.Second) // a chip that lost power is idle and never has anything new
		if got := sense(t, s); !strings.Contains(got, "lose power") {
			t.Errorf("got %q", got)
		}
		if sense(t, s); commands[len(commands)-1] != 0x21B1 {
			t.Errorf("the measurement is not started anew: %x", commands)
		}
	})
}

func TestDS18B20(t *testing.T) {
	file := func(milli string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte("aa : crc=4b YES\naa t=" + milli + "\n")}
	}
	fsys := fstest.MapFS{"sys/bus/w1/devices/28-1/w1_slave": file("85000")}
	host := &devicetest.Host{Files: fsys}
	s := sensor(t, host, "sensors: [{driver: ds18b20, id: freezer}]")
	steps := []struct{ milli, want string }{
		{"85000", "power-on value"}, {"-18062", "freezer -18.062"}, {"85000", "power-on value"}, {"84900", "freezer 84.9"}, {"85000", "freezer 85"},
	}
	for _, step := range steps {
		fsys["sys/bus/w1/devices/28-1/w1_slave"] = file(step.milli)
		if got := sense(t, s); !strings.Contains(got, step.want) {
			t.Errorf("%s: got %s", step.milli, got)
		}
	}
	fsys["sys/bus/w1/devices/28-1/w1_slave"] = &fstest.MapFile{Data: []byte("00 00 : crc=00 NO\n00 t=0\n")}
	if got := sense(t, s); !strings.Contains(got, "checksum") {
		t.Errorf("got %s", got)
	}
	fsys["sys/bus/w1/devices/28-2/w1_slave"] = file("1000")
	if got := sense(t, s); !strings.Contains(got, "several thermometers") {
		t.Errorf("got %s", got)
	}
	if got := sense(t, sensor(t, &devicetest.Host{}, "sensors: [{driver: ds18b20}]")); !strings.Contains(got, "no thermometer") {
		t.Errorf("got %s", got)
	}
}

func TestContact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := &devicetest.Host{}
		s := sensor(t, host, "sensors: [{driver: contact, id: door, pin: GPIO27, active_low: true}]")
		for level, want := range map[gpio.Level]string{gpio.Low: "door true", gpio.High: "door false"} {
			host.Line("GPIO27").Set(level)
			if got := sense(t, s); got != want {
				t.Errorf("%s: %s", level, got)
			}
		}
	})
}

// machine is a Linux machine's files at one moment.
func machine(busy, idle, rx string) fstest.MapFS {
	f := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	return fstest.MapFS{
		"proc/stat":                            f("cpu  " + busy + " 0 0 " + idle + " 0 0 0 0 0 0\ncpu0 1 1 1 1\n"),
		"proc/meminfo":                         f("MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:  250 kB\n"),
		"proc/loadavg":                         f("0.52 0.58 0.59 1/389 12345\n"),
		"proc/uptime":                          f("1234.50 4000.00\n"),
		"proc/net/dev":                         f("Inter-| Receive\n face |bytes\n    lo: 9999 0 0 0 0 0 0 0 9999 0\n  eth0: " + rx + " 0 0 0 0 0 0 0 500 0 0 0 0 0 0 0\n"),
		"sys/class/thermal/thermal_zone0/temp": f("48312\n"),
		"sys/class/thermal/thermal_zone0/type": f("cpu-thermal\n"),
	}
}

func TestHostInfo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := &meteredHost{Host: devicetest.Host{Files: machine("100", "900", "1000")}}
		c, err := config.Parse("test.yaml", nil)
		if err != nil {
			t.Fatal(err)
		}
		s, err := drivers.OpenSensor(host, c.Sensors[0])
		if err != nil {
			t.Fatal(err)
		}
		described(t, s.Describe())
		for _, e := range s.Describe() {
			if e.Category != "diagnostic" {
				t.Errorf("%s stands among what people watch", e.ID)
			}
		}
		if got := sense(t, s); got != "host_load 0.52, host_memory 75, host_disk 40, host_uptime 1234.5, host_temperature 48.312" {
			t.Errorf("first round: %s", got)
		}
		time.Sleep(2 * time.Second)
		for name, f := range machine("150", "1050", "3000") {
			host.Files.(fstest.MapFS)[name] = f
		}
		if got := sense(t, s); !strings.HasPrefix(got, "host_cpu 25, ") || !strings.Contains(got, "host_network_in 1000, host_network_out 0") {
			t.Errorf("second round: %s", got)
		}
		for name := range host.Files.(fstest.MapFS) {
			host.Files.(fstest.MapFS)[name] = &fstest.MapFile{Data: []byte("\x00junk")}
		}
		got := sense(t, s)
		for _, e := range []string{"host_cpu fault", "host_memory fault", "host_load fault", "host_temperature fault"} {
			if !strings.Contains(got, e) {
				t.Errorf("junk: %s", got)
			}
		}
	})
}

// meteredHost also knows how full its disk is.
type meteredHost struct{ devicetest.Host }

func (h *meteredHost) DiskUsage(string) (used, total uint64, err error) { return 40, 100, nil }

func TestActuators(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := &devicetest.Host{}
		c, err := config.Parse("test.yaml", []byte(`
actuators:
  - {driver: relay, id: lamp, pin: P1, active_low: true, safe_state: "on"}
  - {driver: pwm, id: fan, kind: fan, pin: pwmchip0/0, active_low: true}
  - {driver: button, id: bell, pin: P2, readback: P3, pulse: 1s}
`))
		if err != nil {
			t.Fatal(err)
		}
		var acts []device.Actuator
		var all []schema.Entity
		for _, ac := range c.Actuators {
			a, err := drivers.OpenActuator(host, ac)
			if err != nil {
				t.Fatal(err)
			}
			acts, all = append(acts, a), append(all, a.Describe()...)
		}
		described(t, all)
		if n := len(host.Line("P1").Moves()); n != 0 {
			t.Error("opening a relay moved it")
		}
		if _, err := acts[0].Read(t.Context()); err == nil {
			t.Error("a relay that was never driven reports a state")
		}
		if err := acts[0].Safe(); err != nil || host.Line("P1").Read() != gpio.Low {
			t.Errorf("on is low: %v", err)
		}
		if err := acts[1].Apply(t.Context(), "percentage", schema.Number(30)); err != nil {
			t.Error(err)
		}
		if duty, _ := host.Output("pwmchip0/0").Duty(); duty != 0.7 {
			t.Errorf("30 %% of an active-low output is %g", duty)
		}
		if got, err := acts[1].Read(t.Context()); err != nil || got[1].Value != schema.Number(30) || !got[0].Value.IsTrue() {
			t.Errorf("%v %v", got, err)
		}
		if err := acts[2].Apply(t.Context(), "press", schema.Value{}); err == nil || !strings.Contains(err.Error(), "did not close") {
			t.Errorf("got %v", err)
		}
		host.Line("P2").Wire(host.Line("P3"))
		if err := acts[2].Apply(t.Context(), "press", schema.Number(50)); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := acts[2].Apply(ctx, "press", schema.Value{}); err == nil || host.Line("P2").Read() != gpio.Low {
			t.Errorf("a press that was cut short: %v, pin %s", err, host.Line("P2").Read())
		}
	})
}
