package world

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func house() Config {
	return Config{
		Weather: Weather{Mean: 5},
		People:  2,
		Rooms: []Room{
			{Name: "living", Volume: 60, Window: 4, Attraction: Day{Night: 0, Morning: 1, Day: 2, Evening: 6}, Loads: []Load{
				{Name: "heater", Watts: 1500, Lag: 180},
				{Name: "lamp", Watts: 9, Lux: 240},
				{Name: "fan", Watts: 30, Flow: 200},
				{Name: "humidifier", Watts: 30, Vapour: 300},
			}},
			{Name: "bed", Volume: 35, Window: 2, Attraction: Day{Night: 10, Morning: 2, Day: 0.2, Evening: 1}},
		},
		Doors: []Door{
			{Name: "door", From: "living", To: "bed", Habit: "people"},
			{Name: "window", From: "living", To: Outside, Habit: "motor", Seconds: 5},
			{Name: "gate", From: "bed", To: Outside, Habit: "button", Seconds: 10},
		},
		Beds:     []Bed{{Name: "herbs", Room: "living", Moisture: 24}},
		Machines: []Machine{{Name: "pump", Room: "living", Running: true}},
		Patients: []Patient{{Name: "anna"}},
	}
}

func empty() Config {
	c := house()
	c.People, c.Machines = 0, nil
	return c
}

