package store

import (
	"math"
	"slices"
	"testing"

	"github.com/telltale-iot/telltale/schema"
)

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
