package chip

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/telltale-iot/telltale/device-agent/config"
	"github.com/telltale-iot/telltale/device-agent/device"
	"github.com/telltale-iot/telltale/device-agent/drivers/ads1115"
	"github.com/telltale-iot/telltale/device-agent/drivers/adxl345"
	"github.com/telltale-iot/telltale/device-agent/drivers/bh1750"
	"github.com/telltale-iot/telltale/device-agent/drivers/bme280"
	"github.com/telltale-iot/telltale/device-agent/drivers/ds18b20"
	"github.com/telltale-iot/telltale/device-agent/drivers/scd4x"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/devices/v3/bmxx80"
	periphscd "periph.io/x/devices/v3/scd4x"
)

// running is a machine's clock that begins now; in a synctest bubble it moves with the bubble.
func running() Mono {
	begin := time.Now()
	return func() time.Duration { return time.Since(begin) }
}

func constant(x float64) Signal { return func(time.Duration) float64 { return x } }

// sense reads a shipped driver once and gives the numbers by entity.
func sense(t *testing.T, s device.Sensor) map[string]float64 {
	t.Helper()
	readings, err := s.Sense(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, r := range readings {
		if v, ok := r.Value.Float(); ok {
			got[r.Entity] = v
		}
	}
	return got
}

// settings fills in a sensor's configuration as the agent does.
func settings(t *testing.T, s config.Sensor) config.Sensor {
	t.Helper()
	c := config.Default()
	c.Device, c.Sensors = "test", []config.Sensor{s}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return c.Sensors[0]
}

func TestBosch280GivesPeriphTheWorldToOneStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for seed := range uint64(20) {
			for _, in := range [][3]float64{{21.37, 1013.25, 45}, {-19.99, 870.5, 88.8}, {0, 1080, 3}, {61.5, 955.33, 99}, {35, 1000, 61.8}} {
				bus := NewBus("1")
				c := NewBME280(Climate{constant(in[0]), constant(in[1]), constant(in[2])}, running(), seed)
				if err := bus.Attach(0x76, c); err != nil {
					t.Fatal(err)
				}
				opts := bmxx80.Opts{Temperature: bmxx80.O16x, Pressure: bmxx80.O16x, Humidity: bmxx80.O1x}
				dev, err := bmxx80.NewI2C(bus, 0x76, &opts)
				if err != nil {
					t.Fatal(err)
				}
				var e physic.Env
				if err := dev.Sense(&e); err != nil {
					t.Fatal(err)
				}
				if got := e.Temperature.Celsius(); math.Abs(got-in[0]) > 0.0101 {
					t.Errorf("seed %d: %.3f °C, want %.2f", seed, got, in[0])
				}
				// One step of the raw value is 0.16 Pa; temperature's rounding moves the compensation a little.
				if got := float64(e.Pressure) / float64(physic.Pascal); math.Abs(got-in[1]*100) > 0.3 {
					t.Errorf("seed %d: %.2f Pa, want %.2f", seed, got, in[1]*100)
				}
				// 16 bits over the range of humidity: a step is below 0.01 %.
				if got := float64(e.Humidity) / float64(physic.PercentRH); math.Abs(got-in[2]) > 0.011 {
					t.Errorf("seed %d: %.3f %%, want %.1f", seed, got, in[2])
				}
			}
		}
	})
}

