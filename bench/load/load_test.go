//go:build linux

package load

import (
	"slices"
	"testing"

	"github.com/telltale-iot/telltale/schema"
)

func TestFramesAreWhatTheProtocolSays(t *testing.T) {
	for _, shape := range []Shape{{Channels: 1, Samples: 1}, {Channels: 20, Samples: 50, StepMS: 20}, {Channels: 2, Samples: 1200, StepMS: 1000, Backfill: true}} {
		b := newSignals(shape, 1, 2).appendReadings(nil, 9, 1_800_000_000_000, 77, 123456)
		frames, err := schema.Decode(schema.AgentUp, b)
		if err != nil {
			t.Fatalf("%+v: %v\n%s", shape, err, b)
		}
		r, ok := frames[0].(*schema.Readings)
		if !ok || r.Seq != 9 || r.T0MS != 1_800_000_000_000 || r.MonoMS != 77 || r.Backfill != shape.Backfill || len(r.Series) != shape.Channels {
			t.Fatalf("%+v became %+v", shape, r)
		}
		d := shape.Descriptor("bench-1")
		if err := d.Validate(); err != nil {
			t.Error(err)
		}
		for _, s := range r.Series {
			if _, c := d.Channel(s.Ch); c == nil || len(s.V) != shape.Samples {
				t.Errorf("%+v: channel %s with %d values is not described", shape, s.Ch, len(s.V))
			}
		}
		if len(b) > schema.MaxMessage {
			t.Errorf("%+v: %d bytes", shape, len(b))
		}
	}
}

func TestTheSameSeedMakesTheSameFrames(t *testing.T) {
	make := func(seed uint64) string {
		g := newSignals(Shape{Channels: 5, Samples: 3, StepMS: 10}, seed, 4)
		return string(g.appendReadings(g.appendReadings(nil, 1, 2, 3, 4), 2, 3, 4, 5))
	}
	if first, again, other := make(1), make(1), make(2); first != again || first == other {
		t.Error("frames do not follow the seed")
	}
}

func TestStampsAreFoundInDeltasOnly(t *testing.T) {
	delta := &schema.Delta{Room: "device/a", Ver: 3, T0MS: 5, Series: []schema.LiveSeries{
		{Ch: "c1.state", V: schema.Values{schema.Number(7)}},
		{Ch: StampChannel, DtMS: []int64{0, 1}, V: schema.Values{schema.Number(123), schema.Number(1_000_456)}}}}
	snapshot := &schema.Snapshot{Room: "device/a", Epoch: "x", Devices: []schema.Device{}, Series: delta.Series}
	for _, test := range []struct {
		name   string
		frames []schema.Frame
		want   []int64
	}{
		{"a delta", []schema.Frame{delta}, []int64{123, 1_000_456}},
		{"two deltas in a message", []schema.Frame{delta, delta}, []int64{123, 1_000_456, 123, 1_000_456}},
		{"a snapshot", []schema.Frame{snapshot}, nil},
		{"a ping", []schema.Frame{&schema.Ping{NowMS: 1}}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, err := schema.Encode(test.frames...)
			if err != nil {
				t.Fatal(err)
			}
			var got []int64
			stamps(b, func(s int64) { got = append(got, s) })
			if !slices.Equal(got, test.want) {
				t.Errorf("found %v in %s", got, b)
			}
		})
	}
}

// FuzzFrames: whatever a hub sends, in whatever pieces, nothing panics and nothing is read twice.
func FuzzFrames(f *testing.F) {
	f.Add([]byte{0x81, 2, 'h', 'i', 0x89, 0}, 3)
	f.Add([]byte{0x81, 126, 0, 1, 'x'}, 2)
	f.Add([]byte{0x81, 127, 255, 255, 255, 255, 255, 255, 255, 255, 1}, 1)
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		whole, parts := 0, 0
		left := len(frames(b, func(_ byte, p []byte) { whole += len(p); stamps(p, func(int64) {}) }))
		cut = min(max(cut, 0), len(b))
		rest := frames(b[:cut], func(_ byte, p []byte) { parts += len(p) })
		rest = frames(append(slices.Clone(rest), b[cut:]...), func(_ byte, p []byte) { parts += len(p) })
		if whole != parts || left != len(rest) {
			t.Errorf("whole: %d bytes and %d left, in two pieces: %d and %d", whole, left, parts, len(rest))
		}
	})
}
