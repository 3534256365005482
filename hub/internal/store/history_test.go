package store

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/telltale-iot/telltale/schema"
)

// describe gives "lamp" a number, a bool, a string and a channel that never measures.
func describe(t *testing.T, s *Store) {
	t.Helper()
	d := schema.Descriptor{Name: "Lamp", Area: "Hall", Entities: []schema.Entity{{ID: "e", Kind: schema.KindSensor, Name: "e", Channels: []schema.Channel{
		{Name: "n", Type: schema.TypeNumber}, {Name: "b", Type: schema.TypeBool}, {Name: "s", Type: schema.TypeString}, {Name: "never", Type: schema.TypeNumber}}}}}
	if err := s.SaveDescriptor(t.Context(), "lamp", d.Hash(), d); err != nil {
		t.Fatal(err)
	}
}

func history(t *testing.T, s *Store, q HistoryQuery) schema.History {
	t.Helper()
	h, err := s.History(t.Context(), "lamp", q)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHistoryIsRawWhenFew(t *testing.T) {
	t.Parallel()
	s := openPaired(t)
	describe(t, s)
	mustAppend(t, s, numbers("lamp", 1, testT0, "e.n", []int64{0, 10, 20, 30}, 1, 2, 3, 4))
	h := history(t, s, HistoryQuery{Channels: []string{"e.n", "e.never"}, FromMS: testT0 + 10, ToMS: testT0 + 20, Points: 2})
	equal(t, "history", h, schema.History{FromMS: testT0 + 10, ToMS: testT0 + 20, Gaps: []schema.GapRecord{}, Series: []schema.HistorySeries{
		{Ch: "e.n", TMS: []int64{testT0 + 10, testT0 + 20}, Mean: []float64{2, 3}, Min: []float64{2, 3}, Max: []float64{2, 3}, Count: []int64{1, 1}},
		{Ch: "e.never", TMS: []int64{}},
	}})
}

func TestHistoryBucketsAreExact(t *testing.T) {
	t.Parallel()
	s := openPaired(t)
	describe(t, s)
	rng := rand.New(rand.NewPCG(3, 4))
	type sample struct {
		t int64
		x float64
	}
	var all []sample
	var batches []schema.Batch
	for seq := range uint64(30) {
		n := 1 + rng.IntN(200)
		at := testT0 + rng.Int64N(1_000_000)
		dt, v := make([]int64, n), make([]float64, n)
		for i := range n {
			if i > 0 {
				dt[i] = dt[i-1] + rng.Int64N(40)
			}
			v[i] = math.Round(rng.NormFloat64()*1000) / 100
			all = append(all, sample{at + dt[i], v[i]})
		}
		batches = append(batches, numbers("lamp", seq+1, at, "e.n", dt, v...))
	}
	mustAppend(t, s, batches...)
	for range 20 {
		from := testT0 + rng.Int64N(900_000)
		q := HistoryQuery{Channels: []string{"e.n"}, FromMS: from, ToMS: from + rng.Int64N(400_000), Points: 1 + rng.IntN(200)}
		h := history(t, s, q)
		want := map[int64]*sums{}
		inside := 0
		for _, x := range all {
			if x.t < q.FromMS || x.t > q.ToMS {
				continue
			}
			inside++
			if h.BucketMS == 0 {
				continue
			}
			start := x.t / h.BucketMS * h.BucketMS
			b := want[start]
			if b == nil {
				b = &sums{min: math.Inf(1), max: math.Inf(-1)}
				want[start] = b
			}
			b.n, b.sum, b.min, b.max = b.n+1, b.sum+x.x, min(b.min, x.x), max(b.max, x.x)
		}
		got := h.Series[0]
		if (h.BucketMS == 0) != (inside <= q.Points) || len(got.TMS) > q.Points+1 {
			t.Fatalf("%d readings, %d points asked, %d given, bucket %d ms", inside, q.Points, len(got.TMS), h.BucketMS)
		}
		if h.BucketMS == 0 {
			if len(got.TMS) != inside {
				t.Fatalf("%d of %d readings", len(got.TMS), inside)
			}
			continue
		}
		if len(got.TMS) != len(want) {
			t.Fatalf("%d buckets, want %d", len(got.TMS), len(want))
		}
		for i, start := range got.TMS {
			b := want[start]
			if b == nil || b.n != got.Count[i] || b.min != got.Min[i] || b.max != got.Max[i] || math.Abs(b.sum/float64(b.n)-got.Mean[i]) > 1e-9 {
				t.Fatalf("bucket %d: %+v, got n=%d min=%v max=%v mean=%v", start, b, got.Count[i], got.Min[i], got.Max[i], got.Mean[i])
			}
		}
	}
}

func TestHistoryPassesPageEnds(t *testing.T) {
	t.Parallel()
	s := openPaired(t)
	describe(t, s)
	s.window = 2
	const frames, per = 11, 200 // pages end between and inside the same ms
	var batches []schema.Batch
	for seq := range uint64(frames) {
		dt, v := make([]int64, per), make([]float64, per)
		for i := range per {
			dt[i] = int64(i / 50)
		}
		batches = append(batches, numbers("lamp", seq+1, testT0, "e.n", dt, v...))
	}
	mustAppend(t, s, batches...)
	h := history(t, s, HistoryQuery{Channels: []string{"e.n"}, FromMS: testT0, ToMS: testT0 + 3, Points: 4})
	equal(t, "counts", h.Series[0].Count, []int64{50 * frames, 50 * frames, 50 * frames, 50 * frames})
}

func TestHistoryOfHugeNumbersStaysFinite(t *testing.T) {
	t.Parallel()
	s := openPaired(t)
	describe(t, s)
	mustAppend(t, s, numbers("lamp", 1, testT0, "e.n", []int64{0, 1, 2, 3}, 1e308, 1.5e308, 1.7e308, 1e308))
	h := history(t, s, HistoryQuery{Channels: []string{"e.n"}, FromMS: testT0, ToMS: testT0 + 3, Points: 1})
	if m := h.Series[0].Mean[0]; math.Abs(m/1.3e308-1) > 1e-12 {
		t.Errorf("mean %v, want 1.3e308", m)
	}
}

func states(seq uint64, ch string, dt []int64, v ...schema.Value) schema.Batch {
	b := numbers("lamp", seq, testT0, ch, dt)
	b.Series[0].V = v
	b.Series[0].Q = make([]schema.Quality, len(v))
	for i := range v {
		if v[i].IsNull() {
			b.Series[0].Q[i] = schema.QualityFault
		}
	}
	return b
}

func TestHistoryOfStatesIsTheirChanges(t *testing.T) {
	t.Parallel()
	s := openPaired(t)
	describe(t, s)
	on, off := schema.Bool(true), schema.Bool(false)
	mustAppend(t, s, states(1, "e.b", []int64{0, 10, 20, 30, 40, 50, 60}, off, on, on, on, schema.Value{}, on, off),
		states(2, "e.s", []int64{5}, schema.Text("heat")))
	h := history(t, s, HistoryQuery{Channels: []string{"e.b", "e.s"}, FromMS: testT0 + 15, ToMS: testT0 + 55})
	equal(t, "series", h.Series, []schema.HistorySeries{
		{Ch: "e.b", TMS: []int64{testT0 + 15, testT0 + 40, testT0 + 50}, V: schema.Values{on, {}, on}},
		{Ch: "e.s", TMS: []int64{testT0 + 15}, V: schema.Values{schema.Text("heat")}},
	})
	h = history(t, s, HistoryQuery{Channels: []string{"e.b"}, FromMS: testT0 - 100, ToMS: testT0 + 5})
	equal(t, "no state is known before the first", h.Series, []schema.HistorySeries{{Ch: "e.b", TMS: []int64{testT0}, V: schema.Values{off}}})
}

func TestManyStateChangesAreThinnedHonestly(t *testing.T) {
	t.Parallel()
	const n, points = 6_000, 60
	rng := rand.New(rand.NewPCG(5, 6))
	c := changes{fromMS: 0, spanMS: n * 10, points: points}
	type at struct {
		t int64
		v schema.Value
	}
	var all []at
	for i := range n {
		v := schema.Bool(rng.IntN(40) == 0 || i%900 < 300)
		all = append(all, at{int64(i) * 10, v})
		c.add(int64(i)*10, v)
	}
	h := c.result("e.b")
	if len(h.TMS) > points || len(h.TMS) < points/4 {
		t.Fatalf("%d changes for %d points", len(h.TMS), points)
	}
	ends := map[int64]schema.Value{} // the state at each bucket's end
	busy := map[int64]bool{}         // buckets with a change
	last := all[0].v
	for _, x := range all {
		if x.v != last {
			busy[x.t/c.width] = true
		}
		last = x.v
		ends[x.t/c.width] = x.v
	}
	shown := map[int64]bool{}
	i := 0
	var now schema.Value
	for b := int64(0); b*c.width < n*10; b++ {
		for ; i < len(h.TMS) && h.TMS[i] < (b+1)*c.width; i++ {
			if i > 0 && h.V[i] == now {
				t.Fatalf("entry %d is no change", i)
			}
			now = h.V[i]
			shown[b] = true
		}
		if now != ends[b] {
			t.Fatalf("bucket %d ends with %s, shown %s", b, ends[b], now)
		}
		if busy[b] && !shown[b] {
			t.Fatalf("the changes of bucket %d are not shown", b)
		}
	}
}

func TestHistoryRefusesInWords(t *testing.T) {
	t.Parallel()
	s := openPaired(t)
	describe(t, s)
	many := make([]string, MaxHistoryChannels+1)
	cases := map[string]struct {
		device string
		q      HistoryQuery
		want   schema.Code
	}{
		"unknown device":  {"nobody", HistoryQuery{Channels: []string{"e.n"}}, schema.CodeUnknownDevice},
		"unknown channel": {"lamp", HistoryQuery{Channels: []string{"e.x"}}, schema.CodeUnknownTarget},
		"no channel":      {"lamp", HistoryQuery{}, schema.CodeOutOfRange},
		"many channels":   {"lamp", HistoryQuery{Channels: many}, schema.CodeOutOfRange},
		"many points":     {"lamp", HistoryQuery{Channels: []string{"e.n"}, Points: MaxHistoryPoints + 1}, schema.CodeOutOfRange},
		"backwards":       {"lamp", HistoryQuery{Channels: []string{"e.n"}, FromMS: 2, ToMS: 1}, schema.CodeOutOfRange},
		"endless":         {"lamp", HistoryQuery{Channels: []string{"e.n"}, ToMS: math.MaxInt64}, schema.CodeOutOfRange},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var p *schema.Problem
			if _, err := s.History(t.Context(), c.device, c.q); !errors.As(err, &p) || p.Code != c.want {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestLatestIsTheNewestOfEachChannel(t *testing.T) {
	t.Parallel()
	s := openPaired(t)
	late := numbers("lamp", 9, testT0-50_000, "e.n", nil, 3) // backfill comes last and is older
	mustAppend(t, s, numbers("lamp", 1, testT0, "e.n", []int64{0, 5}, 1, 2), states(2, "e.b", []int64{1}, schema.Value{}), late)
	t0, series, err := s.Latest(t.Context(), "lamp")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "t0", t0, testT0+5)
	equal(t, "series", series, []schema.LiveSeries{
		{Ch: "e.b", DtMS: []int64{-4}, V: schema.Values{{}}, Q: []schema.Quality{schema.QualityFault}},
		{Ch: "e.n", DtMS: []int64{0}, V: schema.Values{schema.Number(2)}},
	})
	before, err := s.LastBefore(t.Context(), "lamp", testT0)
	equal(t, "last before t0", before, testT0-50_000)
	if err != nil {
		t.Fatal(err)
	}
}
