package schema

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestNumberNeverHoldsWhatJSONCannot(t *testing.T) {
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if !Number(f).IsNull() {
			t.Errorf("%v became %s", f, Number(f))
		}
	}
	if math.Signbit(mustFloat(t, Number(math.Copysign(0, -1)))) {
		t.Error("−0 kept its sign")
	}
	for _, f := range []float64{1e308, -1e308, 5e-324, 0.1, 1e21, 123456789.123} {
		var back Value
		if err := json.Unmarshal([]byte(Number(f).String()), &back); err != nil || back != Number(f) {
			t.Errorf("%v came back as %s, %v", f, back, err)
		}
	}
}

func mustFloat(t *testing.T, v Value) float64 {
	t.Helper()
	f, ok := v.Float()
	if !ok {
		t.Fatalf("%s is no number", v)
	}
	return f
}

func TestTextIsCutAtARune(t *testing.T) {
	v := Text(strings.Repeat("°", 200))
	if len(v.Str()) != MaxText || !utf8.ValidString(v.Str()) {
		t.Errorf("%d bytes, valid %v", len(v.Str()), utf8.ValidString(v.Str()))
	}
	if !utf8.ValidString(Text("a\xffb").Str()) {
		t.Error("invalid UTF-8 kept")
	}
}

func TestAcceptsChecksTypeBoundsAndOptions(t *testing.T) {
	lo, hi := 5.0, 30.0
	target := Channel{Name: "target_temperature", Type: TypeNumber, Unit: "°C", Min: &lo, Max: &hi}
	mode := Channel{Name: "hvac_mode", Type: TypeString, Options: []string{"off", "heat"}}
	cases := []struct {
		name string
		ch   *Channel
		v    Value
		want string
	}{
		{"inside", &target, Number(21), ""},
		{"bound", &target, Number(30), ""},
		{"above", &target, Number(30.1), "out of range 5 to 30 °C"},
		{"wrong type", &target, Bool(true), "wants a number"},
		{"null", &target, Value{}, "wants a number"},
		{"option", &mode, Text("heat"), ""},
		{"no option", &mode, Text("melt"), "one of off, heat"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := c.ch.Accepts(c.v)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestTransitionTableHasNoWayBack(t *testing.T) {
	rank := map[CommandState]int{}
	for i, s := range CommandStates() {
		rank[s] = i
	}
	for _, s := range CommandStates() {
		for _, n := range s.Next() {
			if rank[n] <= rank[s] {
				t.Errorf("%s → %s goes back", s, n)
			}
		}
		if s.Final() != (rank[s] >= rank[StateDone]) {
			t.Errorf("%s final: %v", s, s.Final())
		}
	}
	if StateRunning.CanBecome(StateExpired) || StateRunning.CanBecome(StateCanceled) {
		t.Error("what has started cannot expire or be canceled")
	}
	if CommandState("odd").Final() || CommandState("odd").CanBecome(StateDone) {
		t.Error("an unknown state has a life")
	}
}

func TestOffsetsOfSeries(t *testing.T) {
	wave := Series{StepUS: 8000, DtMS: []int64{-4}, V: make(Values, 3)}
	plain := Series{DtMS: []int64{1, 5}, V: make(Values, 2)}
	single := Series{V: make(Values, 1)}
	for _, c := range []struct {
		got, want int64
	}{{wave.OffsetMS(0), -4}, {wave.OffsetMS(2), 12}, {plain.OffsetMS(1), 5}, {single.OffsetMS(0), 0}} {
		if c.got != c.want {
			t.Errorf("offset %d, want %d", c.got, c.want)
		}
	}
}

func TestPairProofIgnoresHowTheCodeIsTyped(t *testing.T) {
	if PairProof("abcd-efgh", "n", "k") != PairProof(" ABCD EFGH", "n", "k") {
		t.Error("case, dash or space matter")
	}
	if PairProof("abcd-efgh", "n", "k") == PairProof("abcd-efgh", "m", "k") {
		t.Error("the nonce does not matter")
	}
}

func FuzzValues(f *testing.F) {
	f.Add([]byte(`[1,true,null,"a\"b",-0.0,1e308]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var v Values
		if !json.Valid(b) || json.Unmarshal(b, &v) != nil {
			return
		}
		out, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var again Values
		if err := json.Unmarshal(out, &again); err != nil || len(again) != len(v) {
			t.Fatalf("%s does not read back: %v", out, err)
		}
		for i := range v {
			if v[i] != again[i] {
				t.Fatalf("%s became %s", v[i], again[i])
			}
		}
	})
}