func open(t *testing.T, c Config, seed uint64) *World {
	t.Helper()
	w, err := New(c, Options{Seed: seed, Start: time.Date(2026, 1, 20, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func read(t *testing.T, w *World, name string, at time.Duration) float64 {
	t.Helper()
	p, err := w.Probe(name)
	if err != nil {
		t.Fatal(err)
	}
	return p(at)
}

func drive(t *testing.T, w *World, name string, at time.Duration, v float64) {
	t.Helper()
	in, err := w.Input(name)
	if err != nil {
		t.Fatal(err)
	}
	in(at, v)
}

func TestSameSeedGivesTheSameWorld(t *testing.T) {
	// One is asked every ten seconds for everything, the other once at the end.
	often, once, other := open(t, house(), 7), open(t, house(), 7), open(t, house(), 8)
	for at := time.Duration(0); at <= 2*time.Hour; at += 10 * time.Second {
		for _, name := range []string{"living/air_temperature", "bed/co2", "anna/heart_rate"} {
			read(t, often, name, at)
		}
	}
	differ := 0
	for _, name := range often.Probes() {
		a, b := read(t, often, name, 2*time.Hour), read(t, once, name, 2*time.Hour)
		if a != b {
			t.Errorf("%s: %v when asked often, %v when asked once", name, a, b)
		}
		if a != read(t, other, name, 2*time.Hour) {
			differ++
		}
	}
	if differ < 8 {
		t.Errorf("another seed changed only %d quantities", differ)
	}
}

func TestHeaterWarmsTheAirAndTheAirCoolsAgain(t *testing.T) {
	cold, warm := open(t, empty(), 1), open(t, empty(), 1)
	drive(t, warm, "living/heater", 0, 1)
	before := read(t, warm, "living/air_temperature", time.Second)
	after := read(t, warm, "living/air_temperature", time.Hour)
	without := read(t, cold, "living/air_temperature", time.Hour)
	if after < before+2 || after < without+3 {
		t.Fatalf("an hour of heating: from %.2f to %.2f °C; without: %.2f °C", before, after, without)
	}
	if first := read(t, open(t, empty(), 1), "living/air_temperature", time.Second); before-first > 0.2 {
		t.Errorf("the heater warms at once: %.2f K in a second", before-first)
	}
	drive(t, warm, "living/heater", time.Hour, 0)
	if later := read(t, warm, "living/air_temperature", 3*time.Hour); later > after-1 {
		t.Errorf("two hours after switching off: %.2f °C, was %.2f °C", later, after)
	}
	if next := read(t, warm, "bed/air_temperature", 3*time.Hour); next > read(t, warm, "living/air_temperature", 3*time.Hour) {
		t.Errorf("the unheated room is the warmer one: %.2f °C", next)
	}
}

func TestOpenWindowCoolsDriesAndAirs(t *testing.T) {
	shut, aired := open(t, empty(), 3), open(t, empty(), 3)
	drive(t, shut, "living/humidifier", 0, 1)
	drive(t, aired, "living/humidifier", 0, 1)
	drive(t, aired, "window/drive", 30*time.Minute, 1)
	for _, q := range []string{"living/air_temperature", "living/co2"} {
		a, b := read(t, aired, q, time.Hour), read(t, shut, q, time.Hour)
		if a >= b {
			t.Errorf("%s: %.2f with the window open, %.2f with it shut", q, a, b)
		}
	}
	if read(t, aired, "window/open", time.Hour) != 1 || read(t, shut, "window/open", time.Hour) != 0 {
		t.Error("the contact does not follow the window")
	}
}

func TestEnergyBalanceHasTheRightSign(t *testing.T) {
	// A room without sun, people or loads moves toward the outside and never past it.
	for _, inside := range []float64{-20, 35} {
		c := Config{Weather: Weather{Mean: 5, Swing: 0.001}, Rooms: []Room{{Name: "box", Temperature: inside}}}
		w := open(t, c, 5)
		out := read(t, w, "outside/air_temperature", 0)
		last := math.Abs(inside - out)
		for h := 3; h <= 12; h += 3 {
			at := time.Duration(h) * time.Hour
			d := math.Abs(read(t, w, "box/air_temperature", at) - read(t, w, "outside/air_temperature", at))
			if d > last+1.5 { // the outside wanders meanwhile
				t.Errorf("from %v °C after %d h: %.2f K away from the outside, was %.2f", inside, h, d, last)
			}
			last = d
		}
		if last > 10 {
			t.Errorf("from %v °C: still %.1f K away from the outside after half a day", inside, last)
		}
	}
}

func TestARadiatorWithItsOwnValveHoldsTheRoom(t *testing.T) {
	c := Config{Weather: Weather{Mean: -5}, Rooms: []Room{{Name: "kept", Keeps: 20}, {Name: "left"}}}
	w := open(t, c, 1)
	if kept := read(t, w, "kept/air_temperature", 10*time.Hour); math.Abs(kept-19.6) > 0.7 {
		t.Errorf("a valve at 20 °C keeps %.2f °C", kept)
	}
	if left := read(t, w, "left/air_temperature", 10*time.Hour); left > 10 {
		t.Errorf("without a radiator: %.2f °C", left)
	}
}

func TestLampIsSeenAndPaidFor(t *testing.T) {
	w := open(t, empty(), 1)
	dark := read(t, w, "living/illuminance", time.Minute)
	idle := read(t, w, "living/power", time.Minute)
	drive(t, w, "living/lamp", time.Minute, 0.5)
	if got := read(t, w, "living/illuminance", time.Minute+Step); math.Abs(got-dark-120) > 12 {
		t.Errorf("half of 240 lx: %.1f lx more", got-dark)
	}
	if got := read(t, w, "living/power", time.Minute+Step); math.Abs(got-idle-4.5) > 0.01 {
		t.Errorf("half of 9 W: %.2f W more", got-idle)
	}
	if noon := read(t, w, "bed/illuminance", 12*time.Hour); noon < 30 {
		t.Errorf("noon at the window: %.1f lx", noon)
	}
}

func TestPeopleBreatheMoveAndUseDoors(t *testing.T) {
	w := open(t, house(), 2)
	opened, moved, highest := 0, 0, 0.0
	door, _ := w.Probe("door/open")
	motion, _ := w.Probe("bed/motion")
	co2, _ := w.Probe("bed/co2")
	for at := time.Duration(0); at < 9*time.Hour; at += 5 * time.Second {
		opened += int(door(at))
		moved += int(motion(at))
		highest = max(highest, co2(at))
	}
	if opened == 0 || moved == 0 || highest < 700 || highest > 6000 {
		t.Errorf("in a night: door open %d times, motion %d times, at most %.0f ppm CO2", opened, moved, highest)
	}
}

func TestButtonMovesTheGateAtEachPress(t *testing.T) {
	w := open(t, empty(), 2)
	press := func(at time.Duration) {
		drive(t, w, "gate/drive", at, 1)
		drive(t, w, "gate/drive", at+time.Second/2, 0)
	}
	press(time.Second)
	if half := read(t, w, "gate/position", 6*time.Second); half < 30 || half > 70 {
		t.Errorf("after half of the way: %v %%", half)
	}
	if full := read(t, w, "gate/position", 20*time.Second); full != 100 {
		t.Errorf("after the way: %v %%", full)
	}
	press(30 * time.Second)
	if shut := read(t, w, "gate/position", time.Minute); shut != 0 {
		t.Errorf("after the second press: %v %%", shut)
	}
}

func TestSoilDriesAndIrrigationWetsIt(t *testing.T) {
	w := open(t, empty(), 2)
	dry := read(t, w, "herbs/moisture", 8*time.Hour)
	if dry >= 24 {
		t.Errorf("after a night without water: %.2f %%", dry)
	}
	drive(t, w, "herbs/valve", 8*time.Hour, 1)
	drive(t, w, "herbs/valve", 8*time.Hour+10*time.Minute, 0)
	if wet := read(t, w, "herbs/moisture", 9*time.Hour); wet < dry+4 {
		t.Errorf("40 L on 600 L of soil: from %.2f to %.2f %%", dry, wet)
	}
	if got := read(t, w, "herbs/litres", 9*time.Hour); math.Abs(got-40) > 0.2 {
		t.Errorf("10 min at 4 L/min: %.2f L", got)
	}
}

func TestMachineShakesWithItsSpeedAndRunsHotWhenWorn(t *testing.T) {
	c := house()
	c.Machines = []Machine{{Name: "good", Room: "living"}, {Name: "bad", Room: "living", Wear: 0.9}}
	w := open(t, c, 4)
	rms := func(name string, from time.Duration) float64 {
		wave, err := w.Wave(name)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for i := range 1600 {
			a := wave(from + time.Duration(i)*time.Second/1600)
			sum += a * a
		}
		return math.Sqrt(sum / 1600)
	}
	still := rms("good/vibration_x", 10*time.Second)
	drive(t, w, "good/motor", time.Minute, 1)
	drive(t, w, "bad/motor", time.Minute, 1)
	if rpm := read(t, w, "good/rpm", 2*time.Minute); math.Abs(rpm-1480) > 5 {
		t.Errorf("full speed: %.1f rpm", rpm)
	}
	running, worn := rms("good/vibration_x", 3*time.Minute), rms("bad/vibration_x", 3*time.Minute+2*time.Second)
	if running < 5*still || worn < 1.5*running {
		t.Errorf("rms of the acceleration: still %.3f, running %.3f, worn %.3f m/s²", still, running, worn)
	}
	// The unbalanced mass alone: 1.2 mm/s rms at 24.67 Hz is 0.186 m/s² rms.
	if running < 0.15 || running > 0.35 {
		t.Errorf("a good machine shakes with %.3f m/s² rms", running)
	}
	if g, b := read(t, w, "good/temperature", time.Hour), read(t, w, "bad/temperature", time.Hour); b < g+10 || g < 25 {
		t.Errorf("bearings after an hour: good %.1f, bad %.1f °C", g, b)
	}
	drive(t, w, "good/motor", time.Hour, 0)
	if rpm := read(t, w, "good/rpm", time.Hour+5*time.Minute); rpm != 0 {
		t.Errorf("switched off: %.1f rpm", rpm)
	}
}

func TestWaveIsTheSameForEveryReader(t *testing.T) {
	for _, name := range []string{"pump/vibration_x", "pump/vibration_z", "anna/pleth", "anna/red"} {
		a, b := open(t, house(), 9), open(t, house(), 9)
		wa, _ := a.Wave(name)
		wb, _ := b.Wave(name)
		b.Advance(5 * time.Second) // this one reads what is past already
		for i := range 500 {
			at := 3*time.Second + time.Duration(i)*time.Millisecond
			if x, y := wa(at), wb(at); math.Abs(x-y) > 1e-9 {
				t.Fatalf("%s at %v: %v, read later %v", name, at, x, y)
			}
		}
	}
}

func TestHeartBeatsAsAHeartDoes(t *testing.T) {
	w := open(t, house(), 11)
	pleth, err := w.Wave("anna/pleth")
	if err != nil {
		t.Fatal(err)
	}
	const rate = 125
	var beats []float64 // s, where the wave rises through the middle
	last, low, high := 1.0, 1.0, 0.0
	for i := range 300 * rate {
		at := time.Duration(i) * time.Second / rate
		y := pleth(at)
		low, high = min(low, y), max(high, y)
		if last < 0.55 && y >= 0.55 && (len(beats) == 0 || at.Seconds()-beats[len(beats)-1] > 0.3) {
			beats = append(beats, at.Seconds())
		}
		last = y
	}
	if n := len(beats); n < 270 || n > 410 {
		t.Fatalf("%d beats in five minutes", n)
	}
	mean, spread := 0.0, 0.0
	for i := 1; i < len(beats); i++ {
		mean += (beats[i] - beats[i-1]) / float64(len(beats)-1)
	}
	for i := 1; i < len(beats); i++ {
		spread += math.Pow(beats[i]-beats[i-1]-mean, 2) / float64(len(beats)-1)
	}
	if s := math.Sqrt(spread); s < 0.015 || s > 0.12 {
		t.Errorf("standard deviation of the beats: %.0f ms", 1000*s)
	}
	if low < -0.2 || high > 1.5 || high-low < 0.6 {
		t.Errorf("the pulse runs from %.2f to %.2f", low, high)
	}
	if s := read(t, w, "anna/spo2", 300*time.Second); s < 94 || s > 100 {
		t.Errorf("SpO2 %.1f %%", s)
	}
	if r := read(t, w, "anna/heart_rate", 300*time.Second); math.Abs(r-60/mean) > 15 {
		t.Errorf("heart rate %.1f/min, the beats say %.1f", r, 60/mean)
	}
}

func TestNothingLeavesTheRangeOfTheWorld(t *testing.T) {
	c := house()
	c.People = 50
	c.Rooms[0].Loads = append(c.Rooms[0].Loads, Load{Name: "blast", Watts: 1e6}, Load{Name: "storm", Flow: 1e5}, Load{Name: "dry", Vapour: -1e5})
	w, err := New(c, Options{Seed: 1, Speed: 200})
	if err != nil {
		t.Fatal(err)
	}
	for _, load := range []string{"blast", "storm", "dry"} {
		drive(t, w, "living/"+load, 0, 1)
	}
	for at := time.Duration(0); at < time.Minute; at += 20 * time.Second {
		for _, name := range w.Probes() {
			if x := read(t, w, name, at); math.IsNaN(x) || math.Abs(x) > 1e7 {
				t.Fatalf("%s = %v", name, x)
			}
		}
	}
}

func TestALongPauseIsCaughtUpInBoundedWork(t *testing.T) {
	w := open(t, house(), 1)
	begin := time.Now()
	x := read(t, w, "living/air_temperature", 5*365*24*time.Hour)
	y := read(t, w, "anna/heart_rate", 5*365*24*time.Hour)
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("catching up took %v", took)
	}
	if math.IsNaN(x) || y < 30 || y > 200 {
		t.Errorf("afterwards: %.1f °C, %.1f beats/min", x, y)
	}
}

func TestAFastWorldKeepsTheRateOfItsWaves(t *testing.T) {
	for _, speed := range []float64{1, 60} {
		w, err := New(house(), Options{Seed: 1, Speed: speed})
		if err != nil {
			t.Fatal(err)
		}
		wave, err := w.Wave("pump/vibration_x")
		if err != nil {
			t.Fatal(err)
		}
		// Rising zero crossings of the smoothed signal in 4 s: 24.67 turns/s.
		crossings, last := 0, 0.0
		smooth := 0.0
		for i := range 4 * 1600 {
			smooth += (wave(10*time.Second+time.Duration(i)*time.Second/1600) - smooth) * 0.08
			if last < -0.05 && smooth > 0 {
				crossings++
			}
			if last >= -0.05 || smooth > 0 {
				last = smooth
			}
			if smooth < last {
				last = smooth
			}
		}
		if crossings < 92 || crossings > 105 {
			t.Errorf("speed %v: %d turns in 4 s, want 98.7", speed, crossings)
		}
	}
}

func TestWrongConfigurationsAreNamed(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"name":      {func(c *Config) { c.Rooms[0].Name = "Living Room" }, "a-z, 0-9"},
		"twice":     {func(c *Config) { c.Rooms[1].Name = "living" }, "used twice"},
		"no room":   {func(c *Config) { c.Beds[0].Room = "cellar" }, `room "cellar" does not exist`},
		"itself":    {func(c *Config) { c.Doors[0].To = "living" }, "to itself"},
		"habit":     {func(c *Config) { c.Doors[0].Habit = "magic" }, `habit "magic" is unknown`},
		"not a num": {func(c *Config) { c.Rooms[0].Volume = math.NaN() }, "volume is NaN"},
		"load":      {func(c *Config) { c.Rooms[0].Loads[0].Name = "co2" }, "a load needs a name"},
	} {
		t.Run(name, func(t *testing.T) {
			c := house()
			tc.change(&c)
			if _, err := New(c, Options{}); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestUnknownPointsAreRefusedWithWhatThereIs(t *testing.T) {
	w := open(t, house(), 1)
	_, e1 := w.Probe("living/smell")
	_, e2 := w.Input("living/lmap")
	_, e3 := w.Wave("anna/ecg")
	for i, err := range []error{e1, e2, e3} {
		if err == nil || !strings.Contains(err.Error(), "there is") {
			t.Errorf("%d: %v", i, err)
		}
	}
	if !slices.Contains(w.Probes(), "outside/pressure") {
		t.Error("the sky is not listed")
	}
}