func TestShippedDriversReadTheWorld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mono, bus := running(), NewBus("1")
		attach := func(addr uint16, d Device) {
			if err := bus.Attach(addr, d); err != nil {
				t.Fatal(err)
			}
		}
		attach(0x76, NewBME280(Climate{constant(21.5), constant(1004.2), constant(47)}, mono, 1))
		attach(0x77, NewBME280(Climate{Temperature: constant(-3.25), Pressure: constant(990)}, mono, 2))
		attach(0x48, NewADS1115([4]Signal{constant(1.5), constant(0.25), nil, constant(9)}, mono))
		attach(0x23, NewBH1750(constant(321), mono))
		attach(0x62, NewSCD41(Air{constant(812), constant(22.25), constant(41)}, mono, 3))
		files := NewFiles()
		NewThermometer(files, "28-0316a2795cff", constant(-10.125), mono)

		adc, err := ads1115.Open(bus, settings(t, config.Sensor{Driver: "ads1115", Inputs: []config.Input{
			{ID: "a", Pin: "A0", MaxVolts: 3.3}, {ID: "b", Pin: "A0-A1"}, {ID: "open", Pin: "A2"}, {ID: "clipped", Pin: "A3"},
		}}))
		if err != nil {
			t.Fatal(err)
		}
		co2 := scd4x.Open(bus, settings(t, config.Sensor{Driver: "scd4x", ID: "air"}))
		sense(t, co2) // starts it
		time.Sleep(6 * time.Second)
		for _, tc := range []struct {
			sensor device.Sensor
			want   map[string]float64
			within float64
		}{
			{bme280.Open(bus, settings(t, config.Sensor{Driver: "bme280", ID: "x"})), map[string]float64{"x_temperature": 21.5, "x_pressure": 1004.2, "x_humidity": 47}, 0.02},
			{bme280.Open(bus, settings(t, config.Sensor{Driver: "bmp280", ID: "y", Address: 0x77})), map[string]float64{"y_temperature": -3.25, "y_pressure": 990}, 0.02},
			{adc, map[string]float64{"a": 1.5, "b": 1.25, "open": 0, "clipped": 3.6}, 0.0002},
			{bh1750.Open(bus, settings(t, config.Sensor{Driver: "bh1750", ID: "light"})), map[string]float64{"light_illuminance": 321}, 0.6},
			{co2, map[string]float64{"air_co2": 812, "air_temperature": 22.25, "air_humidity": 41}, 0.01},
			{ds18b20.Open(files, settings(t, config.Sensor{Driver: "ds18b20", ID: "probe"})), map[string]float64{"probe": -10.125}, 0.001},
		} {
			got := sense(t, tc.sensor)
			for id, want := range tc.want {
				if v, ok := got[id]; !ok || math.Abs(v-want) > tc.within {
					t.Errorf("%s = %v (%v), want %v", id, v, ok, want)
				}
			}
			if err := tc.sensor.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestPeriphReadsTheCarbonDioxideToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := NewBus("1")
		if err := bus.Attach(0x62, NewSCD41(Air{constant(1234), constant(19), constant(55)}, running(), 9)); err != nil {
			t.Fatal(err)
		}
		dev, err := periphscd.NewI2C(bus, periphscd.SensorAddress)
		if err != nil {
			t.Fatal(err)
		}
		var e periphscd.Env
		if err := dev.Sense(&e); err != nil {
			t.Fatal(err)
		}
		if e.CO2 != 1234 || math.Abs(e.Temperature.Celsius()-19) > 0.01 {
			t.Errorf("read %v", e.String())
		}
		if err := dev.Halt(); err != nil {
			t.Fatal(err)
		}
		cfg, err := dev.GetConfiguration()
		if err == nil && cfg.SensorType != periphscd.SCD41 {
			t.Errorf("says it is variant %v", cfg.SensorType)
		}
	})
}

