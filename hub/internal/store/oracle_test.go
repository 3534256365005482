package store

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/telltale-iot/telltale/schema"
)

// oracle is the plainest store there is: lists.
type oracle struct {
	readings map[string][]Reading // by channel, as they came
	received schema.Ranges
}

func (o *oracle) append(b schema.Batch) {
	if o.received.Has(b.Seq) {
		return
	}
	o.received.Add(b.Seq, b.Seq)
	for i := range b.Series {
		s := &b.Series[i]
		for j, v := range s.V {
			o.readings[s.Ch] = append(o.readings[s.Ch], Reading{Channel: s.Ch, TMS: b.T0MS + s.OffsetMS(j), Value: v, Quality: s.QualityAt(j), Time: b.Time})
		}
	}
}

// ordered returns a channel's readings by time; those of one ms as they came.
func (o *oracle) ordered(ch string) []Reading {
	all := slices.Clone(o.readings[ch])
	slices.SortStableFunc(all, func(a, b Reading) int { return cmp.Compare(a.TMS, b.TMS) })
	return all
}

// world is a store beside an oracle.
type world struct {
	*testing.T
	rng    *rand.Rand
	dir    string
	store  *Store
	oracle oracle
	sent   []schema.Batch
	span   int64 // of all times, ms
}

