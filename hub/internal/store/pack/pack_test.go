package pack_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/telltale-iot/telltale/hub/internal/store/pack"
	"github.com/telltale-iot/telltale/schema"
)

func TestBlocksComeBackBitByBit(t *testing.T) {
	for name, b := range shapes() {
		t.Run(name, func(t *testing.T) { roundTrip(t, b) })
	}
}

// A decoder's block is used again and again; nothing of what it held before may show.
func TestUsedBlockShowsNothingOld(t *testing.T) {
	var used pack.Block
	for range 2 {
		for name, b := range shapes() {
			data, err := pack.Append(nil, b)
			if err != nil {
				t.Fatal(name, err)
			}
			if err := pack.Decode(&used, data); err != nil {
				t.Fatal(name, err)
			}
			same(t, b, &used)
		}
	}
}

func TestAppendKeepsWhatIsBefore(t *testing.T) {
	b := shapes()["walk"]
	alone, err := pack.Append(nil, b)
	if err != nil {
		t.Fatal(err)
	}
	both, err := pack.Append([]byte("before"), b)
	if err != nil || string(both) != "before"+string(alone) {
		t.Errorf("appended to something, a block is packed otherwise (%v)", err)
	}
}

func TestAppendRefuses(t *testing.T) {
	num := func(v ...float64) *pack.Block {
		return &pack.Block{Kind: pack.Numbers, TMS: make([]int64, len(v)), Num: v}
	}
	text := func(s ...string) *pack.Block {
		return &pack.Block{Kind: pack.Texts, TMS: make([]int64, len(s)), Text: s}
	}
	with := func(b *pack.Block, change func(*pack.Block)) *pack.Block { change(b); return b }
	cases := map[string]struct {
		b    *pack.Block
		says string
	}{
		"no kind":        {&pack.Block{}, "unknown kind 0"},
		"other kind":     {&pack.Block{Kind: 4}, "unknown kind 4"},
		"time goes back": {with(num(1, 2), func(b *pack.Block) { b.TMS = []int64{5, 4} }), "1 ms older"},
		"few numbers":    {with(num(1, 2), func(b *pack.Block) { b.Num = b.Num[:1] }), "2 readings has 1 numbers"},
		"few times":      {with(num(1, 2), func(b *pack.Block) { b.TMS = b.TMS[:1] }), "1 readings has 2 numbers"},
		"few marks":      {with(num(1, 2), func(b *pack.Block) { b.Marks = make([]pack.Mark, 1) }), "has 1 marks"},
		"unknown mark":   {with(num(1, 2), func(b *pack.Block) { b.Marks = []pack.Mark{0, 64} }), "unknown mark 0x40"},
		"few texts":      {with(text("a", "b"), func(b *pack.Block) { b.Text = b.Text[:1] }), "has 1 texts"},
		"NaN":            {num(1, math.NaN()), "reading 1 of a block is NaN"},
		"infinite":       {num(1, math.Inf(-1)), "is -Inf"},
		"too many":       {num(make([]float64, pack.MaxReadings+1)...), "at most 65536"},
		"half a bool":    {with(num(0, 1, 0.5), func(b *pack.Block) { b.Kind = pack.Bools }), "neither 0 nor 1"},
		"long text":      {text(strings.Repeat("x", schema.MaxText+1)), "257 bytes"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			out, err := pack.Append([]byte("kept"), c.b)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want an error that says %q", err, c.says)
			}
			if string(out) != "kept" {
				t.Errorf("left %q behind", out)
			}
		})
	}
}

// A reading without a value may hold anything there: it is not kept.
func TestWhatStandsInPlaceOfNoValueIsNotKept(t *testing.T) {
	null := pack.NewMark(1, 0, true)
	for _, b := range []*pack.Block{
		{Kind: pack.Numbers, TMS: []int64{1, 2}, Marks: []pack.Mark{null, 0}, Num: []float64{math.NaN(), 1}},
		{Kind: pack.Bools, TMS: []int64{1, 2}, Marks: []pack.Mark{null, 0}, Num: []float64{7, 1}},
		{Kind: pack.Texts, TMS: []int64{1, 2}, Marks: []pack.Mark{null, 0}, Text: []string{strings.Repeat("x", 999), "on"}},
	} {
		data, err := pack.Append(nil, b)
		if err != nil {
			t.Fatal(err)
		}
		var got pack.Block
		if err := pack.Decode(&got, data); err != nil {
			t.Fatal(err)
		}
		if b.Kind == pack.Texts && (got.Text[0] != "" || got.Text[1] != "on") || b.Kind != pack.Texts && (got.Num[0] != 0 || got.Num[1] != 1) {
			t.Errorf("kind %d: got %v %q", b.Kind, got.Num, got.Text)
		}
	}
}

func TestMinusZeroBecomesZero(t *testing.T) {
	b := &pack.Block{Kind: pack.Numbers, TMS: []int64{1, 2, 3}, Num: []float64{0.5, math.Copysign(0, -1), 1 / 3.0}}
	for len(b.Num) > 0 {
		data, err := pack.Append(nil, b)
		if err != nil {
			t.Fatal(err)
		}
		var got pack.Block
		if err := pack.Decode(&got, data); err != nil {
			t.Fatal(err)
		}
		for i, v := range got.Num {
			if v != b.Num[i] || v == 0 && math.Signbit(v) {
				t.Errorf("%v came back as %v", b.Num[i], v)
			}
		}
		b.Num, b.TMS = b.Num[:len(b.Num)-1], b.TMS[:len(b.TMS)-1]
	}
}