func TestWaveformsKeepTheirRateAndShape(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mono, bus := running(), NewBus("1")
		sine := func(hz, amp, mid float64) Signal {
			return func(at time.Duration) float64 { return mid + amp*math.Sin(2*math.Pi*hz*at.Seconds()) }
		}
		shaker := NewADXL345([3]Signal{sine(20, 5, 0), constant(0), constant(9.81)}, mono)
		pulse := NewADS1115([4]Signal{sine(2, 1, 1.6)}, mono)
		if err := errors.Join(bus.Attach(0x53, shaker), bus.Attach(0x48, pulse)); err != nil {
			t.Fatal(err)
		}
		adc, err := ads1115.Open(bus, settings(t, config.Sensor{Driver: "ads1115", Inputs: []config.Input{{ID: "pulse", Pin: "A0", RateHz: 125}}}))
		if err != nil {
			t.Fatal(err)
		}
		for _, tc := range []struct {
			wave     device.WaveSensor
			rate     float64
			turns    float64
			mid, amp float64
		}{
			{adxl345.Open(bus, settings(t, config.Sensor{Driver: "adxl345", RateHz: 400})), 400, 20, 0, 5},
			{adc, 125, 2, 1.6, 1},
		} {
			var samples []float64
			begin := mono()
			for mono()-begin < 4*time.Second {
				blocks, err := tc.wave.SenseWave(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if blocks[0].Lost != 0 && len(samples) > 0 {
					t.Errorf("lost %d samples", blocks[0].Lost)
				}
				samples = append(samples, blocks[0].Values...)
			}
			took := (mono() - begin).Seconds()
			if got := float64(len(samples)) / took; math.Abs(got-tc.rate) > tc.rate/20 {
				t.Errorf("%d samples in %.2f s, want %g a second", len(samples), took, tc.rate)
			}
			ups, low, high := 0, math.Inf(1), math.Inf(-1)
			for i, v := range samples {
				low, high = min(low, v), max(high, v)
				if i > 0 && samples[i-1] < tc.mid && v >= tc.mid {
					ups++
				}
			}
			if want := tc.turns * float64(len(samples)) / tc.rate; math.Abs(float64(ups)-want) > 2 {
				t.Errorf("%d turns, want %.1f", ups, want)
			}
			if math.Abs(high-tc.mid-tc.amp) > tc.amp/20 || math.Abs(tc.mid-low-tc.amp) > tc.amp/20 {
				t.Errorf("from %.3f to %.3f", low, high)
			}
		}
	})
}

func TestFaultsOfAChipAreSeenByItsDriver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus, mono := NewBus("1"), running()
		chip := NewBME280(Climate{func(at time.Duration) float64 { return 20 + at.Seconds() }, constant(1000), constant(50)}, mono, 1)
		if err := bus.Attach(0x76, chip); err != nil {
			t.Fatal(err)
		}
		s := bme280.Open(bus, settings(t, config.Sensor{Driver: "bme280", ID: "x"}))
		read := func() float64 { return sense(t, s)["x_temperature"] }
		a := read()
		time.Sleep(2 * time.Second)
		if b := read(); b < a+1.9 {
			t.Fatalf("healthy: %.2f, then %.2f °C", a, b)
		}
		chip.Set(Stuck)
		a = read()
		time.Sleep(2 * time.Second)
		if b := read(); a != b {
			t.Errorf("stuck: %.2f, then %.2f °C", a, b)
		}
		chip.Set(Dead)
		if _, err := s.Sense(context.Background()); err == nil || !strings.HasSuffix(err.Error(), ErrNak.Error()) { // periph does not wrap
			t.Errorf("dead: %v", err)
		}
		chip.Set(Absurd)
		readings, err := s.Sense(context.Background())
		if err != nil || readings[0].Quality == "" {
			t.Errorf("absurd: %v %v", readings, err)
		}
		chip.Set(Healthy)
		bus.Stick(true)
		if _, err := s.Sense(context.Background()); err == nil || !strings.HasSuffix(err.Error(), ErrBusStuck.Error()) {
			t.Errorf("stuck bus: %v", err)
		}
		bus.Stick(false)
		if b := read(); b < 24 {
			t.Errorf("healed: %.2f °C", b)
		}
	})
}

func TestInputsOfAConverterFailEachForItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rising := func(at time.Duration) float64 { return 1 + at.Seconds()/100 }
		chip, bus := NewADS1115([4]Signal{rising, rising, rising, rising}, running()), NewBus("1")
		if err := bus.Attach(0x48, chip); err != nil {
			t.Fatal(err)
		}
		s, err := ads1115.Open(bus, settings(t, config.Sensor{Driver: "ads1115", Inputs: []config.Input{
			{ID: "stuck", Pin: "A0"}, {ID: "cut", Pin: "A1"}, {ID: "shorted", Pin: "A2"}, {ID: "good", Pin: "A3"}}}))
		if err != nil {
			t.Fatal(err)
		}
		chip.Inputs[0].Set(Stuck)
		chip.Inputs[1].Set(Dead)
		chip.Inputs[2].Set(Absurd)
		before := sense(t, s)
		time.Sleep(10 * time.Second)
		after := sense(t, s)
		if before["stuck"] != after["stuck"] || after["cut"] != 0 || math.Abs(after["shorted"]-supply) > 0.001 {
			t.Errorf("%v, then %v", before, after)
		}
		if moved := after["good"] - before["good"]; math.Abs(moved-0.1) > 0.01 {
			t.Errorf("the healthy input moved by %.3f V, want 0.1", moved)
		}
	})
}