// TestEverythingStoredIsReadBack holds store and oracle against each other through frames late, double, out of order, of changing kinds, with
// huge numbers and many readings at one ms, with seals, restarts and crashes in between.
func TestEverythingStoredIsReadBack(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	for i, span := range []int64{2_000, 3 * hourMS, 300 * hourMS} {
		t.Run(fmt.Sprintf("%d ms", span), func(t *testing.T) {
			t.Parallel()
			t.Logf("seed %d", seed+uint64(i))
			w := &world{T: t, rng: rand.New(rand.NewPCG(seed+uint64(i), 1)), dir: t.TempDir(), oracle: oracle{readings: map[string][]Reading{}}, span: span}
			w.open()
			pair(t, w.store, "lamp")
			w.describe()
			for range 30 {
				w.step()
			}
			w.check()
			w.checkChunks()
			if err := w.store.Close(); err != nil {
				t.Fatal(err)
			}
			w.open()
			w.check()
			if err := w.store.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func (w *world) open() {
	w.Helper()
	var err error
	w.store, err = Open(w.Context(), Options{Dir: w.dir, CommitEvery: time.Millisecond, slots: testSlots})
	if err != nil {
		w.Fatal(err)
	}
	w.store.window = 1 + w.rng.IntN(4)
}

func (w *world) describe() {
	w.Helper()
	d := schema.Descriptor{Name: "Lamp", Entities: []schema.Entity{{ID: "e", Kind: schema.KindSensor, Name: "e", Channels: []schema.Channel{
		{Name: "n", Type: schema.TypeNumber}, {Name: "b", Type: schema.TypeBool}, {Name: "s", Type: schema.TypeString}, {Name: "mixed", Type: schema.TypeNumber}}}}}
	if err := w.store.SaveDescriptor(w.Context(), "lamp", d.Hash(), d); err != nil {
		w.Fatal(err)
	}
}

func (w *world) step() {
	w.Helper()
	switch w.rng.IntN(12) {
	case 0, 1:
		if err := w.store.Seal(w.Context()); err != nil {
			w.Fatal(err)
		}
	case 2:
		if err := w.store.Close(); err != nil {
			w.Fatal(err)
		}
		w.open()
	case 3:
		w.crash()
	case 4, 5:
		w.check()
	default:
		var frames []schema.Batch
		for range 1 + w.rng.IntN(12) {
			frames = append(frames, w.frame())
		}
		mustAppend(w.T, w.store, frames...)
		for _, b := range frames {
			w.oracle.append(b)
		}
	}
}

// crash goes on with a copy of the files as they are, as after a kill.
func (w *world) crash() {
	w.Helper()
	to := w.TempDir()
	files, err := os.ReadDir(w.dir)
	if err != nil {
		w.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(w.dir, f.Name()))
		if err == nil && filepath.Ext(f.Name()) != ".db-shm" {
			err = os.WriteFile(filepath.Join(to, f.Name()), b, 0o600)
		}
		if err != nil {
			w.Fatal(err)
		}
	}
	if err := w.store.Close(); err != nil {
		w.Fatal(err)
	}
	w.dir = to
	w.open()
}

// frame makes one, sometimes one that was sent before.
func (w *world) frame() schema.Batch {
	if n := len(w.sent); n > 0 && w.rng.IntN(8) == 0 {
		return w.sent[w.rng.IntN(n)]
	}
	b := schema.Batch{Device: "lamp", Epoch: testEpoch, Seq: uint64(1 + w.rng.IntN(900)), Time: timeQualities()[w.rng.IntN(4)]}
	b.T0MS = testT0 + w.rng.Int64N(w.span)
	if w.rng.IntN(2) == 0 { // mostly in order
		b.Seq, b.T0MS = uint64(len(w.sent)+1), testT0+int64(len(w.sent))*w.span/500
	}
	for _, ch := range []string{"e.n", "e.b", "e.s", "e.mixed"} {
		if w.rng.IntN(3) > 0 {
			b.Series = append(b.Series, w.series(ch))
		}
	}
	w.sent = append(w.sent, b)
	return b
}

func (w *world) series(ch string) schema.Series {
	s := schema.Series{Ch: ch}
	n := 1 + w.rng.IntN(4)
	if w.rng.IntN(3) == 0 {
		n = 1 + w.rng.IntN(400)
	}
	step := w.rng.Int64N(2 * w.span / 1000)
	style := w.rng.IntN(4)
	var t int64
	for range n {
		v := w.value(ch, style)
		q := qualities()[max(0, w.rng.IntN(20)-15)]
		if v.IsNull() && q == schema.QualityOK {
			q = schema.QualityFault
		}
		s.DtMS, s.V, s.Q = append(s.DtMS, t), append(s.V, v), append(s.Q, q)
		if w.rng.IntN(3) > 0 {
			t += step
		}
	}
	return s
}

func (w *world) value(ch string, style int) schema.Value {
	kind := ch
	if ch == "e.mixed" {
		kind = []string{"e.n", "e.b", "e.s"}[style%3]
		if w.rng.IntN(200) == 0 {
			kind = []string{"e.n", "e.b", "e.s"}[w.rng.IntN(3)]
		}
	}
	switch {
	case w.rng.IntN(25) == 0:
		return schema.Value{}
	case kind == "e.b":
		return schema.Bool(w.rng.IntN(10) == 0 != (style%2 == 0))
	case kind == "e.s":
		return schema.Text([]string{"heat", "cool", "off", "", "ü\x00"}[w.rng.IntN(5)])
	case style == 0:
		return schema.Number(math.Round(w.rng.NormFloat64()*1000) / 100)
	case style == 1:
		return schema.Number(w.rng.NormFloat64())
	case style == 2:
		return schema.Number(float64(w.rng.IntN(3)))
	}
	return schema.Number([]float64{1e308, -1e308, 5e-324, 1 << 53, 0, 1.7e308}[w.rng.IntN(6)])
}

// check asks everything and compares.
func (w *world) check() {
	w.Helper()
	have, err := w.store.Received(w.Context(), "lamp", testEpoch)
	if err != nil {
		w.Fatal(err)
	}
	equal(w.T, "received", have, []schema.Range(w.oracle.received))
	w.checkLatest()
	for _, ch := range []string{"e.n", "e.b", "e.s", "e.mixed"} {
		all := w.oracle.ordered(ch)
		w.checkPages(ch, all)
		for range 4 {
			w.checkHistory(ch, all)
		}
	}
	if w.Failed() {
		w.FailNow()
	}
}

// checkChunks: chunks of a series do not overlap, and the file is sound.
func (w *world) checkChunks() {
	w.Helper()
	var ok string
	if err := w.store.read.QueryRowContext(w.Context(), `PRAGMA integrity_check`).Scan(&ok); err != nil || ok != "ok" {
		w.Errorf("integrity: %s, %v", ok, err)
	}
	var bad int
	err := w.store.read.QueryRowContext(w.Context(), `SELECT count(*) FROM chunk a JOIN chunk b ON a.series_id = b.series_id AND a.id < b.id
		AND a.t0_ms < b.t1_ms AND b.t0_ms < a.t1_ms`).Scan(&bad)
	if err != nil || bad > 0 {
		w.Errorf("%d chunks overlap (%v)", bad, err)
	}
}

func (w *world) checkLatest() {
	w.Helper()
	t0, series, err := w.store.Latest(w.Context(), "lamp")
	if err != nil {
		w.Fatal(err)
	}
	got := map[string]Reading{}
	for _, s := range series {
		r := Reading{Channel: s.Ch, TMS: t0 + s.DtMS[0], Value: s.V[0], Quality: schema.QualityOK, Time: schema.TimeSynced}
		if s.Q != nil {
			r.Quality = s.Q[0]
		}
		if s.Time != "" {
			r.Time = s.Time
		}
		got[s.Ch] = r
	}
	want := map[string]Reading{}
	for ch := range w.oracle.readings {
		all := w.oracle.ordered(ch)
		want[ch] = all[len(all)-1]
	}
	equal(w.T, "latest", got, want)
}

func (w *world) checkPages(ch string, all []Reading) {
	w.Helper()
	q := ReadingsQuery{Channel: ch, FromMS: testT0 + w.rng.Int64N(w.span)/2, ToMS: testT0 + w.span/2 + w.rng.Int64N(w.span), Limit: 1 + w.rng.IntN(800)}
	if w.rng.IntN(2) == 0 {
		q.FromMS, q.ToMS = 0, testT0+10*w.span
	}
	var want, got []Reading
	for _, r := range all {
		if r.TMS >= q.FromMS && r.TMS <= q.ToMS {
			want = append(want, r)
		}
	}
	for {
		page, err := w.store.Readings(w.Context(), "lamp", q)
		if err != nil {
			w.Fatal(err)
		}
		if len(page.TMS) > q.Limit || page.Next != "" && len(page.TMS) != q.Limit {
			w.Fatalf("a page of %d readings, limit %d, next %q", len(page.TMS), q.Limit, page.Next)
		}
		for i, t := range page.TMS {
			r := Reading{Channel: ch, TMS: t, Value: page.V[i], Quality: schema.QualityOK, Time: schema.TimeSynced}
			if page.Q != nil {
				r.Quality = page.Q[i]
			}
			if page.Time != nil {
				r.Time = page.Time[i]
			}
			got = append(got, r)
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		for i := range min(len(got), len(want)) {
			if got[i] != want[i] {
				w.Fatalf("%s reading %d: got %+v, want %+v", ch, i, got[i], want[i])
			}
		}
		w.Fatalf("%s: %d readings, want %d", ch, len(got), len(want))
	}
}

func (w *world) checkHistory(ch string, all []Reading) {
	w.Helper()
	from := testT0 - w.span/10 + w.rng.Int64N(w.span+1)
	q := HistoryQuery{Channels: []string{ch}, FromMS: from, ToMS: from + w.rng.Int64N(w.span+1), Points: 1 + w.rng.IntN(300)}
	if w.rng.IntN(4) == 0 {
		q.Points = 1 + w.rng.IntN(MaxHistoryPoints)
	}
	h, err := w.store.History(w.Context(), "lamp", q)
	if err != nil {
		w.Fatal(err)
	}
	if len(all) == 0 {
		return
	}
	if ch == "e.b" || ch == "e.s" {
		equal(w.T, ch, h.Series[0], wantStates(ch, all, q))
		return
	}
	inside := 0
	for _, r := range all {
		if r.TMS >= q.FromMS && r.TMS <= q.ToMS {
			inside++
		}
	}
	width := int64(0)
	if inside > q.Points {
		width = bucketWidth(q.ToMS-q.FromMS+1, int64(q.Points))
	}
	if h.BucketMS != width || width > 0 && len(h.Series[0].TMS) > q.Points+1 {
		w.Fatalf("%s: %d readings for %d points: buckets of %d ms, want %d; %d points", ch, inside, q.Points, h.BucketMS, width, len(h.Series[0].TMS))
	}
	checkNumbers(w.T, ch, h.Series[0], wantNumbers(ch, all, q, width))
}

func wantStates(ch string, all []Reading, q HistoryQuery) schema.HistorySeries {
	c := changes{fromMS: q.FromMS, points: q.Points, spanMS: q.ToMS - q.FromMS + 1}
	for i, r := range all {
		if r.TMS < q.FromMS && (i+1 == len(all) || all[i+1].TMS >= q.FromMS) {
			c.add(q.FromMS, r.Value)
		}
		if r.TMS >= q.FromMS && r.TMS <= q.ToMS {
			c.add(r.TMS, r.Value)
		}
	}
	return c.result(ch)
}

func wantNumbers(ch string, all []Reading, q HistoryQuery, width int64) schema.HistorySeries {
	h := schema.HistorySeries{Ch: ch}
	for _, r := range all {
		x, _ := r.Value.Float()
		if r.Value.Type() != schema.TypeNumber || r.TMS < q.FromMS || r.TMS > q.ToMS {
			continue
		}
		t := r.TMS
		if width > 0 {
			t = t / width * width
		}
		if n := len(h.TMS); n == 0 || width == 0 || h.TMS[n-1] != t {
			h.TMS, h.Min, h.Max, h.Mean, h.Count = append(h.TMS, t), append(h.Min, x), append(h.Max, x), append(h.Mean, 0), append(h.Count, 0)
		}
		n := len(h.TMS) - 1
		h.Min[n], h.Max[n] = min(h.Min[n], x), max(h.Max[n], x)
		h.Count[n]++
		h.Mean[n] += x * downscale
	}
	for i := range h.Mean {
		h.Mean[i] = h.Mean[i] / float64(h.Count[i]) / downscale
	}
	return h
}

func checkNumbers(t *testing.T, ch string, got, want schema.HistorySeries) {
	t.Helper()
	if !slices.Equal(got.TMS, want.TMS) || !slices.Equal(got.Min, want.Min) || !slices.Equal(got.Max, want.Max) || !slices.Equal(got.Count, want.Count) {
		t.Fatalf("%s: got %+v, want %+v", ch, got, want)
	}
	for i := range got.Mean {
		scale := max(math.Abs(want.Min[i]), math.Abs(want.Max[i]), 1e-300)
		if math.Abs(got.Mean[i]/scale-want.Mean[i]/scale) > 1e-9 {
			t.Fatalf("%s at %d: mean %v, want %v (min %v max %v)", ch, got.TMS[i], got.Mean[i], want.Mean[i], want.Min[i], want.Max[i])
		}
	}
}