// Every byte of a packed block counts: changed in any bit, cut short or made longer it is refused.
func TestDamageIsNoticed(t *testing.T) {
	for name, b := range shapes() {
		data, err := pack.Append(nil, b)
		if err != nil {
			t.Fatal(name, err)
		}
		if len(data) > 4000 {
			continue
		}
		var got pack.Block
		for i := range data {
			for bit := range 8 {
				data[i] ^= 1 << bit
				if err := pack.Decode(&got, data); !errors.Is(err, pack.ErrDamaged) {
					t.Fatalf("%s: bit %d of byte %d flipped: %v", name, bit, i, err)
				}
				data[i] ^= 1 << bit
			}
			if err := pack.Decode(&got, data[:i]); !errors.Is(err, pack.ErrDamaged) {
				t.Fatalf("%s: cut to %d bytes: %v", name, i, err)
			}
		}
		if err := pack.Decode(&got, append(slices.Clone(data), 0)); !errors.Is(err, pack.ErrDamaged) {
			t.Fatalf("%s: a byte longer: %v", name, err)
		}
	}
}

func TestStats(t *testing.T) {
	null := pack.NewMark(1, 0, true)
	cases := map[string]struct {
		b    pack.Block
		want pack.Stats
	}{
		"empty":     {pack.Block{Kind: pack.Numbers}, pack.Stats{}},
		"numbers":   {pack.Block{Kind: pack.Numbers, TMS: []int64{5, 6, 9}, Num: []float64{2, -3, 1.5}}, pack.Stats{Readings: 3, Values: 3, T0MS: 5, T1MS: 9, Min: -3, Max: 2, Sum: 0.5}},
		"with null": {pack.Block{Kind: pack.Numbers, TMS: []int64{5, 6}, Marks: []pack.Mark{null, 0}, Num: []float64{0, 7}}, pack.Stats{Readings: 2, Values: 1, T0MS: 5, T1MS: 6, Min: 7, Max: 7, Sum: 7}},
		"all null":  {pack.Block{Kind: pack.Numbers, TMS: []int64{5}, Marks: []pack.Mark{null}, Num: []float64{0}}, pack.Stats{Readings: 1, T0MS: 5, T1MS: 5}},
		"bools":     {pack.Block{Kind: pack.Bools, TMS: []int64{5, 6}, Num: []float64{1, 1}}, pack.Stats{Readings: 2, Values: 2, T0MS: 5, T1MS: 6, Min: 1, Max: 1, Sum: 2}},
		"texts":     {pack.Block{Kind: pack.Texts, TMS: []int64{5, 6}, Marks: []pack.Mark{null, 0}, Text: []string{"", "a"}}, pack.Stats{Readings: 2, Values: 1, T0MS: 5, T1MS: 6}},
		"too large": {pack.Block{Kind: pack.Numbers, TMS: []int64{5, 6}, Num: []float64{math.MaxFloat64, math.MaxFloat64}}, pack.Stats{Readings: 2, Values: 2, T0MS: 5, T1MS: 6, Min: math.MaxFloat64, Max: math.MaxFloat64, Sum: math.MaxFloat64}},
	}
	for name, c := range cases {
		if got := c.b.Stats(); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

// roundTrip packs b and wants it back from a fresh block and from a used one. It returns the packed bytes.
func roundTrip(t *testing.T, b *pack.Block) []byte {
	t.Helper()
	data, err := pack.Append(nil, b)
	if err != nil {
		t.Fatal(err)
	}
	var got pack.Block
	if err := pack.Decode(&got, data); err != nil {
		t.Fatal(err)
	}
	same(t, b, &got)
	again, err := pack.Append(nil, &got)
	if err != nil || !slices.Equal(again, data) {
		t.Errorf("what came back is packed otherwise than what went in (%v)", err)
	}
	return data
}

// same wants got to be want, bit by bit.
func same(t *testing.T, want, got *pack.Block) {
	t.Helper()
	if got.Kind != want.Kind || !slices.Equal(got.TMS, want.TMS) {
		t.Fatalf("kind %d, %d times; want kind %d, %d times, all the same", got.Kind, len(got.TMS), want.Kind, len(want.TMS))
	}
	if len(got.Marks) != 0 && len(got.Marks) != want.Len() {
		t.Fatalf("%d marks of %d readings", len(got.Marks), want.Len())
	}
	if got.Kind == pack.Texts && len(got.Text) != want.Len() || got.Kind != pack.Texts && len(got.Num) != want.Len() {
		t.Fatalf("%d numbers and %d texts of %d readings", len(got.Num), len(got.Text), want.Len())
	}
	for i := range want.Len() {
		switch {
		case got.Mark(i) != want.Mark(i):
			t.Fatalf("reading %d: mark %#x, want %#x", i, got.Mark(i), want.Mark(i))
		case want.Kind == pack.Texts && got.Text[i] != want.Text[i]:
			t.Fatalf("reading %d: %q, want %q", i, got.Text[i], want.Text[i])
		case want.Kind != pack.Texts && math.Float64bits(got.Num[i]) != math.Float64bits(want.Num[i]):
			t.Fatalf("reading %d: %v, want %v", i, got.Num[i], want.Num[i])
		}
	}
}
