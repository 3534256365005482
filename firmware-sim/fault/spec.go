package fault

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Kind is what is broken.
type Kind string

// The kinds of faults.
const (
	LinkDrop     Kind = "link_drop"
	LinkHalfOpen Kind = "link_half_open"
	LinkDelay    Kind = "link_delay"
	LinkCut      Kind = "link_cut"
	SensorStuck  Kind = "sensor_stuck"
	SensorDead   Kind = "sensor_dead"
	SensorAbsurd Kind = "sensor_absurd"
	BusStuck     Kind = "bus_stuck"
	LyingRelay   Kind = "lying_relay"
	Clock1970    Kind = "clock_1970"
	ClockJump    Kind = "clock_jump"
	Reboot       Kind = "reboot"
)

// Shape says what a kind of fault needs and does.
type Shape struct {
	Kind  Kind
	Part  string // what stands behind the device's name: "sensor", "actuator" or nothing
	Value string // what stands behind "=": "duration", "bytes" or nothing
	Help  string // one line for people
}

// Shapes lists the kinds of faults.
func Shapes() []Shape {
	return []Shape{
		{LinkDrop, "", "", "the network is gone: connections break, new ones are refused"},
		{LinkHalfOpen, "", "", "bytes vanish both ways and nobody says so; new connections hang"},
		{LinkDelay, "", "duration", "every transfer takes longer by that much"},
		{LinkCut, "", "bytes", "each connection breaks after the device has sent that many bytes"},
		{SensorStuck, "sensor", "", "the chip measures what it measured last, for ever"},
		{SensorDead, "sensor", "", "the chip does not answer"},
		{SensorAbsurd, "sensor", "", "the chip measures nonsense far out of range"},
		{BusStuck, "", "", "a chip holds the I2C bus: none can be reached"},
		{LyingRelay, "actuator", "", "the output accepts commands and the load does not follow"},
		{Clock1970, "", "", "the wall clock was never set: it counts from 1970"},
		{ClockJump, "", "duration", "the wall clock is wrong by that much"},
		{Reboot, "", "", "the power goes without a goodbye and comes back at the end (after 2s if none is given)"},
	}
}

func shape(k Kind) (Shape, bool) {
	for _, s := range Shapes() {
		if s.Kind == k {
			return s, true
		}
	}
	return Shape{}, false
}

// rebootLength is how long a machine stays off when nobody says.
const rebootLength = 2 * time.Second

// maxTime bounds when and how long: a simulator that runs for a year is restarted now and then.
const maxTime = 366 * 24 * time.Hour

// Spec is one fault: what, where, when, how long.
type Spec struct {
	Kind   Kind
	Device string        // a device's id, or "*" for all
	Part   string        // a sensor or an actuator of it
	Bytes  int64         // of LinkCut
	Span   time.Duration // of LinkDelay and ClockJump
	Start  time.Duration // from when it is given to the Injector
	Length time.Duration // 0 until it is cleared
}

// Parse reads KIND:DEVICE[/PART][=VALUE][@START][+LENGTH], as in "lying_relay:living-room/lamp@30s+1m". Errors name the part that is wrong.
func Parse(text string) (Spec, error) {
	s, err := parse(text)
	if err != nil {
		return Spec{}, fmt.Errorf("fault %q: %w", text, err)
	}
	return s, nil
}

func parse(text string) (s Spec, err error) {
	kind, rest, found := strings.Cut(text, ":")
	sh, known := shape(Kind(kind))
	if !known {
		return s, fmt.Errorf("unknown kind %q; there is %s", kind, kinds())
	}
	if !found {
		return s, fmt.Errorf("says no device; write %s:DEVICE, or %s:* for all", kind, kind)
	}
	s.Kind = sh.Kind
	if rest, s.Start, s.Length, err = when(rest); err != nil {
		return s, err
	}
	if sh.Kind == Reboot && s.Length == 0 {
		s.Length = rebootLength
	}
	place, value, hasValue := strings.Cut(rest, "=")
	s.Device, s.Part, _ = strings.Cut(place, "/")
	switch {
	case s.Device == "":
		return s, fmt.Errorf("says no device")
	case sh.Part != "" && s.Part == "":
		return s, fmt.Errorf("says no %s; write %s:%s/%s", sh.Part, kind, s.Device, strings.ToUpper(sh.Part))
	case sh.Part == "" && s.Part != "":
		return s, fmt.Errorf("%s is about a whole device, not about %q", kind, s.Part)
	case sh.Value != "" && !hasValue:
		return s, fmt.Errorf("says no %s; write %s:%s=%s", sh.Value, kind, s.Device, strings.ToUpper(sh.Value))
	case sh.Value == "" && hasValue:
		return s, fmt.Errorf("%s takes no value", kind)
	}
	switch sh.Value {
	case "bytes":
		s.Bytes, err = strconv.ParseInt(value, 10, 64)
		if err != nil || s.Bytes < 0 {
			return s, fmt.Errorf("%q is not a number of bytes", value)
		}
	case "duration":
		if s.Span, err = time.ParseDuration(value); err != nil || s.Span < 0 && s.Kind == LinkDelay || s.Span > time.Minute && s.Kind == LinkDelay {
			return s, fmt.Errorf("%q is not a duration that makes sense here; write 500ms, 2s or, for a clock, -1h", value)
		}
	}
	return s, nil
}

// when cuts "@START+LENGTH" off.
func when(text string) (rest string, start, length time.Duration, err error) {
	rest, times, at := strings.Cut(text, "@")
	var long string
	var lasts bool
	if at {
		times, long, lasts = strings.Cut(times, "+")
		if start, err = span(times); err != nil {
			return "", 0, 0, fmt.Errorf("start: %w", err)
		}
	} else if rest, long, lasts = cutLast(rest, "+"); !lasts {
		return rest, 0, 0, nil
	}
	if lasts {
		if length, err = span(long); err != nil || length == 0 {
			return "", 0, 0, fmt.Errorf("length: %q is not a duration such as 30s", long)
		}
	}
	return rest, start, length, nil
}

// cutLast is strings.Cut at the last separator, which leaves the sign of "=+1h" alone.
func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i <= 0 || s[i-1] == '=' {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

func span(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > maxTime {
		return 0, fmt.Errorf("%q is not a duration such as 30s", text)
	}
	return d, nil
}

func kinds() string {
	names := make([]string, 0, len(Shapes()))
	for _, s := range Shapes() {
		names = append(names, string(s.Kind))
	}
	sort.Strings(names)
	return strings.Join(names, ", ")
}

// String gives the spec as Parse reads it.
func (s Spec) String() string {
	b := string(s.Kind) + ":" + s.Device
	if s.Part != "" {
		b += "/" + s.Part
	}
	switch sh, _ := shape(s.Kind); sh.Value {
	case "bytes":
		b += "=" + strconv.FormatInt(s.Bytes, 10)
	case "duration":
		b += "=" + s.Span.String()
	}
	if s.Start > 0 {
		b += "@" + s.Start.String()
	}
	if s.Length > 0 {
		b += "+" + s.Length.String()
	}
	return b
}