func TestFilesAreAProperFileSystem(t *testing.T) {
	f := NewFiles()
	NewThermometer(f, "28-000000000001", constant(20), running())
	NewThermometer(f, "28-000000000002", constant(21), running())
	f.Put("proc/uptime", func() (string, error) { return "1.00 1.00\n", nil })
	if err := fstest.TestFS(f, "proc/uptime", "sys/bus/w1/devices/28-000000000002/w1_slave"); err != nil {
		t.Fatal(err)
	}
}

func TestBusRefusesWhatCannotBe(t *testing.T) {
	bus := NewBus("1")
	for _, addr := range []uint16{0, 0x78, 0x3ff} {
		if bus.Attach(addr, NewBH1750(constant(0), running())) == nil {
			t.Errorf("a chip at %#x", addr)
		}
	}
	if err := bus.Attach(0x23, NewBH1750(constant(0), running())); err != nil {
		t.Fatal(err)
	}
	if bus.Attach(0x23, NewBH1750(constant(0), running())) == nil {
		t.Error("two chips at one address")
	}
	if err := bus.Tx(0x24, []byte{1}, nil); !errors.Is(err, ErrNak) {
		t.Errorf("nobody there: %v", err)
	}
}

// FuzzRegisters sends any bytes to every chip, with pauses between: none may panic, and a read that was acknowledged is filled.
func FuzzRegisters(f *testing.F) {
	f.Add([]byte{0xF4, 0x25, 0xF7, 0x21, 0xb1, 0xec, 0x05, 0x2D, 0x08})
	f.Add([]byte{0xE0, 0xB6, 0xF5, 0xFC, 0xF2, 7, 0xF4, 0xFF, 0x10, 0x40, 0x60, 0x07})
	f.Add([]byte{1, 0xC5, 0x83, 0, 1, 0x04, 0x83, 0x38, 0x80, 0x2C, 0x0F, 0x31, 3, 0x32})
	f.Fuzz(func(t *testing.T, ops []byte) {
		var mu sync.Mutex
		now := time.Duration(0)
		mono := func() time.Duration { mu.Lock(); defer mu.Unlock(); return now }
		wild := func(at time.Duration) float64 { return math.Float64frombits(uint64(at) * 0x9e3779b97f4a7c15) }
		chips := []Device{
			NewBME280(Climate{wild, wild, wild}, mono, 1), NewBME280(Climate{Temperature: wild, Pressure: wild}, mono, 1),
			NewADS1115([4]Signal{wild, nil, wild, wild}, mono), NewADXL345([3]Signal{wild, wild, wild}, mono),
			NewBH1750(wild, mono), NewSCD41(Air{wild, wild, wild}, mono, 1),
			NewMPU6050([3]Signal{wild, wild, wild}, mono),
		}
		for _, s := range samples() {
			if OnSerial(s.sensor.Driver) {
				talker := NewTalker(s.sensor.Driver, func(string) Signal { return wild }, mono, 1)
				talker.Hear(ops)
				now += time.Minute
				if said := talker.Say(); len(said) > kernelBytes {
					t.Fatalf("%d bytes at once", len(said))
				}
				continue
			}
			chips = append(chips, New(s.sensor.Driver, func(string) Signal { return wild }, mono, 1))
		}
		for len(ops) >= 2 {
			n := min(int(ops[0]>>4)%6, len(ops)-1)
			r := make([]byte, int(ops[0])%12)
			now += time.Duration(ops[1]) * 7 * time.Millisecond
			for _, c := range chips {
				if err := c.Tx(ops[1:1+n], r); err != nil && !errors.Is(err, ErrNak) {
					t.Fatal(err)
				}
			}
			ops = ops[1+n:]
		}
	})
}
